"""How well a template fits rigidly at each small shift: where exactly, once nearly known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import PatchGrid
from .similarity import NORM_EPSILON, STD_EPSILON, TINY, small_product
from .windows import window_mean

Array = NDArray[Any]


class Comparison:
    """Cells of a region, made ready once to be compared with patches of a target many times.

    Each channel is standardised jointly over the cells and the target's patches.

    Args:
        rows: ``(M, C)`` raw features of the target's patches and their competitors.
        cells: ``(C, H, W)`` raw features of the region.
    """

    def __init__(self, rows: Array, cells: Array) -> None:
        flat = cells.reshape(cells.shape[0], -1)
        count = np.float32(len(rows) + flat.shape[1])
        self._mean = (rows.sum(0) + flat.sum(1)) / count
        others = flat - self._mean[:, None]
        squares = np.square(others)
        variance = (np.square(rows - self._mean).sum(0) + squares.sum(1)) / count
        self._inverse = 1 / (variance + np.float32(STD_EPSILON))
        # The scaling is moved to the rows, as in the matching graph, so that the larger operand is
        # only centred and divided by its lengths.
        others /= np.sqrt(self._inverse @ squares + np.float32(NORM_EPSILON))
        self._cells = others.reshape(cells.shape)
        self.shape: tuple[int, int] = (cells.shape[1], cells.shape[2])

    def cosine(self, rows: Array) -> Array:
        """Cosine similarity of patches ``(M, C)`` with all cells, ``(M, H, W)`` float32."""
        flat = self._cells.reshape(self._cells.shape[0], -1)
        return small_product(self._aligned(rows), flat).reshape(len(rows), *self.shape)

    def agreement(self, rows: Array, footprint: Array) -> Array:
        """Mean similarity of each patch with the cell at its own place, for each shift.

        Unlike the quality, it knows where in the template a patch belongs: less forgiving, and so
        more exact once the place is nearly right.

        Args:
            rows: ``(M, C)`` raw features of the footprint's ones, row by row.
            footprint: ``(h, w)`` float32.

        Returns:
            ``(H - h + 1, W - w + 1)`` float32 in [-1, 1].
        """
        h, w = footprint.shape
        depth = rows.shape[1]
        template = np.zeros((h * w, depth), np.float32)
        template[footprint.ravel() > 0] = self._aligned(rows)
        template = template.reshape(h, w * depth)
        # Neighbours in memory are neighbours in a row of cells, so that windows are long runs.
        cells = np.ascontiguousarray(self._cells.transpose(1, 2, 0)).reshape(self.shape[0], -1)
        shifts = (self.shape[0] - h + 1, self.shape[1] - w + 1)
        total = np.empty(shifts, np.float32)
        # Only the diagonals of the similarity matrix are needed: far less than the whole product.
        for y, x in np.ndindex(shifts):
            window = cells[y : y + h, x * depth : (x + w) * depth]
            total[y, x] = np.einsum("ij,ij->", template, window)
        return total / np.float32(len(rows))

    def _aligned(self, rows: Array) -> Array:
        """Rows whose dot products with the cells are cosine similarities."""
        scale = np.sqrt(self._inverse)
        own = (rows - self._mean) * scale
        own /= np.sqrt(np.square(own).sum(1, keepdims=True) + np.float32(NORM_EPSILON))
        return own * scale


class Qualities(NamedTuple):
    """Quality of each cell, ``(H, W)`` float32 in [0, 1] (paper, equation 5).

    Attributes:
        contested: with competitors in the softmax over the template.
        alone: without them.
    """

    contested: Array
    alone: Array


def qualities(cosine: Array, own: int, alpha: float) -> Qualities:
    """Quality maps of a small region, from similarities that are known already.

    Args:
        cosine: ``(M, H, W)``, the template's own patches first.
        own: how many they are.
        alpha: factor on the cosine similarity.
    """
    scores = np.exp(np.float32(alpha) * (cosine - 1))
    mine = scores[:own]
    alone = np.maximum(mine.sum(0), TINY)
    best = (np.square(mine) / np.maximum(mine.sum((1, 2), keepdims=True), TINY)).max(0)
    return Qualities(best / (alone + scores[own:].sum(0)), best / alone)


def shifted_mean(planes: Array, footprint: Array) -> Array:
    """Mean over pairs of a patch and the cell at its own place, for each shift of the window.

    Args:
        planes: ``(M, H, W)``, a value for each patch and cell.
        footprint: ``(h, w)`` float32 with M ones, whose places are the patches' in this order.

    Returns:
        ``(H - h + 1, W - w + 1)`` float32.
    """
    height = planes.shape[1] - footprint.shape[0] + 1
    width = planes.shape[2] - footprint.shape[1] + 1
    total = np.zeros((height, width), np.float32)
    for plane, (y, x) in zip(planes, np.argwhere(footprint > 0), strict=True):
        total += plane[y : y + height, x : x + width]
    return total / np.float32(len(planes))


class WindowFit(NamedTuple):
    """How well a template fits at each shift of its window, three ways, ``(H', W')`` float32.

    Attributes:
        likelihood: mean of ``log L(t|s)`` (paper, equation 3) over the pairs of a patch t and the
            cell s at its place, at most 0. A cell that resembles many patches, or a competitor,
            says little about the place; plain similarity would count it in full.
        similarity: mean of ``alpha * (cosine - 1)`` over the same pairs, at most 0.
        likeness: mean over the window's cells of the cosine with the most similar patch, wherever
            in the template it belongs, in [-1, 1].
    """

    likelihood: Array
    similarity: Array
    likeness: Array


def fit_windows(grid: PatchGrid, cells: Array, alpha: float) -> WindowFit:
    """Compare a template with the windows of a part of an image.

    Args:
        grid: a template's patches and its competitors.
        cells: ``(C, H, W)`` raw features around the window.
        alpha: factor on the cosine similarity.

    Returns:
        Maps of ``(H - h + 1, W - w + 1)``.
    """
    cosine = Comparison(grid.rows, cells).cosine(grid.rows)
    below = np.float32(alpha) * (cosine - 1)
    crowd = np.log(np.exp(below).sum(0))
    own = below[grid.target > 0]
    similarity = shifted_mean(own, grid.footprint)
    nearest = own.max(0) / np.float32(alpha) + 1
    return WindowFit(
        similarity - window_mean(crowd, grid.footprint),
        similarity,
        window_mean(nearest, grid.footprint),
    )
