"""What every method that finds turned and zoomed objects has in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....runtime.errors import InputError
from ....runtime.images import Image
from ..base import Array

MOST_TURN = 180.0


@dataclass(frozen=True)
class PoseSpan:
    """Which turns and sizes are looked at.

    Attributes:
        rotation: least and greatest turn in degrees, counter-clockwise as seen, within ±180.
        scale: least and greatest size relative to the template, above 0.
    """

    rotation: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        (least, most), (small, large) = self.rotation, self.scale
        if not -MOST_TURN <= least <= most <= MOST_TURN:
            raise InputError(
                f"rotation {least:g} to {most:g} is no range within ±180 degrees; give the least "
                "first"
            )
        if not 0 < small <= large < math.inf:
            raise InputError(
                f"scale {small:g} to {large:g} is no range above 0; give the least first"
            )

    @property
    def posed(self) -> bool:
        """Whether there is more than one pose to look at."""
        return self != NO_POSES

    @property
    def turns(self) -> bool:
        """Whether there is more than one direction."""
        return self.rotation[0] < self.rotation[1]

    @property
    def zooms(self) -> bool:
        """Whether there is more than one size."""
        return self.scale[0] < self.scale[1]

    @property
    def whole_turn(self) -> bool:
        """Whether all directions are in the range."""
        return self.rotation[1] - self.rotation[0] >= 2 * MOST_TURN

    def angles(self, most: int) -> list[float]:
        """Turns over the range, at most ``most`` of them and equally far apart.

        A range of 360 degrees has ``most`` turns; a smaller one has turns as far apart as those,
        or nearer, and both of its ends.
        """
        low, high = self.rotation
        if self.whole_turn:
            return [low + 2 * MOST_TURN * i / most for i in range(most)]
        count = 1 + math.ceil((high - low) / (2 * MOST_TURN / most))
        return [float(angle) for angle in np.linspace(low, high, count)]

    def sizes(self, most: int) -> list[float]:
        """``most`` sizes over the range, with equal ratios; one where there is a single size."""
        low, high = self.scale
        return [float(size) for size in np.geomspace(low, high, 1 if low == high else most)]

    def holds(self, angle: float, scale: float, slack: float = 0.0) -> bool:
        """Whether a pose lies in the range.

        Args:
            angle: in degrees; whole turns do not matter.
            scale: relative to the template.
            slack: how far outside still counts, as a share: of 180 degrees, and of the scale.
        """
        low, high = self.rotation
        middle = (low + high) / 2
        off = abs((angle - middle + MOST_TURN) % (2 * MOST_TURN) - MOST_TURN)
        near = off <= (high - low) / 2 + slack * MOST_TURN
        return near and self.scale[0] / (1 + slack) <= scale <= self.scale[1] * (1 + slack)


NO_POSES = PoseSpan()
"""The template as it is."""


@dataclass(frozen=True)
class Posed:
    """Where and how a method says the object lies.

    Attributes:
        corners: ``(4, 2)`` top-left, top-right, bottom-right and bottom-left corner of the
            template in pixels of the picture; ``None`` where the method has no answer.
        score: larger means more surely there; 0 to 1, whatever the method.
        found: the method's own answer to "is it there?".
    """

    corners: Array | None
    score: float
    found: bool


class PoseMethod(ABC):
    """A way of finding a turned and zoomed template."""

    name: str = ""

    @abstractmethod
    def encode(self, frame: Image, box: Sequence[float], poses: PoseSpan) -> Any:
        """Prepare the object inside ``box`` of a ``(H, W, 3)`` uint8 BGR frame for poses."""

    @abstractmethod
    def find(self, encoded: Any, image: Image) -> Posed:
        """Say where and how it lies in a ``(H, W, 3)`` uint8 BGR picture, among these poses."""

    def close(self) -> None:
        """Release what the method holds."""
        return
