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
"""Longer side at which pictures are compared for symmetry, in pixels."""

EDGE = 2.0
"""Blur with which they are compared, since a turned edge lies up to half a pixel elsewhere."""

HARDLY = 0.6
"""A turn under which something looks the same changes it less than others, by this share."""

SAME = 0.0008
"""Most pixels that differ where something looks the same, by all."""

PRIMES = (2, 3, 5, 7, 11, 13)
MOST_TURNS = 26
"""What looks the same oftener during a turn is taken as round or as not symmetric."""

IRREGULAR = (17.0, 41.0, 67.0)
"""Degrees that are no part of a circle: what looks the same at all of them is round."""


def visible_pixels(first: Picture, second: Picture, blur: float = 0.6) -> int:
    """Pixels that differ visibly; pictures of one size.

    Args:
        first: ``(H, W, 3)`` uint8.
        second: the same.
        blur: standard deviation in pixels, which leaves out what is smaller.
    """
    one, other = (cv2.GaussianBlur(picture, (0, 0), blur) for picture in (first, second))
    # As fast as it gets: where all channels are within the limit.
    alike = cv2.inRange(cv2.absdiff(one, other), (0, 0, 0), (VISIBLE, VISIBLE, VISIBLE))
    return alike.size - cv2.countNonZero(alike)


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
    """How often a sticker looks the same during one turn; 0 if it is round, 1 if only once.

    It is looked at as large as it is shown; what is too small to be seen there does not count.
    """
    upright = _enlarged(sticker, 0.0)
    most = SAME * upright[0].shape[0] ** 2
    away: dict[float, float] = {}

    def same(angle: float) -> bool:
        turned = _enlarged(sticker, angle)
        pairs = list(zip(upright, turned, strict=True))
        away[angle] = sum(float(cv2.norm(*pair, cv2.NORM_L1)) for pair in pairs)
        return all(visible_pixels(*pair, EDGE) <= most for pair in pairs)

    irregular = [same(angle) for angle in IRREGULAR]
    if all(irregular):
        return 0
    found = [prime for prime in PRIMES if same(360.0 / prime)]
    # What looks the same four times does so twice, so most numbers need no look.
    possible = [turns for turns in range(4, MOST_TURNS + 1) if _made_of(turns, found)]
    found += [turns for turns in possible if turns not in PRIMES and same(360.0 / turns)]
    # Something nearly round differs little at any turn, but least at its own.
    usual = HARDLY * float(np.mean([away[angle] for angle in IRREGULAR]))
    slanted = [turns for turns in found if turns not in (2, 4) and away[360.0 / turns] < usual]
    least = min((away[360.0 / turns] for turns in slanted), default=0.0)
    true = [turns for turns in slanted if away[360.0 / turns] <= 2.5 * least]
    return max([*true, *(turns for turns in found if turns in (2, 4))], default=1)


def _enlarged(sticker: Sticker, angle: float) -> list[Picture]:
    """A sticker turned at its own size, then made as large as it takes to compare edges."""
    longer = max(sticker.size)
    squares = _in_squares(sticker, min(1.0, SHOWN / longer), angle, min(longer, SHOWN) * 1.4)
    size = round(SHOWN * 1.54), round(SHOWN * 1.54)
    way = cv2.INTER_CUBIC
    return [np.asarray(cv2.resize(one, size, interpolation=way), np.uint8) for one in squares]


def _made_of(number: int, primes: list[int]) -> bool:
    """Whether a number has no other prime factors."""
    for prime in primes:
        while number % prime == 0:
            number //= prime
    return number == 1
