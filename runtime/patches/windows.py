"""Windows of cells: where they lie in a map, how well they fit, which are best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Peak:
    """A window: top-left cell with a sub-cell part, its response, and the evidence for it.

    Response and evidence lie in [0, 1].
    """

    x: float
    y: float
    response: float
    evidence: float = 0.0


class CellRange(NamedTuple):
    """Rows ``[top, bottom)`` and columns ``[left, right)`` of a map."""

    top: int
    left: int
    bottom: int
    right: int

    def cut(self, values: Array) -> Array:
        """The part of a map ``(..., H, W)``, as a view."""
        return values[..., self.top : self.bottom, self.left : self.right]

    def times(self, factor: int) -> CellRange:
        """The same part of a map with ``factor`` times as many rows and columns."""
        return CellRange(*(edge * factor for edge in self))


def whole_cells(start: float, length: float) -> tuple[int, int]:
    """An interval on whole cells around its own middle: the first cell, and how many (from 1)."""
    count = max(1, round(length))
    return round(start + (length - count) / 2), count


def clamped(low: int, high: int, least: int, limit: int) -> tuple[int, int]:
    """What lies of the cells ``[low, high)`` in ``[0, limit)``; never fewer than ``least``."""
    start = min(max(low, 0), limit - least)
    return start, max(min(high, limit), start + least)


def cells_around(
    column: float, row: float, window: tuple[int, ...], shape: tuple[int, ...], margin: int
) -> CellRange:
    """The cells of a map that a window covers wholly or partly, and a margin around them.

    Args:
        column: where the window begins, in cells.
        row: the same.
        window: its rows and columns.
        shape: rows and columns of the map, at least those of the window.
        margin: cells on each side, as far as the map reaches.

    Returns:
        At least as many rows and columns as the window has.
    """
    spans = [
        clamped(math.floor(at) - margin, math.ceil(at) + length + margin, length, limit)
        for at, length, limit in zip((row, column), window, shape, strict=True)
    ]
    (top, bottom), (left, right) = spans
    return CellRange(top, left, bottom, right)


def window_response(quality: Array, footprint: Array) -> Array:
    """Mean of the root of the quality over the footprint, for each window inside the map.

    The root makes it the geometric mean of the two likelihoods (paper, equation 4).

    Args:
        quality: ``(H, W)`` in [0, 1].
        footprint: ``(h, w)`` float32, 1 where the template has a patch, 0 elsewhere.

    Returns:
        ``(H - h + 1, W - w + 1)`` float32 in [0, 1].
    """
    return window_mean(np.sqrt(quality), footprint)


def window_mean(values: Array, footprint: Array) -> Array:
    """Mean of a map over the footprint, for each window inside the map.

    Args:
        values: ``(H, W)`` float32, or several maps ``(H, W, k)``.
        footprint: ``(h, w)`` float32, 1 where the window has a patch, 0 elsewhere.
    """
    height, width = footprint.shape
    if footprint.all():
        full = cv2.boxFilter(
            values, -1, (width, height), anchor=(0, 0), borderType=cv2.BORDER_ISOLATED
        )
    else:
        kernel = (footprint / footprint.sum()).astype(np.float32)
        full = cv2.filter2D(values, -1, kernel, anchor=(0, 0), borderType=cv2.BORDER_ISOLATED)
    return full[: values.shape[0] - height + 1, : values.shape[1] - width + 1]


def find_peaks(response: Array, window: tuple[int, int], count: int, overlap: float) -> list[Peak]:
    """The best windows, best first.

    Args:
        response: ``(H', W')`` from :func:`window_response`.
        window: rows and columns of the window.
        count: at most this many.
        overlap: windows that overlap a better one by more than this IoU, below 1, are the same.
    """
    if count == 1:
        return [highest_peak(response)]
    highest = cv2.dilate(response, np.ones((3, 3), np.uint8))
    left = np.where(response >= highest, response, np.float32(-1))
    peaks: list[Peak] = []
    while len(peaks) < count:
        y, x = summit(left)
        if left[y, x] < 0:
            break
        peaks.append(_refined(response, y, x))
        _leave_out(left, window, (y, x), overlap)
    return peaks


def highest_peak(response: Array) -> Peak:
    """The best window of all."""
    return _refined(response, *summit(response))


def _leave_out(responses: Array, window: tuple[int, int], at: tuple[int, int], most: float) -> None:
    """Set responses to -1 where a window overlaps the one at row and column ``at`` too much."""
    (height, width), (y, x) = window, at
    around = CellRange(max(0, y - height + 1), max(0, x - width + 1), y + height, x + width)
    part = around.cut(responses)
    down = height - np.abs(np.arange(around.top, around.top + part.shape[0]) - y)
    across = width - np.abs(np.arange(around.left, around.left + part.shape[1]) - x)
    common = down[:, None] * across
    part[common > most * (2 * height * width - common)] = -1


def _refined(response: Array, y: int, x: int) -> Peak:
    """A maximum moved to the vertex of the parabola through it and its neighbours."""
    value = float(response[y, x])
    right, down = vertex_offset(response, y, x)
    return Peak(x + right, y + down, min(max(value, 0.0), 1.0))


def summit(surface: Array) -> tuple[int, int]:
    """Row and column of the largest value of ``(H, W)``, the first one of equals."""
    return divmod(int(surface.argmax()), surface.shape[1])


def vertex_offset(surface: Array, y: int, x: int) -> tuple[float, float]:
    """From a maximum to the vertex of the parabolas through it and its neighbours, ``(x, y)``."""
    return parabola_vertex(surface[y], x), parabola_vertex(surface[:, x], y)


def highest(surface: Array) -> float:
    """The height of a sampled surface's maximum, between its samples too."""
    y, x = summit(surface)
    value = float(surface[y, x])
    for line, i in ((surface[y], x), (surface[:, x], y)):
        offset = parabola_vertex(line, i)
        if offset:
            # The parabola's vertex lies a quarter of (slope times offset) above the middle sample.
            value += float(line[i + 1] - line[i - 1]) * offset / 4
    return value


def parabola_vertex(line: Array, i: int) -> float:
    """Offset in [-0.5, 0.5] of the vertex at a maximum of a sampled line; 0 at its ends."""
    if i == 0 or i == len(line) - 1:
        return 0.0
    before, middle, after = line[i - 1 : i + 2].tolist()
    bend = before - 2 * middle + after
    if bend >= -1e-12:  # noqa: PLR2004
        return 0.0
    return min(max(0.5 * (before - after) / bend, -0.5), 0.5)
