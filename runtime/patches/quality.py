"""Quality of matches by the equations 3 to 5 of the paper.

With ``p = exp(alpha (cosine - 1))``, the likelihoods of equation 3 are ``L(t|s)``, ``p`` over its
sum over all template patches, and ``L(s|t)``, ``p`` over its sum over all search cells. Their
product is the quality of a pair (equation 4), whose maximum over the template's own patches is the
quality of a cell (equation 5). The functions below differ in what they hold at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arguments import as_count
from ..errors import InputError, seen
from ..kinds import Bound
from ..limits import WORKING_PIXELS
from ..session import Qualities, Session
from .similarity import joint_standardisation

Array = NDArray[Any]

WHOLE: Bound[int] = 24_000_000
"""Similarities (M x N) up to this many are computed by the matching graph in one piece, unless they
lie outside what its engine was built for."""

BLOCK: Bound[int] = 4_000_000
"""Similarities held at once when streaming."""

PAIR_BLOCK: Bound[int] = 200_000
"""Similarities of which powers are held at once when the whole matrix is kept."""

NEVER = np.float32(1e4)
"""Taken off the log quality of competitors, which no cell may be matched with."""

TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class QualityMap:
    """Quality of every patch of an image (paper, equation 5).

    Attributes:
        values: ``(h, w)`` float32 in [0, 1].
        cell: width and height of one value's cell in pixels of the image.
        size: width and height of the image.
    """

    values: Array
    cell: tuple[float, float]
    size: tuple[int, int]

    def __repr__(self) -> str:
        rows, columns = self.values.shape
        peak = float(self.values.max()) if self.values.size else 0.0
        width, height = self.size
        return f"QualityMap({columns}x{rows} cells of {width}x{height} px, peak={peak:.3f})"

    def resized(self, shape: tuple[int, int] | None = None) -> Array:
        """The map interpolated to ``(H, W)`` (default: the image's), float32.

        Raises:
            InputError: ``shape`` is not two whole numbers above 0, or more pixels than
                :mod:`..limits` allow.
        """
        height, width = self.size[::-1] if shape is None else _whole_shape(shape)
        rows, columns = self.values.shape
        factor = (width / self.size[0], height / self.size[1])
        scale_x, scale_y = self.cell[0] * factor[0], self.cell[1] * factor[1]
        # Sample i lies at the centre of cell i, and the last cell may stick out of the image.
        matrix = np.array([[scale_x, 0, scale_x / 2 - 0.5], [0, scale_y, scale_y / 2 - 0.5]])
        inverse = cv2.invertAffineTransform(matrix)
        x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        map_x = np.clip(inverse[0, 0] * x + inverse[0, 2], 0, columns - 1).astype(np.float32)
        map_y = np.clip(inverse[1, 1] * y + inverse[1, 2], 0, rows - 1).astype(np.float32)
        grid = np.meshgrid(map_x, map_y)
        return cv2.remap(self.values, grid[0], grid[1], cv2.INTER_LINEAR)


def _whole_shape(shape: Any) -> tuple[int, int]:
    """Height and width of a picture.

    Raises:
        InputError: they are none.
    """
    try:
        height, width = shape
    except (TypeError, ValueError, NotImplementedError):
        raise InputError(f"shape is {seen(shape)}; give height and width in pixels") from None
    height, width = as_count(height, "the height of shape"), as_count(width, "the width of shape")
    if min(height, width) < 1:
        raise InputError(f"shape is ({height}, {width}); give height and width above 0")
    if refusal := WORKING_PIXELS.refusal(height * width):
        raise InputError(f"shape ({height}, {width}): one {refusal}")
    return height, width


class BestPairs(NamedTuple):
    """The best pairs of a matrix of log qualities (paper, equation 4).

    Attributes:
        best: ``(M,)``, the best search cell of each template patch.
        value: ``(M,)`` float32, log quality of that pair, at most 0.
        highest: ``(N,)`` float32, highest log quality of each search cell.
    """

    best: Array
    value: Array
    highest: Array


def exponent(cosine: Array, alpha: float, out: Array | None = None) -> Array:
    """``alpha (cosine - 1)``: at most 0, so that no power overflows. ``out`` may be the input."""
    below = np.subtract(cosine, np.float32(1), out=out)
    below *= np.float32(alpha)
    return below


def quality_map(
    session: Session,
    rows: Array,
    target: Array,
    search: Array,
    alpha: float,
    *,
    one_thread: bool = False,
) -> Qualities:
    """Quality of each search cell, with competitors and without.

    Args:
        session: runs the matching graph.
        rows: ``(M, C)`` raw features.
        target: ``(M,)`` float32, 1 for the template's own rows, 0 for competitors.
        search: ``(C, H, W)`` raw features.
        alpha: factor on the cosine similarity.
        one_thread: keep to the calling thread, because others do the same at the same time.
    """
    height, width = search.shape[1:]
    small = len(rows) * height * width <= WHOLE
    if small and session.takes_match(len(rows), height, width):
        return session.quality(rows, target, np.ascontiguousarray(search), one_thread=one_thread)
    flat = search.reshape(search.shape[0], -1)
    both = stream_quality(rows, target, flat, alpha)
    return Qualities(*(values.reshape(height, width) for values in both))


def stream_quality(rows: Array, target: Array, search: Array, alpha: float) -> Qualities:
    """The matching graph's arithmetic in blocks of search positions: memory ``M x block``.

    Two passes: the normalisers over the search positions need all of them before the first
    quality is known.

    Args:
        rows: ``(M, C)`` raw features.
        target: ``(M,)`` flags.
        search: ``(C, N)`` raw features.
        alpha: factor on the cosine similarity.

    Returns:
        Maps ``(N,)`` float32.
    """
    step = max(1, BLOCK // len(rows))
    starts = range(0, search.shape[1], step)
    blocks = [search[:, start : start + step].T for start in starts]
    joint = joint_standardisation([rows, *blocks], np.float64)
    own = joint.rows(rows)
    offset = NEVER * (1 - target)[:, None]

    def exponents(block: Array) -> Array:
        cosine = own @ joint.rows(block).T
        return exponent(cosine, alpha, out=cosine)

    sums = np.zeros((len(rows), 1), np.float64)
    for block in blocks:
        sums += np.exp(exponents(block)).sum(1, keepdims=True, dtype=np.float64)
    penalty = np.log(np.maximum(sums, TINY)).astype(np.float32) + offset
    contested, alone = (np.empty(search.shape[1], np.float32) for _ in range(2))
    for start, block in zip(starts, blocks, strict=True):
        below = exponents(block)
        powers = np.exp(below)
        best = (2 * below - penalty).max(0)
        for values, crowd in ((contested, powers.sum(0)), (alone, target @ powers)):
            logs = best - np.log(np.maximum(crowd, TINY))
            values[start : start + step] = np.exp(logs)
    return Qualities(contested, alone)


def qualities(cosine: Array, own: int, alpha: float) -> Qualities:
    """Quality maps of a small region with and without competitors, from one product.

    Args:
        cosine: ``(M, H, W)``, the template's own patches first.
        own: how many they are.
        alpha: factor on the cosine similarity.
    """
    scores = exponent(cosine.reshape(len(cosine), -1), alpha)
    np.exp(scores, out=scores)
    mine = scores[:own]
    alone = np.maximum(mine.sum(0), TINY)
    crowd = alone + scores[own:].sum(0)
    # The largest square belongs to the largest root, which takes one operation less on all pairs.
    mine *= 1 / np.sqrt(np.maximum(mine.sum(1, keepdims=True), TINY))
    best = np.square(mine.max(0))
    shape = cosine.shape[1:]
    return Qualities((best / crowd).reshape(shape), (best / alone).reshape(shape))


def pair_quality(cosine: Array, alpha: float) -> Array:
    """Quality of every pair of few patches (paper, equation 4), ``(M, N)`` float32 in [0, 1].

    Args:
        cosine: ``(M, N)`` float32.
        alpha: factor on the cosine similarity.
    """
    powers = np.exp(exponent(cosine, alpha))
    return powers / powers.sum(0) * (powers / powers.sum(1, keepdims=True))


def best_pairs(cosine: Array, alpha: float) -> BestPairs:
    """The best pairs by their quality (paper, equation 4), with no second matrix in memory.

    Args:
        cosine: ``(M, N)`` float32; overwritten.
        alpha: factor on the cosine similarity.
    """
    below = exponent(cosine, alpha, out=cosine)
    step = max(1, PAIR_BLOCK // below.shape[1])
    starts = range(0, len(below), step)
    rows = np.empty(len(below), np.float32)
    columns = np.zeros(below.shape[1], np.float64)
    for start in starts:
        powers = np.exp(below[start : start + step])
        rows[start : start + step] = powers.sum(1)
        columns += powers.sum(0)
    row_logs = np.log(np.maximum(rows, TINY))[:, None]
    column_logs = np.log(np.maximum(columns, TINY)).astype(np.float32)
    best = np.empty(len(below), np.int64)
    value = np.empty(len(below), np.float32)
    highest = np.full(below.shape[1], -np.inf, np.float32)
    for start in starts:
        joint = 2 * below[start : start + step] - row_logs[start : start + step] - column_logs
        part = joint.argmax(1)
        best[start : start + step] = part
        value[start : start + step] = joint[np.arange(len(part)), part]
        np.maximum(highest, joint.max(0), out=highest)
    return BestPairs(best, value, highest)
