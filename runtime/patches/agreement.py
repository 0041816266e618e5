"""How well a template fits rigidly at each small shift: where exactly, once nearly known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import PatchGrid
from .quality import exponent
from .similarity import Comparison
from .windows import window_mean

Array = NDArray[Any]


def rigid_agreement(compared: Comparison, rows: Array, footprint: Array) -> Array:
    """Mean similarity of each patch with the cell at its own place, for each shift.

    Unlike the quality, it knows where in the template a patch belongs: less forgiving, and so more
    exact once the place is nearly right.

    Args:
        compared: cells of a region.
        rows: ``(M, C)`` raw features of the footprint's ones, row by row.
        footprint: ``(h, w)`` float32.

    Returns:
        ``(H - h + 1, W - w + 1)`` float32 in [-1, 1].
    """
    (h, w), (depth, height, width) = footprint.shape, compared.cells.shape
    template = np.zeros((h * w, depth), np.float32)
    template[footprint.ravel() > 0] = compared.aligned(rows)
    template = template.reshape(h, w * depth)
    # Neighbours in memory are neighbours in a row of cells, so that windows are long runs.
    cells = np.ascontiguousarray(compared.cells.transpose(1, 2, 0)).reshape(height, -1)
    shifts = (height - h + 1, width - w + 1)
    total = np.empty(shifts, np.float32)
    # Only the diagonals of the similarity matrix are needed: far less than the whole product.
    for y, x in np.ndindex(shifts):
        window = cells[y : y + h, x * depth : (x + w) * depth]
        total[y, x] = np.einsum("ij,ij->", template, window)
    return total / np.float32(len(rows))


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
    below = exponent(cosine, alpha)
    crowd = np.log(np.exp(below).sum(0))
    own = below[grid.target > 0]
    similarity = shifted_mean(own, grid.footprint)
    nearest = own.max(0) / np.float32(alpha) + 1
    return WindowFit(
        similarity - window_mean(crowd, grid.footprint),
        similarity,
        window_mean(nearest, grid.footprint),
    )
