"""Cells of the finest map, made from the layers, are those of PyTorch's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from qatm.runtime.patches.taps import DenseCells, Taps
from qatm.runtime.patches.windows import CellRange

STEPS = (1, 2, 4)


def layers(rows: int, columns: int) -> tuple[Taps, np.ndarray]:
    """Random layers of a map whose sides are multiples of four, and the whole map."""
    generator = np.random.default_rng(rows)
    maps = tuple(
        generator.normal(0, 2, (3 + step, rows // step, columns // step)).astype(np.float32)
        for step in STEPS
    )
    same = [
        interpolate(torch.from_numpy(layer)[None], (rows, columns), mode="bilinear")
        for layer in maps
    ]
    return Taps(maps, STEPS, (rows, columns)), torch.cat(same, 1)[0].numpy()


@pytest.mark.parametrize("shape", [(4, 4), (8, 20), (32, 24)])
def test_the_whole_map(shape: tuple[int, int]) -> None:
    taps, truth = layers(*shape)
    assert taps.channels == len(truth) == 4 + 5 + 7
    np.testing.assert_allclose(taps.whole(), truth, atol=1e-5)


@pytest.mark.parametrize("part", [(0, 0, 1, 1), (3, 5, 17, 9), (20, 10, 32, 24), (31, 23, 32, 24)])
def test_a_window_is_a_slice(part: tuple[int, int, int, int]) -> None:
    taps, truth = layers(32, 24)
    cells = CellRange(*part)
    np.testing.assert_allclose(taps.window(cells), cells.cut(truth), atol=1e-5)


def test_a_part_of_a_part() -> None:
    taps, truth = layers(32, 24)
    part = taps.part(CellRange(5, 3, 29, 20)).part(CellRange(2, 1, 10, 8))
    assert part.shape == (8, 7)
    np.testing.assert_allclose(part.whole(), truth[:, 7:15, 4:11], atol=1e-5)
    np.testing.assert_allclose(part.window(CellRange(1, 2, 3, 4)), truth[:, 8:10, 6:8], atol=1e-5)
    index = np.array([0, 6, 7, 55])
    expected = truth[:, 7:15, 4:11].reshape(16, -1)[:, index]
    np.testing.assert_allclose(part.at(index), expected, atol=1e-5)


def test_single_cells() -> None:
    taps, truth = layers(8, 20)
    index = np.random.default_rng(1).integers(0, 160, 50)
    expected = truth.reshape(16, -1)[:, index]
    np.testing.assert_allclose(taps.at(index), expected, atol=1e-5)
    dense = DenseCells(truth)
    assert dense.shape == taps.shape
    np.testing.assert_array_equal(dense.at(index), expected)


def test_cells_of_the_padding_are_no_part_of_the_map() -> None:
    """The layers may reach further than the picture; what lies there still shapes its border."""
    full, truth = layers(32, 24)
    taps = Taps(full.maps, STEPS, (29, 21))
    np.testing.assert_allclose(taps.whole(), truth[:, :29, :21], atol=1e-5)
