"""Where in a region the colours of a followed object are, told from those around it.

Patches are compared by their shapes more than by their colours, and what bends keeps its colours. A
histogram of the pixels in the box and one of those around it tell for each colour how likely it is
the object's, and the windows that hold most of it are the likelier places: the colour term of
L. Bertinetto et al., "Staple", CVPR 2016, with histograms as there but no ridge regression.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image
from ..kinds import Numeric

Array = NDArray[Any]

BITS: Numeric[tuple[int, int, int]] = (3, 4, 4)
"""Of lightness and of the two colour axes of CIE Lab: lightness changes with every shadow."""

COUNT: Numeric[int] = 1 << 11
"""Colours that are told apart."""

RARE: Numeric[float] = 1e-4
"""Share below which a colour says nothing."""

NONE: Numeric[float] = 0.05
"""What a window without any of the object's colours still has: shadows take them all."""


def colour_numbers(image: Image) -> Array:
    """The number of each pixel's colour, ``(H, W)`` int32, of ``(H, W, 3)`` uint8 BGR."""
    lab = np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2LAB), np.uint8)
    number = np.zeros(lab.shape[:2], np.int32)
    # One plane after the other: whole rows of memory are quicker than every third byte.
    for plane, bits in zip(cv2.split(lab), BITS, strict=True):
        number = (number << bits) | (np.asarray(plane, np.uint8) >> (8 - bits))
    return number


class ObjectColours(NamedTuple):
    """Which colours an object has, and which are around it: the share of each, ``(2048,)`` float32.

    Attributes:
        first: in the object's first box.
        own: the same of late.
        around: of what is around it of late.
    """

    first: Array
    own: Array
    around: Array

    @classmethod
    def of(cls, numbers: Array, box: Box) -> ObjectColours:
        """Those of an object.

        Args:
            numbers: of a picture's colours, of the object's and of those around it; see
                :func:`colour_numbers`.
            box: the object, in its pixels.
        """
        own, around = _shares(numbers, box)
        return cls(own, own, around)

    def renewed(self, numbers: Array, box: Box, part: float) -> ObjectColours:
        """The same with how the object looks now.

        Args:
            numbers: of a picture's colours.
            box: the object, in its pixels.
            part: of what is known that is renewed, 0 to 1.
        """
        own, around = _shares(numbers, box)
        if not own.any():
            return self
        return ObjectColours(
            self.first, _mixed(self.own, own, part), _mixed(self.around, around, part)
        )

    def likeness(self, numbers: Array, box: Box) -> float:
        """How like those of the object of late the colours in a box are, 0 to 1.

        The coefficient of A. Bhattacharyya (1943) of both histograms, as in D. Comaniciu et al.,
        "Kernel-based object tracking", PAMI 2003, equation 6.

        Args:
            numbers: of a picture's colours.
            box: in its pixels.
        """
        seen, _ = _shares(numbers, box)
        return float(np.sqrt(seen * self.own).sum())

    def likely(self, numbers: Array) -> Array:
        """How likely each pixel is the object's by its colour, ``(H, W)`` float32 in [0, 1].

        Args:
            numbers: of a picture's colours.
        """
        own = (self.first + self.own) / 2
        rare = np.float32(RARE)
        return ((own + rare) / (own + self.around + 2 * rare))[numbers]


def window_shares(likely: Array, lefts: Array, tops: Array, sides: tuple[float, float]) -> Array:
    """Mean of a map in windows of one size.

    Args:
        likely: ``(H, W)`` float32.
        lefts: ``(C,)`` where windows begin, in pixels; what lies outside the map counts 0.
        tops: ``(R,)``.
        sides: width and height of a window.

    Returns:
        ``(R, C)`` float32.
    """
    rows, columns = likely.shape
    total = cv2.integral(likely)
    left, right = (_within(x, columns) for x in (lefts, lefts + sides[0]))
    top, bottom = (_within(y, rows)[:, None] for y in (tops, tops + sides[1]))
    inside = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
    return (inside / (sides[0] * sides[1])).astype(np.float32)


def _within(places: Array, most: int) -> Array:
    """Whole pixels of a map of a size."""
    return np.clip(np.rint(places), 0, most).astype(np.int64)


def _mixed(old: Array, new: Array, part: float) -> Array:
    """What is known, a part of it renewed."""
    return np.float32(1 - part) * old + np.float32(part) * new


def _shares(numbers: Array, box: Box) -> tuple[Array, Array]:
    """How often each colour occurs in a box and around it; zeros where there is no pixel."""
    rows, columns = numbers.shape
    left, right = (min(max(round(x), 0), columns) for x in (box.x, box.x + box.w))
    top, bottom = (min(max(round(y), 0), rows) for y in (box.y, box.y + box.h))
    inside = np.bincount(numbers[top:bottom, left:right].ravel(), minlength=COUNT)
    every = np.bincount(numbers.ravel(), minlength=COUNT)
    own, around = (
        counts.astype(np.float32) / max(1, int(counts.sum())) for counts in (inside, every - inside)
    )
    return own, around
