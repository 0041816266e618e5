from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from qatm.runtime.errors import TemplateError
from qatm.tools.baselines import plain_pytorch as reference
from qatm.tools.baselines.plain_pytorch import PaperQATM


class SmallVGG(torch.nn.Module):
    """Two taps shaped like the paper's: one at the picture's resolution, one at a quarter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fine = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.coarse = torch.nn.Conv2d(8, 16, 3, padding=1)

    def forward(self, pixels: torch.Tensor) -> Sequence[torch.Tensor]:
        fine = torch.relu(self.fine(pixels / 128 - 1))
        return fine, torch.relu(self.coarse(torch.nn.functional.max_pool2d(fine, 4)))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def loop_log_quality(template: np.ndarray, search: np.ndarray, alpha: float) -> list[float]:
    """The formulas of the paper, one number at a time."""
    m, n = len(template), len(search)
    rho = [[float(np.dot(template[i], search[j])) for j in range(n)] for i in range(m)]
    result = []
    for j in range(n):
        best = 0.0
        for i in range(m):
            e = math.exp(alpha * rho[i][j])
            over_template = e / sum(math.exp(alpha * rho[k][j]) for k in range(m))
            over_search = e / sum(math.exp(alpha * rho[i][k]) for k in range(n))
            best = max(best, over_template * over_search)
        result.append(math.log(math.sqrt(best)))
    return result


def test_log_quality_follows_the_formulas() -> None:
    rng = np.random.default_rng(1)
    rows = [rng.standard_normal((count, 6)) for count in (5, 11)]
    template, search = (r / np.linalg.norm(r, axis=1, keepdims=True) for r in rows)
    got = reference.log_quality(torch.from_numpy(template), torch.from_numpy(search), 7.0)
    np.testing.assert_allclose(got.numpy(), loop_log_quality(template, search, 7.0), rtol=1e-9)


def test_log_quality_is_finite_when_nothing_is_alike() -> None:
    template, search = torch.eye(2, 4)[:1], torch.eye(2, 4)
    got = reference.log_quality(template, search, 500.0)
    assert torch.isfinite(got).all()
    assert got[0] > got[1]


def test_standardise_uses_both_pictures_and_the_population_deviation() -> None:
    rng = np.random.default_rng(2)
    template, search = rng.standard_normal((4, 3)), rng.standard_normal((9, 3)) * 5 + 2
    template[:, 2] = search[:, 2] = 1.0
    got = torch.cat(reference.standardise(torch.from_numpy(template), torch.from_numpy(search)))
    rows = np.concatenate([template, search])
    deviation = np.sqrt(((rows - rows.mean(0)) ** 2).mean(0))
    wanted = (rows - rows.mean(0)) / np.where(deviation > 0, deviation, 1)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(got.numpy(), wanted, atol=1e-9)


def test_best_window_lies_inside_and_has_the_largest_sum() -> None:
    response = np.random.default_rng(3).standard_normal((9, 7))
    means = {
        (x, y): response[y : y + 4, x : x + 3].mean() for y in range(9 - 4 + 1) for x in range(5)
    }
    x, y, mean = reference.best_window(torch.from_numpy(response), (3, 4))
    assert (x, y) == max(means, key=lambda place: means[place])
    assert mean == pytest.approx(means[x, y])


def fine_only(pixels: torch.Tensor) -> Sequence[torch.Tensor]:
    return SmallVGG()(pixels)[:1]


@pytest.mark.parametrize(
    ("network", "stride", "slack"), [(fine_only, None, 0), (SmallVGG(), 1, 2), (SmallVGG(), 4, 2)]
)
def test_a_crop_is_found_where_it_was_cut(
    network: reference.Network, stride: int | None, slack: int
) -> None:
    image = noise(56, 72)
    x, y, width, height = 24, 12, 20, 24
    method = PaperQATM(network, alpha=25.0, stride=stride)
    method.encode_template(image[y : y + height, x : x + width])
    box, score = method.match(image)
    assert box[2:] == (width, height)
    assert abs(box[0] - x) <= slack
    assert abs(box[1] - y) <= slack
    assert 0 < score <= 1


def test_the_network_of_the_paper() -> None:
    method = PaperQATM()
    shapes = [tuple(tap.shape) for tap in method.network(torch.zeros(1, 3, 42, 32))]
    assert shapes == [(1, 64, 42, 32), (1, 256, 10, 8)]
    image = noise(16, 24).repeat(4, axis=0).repeat(4, axis=1)
    method.encode_template(image[16:48, 32:72])
    box, _ = method.match(image)
    assert abs(box[0] - 32) <= 4
    assert abs(box[1] - 16) <= 4


def test_the_score_falls_when_the_object_is_absent() -> None:
    image = noise(56, 72)
    method = PaperQATM(SmallVGG(), alpha=25.0)
    method.encode_template(image[12:36, 24:44])
    present = method.match(image)[1]
    assert method.match(noise(56, 72, seed=9))[1] < present


def test_the_window_can_have_another_size_than_the_template() -> None:
    image = noise(40, 48)
    method = PaperQATM(SmallVGG())
    method.encode_template(image[8:24, 8:24])
    assert method.match(image, (30, 12))[0][2:] == (30, 12)


def test_the_map_has_the_size_of_the_picture_and_the_published_resolution() -> None:
    sizes = []

    def network(pixels: torch.Tensor) -> list[torch.Tensor]:
        sizes.append(tuple(pixels.shape[2:]))
        return [pixels, torch.nn.functional.avg_pool2d(pixels, 4)]

    method = PaperQATM(network)
    method.encode_template(noise(50, 80))
    assert method.log_quality_map(noise(60, 90)).shape == (60, 90)
    assert sizes == [(50, 80), (60, 90)]
    assert reference.feature_grid(network(torch.zeros(1, 3, 8, 8)), (2, 3)).shape == (6, 2, 3)
    fine, coarse = PaperQATM(network), PaperQATM(network)
    fine.encode_template(noise(40, 100))
    coarse.encode_template(noise(41, 100))
    assert fine.stride == 1
    assert coarse.stride == 4


def test_what_cannot_be_matched_is_refused() -> None:
    method = PaperQATM(SmallVGG())
    with pytest.raises(TemplateError, match="encode_template"):
        method.match(noise(20, 20))
    method.encode_template(noise(24, 16))
    with pytest.raises(TemplateError, match=r"16 x 24 px does not fit .* 20 x 20 px"):
        method.match(noise(20, 20))
