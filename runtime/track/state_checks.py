"""What the saved state of a tracker may hold: a file that somebody else made may hold anything."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..arguments import LONGEST_CALLED
from ..boxes import MAX_VALUE, Box
from ..kinds import Bound
from ..limits import PICTURE_PIXELS, TEMPLATE_ROWS
from ..patches.grid import PatchGrid, check_grid
from .colours import COUNT, ObjectColours
from .frame_stream import NEAR, POINTS, Sample
from .glance import FEWEST, LONGEST, SHORTEST, KeptPixels
from .outline import MOST_ASPECT
from .presence import HALF_TURN, LOST, TRACKING, UNCERTAIN, Track
from .spread_search import LikelyPlace

LARGEST_COUNT: Bound[int] = 1 << 62
"""Of frames and searches."""

LARGEST_SIZE: Bound[float] = 100.0
"""Of an object, relative to its first; recipes allow no more."""

MOST_WAITING: Bound[int] = 10_000

TOLERANCE: Bound[float] = 1e-3
"""By which rounding may bring a sum of shares above 1."""

Check = Callable[[Any], bool]


def is_count(value: Any) -> bool:
    """A whole number that counts something."""
    return type(value) is int and 0 <= value <= LARGEST_COUNT


def is_truth(value: Any) -> bool:
    """A truth value."""
    return isinstance(value, (bool, np.bool_))


def is_finite(value: Any) -> bool:
    """A finite number."""
    number = isinstance(value, (int, float, np.floating, np.integer))
    return number and not isinstance(value, bool) and math.isfinite(value)


def is_point(value: Any) -> bool:
    """A place or a move in pixels, ``(x, y)``."""
    return (
        isinstance(value, tuple)
        and len(value) == 2  # noqa: PLR2004
        and all(is_finite(side) and abs(side) <= MAX_VALUE for side in value)
    )


def is_factor(value: Any) -> bool:
    """The size of an object, relative to its first."""
    return is_finite(value) and 1 / LARGEST_SIZE <= value <= LARGEST_SIZE


def is_angle(value: Any) -> bool:
    """Degrees."""
    return is_finite(value) and abs(value) <= HALF_TURN


def is_aspect(value: Any) -> bool:
    """Logarithm of width over height, over that of the first."""
    return is_finite(value) and abs(value) <= MOST_ASPECT


def is_trends(value: Any) -> bool:
    """Sums of changes of size, shape and turn."""
    return isinstance(value, tuple) and len(value) == 3 and all(map(is_finite, value))  # noqa: PLR2004


def is_colours(value: Any) -> bool:
    """Shares of colours."""
    return isinstance(value, ObjectColours) and all(
        isinstance(each, np.ndarray)
        and each.dtype == np.float32
        and each.shape == (COUNT,)
        and bool(np.isfinite(each).all())
        and float(each.min()) >= 0
        # Each of them first: a sum of large ones has no number.
        and float(each.max()) <= 1 + TOLERANCE
        and float(each.sum()) <= 1 + TOLERANCE
        for each in value
    )


def is_kept_pixels(value: Any) -> bool:
    """An object's pixels, or none."""
    if value is None:
        return True
    return (
        isinstance(value, KeptPixels)
        and _are_pixels(value.pixels)
        and all(SHORTEST <= side <= LONGEST for side in value.pixels.shape[:2])
        and math.prod(value.pixels.shape[:2]) >= FEWEST
        and is_finite(value.scale)
        and 1 / MAX_VALUE <= value.scale <= MAX_VALUE
        and is_angle(value.angle)
    )


def is_known(value: Any) -> bool:
    """A place and the size there."""
    pair = isinstance(value, tuple) and len(value) == 2  # noqa: PLR2004
    return pair and is_point(value[0]) and is_factor(value[1])


def is_share(value: Any) -> bool:
    """A number from 0 to 1."""
    return is_finite(value) and 0 <= value <= 1


def is_state(value: Any) -> bool:
    """The name of a state."""
    return value in (TRACKING, UNCERTAIN, LOST) if isinstance(value, str) else False


def is_size(value: Any) -> bool:
    """Width and height of a picture."""
    return (
        isinstance(value, tuple)
        and len(value) == 2  # noqa: PLR2004
        and all(is_count(side) and side > 0 for side in value)
        and PICTURE_PIXELS.refusal(value[0] * value[1]) is None
    )


def is_scale(value: Any) -> bool:
    """Pixels per pixel, across and down."""
    return is_point(value) and all(side >= 1 / MAX_VALUE for side in value)


def is_box(value: Any) -> bool:
    """A box that an object may have, also in a picture of another size."""
    return isinstance(value, Box) and all(map(is_finite, value)) and min(value.w, value.h) > 0


def is_track(value: Any) -> bool:
    """What was said of a frame."""
    return (
        isinstance(value, Track)
        and is_box(value.box)
        and is_share(value.score)
        and is_state(value.state)
        and isinstance(value.name, str)
        and len(value.name) <= LONGEST_CALLED
        and (value.angle is None or is_angle(value.angle))
        and (value.scale is None or (is_finite(value.scale) and value.scale > 0))
        and (
            value.corners is None
            or (
                isinstance(value.corners, tuple)
                and len(value.corners) == 4  # noqa: PLR2004
                and all(map(is_point, value.corners))
            )
        )
    )


def is_waiting(value: Any) -> bool:
    """Places that are to be looked at."""
    return (
        type(value) is deque
        and len(value) <= MOST_WAITING
        and all(
            isinstance(each, LikelyPlace) and is_known(each[:2]) and is_truth(each.known)
            for each in value
        )
    )


def is_sampled(value: Any) -> bool:
    """Pixels of a frame, of all of it and around the object."""
    return isinstance(value, tuple) and len(value) in (0, 2) and all(map(_is_sample, value))


def _is_sample(value: Any) -> bool:
    """Some pixels, and where they are."""
    if not isinstance(value, Sample):
        return False
    places = [value.rows, value.columns]
    if not all(
        isinstance(place, slice)
        and all(is_count(end) for end in (place.start, place.stop, place.step))
        and place.step > 0
        and place.start < place.stop <= MAX_VALUE
        for place in places
    ):
        return False
    shape = tuple(len(range(place.start, place.stop, place.step)) for place in places)
    return (
        _are_pixels(value.pixels)
        and value.pixels.shape[:2] == shape
        and max(shape) <= max(POINTS, NEAR)
    )


def _are_pixels(value: Any) -> bool:
    """Colours, ``(H, W, 3)`` uint8."""
    picture = isinstance(value, np.ndarray) and value.dtype == np.uint8
    return picture and value.ndim == 3 and value.shape[2] == 3  # noqa: PLR2004


def check_stream(size: tuple[int, int], samples: tuple[Sample, ...]) -> None:
    """Refuse samples that are not of a frame of that size.

    Args:
        size: height and width.
        samples: of all of it and around the object; or none.

    Raises:
        ValueError: they reach beyond it, or the first is not of all of it.
    """
    inside = all(
        sample.rows.stop <= size[0] and sample.columns.stop <= size[1] for sample in samples
    )
    whole = not samples or (
        (samples[0].rows.start, samples[0].rows.stop) == (0, size[0])
        and (samples[0].columns.start, samples[0].columns.stop) == (0, size[1])
    )
    if not inside or not whole:
        raise ValueError("the samples of the last frame are not of its size")


def grid_like(first: PatchGrid) -> Check:
    """Whether a value is a grid of the same channels as the first look's, and no larger."""

    def check(value: Any) -> bool:
        if not isinstance(value, PatchGrid):
            return False
        arrays = (value.rows, value.target, value.footprint)
        if not all(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in arrays):
            return False
        if not is_point(value.offset):
            return False
        try:
            check_grid(value, TEMPLATE_ROWS)
        except ValueError:
            return False
        # A box on other pixels has a row or column of cells more or less.
        cells = zip(value.footprint.shape, first.footprint.shape, strict=True)
        return value.rows.shape[1] == first.rows.shape[1] and all(a <= b + 1 for a, b in cells)

    return check


STATE: Mapping[str, Mapping[str, Check]] = {
    "Follower": {
        "centre": is_point,
        "size": is_factor,
        "angle": is_angle,
        "aspect": is_aspect,
        "_move": is_point,
        "_sure": is_known,
        "_sure_angle": is_angle,
        "_sure_aspect": is_aspect,
        "_settled": is_known,
        "_seen_for": is_count,
        "_fit": is_finite,
        "_lost_for": is_count,
        "_doubted": is_count,
        "_score": is_share,
    },
    "Calm": {"_left": is_count, "_trends": is_trends},
    "PixelGlance": {"kept": is_kept_pixels},
    "TargetModel": {
        "_kept": is_count,
        "_since": is_count,
        "_unseen": is_count,
        "_reads_older": is_truth,
        "colours": is_colours,
    },
    "Belief": {"state": is_state, "_odds": is_finite},
    "WholeFrameSearch": {"_searches": is_count},
    "SpreadSearch": {
        "_waiting": is_waiting,
        "_turn": is_count,
        "_searched": is_finite,
        "refused": is_truth,
    },
    "StreamView": {"size": is_size, "factors": is_scale, "latest": is_track},
    "FrameStream": {"_size": is_size, "_samples": is_sampled},
}
"""By class, what each saved attribute has to be; looks of the target are compared with the first
one, see :func:`grid_like`."""


def check_attribute(kind: str, name: str, value: Any, looks: Mapping[str, PatchGrid]) -> None:
    """Refuse a value that no tracker would have saved.

    Args:
        kind: name of the class.
        name: of the attribute.
        value: what was read.
        looks: attributes that are grids, and the first look's of that kind.

    Raises:
        ValueError: it is something else.
    """
    check = grid_like(looks[name]) if name in looks else STATE[kind][name]
    if not check(value):
        raise ValueError(f"{kind}.{name} is not what a tracker saves")
