"""The modules that become ONNX graphs, against the layer and against loops over positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from qatm.model import QATM, Backbone, standardise
from qatm.model.exported import (
    CANDIDATES,
    FeatureGraph,
    JointGraph,
    MatchGraph,
    PlaceGraph,
    best_windows,
    window_means,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def window(rows: int, columns: int) -> Tensor:
    return torch.tensor([rows, columns])


class TinyBackbone(Backbone):
    """Four channels at a stride of four pixels: means of the colours and of their square."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def taps(self, image: Tensor) -> list[Tensor]:
        pooled = functional.avg_pool2d(image, 4)
        return [pooled, pooled.square().mean(1, keepdim=True) / 100]

    def coarse(self, taps: Sequence[Tensor]) -> Tensor:
        return functional.avg_pool2d(torch.cat(list(taps), 1), 2)


# --- quality


@pytest.mark.parametrize("size", [(1, 3, 4, 5), (6, 8, 12, 9), (30, 24, 7, 31), (64, 176, 20, 16)])
@pytest.mark.parametrize("alphas", [(25.0, 25.0), (30.0, 10.0), (5.0, 20.0)])
@pytest.mark.parametrize("competitors", [0, 0.4])
def test_quality_equals_the_layer(size, alphas, competitors):
    rows, channels, height, width = size
    scale = normal(channels, seed=3).exp()
    template = normal(rows, channels, seed=1) * scale + 2
    search = normal(channels, height * width, seed=2) * scale[:, None] + 2
    target = torch.ones(rows)
    target[rows - int(competitors * rows) :] = 0
    layer = QATM()
    with torch.no_grad():
        layer.alpha_t.fill_(alphas[0])
        layer.alpha_s.fill_(alphas[1])
        rows_, cells = standardise(template, search.T)
        own = target > 0
        expected = layer(rows_, cells, target), layer(rows_[own], cells, target[own])
        maps = MatchGraph(*alphas)(template, target, search.reshape(channels, height, width))
    for found, logs in zip(maps, expected, strict=True):
        assert found.shape == (height, width)
        np.testing.assert_allclose(found.flatten(), logs.exp(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.flatten().log(), logs, atol=2e-4)


@pytest.mark.parametrize("value", [0.0, 40.0])
def test_flat_features_have_the_quality_of_chance(value):
    template, search = torch.full((4, 6), value), torch.full((6, 5, 7), value)
    for quality in MatchGraph(25, 25)(template, torch.ones(4), search):
        np.testing.assert_allclose(quality.numpy(), 1 / (4 * 35), rtol=1e-3)


@pytest.mark.parametrize("alpha", [50.0, 200.0])
def test_patches_that_nothing_resembles_have_no_quality(alpha):
    # The opposite of every template row, and a template row whose opposite is all there is.
    template = torch.cat([torch.eye(6), -torch.ones(1, 6)])
    search = torch.cat([torch.eye(6), -torch.eye(6)[:3], -torch.ones(2, 6)]).T
    maps = MatchGraph(alpha, alpha)(template, torch.ones(7), search[:, None])
    with torch.no_grad():
        expected = QATM(alpha)(*standardise(template, search.T))
    for found in maps:
        assert torch.isfinite(found).all()
        assert (found <= 1 + 1e-3).all()
        np.testing.assert_allclose(found[0].numpy(), expected.exp().numpy(), atol=1e-4)


def test_features_of_vgg_scale_stay_exact():
    template, search = normal(16, 32).abs() * 3000, normal(32, 400, seed=1).abs() * 3000
    with torch.no_grad():
        expected = QATM(25)(*standardise(template, search.T))
        maps = MatchGraph(25, 25)(template, torch.ones(16), search[:, None])
    for found in maps:
        np.testing.assert_allclose(found[0].log().numpy(), expected.numpy(), atol=1e-3)


@pytest.mark.parametrize("competitors", [0, 5])
def test_placing_equals_a_loop(competitors):
    own, channels, height, width = 6, 24, 5, 7
    template = normal(own + competitors, channels, seed=1)
    target = torch.ones(own + competitors)
    target[own:] = 0
    search = normal(channels, height, width, seed=2)
    cells = torch.randint(0, height * width, (own, 9), generator=torch.Generator().manual_seed(3))
    *fit, pair_values = PlaceGraph(25)(template, target, search, cells)
    rows, places = standardise(template, search.flatten(1).T)
    cosine = (rows @ places.T).double()
    crowd = (25 * cosine).logsumexp(0)
    expected_pairs = 25 * (2 * cosine[:own] - 1) - crowd
    np.testing.assert_allclose(pair_values.numpy(), expected_pairs.numpy(), atol=2e-3)
    for shift in range(9):
        pairs = [(row, int(cells[row, shift])) for row in range(own)]
        logs = [25 * cosine[pair] - (25 * cosine[:, pair[1]]).logsumexp(0) for pair in pairs]
        expected = (
            sum(logs) / own,
            sum(25 * (cosine[pair] - 1) for pair in pairs) / own,
            sum(cosine[:own, cell].max() for _, cell in pairs) / own,
        )
        for found, wanted in zip(fit, expected, strict=True):
            assert found.shape == (9,)
            assert float(found[shift]) == pytest.approx(float(wanted), abs=1e-3)


# --- windows


def naive_means(values: np.ndarray, rows: int, columns: int) -> dict[tuple[int, int], float]:
    """Mean of each window inside the map, by its top-left cell."""
    height, width = values.shape
    return {
        (y, x): float(values[y : y + rows, x : x + columns].mean(dtype=np.float64))
        for y in range(height - rows + 1)
        for x in range(width - columns + 1)
    }


@pytest.mark.parametrize("size", [(1, 1), (4, 7), (9, 5), (20, 33)])
@pytest.mark.parametrize("sides", [(1, 1), (2, 3), (4, 4), (9, 5), (40, 1)])
def test_window_means_equal_a_loop(size, sides):
    values = normal(*size).abs()
    means, valid = window_means(values, window(*sides))
    expected = naive_means(values.numpy(), *sides)
    assert {tuple(place) for place in torch.argwhere(valid).tolist()} == set(expected)
    for place, mean in expected.items():
        assert float(means[place]) == pytest.approx(mean, rel=1e-5)


def naive_maxima(response: np.ndarray, valid: np.ndarray) -> list[tuple[float, int, int]]:
    """Valid cells that no valid neighbour exceeds, highest first."""
    height, width = response.shape
    found = []
    for y, x in np.argwhere(valid):
        around = [
            response[j, i]
            for j in range(max(0, y - 1), min(height, y + 2))
            for i in range(max(0, x - 1), min(width, x + 2))
            if valid[j, i]
        ]
        if response[y, x] >= max(around):
            found.append((float(response[y, x]), int(y), int(x)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (15, 17), (40, 30)])
@pytest.mark.parametrize("sides", [(1, 1), (2, 3)])
def test_best_windows_equal_a_loop(size, sides):
    response = torch.rand(size, generator=torch.Generator().manual_seed(5))
    valid = torch.zeros(size, dtype=torch.bool)
    valid[: max(0, size[0] - sides[0] + 1), : max(0, size[1] - sides[1] + 1)] = True
    scores, boxes = best_windows(response, valid, window(*sides))
    assert scores.shape == (CANDIDATES,)
    assert boxes.shape == (CANDIDATES, 4)
    expected = naive_maxima(response.numpy(), valid.numpy())[:CANDIDATES]
    count = len(expected)
    assert scores[:count].tolist() == [pytest.approx(score) for score, _, _ in expected]
    for box, (_, y, x) in zip(boxes.tolist(), expected, strict=False):
        assert abs(box[0] - x) <= 0.5
        assert abs(box[1] - y) <= 0.5
        assert box[2:] == [sides[1], sides[0]]
    assert (scores[count:] == -1).all()
    assert (boxes[count:] == 0).all()


def test_window_larger_than_the_map_has_no_place():
    response, valid = window_means(torch.ones(4, 4), window(5, 1))
    scores, boxes = best_windows(response, valid, window(5, 1))
    assert not valid.any()
    assert (scores == -1).all()
    assert (boxes == 0).all()


@pytest.mark.parametrize("centre", [(6.0, 8.0), (6.3, 7.6), (5.51, 8.49)])
def test_a_parabola_is_found_between_the_cells(centre):
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(15.0), indexing="ij")
    response = 0.9 - 0.002 * (y - centre[0]) ** 2 - 0.003 * (x - centre[1]) ** 2
    scores, boxes = best_windows(response, torch.ones(12, 15, dtype=torch.bool), window(1, 1))
    assert boxes[0, :2].tolist() == [
        pytest.approx(centre[1], abs=1e-3),
        pytest.approx(centre[0], abs=1e-3),
    ]
    assert float(scores[0]) == pytest.approx(0.9, abs=0.002)


def test_maxima_at_the_border_stay_on_their_cell():
    response = torch.zeros(5, 6)
    response[0, 5] = 0.9
    _, boxes = best_windows(response, torch.ones(5, 6, dtype=torch.bool), window(1, 1))
    assert boxes[0].tolist() == [5, 0, 1, 1]


def test_match_graph_finds_where_the_rows_were_cut():
    search = normal(16, 14, 18)
    rows = search[:, 5:9, 7:12].flatten(1).T
    quality, _ = MatchGraph(40, 40)(rows, torch.ones(20), search)
    sides = window(4, 5)
    scores, boxes = best_windows(*window_means(quality.sqrt(), sides), sides)
    assert quality.shape == (14, 18)
    assert (quality >= 0).all()
    assert (quality <= 1 + 1e-4).all()
    assert float(scores[0]) > 0.9
    assert scores[1] < scores[0]
    np.testing.assert_allclose(boxes[0].numpy(), [7, 5, 5, 4], atol=0.05)
    inside = torch.zeros(14, 18, dtype=torch.bool)
    inside[5:9, 7:12] = True
    assert quality[inside].min() > 100 * quality[~inside].max()


# --- images in


def picture(height: int, width: int, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("size", [(8, 8), (24, 40)])
@pytest.mark.parametrize("batch", [1, 3])
def test_feature_graph_takes_bytes_and_pools(size, batch):
    image = picture(size[0], size[1], batch)
    colours, squares, coarse = FeatureGraph(TinyBackbone())(image)
    assert colours.shape == (batch, 3, size[0] // 4, size[1] // 4)
    assert squares.shape == (batch, 1, size[0] // 4, size[1] // 4)
    assert coarse.shape == (batch, 4, size[0] // 8, size[1] // 8)
    cell = image[-1, :4, 4:8].double().mean((0, 1))
    np.testing.assert_allclose(colours[-1, :, 0, 1].double().numpy(), cell.numpy(), rtol=1e-5)
    block = torch.cat([colours, squares], 1)[:, :, :2, :2].mean((2, 3))
    np.testing.assert_allclose(coarse[:, :, 0, 0].numpy(), block.numpy(), rtol=1e-5)


@pytest.mark.parametrize("crop", [(24, 32, 16, 40), (0, 0, 8, 8), (40, 48, 32, 32)])
def test_joint_graph_gives_boxes_in_pixels(crop):
    top, left, height, width = crop
    image = picture(72, 80)
    graph = JointGraph(FeatureGraph(TinyBackbone()), MatchGraph(60, 60), coarse_stride=8)
    template = image[:, top : top + height, left : left + width]
    quality, scores, boxes = graph(template, image)
    assert quality.shape == (9, 10)
    assert scores.shape == (CANDIDATES,)
    assert scores[0] > 1.2 * scores[1]
    np.testing.assert_allclose(boxes[0].numpy(), [left, top, width, height], atol=1)


def graphs_with_inputs() -> list[tuple[str, torch.nn.Module, tuple[Tensor, ...]]]:
    """Return every graph with inputs that fit."""
    features, match = FeatureGraph(TinyBackbone()), MatchGraph(25.0, 25.0)
    rows, search = normal(12, 6), normal(6, 5, 7, seed=1)
    picture = normal(1, 64, 96, 3, seed=2).mul(40).add(128).clamp(0, 255).to(torch.uint8)
    cells = torch.arange(32).reshape(8, 4)
    return [
        ("features", features, (picture,)),
        ("match", match, (rows, torch.ones(12), search)),
        ("place", PlaceGraph(25.0), (rows, torch.ones(12), search, cells)),
        ("joint", JointGraph(features, match, 8), (picture[:, :32, :32], picture)),
    ]


NAMES = [name for name, *_ in graphs_with_inputs()]


@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_graphs_compute_where_their_inputs_are(index: int) -> None:
    # Nothing is computed on this device, but it refuses tensors of another one.
    _, module, inputs = graphs_with_inputs()[index]
    outputs = module.to("meta")(*(value.to("meta") for value in inputs))
    assert {value.device.type for value in outputs} == {"meta"}


@pytest.mark.gpu
@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_graphs_on_a_gpu_are_as_on_the_cpu(index: int) -> None:
    _, module, inputs = graphs_with_inputs()[index]
    expected = module(*inputs)
    found = module.to("cuda")(*(value.to("cuda") for value in inputs))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-3, atol=1e-4)
