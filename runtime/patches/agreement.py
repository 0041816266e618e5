"""How well a template fits rigidly at each small shift: where exactly, once nearly known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kinds import Numeric
from ..session import Session, WindowFit
from .grid import PatchGrid
from .quality import TINY, exponent
from .similarity import ALONE, Comparison

Array = NDArray[Any]

SPAN: Numeric[int] = 20
"""Most columns of a template that are compared with a row of cells in one product."""


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
    aligned = compared.aligned(rows)
    if len(rows) < h * w:
        template = np.zeros((h * w, depth), np.float32)
        template[footprint.ravel() > 0] = aligned
    else:
        template = aligned
    cells = np.ascontiguousarray(compared.cells.transpose(1, 2, 0))
    down, across = height - h + 1, width - w + 1
    total = np.zeros((down, across), np.float32)
    # Each row of the template with the row of cells that lies under it at each shift: a little more
    # than the diagonals that are needed, in products that stay in the calling thread.
    most = max(1, min(SPAN, ALONE // (depth * (SPAN + across))))
    step = math.ceil(w / math.ceil(w / most))
    lines, columns, channels = cells.strides
    for left in range(0, w, step):
        count = min(step, w - left)
        part = template.reshape(h, w, depth)[:, left : left + count]
        under = np.ndarray(
            (down, h, count + across - 1, depth),
            np.float32,
            cells,
            left * columns,
            (lines, lines, columns, channels),
        )
        pairs = np.matmul(under, part.transpose(0, 2, 1)).sum(1)
        total += _diagonal_sums(pairs, across)
    return total / np.float32(len(rows))


def _diagonal_sums(pairs: Array, count: int) -> Array:
    """Sums over i of ``pairs[:, i + x, i]`` for each x below ``count``, ``(N, count)`` float32."""
    outer, line, column = pairs.strides
    shape = (len(pairs), count, pairs.shape[2])
    return np.ndarray(shape, np.float32, pairs, 0, (outer, line, line + column)).sum(-1)


def fit_windows(session: Session, grid: PatchGrid, cells: Array, alpha: float) -> WindowFit:
    """Compare a template with the windows of a part of an image.

    Args:
        session: may have a graph for it; the same is computed here otherwise.
        grid: a template's patches and its competitors.
        cells: ``(C, H, W)`` raw features around the window.
        alpha: factor on the cosine similarity.

    Returns:
        Maps of ``(H - h + 1, W - w + 1)``, and the pairs ``(K, H, W)``.
    """
    places, shifts = cells_at_shifts(grid.footprint, cells.shape[1:])
    fit = session.fit(grid.rows, grid.target, np.ascontiguousarray(cells), places)
    if fit is None:
        fit = fit_in_numpy(grid.rows, cells, places, alpha)
    return WindowFit(
        fit.likelihood.reshape(shifts),
        fit.similarity.reshape(shifts),
        fit.likeness.reshape(shifts),
        fit.pairs.reshape(-1, *cells.shape[1:]),
    )


def cells_at_shifts(footprint: Array, shape: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    """The cells that lie under a footprint's ones at each shift of it.

    Args:
        footprint: ``(h, w)``, 1 where there is a patch.
        shape: rows and columns of the cells.

    Returns:
        ``(K, S)`` int64 indices, counted row by row, for each patch and each shift; and rows and
        columns of the shifts.
    """
    shifts = tuple(side - length + 1 for side, length in zip(shape, footprint.shape, strict=True))
    y, x = np.nonzero(footprint)
    down, across = np.indices(shifts).reshape(2, -1)
    width = shape[1]
    return (y * width + x)[:, None] + (down * width + across)[None], shifts


def fit_in_numpy(rows: Array, search: Array, cells: Array, alpha: float) -> WindowFit:
    """What ``Session.fit`` computes, for devices and bundles without a graph for it.

    Args:
        rows: ``(M, C)`` raw features, the template's own first.
        search: ``(C, H, W)`` raw features.
        cells: ``(K, S)`` int64, for each own row and each shift, the cell at the row's place.
        alpha: factor on the cosine similarity.

    Returns:
        Values ``(S,)``, and the pairs ``(K, N)``.
    """
    cosine = Comparison(rows, search).cosine(rows).reshape(len(rows), -1)
    below = exponent(cosine, alpha)
    crowd = np.log(np.maximum(np.exp(below).sum(0), TINY))
    own = below[: len(cells)]
    similarity = np.take_along_axis(own, cells, 1).mean(0)
    likelihood = similarity - crowd[cells].mean(0)
    nearest = own.max(0) / np.float32(alpha) + 1
    return WindowFit(likelihood, similarity, nearest[cells].mean(0), 2 * own - crowd)
