"""Whether an object that was found as it is lies turned there instead.

Patches are forgiving: an object turned by 90° is found about where it is, by what it is made of.
Where its pixels do not fit, the square in its middle is therefore compared with the place, at all
turns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images import Image
from ..kinds import Numeric
from .pose import Pose, turned_crop, wrapped
from .posed_rows import TemplateView

Array = NDArray[Any]

SIDE: Numeric[int] = 20
"""Samples along the square."""

STEP: Numeric[float] = 15.0
"""Degrees between turns."""

OWN_TURN: Numeric[float] = 30.0
"""Degrees up to which a turn is none, ..."""

OTHER_TURN: Numeric[float] = 45.0
"""... and from which it is one."""

REACH: Numeric[float] = 0.75
"""Sides of the box around it that are looked at."""

LEAST: Numeric[float] = 0.85
"""Correlation at a turn that shows an object, ..."""

CLEAR: Numeric[float] = 0.35
"""... and by how much Fisher's transform of it exceeds that of the best without a turn."""

ALIKE: Numeric[float] = 1.1
"""Factor between sizes in which a square looks alike."""

CERTAIN: Numeric[float] = 0.999
"""Correlation above which the transform says nothing more."""


@dataclass(frozen=True)
class TurnedSquares:
    """The square in the middle of a template, turned.

    Attributes:
        step: pixels of the template between samples.
        own: ``(SIDE, SIDE, 3)`` uint8 each, not turned, or hardly.
        others: turned.
    """

    step: float
    own: tuple[Array, ...]
    others: tuple[Array, ...]

    @classmethod
    def of(cls, view: TemplateView) -> TurnedSquares | None:
        """From what a template keeps of its picture; ``None`` where a mask hides some of it."""
        if view.mask is not None:
            return None
        step = min(view.box.w, view.box.h) / math.sqrt(2) / SIDE
        middle, sides = view.box.centre, (SIDE, SIDE)
        own: list[Array] = []
        others: list[Array] = []
        for angle in np.arange(-180, 180, STEP).tolist():
            turn = abs(wrapped(angle))
            kind = own if turn <= OWN_TURN else others if turn >= OTHER_TURN else None
            if kind is not None:
                square = turned_crop(
                    view.image, middle, angle, 1 / step, sides, cv2.BORDER_REPLICATE
                )
                kind.append(square)
        return cls(step / view.zoom, tuple(own), tuple(others))

    def fits_turned(self, image: Image, pose: Pose, size: tuple[float, float]) -> bool:
        """Whether what is there fits a turned template clearly better.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            pose: at which the template was found.
            size: of the template, in pixels.
        """
        # Of an object that does not lie so, the size is no better known than the turn.
        sizes = {1.0} if abs(math.log(pose.scale)) < math.log(ALIKE) else {1.0, pose.scale}
        return any(self._fit_at(image, pose, scale, size) for scale in sizes)

    def _fit_at(self, image: Image, pose: Pose, scale: float, size: tuple[float, float]) -> bool:
        """The same in one size."""
        width, height = (max(SIDE + 2, int(side * (1 + REACH) / self.step)) for side in size)
        middle, zoom = (pose.x, pose.y), 1 / (self.step * scale)
        part = turned_crop(image, middle, 0.0, zoom, (width, height), cv2.BORDER_REPLICATE)
        turned = _highest(part, self.others)
        return turned >= LEAST and _fisher(turned) - _fisher(_highest(part, self.own)) >= CLEAR


def _highest(part: Array, squares: tuple[Array, ...]) -> float:
    """The highest correlation of any of the squares with a picture."""
    best = -1.0
    for square in squares:
        response = cv2.matchTemplate(part, square, cv2.TM_CCOEFF_NORMED)
        best = max(best, float(response[np.isfinite(response)].max(initial=-1.0)))
    return best


def _fisher(correlation: float) -> float:
    """Fisher's transform of a correlation: its error is alike everywhere."""
    return math.atanh(min(max(correlation, -CERTAIN), CERTAIN))
