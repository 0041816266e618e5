"""Boxes as OpenCV has them: ``(x, y, w, h)`` in pixels, float, top-left origin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from .arguments import few_floats
from .errors import BoxError, seen
from .kinds import Bound
from .limits import ELONGATION

MAX_VALUE: Bound[float] = float(1 << 20)
"""No image that OpenCV reads is larger than this on either side."""

BoxLike = (
    tuple[SupportsFloat, SupportsFloat, SupportsFloat, SupportsFloat]
    | list[int]
    | list[float]
    | NDArray[np.integer[Any] | np.floating[Any]]
)
"""What is taken as a box: four numbers ``(x, y, w, h)``.

Any sequence of four is, but editors mark tuples of another length; for what they know as a sequence
of any length, such as the answer of ``cv2.selectROI``, write ``Box(*answer)``.
"""


class Box(NamedTuple):
    """Axis-aligned box: left edge, top edge, width and height in pixels."""

    x: float
    y: float
    w: float
    h: float

    @classmethod
    def from_xyxy(cls, x1: float, y1: float, x2: float, y2: float) -> Box:
        """The box between two corners: left, top, right and bottom edge in pixels.

        Raises:
            BoxError: they are no numbers.
        """
        try:
            return cls(x1, y1, x2 - x1, y2 - y1)
        except TypeError:
            raise BoxError(
                f"corners {seen((x1, y1, x2, y2))} are not four numbers; give x1, y1, x2, y2"
            ) from None

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Its edges: left, top, right and bottom, ``(x1, y1, x2, y2)``."""
        return self.x, self.y, self.x + self.w, self.y + self.h

    @property
    def area(self) -> float:
        """Width times height, in square pixels."""
        return self.w * self.h

    @property
    def centre(self) -> tuple[float, float]:
        """The point in its middle, ``(x, y)``."""
        return self.x + self.w / 2, self.y + self.h / 2

    @classmethod
    def around(cls, centre: tuple[float, float], width: float, height: float) -> Box:
        """The box of a size around a point ``(x, y)``."""
        return cls(centre[0] - width / 2, centre[1] - height / 2, width, height)

    def scaled(self, x: float, y: float) -> Box:
        """The same box in a picture whose sides are ``x`` and ``y`` times as long."""
        return Box(self.x * x, self.y * y, self.w * x, self.h * y)

    def __repr__(self) -> str:
        return f"Box(x={self.x:.7g}, y={self.y:.7g}, w={self.w:.7g}, h={self.h:.7g})"


def as_box(box: BoxLike | Sequence[SupportsFloat], name: str = "box") -> Box:
    """Check a box given as four numbers.

    Raises:
        BoxError: not four finite numbers, far beyond any image, or width or height not positive.
    """
    checked = _four(box, name)
    if checked.w <= 0 or checked.h <= 0:
        raise BoxError(
            f"{name} {tuple(checked)} has width {checked.w:g} and height {checked.h:g}; both "
            "must be positive (the order is x, y, width, height, not two corners)"
        )
    return checked


def _four(box: BoxLike | Sequence[SupportsFloat], name: str) -> Box:
    """Four finite numbers, none far beyond any image.

    Raises:
        BoxError: something else.
    """
    checked = as_four(box, name)
    if max(abs(value) for value in checked) > MAX_VALUE:
        raise BoxError(
            f"{name} {tuple(checked)} has a value beyond {MAX_VALUE:,.0f}; "
            "give x, y, width, height in pixels"
        )
    return checked


def as_four(box: Any, name: str) -> Box:
    """Four finite numbers, however large.

    Raises:
        BoxError: something else.
    """
    values = few_floats(box, 4)
    if len(values) != 4:  # noqa: PLR2004
        raise BoxError(
            f"{name} {seen(box)} is not four numbers; give x, y, width, height in pixels"
        )
    if not all(math.isfinite(value) for value in values):
        raise BoxError(f"{name} {tuple(values)} has a value that is not finite")
    return Box(*values)


def check_elongation(box: Box, name: str = "box") -> None:
    """Refuse a box too elongated for an object to be looked for.

    What is searched grows with the long side of a box at the resolution that gives the object a
    useful number of patches, and such a box has thousands along it.

    Raises:
        BoxError: it is; the message says by how much.
    """
    times, most = max(box.w, box.h) / min(box.w, box.h), ELONGATION.value
    if times > most:
        raise BoxError(
            f"{name} {tuple(box)} is {times:,.0f} times as long as wide, and at most {most:,} are "
            f"searched; give a part of it, or set {ELONGATION.variable}"
        )


class PixelRect(NamedTuple):
    """Whole pixels of a picture: left, top, width and height."""

    x: int
    y: int
    w: int
    h: int


def checked_region(region: BoxLike, width: int, height: int) -> PixelRect:
    """Check a part of a ``width`` x ``height`` picture, given as ``(x, y, w, h)``.

    Fractions are rounded to whole pixels.

    Raises:
        BoxError: malformed, smaller than a pixel, or not inside the picture.
    """
    box = as_box(region, "region")
    left, top = round(box.x), round(box.y)
    right, bottom = round(box.x + box.w), round(box.y + box.h)
    if left < 0 or top < 0 or right > width or bottom > height:
        raise BoxError(
            f"region {tuple(box)} does not lie inside the image ({width}x{height} px); give the "
            f"part of it that does{as_corners(box, width, height)}"
        )
    if right <= left or bottom <= top:
        raise BoxError(f"region {tuple(box)} holds no whole pixel; give a larger one")
    return PixelRect(left, top, right - left, bottom - top)


def as_corners(box: Box, width: int, height: int) -> str:
    """A guess for messages: that a box was given as two corners; empty where nothing says so.

    It sticks out of a ``width`` x ``height`` picture at the right or at the bottom, and would lie
    inside if its four numbers were ``(x1, y1, x2, y2)``.
    """
    x, y, right, bottom = box
    inside = 0 < x < right <= width and 0 < y < bottom <= height
    if not inside or (x + right <= width and y + bottom <= height):
        return ""
    meant = ", ".join(f"{value:g}" for value in (x, y, right - x, bottom - y))
    return (
        f"; if these are two corners (x1, y1, x2, y2), the box is ({meant}): the order is x, y, "
        "width, height"
    )


def box_in_frame(
    box: BoxLike | Sequence[SupportsFloat], width: int, height: int, name: str = "box"
) -> Box:
    """Check that a box has at least one pixel of area inside a ``width`` x ``height`` frame.

    A box may stick out of the frame: it is returned as given.

    Raises:
        BoxError: malformed, or entirely outside the frame.
    """
    checked = as_box(box, name)
    inside_w = min(checked.x + checked.w, width) - max(checked.x, 0)
    inside_h = min(checked.y + checked.h, height) - max(checked.y, 0)
    if inside_w <= 0 or inside_h <= 0 or inside_w * inside_h < 1:
        raise BoxError(
            f"{name} {tuple(checked)} lies outside the {width}x{height} frame; "
            "give x, y, width, height in pixels of that frame"
        )
    return checked


def box_iou(a: BoxLike | Sequence[SupportsFloat], b: BoxLike | Sequence[SupportsFloat]) -> float:
    """Intersection over union of two boxes ``(x, y, w, h)``, 0 to 1; 0 where a box has no area.

    Raises:
        BoxError: one of them is not four finite numbers, far beyond any image, or has a width or
            height below 0.
    """
    a, b = _four(a, "first box"), _four(b, "second box")
    for box, name in ((a, "first box"), (b, "second box")):
        if min(box.w, box.h) < 0:
            raise BoxError(
                f"{name} {tuple(box)} has width {box.w:g} and height {box.h:g}; neither may be "
                "below 0 (the order is x, y, width, height, not two corners)"
            )
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    # Rounding must not make an overlap larger than the boxes.
    width, height = min(width, a[2], b[2]), min(height, a[3], b[3])
    overlap = max(0.0, width) * max(0.0, height)
    union = a[2] * a[3] + b[2] * b[3] - overlap
    return min(1.0, overlap / union) if union > 0 else 0.0


def move_inside(box: Box, width: int, height: int) -> Box:
    """Shift a box by the least amount that puts it inside the frame (size unchanged if it fits)."""
    x = min(max(box.x, 0.0), max(0.0, width - box.w))
    y = min(max(box.y, 0.0), max(0.0, height - box.h))
    return Box(x, y, min(box.w, float(width)), min(box.h, float(height)))
