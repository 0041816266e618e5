"""Each way of standardising channels and comparing patches gives the oracle's cosines."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import cosine

from qatm.runtime.patches.similarity import (
    Comparison,
    PatchSums,
    joint_standardisation,
    similarities,
    small_product,
    standardised,
)

CHANNELS = 176


def problem(count: int = 61) -> tuple[np.ndarray, np.ndarray]:
    """Raw patches and cells whose channels have very different ranges."""
    generator = np.random.default_rng(4)
    spread = np.geomspace(0.1, 20, CHANNELS)
    rows, cells = (generator.normal(1, 2, (n, CHANNELS)) * spread for n in (count, 99))
    cells[37] = rows[5]
    return rows.astype(np.float32), cells.astype(np.float32)


@pytest.mark.parametrize("count", [6, 61])
def test_similarities_are_those_of_the_oracle(count: int) -> None:
    rows, cells = problem(count)
    truth = cosine(rows.astype(np.float64), cells.astype(np.float64))
    np.testing.assert_allclose(similarities(rows, cells), truth, atol=1e-4)
    assert similarities(rows, cells).dtype == np.float32
    stacked = standardised(np.concatenate([rows, cells]))
    np.testing.assert_allclose(stacked[:count] @ stacked[count:].T, truth, atol=1e-4)


def test_a_comparison_gives_the_same_whichever_rows_are_asked_for() -> None:
    """Also where the product is cut into blocks that do not divide the rows."""
    rows, cells = problem()
    truth = cosine(rows.astype(np.float64), cells.astype(np.float64)).reshape(61, 9, 11)
    shaped = np.ascontiguousarray(cells.T).reshape(CHANNELS, 9, 11)
    padded = np.pad(shaped, ((0, 0), (2, 3), (1, 4)))[:, 2:-3, 1:-4]
    for region in (shaped, padded):
        compared = Comparison(rows, region)
        np.testing.assert_allclose(compared.cosine(rows), truth, atol=1e-4)
        np.testing.assert_allclose(compared.cosine(rows[7:20]), truth[7:20], atol=1e-4)


@pytest.mark.parametrize("step", [1, 7, 99])
def test_blocks_are_standardised_like_the_whole(step: int) -> None:
    rows, cells = problem()
    blocks = [cells[start : start + step] for start in range(0, 99, step)]
    joint = joint_standardisation([rows, *blocks], np.float64)
    together = np.concatenate([rows, cells]).astype(np.float64)
    np.testing.assert_allclose(joint.mean, together.mean(0), rtol=1e-5)
    np.testing.assert_allclose(joint.scale, 1 / np.sqrt(together.var(0) + 1e-6), rtol=1e-5)
    found = joint.rows(rows) @ joint.rows(cells).T
    np.testing.assert_allclose(found, similarities(rows, cells), atol=1e-5)


def test_what_equals_the_mean_resembles_nothing() -> None:
    same = np.full((4, CHANNELS), 3, np.float32)
    assert np.abs(similarities(same, same)).max() == 0
    assert np.abs(standardised(same)).max() == 0
    region = np.full((CHANNELS, 2, 3), 3, np.float32)
    assert np.abs(Comparison(same, region).cosine(same)).max() == 0


def test_sums_known_beforehand_change_nothing() -> None:
    rows, cells = problem()
    region = np.ascontiguousarray(cells.T).reshape(CHANNELS, 9, 11)
    known = Comparison(PatchSums.of(rows), region).cosine(rows)
    np.testing.assert_allclose(known, Comparison(rows, region).cosine(rows), atol=1e-6)
    # A mean far from zero beside a small spread must not drown the spread.
    far = np.float32(1000)
    shifted = Comparison(PatchSums.of(rows + far), region + far).cosine(rows + far)
    np.testing.assert_allclose(shifted, known, atol=0.02)


@pytest.mark.parametrize(
    "shape", [(61, 40, 700), (256, 176, 324), (1, 1, 1), (17, 176, 65), (3, 300_000, 2), (0, 4, 5)]
)
def test_a_product_in_blocks_is_the_product(shape: tuple[int, int, int]) -> None:
    count, depth, width = shape
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(count, depth)), generator.normal(size=(depth, width))
    np.testing.assert_allclose(small_product(a, b), a @ b, atol=1e-9)
    turned = np.ascontiguousarray(b.T).T
    np.testing.assert_allclose(small_product(a, turned), a @ b, atol=1e-9)
