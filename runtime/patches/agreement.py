"""How well a template fits rigidly at each small shift: where exactly, once nearly known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..session import Session, WindowFit
from .grid import PatchGrid
from .quality import TINY, exponent
from .similarity import Comparison

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


def fit_windows(session: Session, grid: PatchGrid, cells: Array, alpha: float) -> WindowFit:
    """Compare a template with the windows of a part of an image.

    Args:
        session: may have a graph for it; the same is computed here otherwise.
        grid: a template's patches and its competitors.
        cells: ``(C, H, W)`` raw features around the window.
        alpha: factor on the cosine similarity.

    Returns:
        Maps of ``(H - h + 1, W - w + 1)``.
    """
    shifts = tuple(
        side - length + 1
        for side, length in zip(cells.shape[1:], grid.footprint.shape, strict=True)
    )
    y, x = np.nonzero(grid.footprint)
    down, across = np.indices(shifts).reshape(2, -1)
    width = cells.shape[2]
    places = (y * width + x)[:, None] + (down * width + across)[None]
    fit = session.fit(grid.rows, grid.target, np.ascontiguousarray(cells), places)
    if fit is None:
        fit = _fitted(grid, cells, places, alpha)
    return WindowFit(*(values.reshape(shifts) for values in fit))


def _fitted(grid: PatchGrid, cells: Array, places: Array, alpha: float) -> WindowFit:
    """The placing graph's arithmetic; ``places`` are its ``cells``."""
    cosine = Comparison(grid.rows, cells).cosine(grid.rows).reshape(len(grid.rows), -1)
    below = exponent(cosine, alpha)
    crowd = np.log(np.maximum(np.exp(below).sum(0), TINY))
    own = below[: len(places)]
    similarity = np.take_along_axis(own, places, 1).mean(0)
    likelihood = similarity - crowd[places].mean(0)
    nearest = own.max(0) / np.float32(alpha) + 1
    return WindowFit(likelihood, similarity, nearest[places].mean(0))
