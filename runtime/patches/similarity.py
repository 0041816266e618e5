"""The quality map from rows and features: in one piece, or streamed in blocks when it is large."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..session import Session

Array = NDArray[Any]

WHOLE = 24_000_000
"""Similarities (M x N) up to this many are computed by the matching graph in one piece, unless they
lie outside what its engine was built for."""

BLOCK = 4_000_000
"""Similarities held at once when streaming."""

ALONE = 200_000
"""Multiplications up to which OpenBLAS uses one thread, with some room."""

STD_EPSILON = 1e-6
NORM_EPSILON = 1e-3
NEVER = np.float32(1e4)
TINY = np.finfo(np.float32).tiny


def quality_map(session: Session, rows: Array, target: Array, search: Array, alpha: float) -> Array:
    """Quality of each search cell (paper, equation 5), ``(H, W)`` float32 in [0, 1].

    Args:
        session: runs the matching graph.
        rows: ``(M, C)`` raw features.
        target: ``(M,)`` float32, 1 for the template's own rows, 0 for competitors.
        search: ``(C, H, W)`` raw features.
        alpha: factor on the cosine similarity.
    """
    height, width = search.shape[1:]
    small = len(rows) * height * width <= WHOLE
    if small and session.takes_match(len(rows), height, width):
        return session.quality(rows, target, np.ascontiguousarray(search))
    flat = search.reshape(search.shape[0], -1)
    return stream_quality(rows, target, flat, alpha).reshape(height, width)


def stream_quality(rows: Array, target: Array, search: Array, alpha: float) -> Array:
    """The matching graph's arithmetic in blocks of search positions: memory ``M x block``.

    Two passes: the normalisers over the search positions need all of them before the first
    quality is known.

    Args:
        rows: ``(M, C)`` raw features.
        target: ``(M,)`` flags.
        search: ``(C, N)`` raw features.
        alpha: factor on the cosine similarity.

    Returns:
        ``(N,)`` float32.
    """
    block = max(1, BLOCK // len(rows))
    starts = range(0, search.shape[1], block)
    mean, variance = _moments(rows, search, starts, block)
    scale = 1.0 / np.sqrt(variance + STD_EPSILON)
    own = unit((rows - mean) * scale)
    offset = NEVER * (1 - target)[:, None]

    def similarities(start: int) -> Array:
        cells = ((search[:, start : start + block].T - mean) * scale).astype(np.float32)
        return np.float32(alpha) * (own @ unit(cells).T - np.float32(1))

    sums = np.zeros((len(rows), 1), np.float64)
    for start in starts:
        sums += np.exp(similarities(start)).sum(1, keepdims=True, dtype=np.float64)
    penalty = np.log(np.maximum(sums, TINY)).astype(np.float32) + offset
    result = np.empty(search.shape[1], np.float32)
    for start in starts:
        below = similarities(start)
        columns = np.log(np.maximum(np.exp(below).sum(0), TINY))
        result[start : start + block] = (2 * below - penalty).max(0) - columns
    return np.exp(result)


def _moments(rows: Array, search: Array, starts: range, block: int) -> tuple[Array, Array]:
    """Mean and population variance per channel over rows and search positions together."""
    count = len(rows) + search.shape[1]
    total = rows.sum(0, dtype=np.float64) + search.sum(1, dtype=np.float64)
    mean = (total / count).astype(np.float32)
    squares = np.square(rows - mean).sum(0, dtype=np.float64)
    for start in starts:
        centred = search[:, start : start + block] - mean[:, None]
        squares += np.square(centred).sum(1, dtype=np.float64)
    return mean, (squares / count).astype(np.float32)


def unit(x: Array) -> Array:
    """Scale each row to length one; a (nearly) zero row stays (nearly) zero."""
    return x / np.sqrt(np.square(x).sum(1, keepdims=True) + np.float32(NORM_EPSILON))


def small_product(a: Array, b: Array) -> Array:
    """Matrix product of ``(M, C)`` and ``(C, N)`` that stays in the calling thread.

    NumPy's library shares a larger product among threads, and then waits for cores that the
    inference library keeps busy: many times longer than these small products take.
    """
    count, depth = a.shape
    block = max(1, min(count, ALONE // max(1, depth * b.shape[1])))
    whole = count // block * block
    blocks = np.matmul(a[:whole].reshape(-1, block, depth), b).reshape(whole, -1)
    return blocks if whole == count else np.concatenate([blocks, a[whole:] @ b])
