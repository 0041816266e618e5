"""What a scene is, and what is drawn for it: how many copies, near-duplicates, at which poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .stickers import Array, Picture

Random = np.random.Generator
Presence = Literal["once", "several", "near", "clutter"]

PRESENCES: tuple[Presence, ...] = ("once", "several", "near", "clutter")
CHANCES = (0.34, 0.24, 0.24, 0.18)
SMALLEST = 11.0
"""Shorter side of the smallest object that is shown, in pixels, unless it is that small anyway."""

TOLERATED_TURN = 1.5
"""Degrees within which an object counts as upright."""


@dataclass(frozen=True)
class DrawnScene:
    """A picture that shows an object, and one in which it is looked for.

    Places are continuous: pixel ``i`` covers ``i`` to ``i + 1``.

    Attributes:
        frame: ``(H, W, 3)`` uint8 BGR.
        box: x, y, w, h of the object in the frame, whole pixels, upright.
        image: ``(H, W, 3)`` uint8 BGR.
        truths: corners ``(4, 2)`` of every true copy in the image: where the box's top left, top
            right, bottom right and bottom left lie; all of them inside. Empty if it is absent.
        decoys: the same for near-duplicates, which differ visibly: not the object.
        symmetry: how often the object looks the same during one turn: 1 no symmetry, 2, 4 and so
            on; 0 round.
        rotation: degrees, counter-clockwise, within which objects were posed.
        scale: sizes, relative to the box, within which they were.
        domain: what kind of picture.
        presence: what the image holds: the object once or several times, only near-duplicates of
            it, or only other things.
        subject: what the object is, in a word or two.
    """

    frame: Picture
    box: tuple[int, int, int, int]
    image: Picture
    truths: tuple[Array, ...]
    decoys: tuple[Array, ...]
    symmetry: int
    rotation: tuple[float, float]
    scale: tuple[float, float]
    domain: str
    presence: Presence
    subject: str

    @property
    def frame_object(self) -> Picture:
        """The object, cut out of the frame by its box."""
        x, y, width, height = self.box
        return self.frame[y : y + height, x : x + width]


@dataclass(frozen=True)
class Poses:
    """How objects lie in an image.

    Attributes:
        rotation: lowest and highest turn, degrees.
        scale: lowest and highest size.
        common: size of the whole image; single objects differ little from it.
        spread: most that single objects differ from it, as a share.
        quarters: only turns by quarters.
    """

    rotation: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    common: float = 1.0
    spread: float = 0.0
    quarters: bool = False

    def draw(self, random: Random) -> tuple[float, float]:
        """Angle and scale of one object."""
        low, high = self.rotation
        angle = float(random.uniform(low, high))
        if self.quarters:
            angle = float(random.integers(-1, 3) * 90)
        factor = (1.0 + self.spread) ** random.uniform(-1.0, 1.0)
        return angle, float(np.clip(self.common * factor, *self.scale))

    def legible(self, size: tuple[float, float]) -> Poses:
        """The same, less small where something of a size would be too small to be recognised."""
        least = min(1.0, SMALLEST * (1.0 + self.spread) / min(size))
        return replace(self, common=max(self.common, least))


UPRIGHT = Poses()


@dataclass(frozen=True)
class Casting:
    """What an image holds.

    Attributes:
        presence: see :class:`DrawnScene`.
        copies: of the object; 0 if it is absent.
        decoys: near-duplicates.
    """

    presence: Presence
    copies: int
    decoys: int


def draw_casting(random: Random, most: int = 12, decoys: int = 6) -> Casting:
    """Draw what an image holds.

    Args:
        random: everything depends on it only.
        most: copies, where there are several.
        decoys: most near-duplicates.
    """
    presence = PRESENCES[int(random.choice(len(PRESENCES), p=CHANCES))]
    copies = {"once": 1, "several": several(random, most)}.get(presence, 0)
    near = int(random.integers(1, decoys + 1))
    if presence == "clutter" or (presence != "near" and random.random() < 0.4):
        near = 0
    return Casting(presence, copies, near)


def presence_of(truths: Sequence[Array], decoys: Sequence[Array]) -> Presence:
    """What an image holds in the end, since not everything always finds a place."""
    if truths:
        return "once" if len(truths) == 1 else "several"
    return "near" if decoys else "clutter"


def several(random: Random, most: int) -> int:
    """A number of copies from 2 on, small ones oftener than large ones."""
    return min(most, int(np.floor(2.0 * (most / 2.0 + 0.5) ** random.random())))


def draw_poses(random: Random, turning: float = 0.6, zooming: float = 0.6) -> Poses:
    """Draw how objects lie.

    Args:
        random: everything depends on it only.
        turning: chance that they are turned, by any angle or by a little.
        zooming: chance that they are larger or smaller, by half to twice at most.
    """
    rotation, scale, common = (0.0, 0.0), (1.0, 1.0), 1.0
    if random.random() < turning:
        most = float(random.choice([180.0, 180.0, 180.0, 90.0, 30.0, 10.0]))
        rotation = -most, most
    if random.random() < zooming:
        most = float(random.choice([2.0, 2.0, 1.5, 1.25]))
        scale = 1.0 / most, most
        common = float(most ** random.uniform(-1.0, 1.0))
    return Poses(rotation, scale, common, 0.0 if scale == (1.0, 1.0) else 0.03)
