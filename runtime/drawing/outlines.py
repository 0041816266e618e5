"""Outlines of objects on pictures: upright boxes, and turned ones with a mark at their top."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image
from ..kinds import Bound, Numeric

Colour = tuple[int, int, int]
Array = NDArray[np.float64]

INK: Numeric[Colour] = (16, 16, 16)
SHIFT: Numeric[int] = 4
"""Binary digits of parts of a pixel that turned lines are drawn with."""

SAME: Bound[float] = 0.01
"""Pixels by which the corners of an upright box may lie beside it."""

SMALLEST_MARK: Bound[float] = 3.0
"""Pixels from the tip of a mark to its base, at least."""

FURTHEST: Bound[float] = 30000.0
"""Pixels beyond which OpenCV cannot draw."""

FAR: Bound[float] = float(1 << 24)
"""Pixels from a picture at which nothing of an outline is seen, wherever it goes on to."""

LARGEST: Bound[float] = 1e300
"""Of what is added and scaled; with larger numbers the answer would be infinite."""


def line_unit(canvas: Image) -> float:
    """How much larger than a usual picture this one is: the factor on lines and text."""
    return max(0.9, min(canvas.shape[:2]) / 480.0)


def whole_edges(box: Sequence[float], scale: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a scaled box in whole pixels."""
    x, y, w, h = (min(max(float(value), -LARGEST), LARGEST) * scale for value in box)
    left, top, right, bottom = (round(min(max(edge, -FAR), FAR)) for edge in (x, y, x + w, y + h))
    return left, top, max(right - 1, left), max(bottom - 1, top)


def draw_box(
    canvas: Image, box: Sequence[float], scale: float, colour: Colour, *, dashed: bool
) -> None:
    """Draw a rectangle with a dark rim, so that it shows on any background."""
    left, top, right, bottom = whole_edges(box, scale)
    width = max(1, round(2 * line_unit(canvas)))
    if min(right - left, bottom - top) < 12 * width:
        # Around a small object, so that the line does not hide it.
        left, top, right, bottom = left - width, top - width, right + width, bottom + width
    rim = width + 2 * max(1, width // 2)
    height, across = canvas.shape[:2]
    first, last = (
        (min(max(x, -4 * rim), across + 4 * rim), min(max(y, -4 * rim), height + 4 * rim))
        for x, y in ((left, top), (right, bottom))
    )
    cv2.rectangle(canvas, first, last, INK, rim)
    if not dashed:
        cv2.rectangle(canvas, first, last, colour, width)
        return
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    for start, end in pairwise(corners):
        _draw_dashes(canvas, np.array([start, end], float), colour, width)


def draw_outline(
    canvas: Image, corners: Array, scale: float, colour: Colour, *, dashed: bool
) -> Box:
    """Draw the outline of an object; unless it lies upright, a mark shows where its top is.

    Args:
        canvas: ``(H, W, 3)`` uint8 BGR, is drawn on.
        corners: ``(4, 2)``, the object's top left, top right, bottom right and bottom left, in
            pixels of which the first covers 0 to 1.
        scale: factor on the corners.
        colour: of the line.
        dashed: whether the line is broken.

    Returns:
        The upright box around what was drawn, in pixels of the canvas.
    """
    box = upright_box(corners)
    if box is not None:
        draw_box(canvas, box, scale, colour, dashed=dashed)
        return Box(*(value * scale for value in box))
    width = max(1, round(2 * line_unit(canvas)))
    # The middle of the first pixel lies at 0 for OpenCV.
    points = np.asarray(corners, np.float64) * scale - 0.5
    middle = points.mean(axis=0)
    sides = np.hypot(*(points - np.roll(points, 1, axis=0)).T)
    if sides.min() < 12 * width:
        reach = np.hypot(*(points - middle).T)[:, None]
        points = points + (points - middle) / np.maximum(reach, 1e-6) * 1.4 * width
    mark = _mark(points, middle, width)
    rim = width + 2 * max(1, width // 2)
    for shape in (points, mark):
        cv2.polylines(canvas, [_fine(shape)], True, INK, rim, cv2.LINE_AA, SHIFT)
    if dashed:
        for ends in zip(points, np.roll(points, -1, axis=0), strict=True):
            _draw_dashes(canvas, np.array(ends), colour, width)
    else:
        cv2.polylines(canvas, [_fine(points)], True, colour, width, cv2.LINE_AA, SHIFT)
    cv2.fillPoly(canvas, [_fine(mark)], colour, cv2.LINE_AA, SHIFT)
    drawn = np.concatenate([points, mark])
    low, high = drawn.min(axis=0) - rim / 2, drawn.max(axis=0) + rim / 2
    return Box(*low.tolist(), *(high - low).tolist())


def upright_box(corners: Array) -> Box | None:
    """The box ``(x, y, w, h)`` whose corners these are; ``None`` if they lie otherwise."""
    (left, top), (right, bottom) = corners[0], corners[2]
    straight = [[left, top], [right, top], [right, bottom], [left, bottom]]
    if left < right and top < bottom and np.abs(corners - straight).max() <= SAME:
        return Box(*(float(value) for value in (left, top, right - left, bottom - top)))
    return None


def corners_of(box: Box) -> Array:
    """The corners ``(4, 2)`` of an upright box, top left first, clockwise."""
    left, top, right, bottom = box.xyxy
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def _mark(points: Array, middle: Array, width: int) -> Array:
    """A triangle that stands on the top edge and points away from the object, ``(3, 2)``."""
    first, second = points[0], points[1]
    along = second - first
    length = max(float(np.hypot(*along)), 1e-6)
    away = np.array([along[1], -along[0]]) / length
    if away @ ((first + second) / 2 - middle) < 0:
        away = -away
    tall = max(SMALLEST_MARK, min(4.5 * width, length / 3))
    foot = (first + second) / 2
    half = along / length * tall * 0.75
    return np.array([foot - half, foot + away * tall, foot + half])


def _draw_dashes(canvas: Image, ends: Array, colour: Colour, width: int) -> None:
    """Draw every other piece of a line, beginning and ending with a drawn one."""
    step = max(3 * width, 4)
    a, b = ends
    pieces = max(1, int(np.hypot(*(b - a)) / step)) | 1
    start, end = _part_inside(canvas, a, b, step + width)
    for piece in range(int(start * pieces) // 2 * 2, min(int(end * pieces) + 1, pieces), 2):
        first, last = (a + (b - a) * ((piece + side) / pieces) for side in (0, 1))
        cv2.line(canvas, _whole(first), _whole(last), colour, width)


def _part_inside(canvas: Image, a: Array, b: Array, margin: float) -> tuple[float, float]:
    """From which to which part of a line, 0 to 1, it may lie in a picture or its margin.

    Where the first is larger, none of it does.
    """
    start, end = 0.0, 1.0
    for side, begins, ends in zip(canvas.shape[1::-1], a.tolist(), b.tolist(), strict=True):
        low, high = -margin - begins, side + margin - begins
        way = ends - begins
        if abs(way) >= 1.0:
            first, last = sorted((low / way, high / way))
            start, end = max(start, first), min(end, last)
        elif low > 0 or high < 0:
            return 1.0, 0.0
    return start, end


def _whole(position: Array) -> tuple[int, int]:
    """A position as whole pixels."""
    return round(float(position[0])), round(float(position[1]))


def _fine(points: Array) -> NDArray[np.int32]:
    """Points as OpenCV takes them with :data:`SHIFT`."""
    near = np.clip(points, -FURTHEST, FURTHEST)
    return np.rint(near * (1 << SHIFT)).astype(np.int32)
