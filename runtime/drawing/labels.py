"""Words beside outlines, on filled tags in their colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image
from ..kinds import Bound, Numeric
from .outlines import FAR, INK, Colour, line_unit, whole_edges

FOUND_COLOUR: Numeric[Colour] = (90, 230, 60)
MISSED_COLOUR: Numeric[Colour] = (30, 150, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX
LONGEST_NAME: Bound[int] = 18
SAMPLES: Numeric[int] = 32
"""Points of each side of an outline that a tag should not hide."""


def in_ascii(text: str) -> str:
    """Text as the font can write it; half characters would end the process inside OpenCV."""
    return text.encode("ascii", "replace").decode("ascii")


def in_short(name: str) -> str:
    """A name as the font can write it, cut off where it is long."""
    plain = in_ascii(name)
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 2]}.."


@dataclass(frozen=True)
class Label:
    """Words beside an outline.

    Attributes:
        box: around what was drawn of the object, ``x, y, w, h`` in pixels of the canvas.
        corners: ``(4, 2)``, of the outline, in pixels of the canvas.
        text: the words.
        colour: of the tag that they stand on.
    """

    box: Box
    corners: NDArray[np.float64]
    text: str
    colour: Colour


class _Tag(NamedTuple):
    """A rectangle of whole pixels."""

    x: int
    y: int
    w: int
    h: int

    def common(self, other: _Tag) -> int:
        """Pixels of both."""
        across = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        down = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        return max(0, across) * max(0, down)

    def covered(self, points: NDArray[np.float64]) -> int:
        """How many of some points ``(N, 2)`` lie under it."""
        low, high = (self.x, self.y), (self.x + self.w, self.y + self.h)
        return int(((points >= low) & (points < high)).all(axis=1).sum())


def draw_labels(canvas: Image, labels: Sequence[Label], smaller: float = 1.0) -> None:
    """Write on filled tags beside outlines, so that tags hide neither each other nor outlines.

    A tag stands above its box. Where that has no room, or another tag or outline is there, it
    stands at another side, at the one where it hides least. What would not fit the picture is left
    out.

    Args:
        canvas: ``(H, W, 3)`` uint8 BGR, is drawn on.
        labels: those that matter most first: they choose their places first.
        smaller: factor on the text.
    """
    unit = line_unit(canvas) * smaller
    size, thickness = 0.5 * unit, max(1, round(1.2 * unit))
    pad = max(2, round(3 * unit))
    height, width = canvas.shape[:2]
    outlines = np.concatenate([np.empty((0, 2)), *(_along(each.corners) for each in labels)])
    taken: list[_Tag] = []
    for label in labels:
        text = in_ascii(label.text)
        (wide, tall), below = cv2.getTextSize(text, FONT, size, thickness)
        tag_w, tag_h = wide + 2 * pad, tall + below + 2 * pad
        if tag_w > width or 2 * tag_h > height:
            continue
        places = _places(label.box, tag_w, tag_h, width, height)
        tag = _freest(places, taken, outlines)
        taken.append(tag)
        end = tag.x + tag_w - 1, tag.y + tag_h - 1
        cv2.rectangle(canvas, (tag.x, tag.y), end, label.colour, cv2.FILLED)
        origin = (tag.x + pad, tag.y + pad + tall)
        cv2.putText(canvas, text, origin, FONT, size, INK, thickness, cv2.LINE_AA)


def _freest(places: list[_Tag], taken: list[_Tag], outlines: NDArray[np.float64]) -> _Tag:
    """The first place that hides nothing, or else the one that hides least."""

    def hidden(place: _Tag) -> tuple[int, int]:
        return sum(map(place.common, taken)), place.covered(outlines)

    free = (place for place in places if hidden(place) == (0, 0))
    return next(free, None) or min(places, key=hidden)


def _places(box: Box, tag_w: int, tag_h: int, width: int, height: int) -> list[_Tag]:
    """Where a tag may stand in a picture, the usual place first."""
    left, top, right, bottom = whole_edges(box, 1.0)
    level = bottom + 1 - tag_h
    above = [(x, top - tag_h) for x in (left, right + 1 - tag_w)]
    under = [(x, bottom + 1) for x in (left, right + 1 - tag_w)]
    beside = [(x, y) for x in (right + 1, left - tag_w) for y in (top, level)]
    usual, other = (above, under) if top >= tag_h else (under, above)
    fitting = [
        _Tag(x, y, tag_w, tag_h)
        for x, y in (*usual, *other, *beside)
        if 0 <= y <= height - tag_h and (0 <= x <= width - tag_w or (x, y) in (*above, *under))
    ]
    # Over the object, where nothing beside it is in the picture.
    x, y = usual[0]
    places = [*fitting, _Tag(x, min(max(y, 0), height - tag_h), tag_w, tag_h)]
    return [place._replace(x=min(max(place.x, 0), width - tag_w)) for place in places]


def _along(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points ``(N, 2)`` along an outline, a pixel inside it: its own tag may touch it."""
    near = np.clip(corners, -FAR, FAR)
    inner = near - np.sign(near - near.mean(axis=0))
    steps = np.arange(SAMPLES)[:, None] / SAMPLES
    sides = zip(inner, np.roll(inner, -1, axis=0), strict=True)
    return np.concatenate([start + (end - start) * steps for start, end in sides])
