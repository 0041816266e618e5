"""Parts in the light: a part turned on a table shines on another side, its lamp stays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .grounds import noise, streaks
from .part_blank import Blank
from .stickers import Sticker, cut_out

Random = np.random.Generator

CHART = 30.0
"""Grey levels to a pixel of relief, where relief is shown as such."""

BINS = 24
"""Turns of a part that are lit differently: every 15 degrees."""


@dataclass(frozen=True)
class Finish:
    """How a material looks.

    Attributes:
        colour: BGR, 0 to 255.
        diffuse: share of light that is scattered.
        shine: strength of highlights.
        sharp: how small they are.
        brushed: strength of its brushing, 0 to 1.
        bevel: width of rounded edges, in pixels of the drawing.
    """

    colour: np.ndarray
    diffuse: float
    shine: float
    sharp: float
    brushed: float
    bevel: float


@dataclass(frozen=True)
class Lamp:
    """Where light comes from.

    Attributes:
        angle: degrees, counter-clockwise as seen, from the right.
        height: degrees above the table.
        ambient: share of light that comes from everywhere.
        back: light from below, which leaves outlines only.
    """

    angle: float
    height: float
    ambient: float
    back: bool


MATERIALS = (
    ((165, 165, 165), 0.55, 90.0),
    ((205, 205, 200), 0.5, 70.0),
    ((120, 122, 125), 0.6, 60.0),
    ((60, 58, 56), 0.5, 70.0),
    ((80, 165, 205), 0.6, 70.0),
    ((70, 110, 185), 0.6, 70.0),
    ((120, 175, 185), 0.6, 70.0),
)
"""Steel, aluminium, grey iron, black oxide, brass, copper, zinc: colour, scatter, shine."""


def draw_finish(random: Random) -> Finish:
    """A metal, or a plastic of any colour."""
    bevel = float(random.uniform(2.0, 9.0))
    if random.random() < 0.2:
        colour = random.uniform(20, 230, 3)
        return Finish(colour, 0.75, float(random.uniform(5, 60)), 8.0, 0.0, bevel)
    base, diffuse, shine = MATERIALS[int(random.integers(len(MATERIALS)))]
    colour = np.array(base) * random.uniform(0.8, 1.15)
    brushed = float(random.uniform(0.0, 1.0)) if random.random() < 0.6 else 0.0
    return Finish(
        colour,
        diffuse,
        shine * float(random.uniform(0.4, 1.3)),
        float(random.uniform(6, 40)),
        brushed,
        bevel,
    )


def draw_lamp(random: Random) -> Lamp:
    """A lamp at one side, above, or below a glass table."""
    return Lamp(
        float(random.uniform(-180, 180)),
        float(random.uniform(25, 80)),
        float(random.uniform(0.25, 0.6)),
        bool(random.random() < 0.1),
    )


class LitPart:
    """A part that can be seen from above at any turn.

    Args:
        part: its shape.
        finish: its material.
        seed: of its surface, the same for all copies.
        finer: pixels of the drawing to one of its own size.
    """

    def __init__(self, part: Blank, finish: Finish, seed: int, finer: float) -> None:
        self.finish, self.finer = finish, finer
        self.coverage = part.mask
        inside = cv2.distanceTransform((part.mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
        edge = np.minimum(inside / finish.bevel, 1.0)
        height = cv2.GaussianBlur(np.sqrt(edge * (2.0 - edge)) * finish.bevel * 0.7, (0, 0), 1.0)
        self.high, self.tint = part.relief, part.paint
        height = height + cv2.GaussianBlur(part.relief, (0, 0), 0.8)
        random = np.random.default_rng(seed)
        size = (part.mask.shape[1], part.mask.shape[0])
        grain = streaks(random, size, 40) * finish.brushed + 0.4 * noise(random, size, 30.0)
        self.colour = (finish.colour * part.paint * (1.0 + 0.05 * grain[..., None])).astype(
            np.float32
        )
        self.across = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
        self.down = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
        self.up = 1.0 / np.sqrt(1.0 + self.across**2 + self.down**2)
        self.seen: dict[int, Sticker] = {}

    @property
    def size(self) -> tuple[float, float]:
        """Width and height where it is shown at its own size."""
        height, width = self.coverage.shape
        return width / self.finer, height / self.finer

    @property
    def box(self) -> tuple[int, int]:
        """The same in whole pixels, for the box that a user draws around it."""
        return round(self.size[0]), round(self.size[1])

    def lit(self, lamp: Lamp, angle: float = 0.0) -> Sticker:
        """What it looks like when it is turned, as a sticker that is still to be turned."""
        turn = round(angle * BINS / 360.0) % BINS
        if turn not in self.seen:
            self.seen[turn] = self._shaded(lamp, turn * 360.0 / BINS)
        return self.seen[turn]

    def chart(self) -> Sticker:
        """Its shape, relief and paint without a lamp, so that every mark shows at any turn."""
        levels = 130.0 * self.tint + self.high[..., None] * CHART
        return cut_out(np.clip(levels, 10, 250), self.coverage, self.finer)

    def shadow(self, softness: float, strength: float) -> Sticker:
        """What it keeps light from: black, soft at the edges."""
        rim = math.ceil(3 * softness * self.finer)
        wide = cv2.copyMakeBorder(self.coverage, rim, rim, rim, rim, cv2.BORDER_CONSTANT)
        soft = cv2.GaussianBlur(wide, (0, 0), max(0.5, softness * self.finer))
        return cut_out((0, 0, 0), (soft * strength).astype(np.uint8), self.finer)

    def _shaded(self, lamp: Lamp, angle: float) -> Sticker:
        """Lambert's scatter and a highlight about halfway between lamp and camera."""
        if lamp.back:
            return cut_out(self.colour * 0.12, self.coverage, self.finer)
        # In the part's own frame the lamp is turned the other way.
        side, high = math.radians(lamp.angle - angle), math.radians(lamp.height)
        x, y = math.cos(side) * math.cos(high), -math.sin(side) * math.cos(high)
        z = math.sin(high)
        facing = (z - self.across * x - self.down * y) * self.up
        scattered = lamp.ambient + self.finish.diffuse * np.maximum(facing, 0.0) / max(0.4, z)
        half = math.sqrt(x**2 + y**2 + (z + 1.0) ** 2)
        glance = (z + 1.0 - self.across * x - self.down * y) * self.up / half
        shine = self.finish.shine * np.maximum(glance, 0.0) ** self.finish.sharp
        colour = self.colour * scattered[..., None] + shine[..., None]
        return cut_out(np.clip(colour, 0, 255), self.coverage, self.finer)
