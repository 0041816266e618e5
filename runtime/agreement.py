"""How well a template fits rigidly at each small shift: where exactly, once nearly known."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .patches import PatchGrid
from .peaks import window_mean
from .similarity import NORM_EPSILON, STD_EPSILON

Array = NDArray[Any]


def rigid_agreement(rows: Array, footprint: Array, cells: Array) -> Array:
    """Mean similarity of each patch with the cell at its own place, for each shift of the window.

    Unlike the quality, it knows where in the template a patch belongs: less forgiving, and so
    more exact once the place is nearly right.

    Args:
        rows: ``(M, C)`` raw features of the footprint's ones, row by row.
        footprint: ``(h, w)`` float32.
        cells: ``(C, H, W)`` raw features around the window.

    Returns:
        ``(H - h + 1, W - w + 1)`` float32 in [-1, 1].
    """
    own, around = _aligned(rows, cells.reshape(cells.shape[0], -1))
    h, w = footprint.shape
    template = np.zeros((h * w, cells.shape[0]), np.float32)
    template[footprint.ravel() > 0] = own
    template = np.ascontiguousarray(template.T).reshape(-1, h, w)
    around = around.reshape(cells.shape)
    shifts = (cells.shape[1] - h + 1, cells.shape[2] - w + 1)
    total = np.empty(shifts, np.float32)
    # Only the diagonals of the similarity matrix are needed; a few plain sums are cheaper than the
    # whole product, and do not wait for threads that the inference library keeps busy.
    for y, x in np.ndindex(shifts):
        total[y, x] = np.einsum("chw,chw->", template, around[:, y : y + h, x : x + w])
    return total / np.float32(len(rows))


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
    rows, others = _aligned(grid.rows, cells.reshape(cells.shape[0], -1))
    # OpenCV's product does not wait for threads that the inference library keeps busy.
    product = cv2.gemm(rows, others, 1.0, None, 0.0)  # pyright: ignore[reportCallIssue, reportArgumentType]
    below = np.float32(alpha) * (np.asarray(product, np.float32) - 1)
    shape = cells.shape[1:]
    crowd = np.log(np.exp(below).sum(0)).reshape(shape)
    own = below[grid.target > 0].reshape(-1, *shape)
    h, w = grid.footprint.shape
    height, width = shape[0] - h + 1, shape[1] - w + 1
    similarity = np.zeros((height, width), np.float32)
    for plane, (y, x) in zip(own, np.argwhere(grid.footprint > 0), strict=True):
        similarity += plane[y : y + height, x : x + width]
    similarity /= np.float32(len(own))
    nearest = own.max(0) / np.float32(alpha) + 1
    return WindowFit(
        similarity - window_mean(crowd, grid.footprint),
        similarity,
        window_mean(nearest, grid.footprint),
    )


def _aligned(rows: Array, cells: Array) -> tuple[Array, Array]:
    """Rows ``(M, C)`` and cells ``(C, N)`` whose dot products are cosine similarities.

    Each channel is standardised jointly. The scaling is moved to the rows, as in the matching
    graph, so that the larger operand is only centred and divided by its lengths.
    """
    count = len(rows) + cells.shape[1]
    mean = (rows.sum(0) + cells.sum(1)) / np.float32(count)
    own, others = rows - mean, cells - mean[:, None]
    squares = np.square(others)
    variance = (np.square(own).sum(0) + squares.sum(1)) / np.float32(count)
    inverse = 1 / (variance + np.float32(STD_EPSILON))
    own *= np.sqrt(inverse)
    own /= np.sqrt(np.square(own).sum(1, keepdims=True) + np.float32(NORM_EPSILON))
    others /= np.sqrt(np.einsum("c,cn->n", inverse, squares) + np.float32(NORM_EPSILON))
    return own * np.sqrt(inverse), others
