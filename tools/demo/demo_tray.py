"""The demo's tray: equal keys at any angle between other parts, and a picture of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime import Match
from ...runtime.boxes import Box
from ...runtime.images import Image
from ...runtime.match.pose import outline_overlap
from ..scenes.fonts import FontSet, installed_fonts
from ..scenes.grounds import Ground
from ..scenes.part_blank import LONGER
from ..scenes.part_light import Finish, Lamp, LitPart
from ..scenes.part_shapes import SHAPES
from ..scenes.scatter import Floor, scattered
from ..scenes.scene import Poses
from ..scenes.stickers import at_corner, corners_of, paste, posed

Corners = NDArray[np.float64]
Matrix = NDArray[np.float64]

SEED = 5
TRAY, FRAME = (640, 480), (320, 240)
KEYS, OTHERS = 24, 3
GAP = 3.0
NOISE = 3.0
GOOD_OVERLAP = 0.5
TOLERATED = 0.1
"""Share of the keys that may be missed, and that other things may be taken for one."""

LAMP = Lamp(angle=120.0, height=45.0, ambient=0.4, back=False)
WOOD = Ground("wood", 3)
CUTS = (0.03, 0.78, 0.33, 0.93, 0.1, 0.55)
KEY = {"aspect": 0.5, "bow": 0.13, "ring": 0.5, **{f"cut{i}": cut for i, cut in enumerate(CUTS)}}
WASHER = {"teeth": 0.0, "hole": 0.5, "gap": 0.9, "tongue": 0.9, "aspect": 0.5}
BRACKET = {"arm": 0.3, "shape": 0.1, "hole": 0.5, "holes": 0.5, "upper": 0.3, "bend": 0.9}


@dataclass(frozen=True)
class TrayScene:
    """A picture that shows a key, and a tray of such keys.

    Attributes:
        frame: ``(H, W, 3)`` uint8 BGR.
        box: of the key in it.
        image: the tray, ``(H, W, 3)`` uint8 BGR.
        truths: corners ``(4, 2)`` of every key in it.
    """

    frame: Image
    box: Box
    image: Image
    truths: Sequence[Corners]


@dataclass(frozen=True)
class TrayCount:
    """How many of the keys were found, and how many things that are none."""

    keys: int
    found: int
    others: int

    @property
    def right(self) -> bool:
        """Whether nearly all keys were found, and hardly anything else."""
        left_out = self.keys - self.found
        return max(left_out, self.others) <= TOLERATED * self.keys


def draw_tray() -> TrayScene:
    """Draw the tray; it is the same every time."""
    fonts = installed_fonts()
    brass = Finish(np.array((80.0, 165.0, 205.0)), 0.6, 60.0, 20.0, 0.4, 5.0)
    steel = Finish(np.array((165.0, 165.0, 165.0)), 0.55, 60.0, 20.0, 0.2, 5.0)
    key = _part("key", KEY, brass, 72.0, fonts)
    others = [
        _part("washer", WASHER, steel, 40.0, fonts),
        _part("bracket", {**BRACKET, "aspect": 0.3}, steel, 60.0, fonts),
    ]
    random = np.random.default_rng(SEED)
    image = WOOD.draw(random, TRAY)
    parts = [*[key] * KEYS, *others * OTHERS]
    places = scattered(random, Floor(TRAY), [one.box for one in parts], Poses((-180, 180)), GAP)
    laid = [(one, place) for one, place in zip(parts, places, strict=True) if place is not None]
    for one, place in laid:
        _lay(image, one, place)
    frame = WOOD.draw(random, FRAME)
    _lay(frame, key, at_corner(120, 90))
    _lay(frame, others[0], at_corner(230, 40))
    _lay(frame, others[1], posed(others[1].box, (60, 190), 30.0))
    return TrayScene(
        frame=_noisy(frame, random),
        box=Box(120, 90, *key.box),
        image=_noisy(image, random),
        truths=[corners_of(one.box, place) for one, place in laid if one is key],
    )


def count_keys(truths: Sequence[Corners], matches: Sequence[Match]) -> TrayCount:
    """Compare what was found with where the keys are."""
    found = [match.corners for match in matches if match.found]
    right = [
        [outline_overlap(truth, corners) > GOOD_OVERLAP for corners in found] for truth in truths
    ]
    hit = sum(any(row) for row in right)
    return TrayCount(len(truths), hit, len(found) - hit)


def _part(
    kind: str, numbers: dict[str, float], finish: Finish, longer: float, fonts: FontSet
) -> LitPart:
    """A part whose longer side has so many pixels."""
    return LitPart(SHAPES[kind][0](numbers, fonts), finish, SEED, LONGER / longer)


def _lay(canvas: Image, part: LitPart, place: Matrix) -> None:
    """Put a part and its shadow onto a picture."""
    angle = float(np.degrees(np.arctan2(-place[1, 0], place[0, 0])))
    shadow = part.shadow(1.2, 0.5)
    rim = (shadow.size[0] - part.size[0]) / 2.0
    below = place.copy()
    below[:, 2] += place[:, :2] @ (-rim, -rim) + (1.2, 2.0)
    paste(canvas, shadow, below)
    paste(canvas, part.lit(LAMP, angle), place)


def _noisy(picture: Image, random: np.random.Generator) -> Image:
    """A picture with Gaussian noise."""
    noise = random.normal(0.0, NOISE, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)
