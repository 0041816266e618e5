"""How well a template fits rigidly at each small shift: where exactly, once nearly known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

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
    height, width = cells.shape[1:]
    h, w = footprint.shape
    similarity = np.zeros((h * w, height * width), np.float32)
    similarity[footprint.ravel() > 0] = _cosines(rows, cells.reshape(cells.shape[0], -1))
    patch, line, cell = (similarity.strides[0], width * similarity.itemsize, similarity.itemsize)
    # Entry (i, j, y, x) is patch (i, j) against cell (i + y, j + x).
    shifted = as_strided(
        similarity,
        (h, w, height - h + 1, width - w + 1),
        (w * patch + line, patch + cell, line, cell),
        writeable=False,
    )
    return shifted.sum((0, 1)) / np.float32(len(rows))


def _cosines(rows: Array, cells: Array) -> Array:
    """Cosine similarities ``(M, N)`` after joint standardisation of each channel.

    The scaling is moved to the rows and the lengths of the cells to the result, as in the matching
    graph, so that the large operand is only centred.
    """
    count = len(rows) + cells.shape[1]
    mean = (rows.sum(0) + cells.sum(1)) / np.float32(count)
    own, others = rows - mean, cells - mean[:, None]
    squares = np.square(others)
    variance = (np.square(own).sum(0) + squares.sum(1)) / np.float32(count)
    inverse = 1 / (variance + np.float32(STD_EPSILON))
    own *= np.sqrt(inverse)
    own /= np.sqrt(np.square(own).sum(1, keepdims=True) + np.float32(NORM_EPSILON))
    lengths = np.sqrt(inverse @ squares + np.float32(NORM_EPSILON))
    return (own * np.sqrt(inverse)) @ others / lengths
