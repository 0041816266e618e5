"""Where patches are found again, and the similarity that they agree on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qatm.runtime.patches.spread import LEAST_WEIGHT, displacements, fit_similarity


def softly(values: np.ndarray, row: int, column: int, reach: int) -> tuple[float, float, float]:
    """Displacement and weight of one patch, cell by cell."""
    height, width = values.shape
    cells = [
        (y, x)
        for y in range(row - reach, row + reach + 1)
        for x in range(column - reach, column + reach + 1)
        if 0 <= y < height and 0 <= x < width
    ]
    highest = max(values[cell] for cell in cells)
    shares = [math.exp(values[cell] - highest) for cell in cells]
    total = sum(shares)
    across = sum(s * (x - column) for s, (_, x) in zip(shares, cells, strict=True)) / total
    down = sum(s * (y - row) for s, (y, _) in zip(shares, cells, strict=True)) / total
    return across, down, math.exp(highest / 2) * max(shares) / total + LEAST_WEIGHT


@pytest.mark.parametrize("at", [(0, 0), (3, 2), (7, 5)])
def test_patches_are_sought_around_their_places(at: tuple[int, int]) -> None:
    random = np.random.default_rng(at)
    values = random.normal(-6, 3, (20, 12, 9)).astype(np.float32)
    rows, columns = (part.ravel() for part in np.indices((5, 4)))
    rows, columns = rows + at[0], columns + at[1]
    found = np.column_stack(displacements(values, rows, columns, 3))
    expected = [
        softly(values[k].astype(float), int(row), int(column), 3)
        for k, (row, column) in enumerate(zip(rows, columns, strict=True))
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_similarity_is_recovered_from_most_points() -> None:
    random = np.random.default_rng(3)
    source = random.uniform(-40, 40, (200, 2))
    turn, zoom, shift = math.radians(11), 1.12, (3.5, -2.25)
    truth = zoom * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    target = source @ truth.T + shift
    target[:30] += random.uniform(60, 90, (30, 2))
    weight = random.uniform(0.2, 1, 200)
    matrix, origin, support = fit_similarity(source, target, weight)
    np.testing.assert_allclose(matrix, truth, atol=0.01)
    np.testing.assert_allclose(origin, shift, atol=0.2)
    assert support == pytest.approx(weight[30:].sum() / weight.sum(), abs=0.02)


def test_the_last_round_is_a_weighted_least_squares_fit() -> None:
    """With weights that hardly change any more, the fit is that of its own weights."""
    random = np.random.default_rng(4)
    source = random.uniform(-30, 30, (60, 2))
    target = source * 1.05 + (1, 2) + random.normal(0, 0.01, (60, 2))
    weight = random.uniform(0.1, 1, 60).astype(np.float32)
    matrix, origin, support = fit_similarity(source, target, weight)
    (x, y), zero, one = source.T, np.zeros(60), np.ones(60)
    unknowns = np.vstack([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    root = np.sqrt(np.tile(weight, 2))[:, None]
    fit = np.linalg.lstsq(unknowns * root, target.T.reshape(-1, 1) * root, rcond=None)[0].ravel()
    np.testing.assert_allclose([matrix[0, 0], matrix[1, 0], *origin], fit, atol=1e-4)
    assert support > 0.999


def test_a_single_point_only_moves() -> None:
    matrix, origin, support = fit_similarity(
        np.array([[5.0, 5.0]]), np.array([[7.0, 4.0]]), np.array([0.5])
    )
    np.testing.assert_allclose(matrix, 0, atol=1e-6)
    np.testing.assert_allclose(origin, (7, 4), atol=1e-4)
    assert support == pytest.approx(1)
