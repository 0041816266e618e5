"""Each way of computing the quality equals the paper's, and the matching graph's."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import cosine, qatm, quality, softmax

from qatm.runtime import Bundle, QualityMap
from qatm.runtime.patches import quality as formulas
from qatm.runtime.patches.quality import (
    best_pairs,
    pair_quality,
    qualities,
    quality_map,
    stream_quality,
)
from qatm.runtime.session import Session

ALPHA = 25.0
CHANNELS = 176
SIZES = [(1, 1, 1), (1, 5, 7), (16, 9, 8), (70, 33, 20), (40, 1, 64)]


@pytest.fixture(scope="module")
def backend():
    opened = Session(Bundle.load(), "cpu", threads=1)
    yield opened
    opened.close()


def problem(rows: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Raw features with a copy of some rows in the map, channels of very different ranges."""
    generator = np.random.default_rng(rows)
    spread = np.geomspace(0.1, 20, CHANNELS)
    template = generator.normal(1, 1, (rows, CHANNELS)) * spread
    search = generator.normal(1, 1, (height * width, CHANNELS)) * spread
    copies = min(rows, height * width) // 2
    search[:copies] = template[:copies] + generator.normal(0, 0.2, (copies, CHANNELS)) * spread
    shaped = search.T.reshape(CHANNELS, height, width)
    return template.astype(np.float32), np.ascontiguousarray(shaped, np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", [1, 50, 4_000_000])
@pytest.mark.parametrize("competing", [False, True])
def test_streamed_equals_the_graph(backend, monkeypatch, size, block, competing) -> None:
    rows, search = problem(*size)
    target = np.ones(len(rows), np.float32)
    if competing:
        target[1::2] = 0
    whole = quality_map(backend, rows, target, search, ALPHA)
    monkeypatch.setattr(formulas, "WHOLE", 0)
    monkeypatch.setattr(formulas, "BLOCK", block)
    streamed = quality_map(backend, rows, target, search, ALPHA)
    for ours, theirs in zip(streamed, whole, strict=True):
        assert ours.shape == theirs.shape == size[1:]
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
        assert np.abs(theirs).max() <= 1 + 1e-5


def test_a_map_beyond_the_engine_is_streamed(backend, monkeypatch) -> None:
    rows, search = problem(16, 9, 8)
    target = np.ones(16, np.float32)
    whole = quality_map(backend, rows, target, search, ALPHA)
    asked = []
    monkeypatch.setattr(backend, "takes_match", lambda *sizes: asked.append(sizes))
    monkeypatch.setattr(backend, "quality", None)
    np.testing.assert_allclose(quality_map(backend, rows, target, search, ALPHA), whole, atol=1e-4)
    assert asked == [(16, 9, 8)]


@pytest.mark.parametrize("size", [(16, 9, 8), (70, 33, 20)])
def test_both_equal_the_paper(backend, monkeypatch, size) -> None:
    rows, search = problem(*size)
    flat = search.reshape(CHANNELS, -1)
    expected = quality(rows.astype(np.float64), flat.T.astype(np.float64), ALPHA)
    assert expected.max() > 0.5
    target = np.ones(len(rows), np.float32)
    monkeypatch.setattr(formulas, "BLOCK", 100)
    streamed = stream_quality(rows, target, flat, ALPHA)
    for values in (*quality_map(backend, rows, target, search, ALPHA), *streamed):
        np.testing.assert_allclose(values.ravel(), expected, rtol=0, atol=1e-3)


def test_competitors_take_part_in_one_softmax_and_not_in_the_other(backend) -> None:
    rows, search = problem(20, 6, 7)
    target = np.repeat([1, 0], 10).astype(np.float32)
    flat = search.reshape(CHANNELS, -1).T.astype(np.float64)
    rho = cosine(rows.astype(np.float64), flat)
    over_s = softmax(ALPHA * rho[:10], 1)
    found = quality_map(backend, rows, target, search, ALPHA)
    for values, over_t in zip(
        found, (softmax(ALPHA * rho, 0)[:10], softmax(ALPHA * rho[:10], 0)), strict=True
    ):
        np.testing.assert_allclose(values.ravel(), (over_t * over_s).max(0), atol=1e-3)


def test_a_competitor_takes_quality_away_but_never_gives_any(backend) -> None:
    rows, search = problem(8, 6, 6)
    ones = np.ones(8, np.float32)
    alone = quality_map(backend, rows, ones, search, ALPHA).contested
    doubled = np.concatenate([rows, rows])
    flags = np.concatenate([ones, 0 * ones])
    shared = quality_map(backend, doubled, flags, search, ALPHA).contested
    copies = alone.ravel()[:4]
    assert (copies > 0.5).all()
    assert (shared.ravel()[:4] < 0.7 * copies).all()
    only_first = np.concatenate([rows[4:], rows[:4]])
    flags[:8] = np.repeat([1, 0], 4)
    found = quality_map(backend, only_first, flags[:8], search, ALPHA).contested
    assert found.ravel()[:4].max() < 1e-3


@pytest.mark.parametrize("alpha", [1.0, 25.0, 60.0, 200.0])
def test_opposite_features_give_no_nan(alpha: float) -> None:
    generator = np.random.default_rng(0)
    rows = 1 + generator.normal(0, 0.01, (20, CHANNELS)).astype(np.float32)
    search = -1 + generator.normal(0, 0.01, (CHANNELS, 20)).astype(np.float32)
    both = stream_quality(rows.astype(np.float32), np.ones(20, np.float32), search, alpha)
    for values in both:
        assert np.isfinite(values).all()
        assert values.min() >= 0
        assert values.max() <= 1


def test_constant_features_give_no_nan(backend, monkeypatch) -> None:
    rows, search = np.full((6, CHANNELS), 3, np.float32), np.full((CHANNELS, 4, 5), 3, np.float32)
    target = np.ones(6, np.float32)
    graph = quality_map(backend, rows, target, search, ALPHA)
    np.testing.assert_allclose(graph, 1 / (6 * 20), rtol=1e-3)
    monkeypatch.setattr(formulas, "WHOLE", 0)
    streamed = quality_map(backend, rows, target, search, ALPHA)
    np.testing.assert_allclose(streamed, graph, rtol=1e-3)


def test_qualities_with_and_without_competitors_are_the_papers() -> None:
    generator = np.random.default_rng(4)
    rows, cells = generator.normal(1, 2, (61, 16)), generator.normal(1, 2, (99, 16))
    cells[37] = rows[5]
    rho = cosine(rows, cells)
    found = qualities(rho.reshape(61, 9, 11).astype(np.float32), 40, ALPHA)
    for values, count in ((found.contested, 61), (found.alone, 40)):
        over_t, over_s = softmax(ALPHA * rho[:count], 0)[:40], softmax(ALPHA * rho[:40], 1)
        np.testing.assert_allclose(values.ravel(), (over_t * over_s).max(0), rtol=1e-3)
    assert np.unravel_index(found.contested.argmax(), (9, 11)) == (3, 4)


@pytest.mark.parametrize("block", [1, 50, 200_000])
def test_the_quality_of_pairs_is_the_papers(monkeypatch, block: int) -> None:
    generator = np.random.default_rng(5)
    rho = cosine(generator.normal(size=(13, 8)), generator.normal(size=(20, 8)))
    truth = qatm(rho, ALPHA)
    found = pair_quality(rho.astype(np.float32), ALPHA)
    np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-7)
    monkeypatch.setattr(formulas, "PAIR_BLOCK", block)
    pairs = best_pairs(rho.astype(np.float32), ALPHA)
    np.testing.assert_array_equal(pairs.best, truth.argmax(1))
    np.testing.assert_allclose(np.exp(pairs.value), truth.max(1), rtol=1e-3)
    np.testing.assert_allclose(np.exp(pairs.highest), truth.max(0), rtol=1e-3)


def test_a_map_is_resized_with_its_cells_in_place() -> None:
    values = np.zeros((5, 6), np.float32)
    values[2, 3] = 1
    quality_map = QualityMap(values, (8.0, 4.0), (44, 18))
    resized = quality_map.resized()
    assert resized.shape == (18, 44)
    rows, columns = np.mgrid[:18, :44]
    centre = np.array([(columns * resized).sum(), (rows * resized).sum()]) / resized.sum()
    # Pixel centres are at whole numbers, so cell 3 spans pixels 24 to 31.
    assert centre == pytest.approx([27.5, 9.5], abs=0.05)
    double = quality_map.resized((36, 88))
    assert double.shape == (36, 88)
    assert np.unravel_index(double.argmax(), double.shape)[0] in (19, 20)
    assert QualityMap(values[:1, :1] + 1, (8.0, 8.0), (5, 3)).resized().tolist() == [[1.0] * 5] * 3
