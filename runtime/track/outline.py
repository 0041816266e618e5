"""How a followed object lies: its sides, turned, and the upright box around it."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..boxes import Box
from ..images import Image
from ..kinds import Numeric
from ..patches.region import turned
from .presence import Corners, Track

MOST_ASPECT: Numeric[float] = math.log(4)
"""Logarithm of the factor by which the width over the height differs from the first at most."""


class Outline(NamedTuple):
    """A turned rectangle.

    Attributes:
        centre: in pixels of the frame.
        sides: width and height in the directions that they had in the first frame.
        angle: degrees by which it is turned since, counter-clockwise as seen.
    """

    centre: tuple[float, float]
    sides: tuple[float, float]
    angle: float

    @property
    def box(self) -> Box:
        """The upright box around the ellipse in the outline.

        Objects seldom fill the corners of their boxes: the box around turned corners is too large.
        """
        width, height = self.sides
        if self.angle == 0:
            return Box.around(self.centre, width, height)
        cosine, sine = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        across = math.hypot(width * cosine, height * sine)
        down = math.hypot(width * sine, height * cosine)
        return Box.around(self.centre, across, down)

    @property
    def corners(self) -> Corners:
        """Top-left, top-right, bottom-right and bottom-left of the object as it stood at first."""
        (x, y), (width, height) = self.centre, self.sides
        away = [
            turned((across * width / 2, down * height / 2), self.angle)
            for across, down in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        first, second, third, fourth = ((x + right, y + below) for right, below in away)
        return first, second, third, fourth

    def track(self, score: float, state: str, scale: float | None) -> Track:
        """What there is to say of it, with or without its pose.

        Args:
            score: how surely it is the object.
            state: see :class:`~.presence.Track`.
            scale: relative to the first frame, or ``None`` if the pose is not sure.
        """
        if scale is None:
            return Track(self.box, score, state)
        return Track(self.box, score, state, self.angle, scale, self.corners)


def inside(frame: Image, x: float, y: float) -> tuple[float, float]:
    """The nearest point of a frame."""
    return min(max(x, 0.0), float(frame.shape[1])), min(max(y, 0.0), float(frame.shape[0]))
