"""Whether two drawings differ visibly, and under which turns one looks the same."""

from __future__ import annotations

import cv2
import numpy as np

from .stickers import Picture, Sticker, paste, posed, shown

BACKDROPS = (235, 50)
"""Greys that two stickers are compared on, since a white part does not show on white."""

VISIBLE = 45
"""Difference of a pixel, in any channel, that is seen at once."""

LARGEST = 160.0
"""Sides that are compared, in pixels; what is larger is compared smaller, to save time."""

TURNED = 80.0
"""The same where turned ones are compared too, which takes longer."""

SHOWN = 96.0
"""Longer side at which symmetry is looked for, in pixels."""

SAME = 0.001
"""Most pixels that differ where something looks the same, by all."""

TURNS = (12, 10, 9, 8, 7, 6, 5, 4, 3, 2)
IRREGULAR = (17.0, 41.0, 67.0)
"""Degrees that are no part of a circle: what looks the same at all of them is round."""


def visible_pixels(first: Picture, second: Picture, *, thick: bool = False) -> int:
    """Pixels that differ visibly, single ones left out; pictures of one size.

    Args:
        first: ``(H, W, 3)`` uint8.
        second: the same.
        thick: leave out what is only a pixel wide, too, as the edge of something turned is.
    """
    one, other = (cv2.GaussianBlur(picture, (3, 3), 0.6) for picture in (first, second))
    seen = (cv2.absdiff(one, other).max(axis=2) > VISIBLE).astype(np.uint8)
    if thick:
        seen = cv2.erode(seen, np.ones((2, 2), np.uint8))
    return int(cv2.countNonZero(seen))


def looks_different(first: Sticker, second: Sticker, scale: float = 1.0, turns: int = 1) -> bool:
    """Whether a person can tell two stickers apart at a size, by several pixels.

    Args:
        first: a sticker.
        second: another one.
        scale: how large both are shown.
        turns: in how many turned positions of the second they have to differ.
    """
    if not _differs_upright(first, second, scale):
        return False
    scale = min(scale, TURNED / max(*first.size, *second.size))
    angles = [360.0 * turn / turns for turn in range(1, turns)]
    ones = _in_squares(first, scale, 0.0, TURNED)
    return all(
        any(map(_enough, ones, _in_squares(second, scale, angle, TURNED))) for angle in angles
    )


def _differs_upright(first: Sticker, second: Sticker, scale: float) -> bool:
    """Whether they differ upright, the second made as large as the first."""
    scale = min(scale, LARGEST / max(first.size))
    for backdrop in BACKDROPS:
        one = shown(first, scale, backdrop)
        other = shown(second, scale, backdrop)
        if one.shape != other.shape:
            size = one.shape[1], one.shape[0]
            other = np.asarray(cv2.resize(other, size, interpolation=cv2.INTER_AREA), np.uint8)
        if _enough(one, other):
            return True
    return False


def _enough(first: Picture, second: Picture) -> bool:
    """Whether so many pixels differ that it is seen."""
    area = first.shape[0] * first.shape[1]
    return visible_pixels(first, second) >= max(8.0, 0.004 * area)


def _in_squares(sticker: Sticker, scale: float, angle: float, side: float) -> list[Picture]:
    """A sticker turned about its centre, in a square of each backdrop."""
    squares = []
    for backdrop in BACKDROPS:
        canvas = np.full((int(side * 1.1), int(side * 1.1), 3), backdrop, np.uint8)
        middle = canvas.shape[0] / 2.0
        paste(canvas, sticker, posed(sticker.size, (middle, middle), angle, scale))
        squares.append(canvas)
    return squares


def symmetry_of(sticker: Sticker) -> int:
    """How often a sticker looks the same during one turn; 0 if it is round, 1 if only once."""
    scale = SHOWN / max(sticker.size)
    upright = _in_squares(sticker, scale, 0.0, SHOWN * 1.4)
    most = SAME * upright[0].shape[0] ** 2

    def same(angle: float) -> bool:
        turned = _in_squares(sticker, scale, angle, SHOWN * 1.4)
        pairs = zip(upright, turned, strict=True)
        return max(visible_pixels(*pair, thick=True) for pair in pairs) <= most

    if all(same(angle) for angle in IRREGULAR):
        return 0
    return next((turns for turns in TURNS if same(360.0 / turns)), 1)
