"""Where an object that is still went since it was looked at: its pixels, found again.

The normalised correlation of J. P. Lewis, "Fast template matching", Vision Interface 1995, within
the few pixels that such an object may have moved; how its quarters moved apart says how much it
grew. What it compares with is never older than a few frames, so that nothing drifts.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images import Image, is_flat
from ..kinds import Numeric
from ..patches.region import Region, cut_region
from ..patches.windows import highest_peak, summit, vertex_offset
from .outline import Outline
from .presence import Point

Array = NDArray[Any]

SIDE: Numeric[float] = 48.0
"""Root of the area in which the object's pixels are kept."""

SHORTEST: Numeric[int] = 8
"""Of their sides; what is flatter is not known by so few."""

LONGEST: Numeric[int] = math.ceil(SIDE**2 / SHORTEST)
"""Of their sides, by what both are."""

FEWEST: Numeric[float] = SIDE**2 / 2
"""Of all of them, whatever their sides are rounded to."""

APART: Numeric[int] = 2
"""Pixels by which a quarter of the object may have moved away from the rest of it."""

PART_LIKENESS: Numeric[float] = 0.8
"""Correlation from which a quarter is found again."""

LEAST_PARTS: Numeric[int] = 3
"""Quarters that have to be, for the size to be known."""


class KeptPixels(NamedTuple):
    """An object's pixels in a frame.

    Attributes:
        pixels: ``(h, w, 3)`` uint8 BGR.
        scale: pixels kept per pixel of the frame.
        angle: degrees by which it is turned in the frame, counter-clockwise as seen.
    """

    pixels: Array
    scale: float
    angle: float


class Glimpse(NamedTuple):
    """What is seen of an object at a glance.

    Attributes:
        centre: in pixels of the frame.
        side: root of its area, in pixels of the frame.
        zoom: its size, relative to that in which its pixels were kept.
    """

    centre: Point
    side: float
    zoom: float


class PixelGlance:
    """Knows an object by its pixels.

    Args:
        likeness: correlation from which it is the object, 0 to 1.
        reach: sides of the object that it may have moved.

    Attributes:
        kept: its pixels, or ``None``.
    """

    def __init__(self, likeness: float, reach: float) -> None:
        self._likeness = likeness
        self._margin = max(1, math.ceil(reach * SIDE))
        self.kept: KeptPixels | None = None

    def keep(self, frame: Image, outline: Outline) -> bool:
        """Keep how the object looks now; whether it can be known by that.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR, which shows it.
            outline: how it lies.
        """
        scale = SIDE / math.sqrt(math.prod(outline.sides))
        width, height = (round(side * scale) for side in outline.sides)
        if min(width, height) < SHORTEST:
            self.kept = None
            return False
        region = Region.around(outline.centre, scale, width, height, outline.angle)
        pixels = cut_region(frame, region)
        self.kept = None if is_flat(pixels) else KeptPixels(pixels, scale, outline.angle)
        return self.kept is not None

    def find(self, frame: Image, expected: Point) -> Glimpse | None:
        """Where the object is, and how large; ``None`` where that is not sure.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            expected: its centre as predicted.
        """
        if self.kept is None:
            return None
        pixels, scale, angle = self.kept
        (height, width), margin = pixels.shape[:2], self._margin
        sides = width + 2 * margin, height + 2 * margin
        region = Region.around(expected, scale, *sides, angle)
        seen = cut_region(frame, region)
        likeness = _likeness(seen, pixels)
        y, x = summit(likeness)
        # At the edge of what is looked at it may lie beyond.
        if not (likeness[y, x] >= self._likeness and min(x, y) > 0 and max(x, y) < 2 * margin):
            return None
        zoom = _zoom(seen, pixels, x, y)
        if zoom is None:
            return None
        right, down = vertex_offset(likeness, y, x)
        centre = region.to_frame(x + right + width / 2, y + down + height / 2)
        return Glimpse(centre, SIDE / scale * zoom, zoom)


def _likeness(seen: Array, pixels: Array) -> Array:
    """Normalised correlation at each shift, ``(H - h + 1, W - w + 1)`` float32 in [-1, 1]."""
    return np.asarray(cv2.matchTemplate(seen, pixels, cv2.TM_CCOEFF_NORMED))


def _zoom(seen: Array, pixels: Array, x: int, y: int) -> float | None:
    """How much larger the object is than its kept pixels, by how its quarters moved apart.

    Args:
        seen: pixels around it.
        pixels: those kept.
        x: column of ``seen`` where it begins.
        y: the row.
    """
    height, width = pixels.shape[:2]
    down, across = height // 2, width // 2
    moves: list[Point] = []
    places: list[Point] = []
    for top in (0, height - down):
        for left in (0, width - across):
            part = pixels[top : top + down, left : left + across]
            first, begin = max(0, y + top - APART), max(0, x + left - APART)
            around = seen[first : y + top + down + APART, begin : x + left + across + APART]
            peak = highest_peak(_likeness(around, part))
            if peak.response >= PART_LIKENESS:
                moves.append((peak.x + begin - x - left, peak.y + first - y - top))
                places.append((left + across / 2, top + down / 2))
    if len(moves) < LEAST_PARTS:
        return None
    moved, placed = (np.array(each) - np.mean(each, 0) for each in (moves, places))
    return 1 + float((moved * placed).sum() / np.square(placed).sum())
