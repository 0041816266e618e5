"""Parts of a frame, resized so that an object in it has a known size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image
from ..kinds import Numeric
from .taps import DenseCells, Taps
from .windows import clamped

Array = NDArray[Any]

AREA_BELOW: Numeric[float] = 0.6
"""Regions shrunk by more than this are averaged first, or fine texture would alias."""


@dataclass(frozen=True)
class Region:
    """A rectangle of a frame at a working resolution.

    Attributes:
        left: its left edge, in pixels of the frame; may lie outside.
        top: its top edge.
        scale: working pixels per pixel of the frame.
        width: in working pixels.
        height: in working pixels.
        angle: by which it is turned about its own middle, in degrees, counter-clockwise as seen;
            what is turned so in the frame stands upright in it. ``left`` and ``top`` are those of
            the region before it is turned.
    """

    left: float
    top: float
    scale: float
    width: int
    height: int
    angle: float = 0.0

    @classmethod
    def around(
        cls,
        centre: tuple[float, float],
        scale: float,
        width: int,
        height: int,
        angle: float = 0.0,
    ) -> Region:
        """The region of a working size around a point of the frame."""
        x, y = centre
        return cls(x - width / scale / 2, y - height / scale / 2, scale, width, height, angle)

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """A point given in working pixels, in pixels of the frame."""
        if self.angle == 0:
            return self.left + x / self.scale, self.top + y / self.scale
        across, down = self.width / 2, self.height / 2
        right, below = turned((x - across, y - down), self.angle)
        return (
            self.left + (across + right) / self.scale,
            self.top + (down + below) / self.scale,
        )

    def to_working(self, x: float, y: float) -> tuple[float, float]:
        """A point of the frame, in working pixels."""
        x, y = (x - self.left) * self.scale, (y - self.top) * self.scale
        if self.angle == 0:
            return x, y
        across, down = self.width / 2, self.height / 2
        right, below = turned((x - across, y - down), -self.angle)
        return across + right, down + below

    def box_to_working(self, box: Box) -> Box:
        """A box of the frame, in working pixels."""
        x, y = self.to_working(box.x, box.y)
        return Box(x, y, box.w * self.scale, box.h * self.scale)


@dataclass(frozen=True)
class RegionFeatures:
    """Features of a region.

    Attributes:
        region: where.
        image: its pixels at the working resolution.
        taps: its layers.
        coarse: ``(C, H/2s, W/2s)`` float32, 2x2 means of the finest map's cells.
    """

    region: Region
    image: Image
    taps: Taps
    coarse: Array

    @cached_property
    def fine(self) -> DenseCells:
        """The finest map as a whole: several parts of one region are asked for."""
        return DenseCells(self.taps.whole())


def turned(point: tuple[float, float], angle: float) -> tuple[float, float]:
    """A point turned about the origin by an angle in degrees, counter-clockwise as seen."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    (x, y) = point
    return cosine * x + sine * y, cosine * y - sine * x


def cut_region(frame: Image, region: Region) -> Image:
    """The region's pixels, ``(height, width, 3)`` uint8; the frame's edge is repeated outside.

    The cost depends on the region's working size and on the pixels of the frame under it, not on
    the frame's size.
    """
    scale, left, top = region.scale, region.left, region.top
    part, x, y = _under(frame, region)
    if scale < AREA_BELOW:
        rows, columns = part.shape[:2]
        size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        shrunk_x, shrunk_y = size[0] / columns, size[1] / rows
    else:
        shrunk_x = shrunk_y = 1.0
    step_x, step_y = scale / shrunk_x, scale / shrunk_y
    # Pixel i covers [i, i + 1), so its centre lies at i + 1/2 on both sides of the map.
    matrix = np.array(
        [
            [step_x, 0, (x - left) * scale + (step_x - 1) / 2],
            [0, step_y, (y - top) * scale + (step_y - 1) / 2],
        ]
    )
    if region.angle != 0:
        middle = (region.width - 1) / 2, (region.height - 1) / 2
        # What is turned counter-clockwise is turned back.
        back = cv2.getRotationMatrix2D(middle, -region.angle, 1.0)
        matrix = back @ np.vstack([matrix, [0, 0, 1]])
    size = (region.width, region.height)
    pixels = cv2.warpAffine(
        part, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(pixels, dtype=np.uint8)


def _under(frame: Image, region: Region) -> tuple[Image, int, int]:
    """The frame's pixels under a region (at least one), and where they begin."""
    rows, columns = frame.shape[:2]
    sides = (0, region.width), (0, region.height)
    xs, ys = zip(*(region.to_frame(x, y) for x in sides[0] for y in sides[1]), strict=True)
    x0, x1 = clamped(math.floor(min(xs)) - 1, math.ceil(max(xs)) + 1, 1, columns)
    y0, y1 = clamped(math.floor(min(ys)) - 1, math.ceil(max(ys)) + 1, 1, rows)
    return frame[y0:y1, x0:x1], x0, y0
