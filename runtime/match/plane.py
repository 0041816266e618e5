"""Maps of a planar object into an image: affine ones and homographies, in small steps.

A map takes a template's *places* to pixels of an image: offsets from the middle of its box, in
units of half its side (the root of its area). It is a 3x3 matrix. A step towards a better map has
up to eight parameters: right, down, turn and size, which a similarity has; stretch and slant,
which an affine map has too; and two of perspective.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..kinds import Bound, Numeric
from .pose import ALIAS, BLUR, wrapped

Array = NDArray[Any]

PlaneMap = Literal["similarity", "affine", "homography"]

SIMILARITY: Numeric[int] = 4
"""Parameters of a similarity."""

PARAMETERS = {"similarity": SIMILARITY, "affine": 6, "homography": 8}
"""Of all maps."""

LEAST_DEPTH: Numeric[float] = 0.1
"""Relative depth at which what lies around an object is cut off: the horizon is at 0."""

FINEST: Bound[int] = 4
"""Samples along a side that are averaged to one, at most."""

STEEPEST: Bound[float] = 3.0
"""Ratio of longest to shortest axis, and of depths within the object, beyond which a map is none of
an object that can be recognised."""

LARGEST_CHANGE: Bound[float] = 2.5
"""Factor on the area of the similarity beyond which a map does not belong to it."""


def moves(places: Array) -> Array:
    """How places move with each parameter of a step.

    Args:
        places: ``(K, 2)``.

    Returns:
        ``(8, 2, K)``.
    """
    x, y = places.T
    one, none = np.ones_like(x), np.zeros_like(x)
    return np.array(
        [
            [one, none],
            [none, one],
            [-y, x],
            [x, y],
            [x, -y],
            [y, x],
            [x * x, x * y],
            [x * y, y * y],
        ]
    )


def step_matrix(step: Array) -> Array:
    """``(3, 3)``: the map of places by a step of 4, 6 or 8 parameters."""
    right, down, turn, size, stretch, slant, across, along = (*step, *[0.0] * (8 - len(step)))
    return np.array(
        [
            [1 + size + stretch, slant - turn, right],
            [slant + turn, 1 + size - stretch, down],
            [-across, -along, 1.0],
        ]
    )


def projected(matrix: Array, places: Array) -> Array:
    """Places ``(K, 2)`` through a map, in pixels of the image."""
    raw = places @ matrix[:, :2].T + matrix[:, 2]
    return raw[:, :2] / np.maximum(raw[:, 2:], LEAST_DEPTH * matrix[2, 2])


def half_side(size: tuple[float, float]) -> float:
    """The unit of places, in pixels of a template of this size."""
    return math.sqrt(size[0] * size[1]) / 2


def outline_places(size: tuple[float, float]) -> Array:
    """``(4, 2)``: the corners of a template of this size, clockwise from its top-left one."""
    signs = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    return signs * (np.array(size) / (2 * half_side(size)))


def place_matrix(transform: Array, size: tuple[float, float]) -> Array:
    """The map that a transform of a template's pixels is."""
    unit = half_side(size)
    pixels = np.array([[unit, 0.0, size[0] / 2], [0.0, unit, size[1] / 2], [0.0, 0.0, 1.0]])
    return transform @ pixels


def pixel_matrix(matrix: Array, size: tuple[float, float]) -> Array:
    """The transform of a template's pixels that a map is; its last number is 1."""
    unit = half_side(size)
    places = np.array([[1, 0, -size[0] / 2], [0, 1, -size[1] / 2], [0, 0, unit]], dtype=np.float64)
    made = matrix @ places
    return made / made[2, 2]


def believable(matrix: Array, similar: Array, size: tuple[float, float]) -> bool:
    """Whether a map can be one of an object whose similarity is known.

    Not one that flips or folds it, changes its area out of proportion, shows it from the edge, or
    moves its middle away.

    Args:
        matrix: the map.
        similar: the similarity, as a map.
        size: of the template.
    """
    places = outline_places(size)
    depth = places @ matrix[2, :2] + matrix[2, 2]
    if not np.isfinite(matrix).all() or depth.min() <= 0:
        return False
    if depth.max() > STEEPEST * depth.min():
        return False
    corners, before = projected(matrix, places), projected(similar, places)
    if (_turns(corners) <= 0).any():
        return False
    change = _area(corners) / _area(before)
    if not 1 / LARGEST_CHANGE <= change <= LARGEST_CHANGE:
        return False
    longest, shortest = axes(matrix)
    if longest > STEEPEST * shortest:
        return False
    away = float(np.linalg.norm(corners.mean(0) - before.mean(0)))
    return away <= math.sqrt(_area(before)) / 2


def axes(matrix: Array) -> tuple[float, float]:
    """Pixels of the image per unit of places in the middle, most and least of all directions."""
    x, y, w = matrix[:, 2]
    (a, b), (c, d) = (matrix[:2, :2] - np.outer((x / w, y / w), matrix[2, :2])) / w
    turning, stretching = math.hypot(a + d, c - b) / 2, math.hypot(a - d, b + c) / 2
    return turning + stretching, abs(turning - stretching)


def closest_similarity(corners: Array, size: tuple[float, float]) -> tuple[float, float]:
    """Angle and scale of the similarity that takes a template's corners nearest to others.

    Args:
        corners: ``(4, 2)``, clockwise from the top-left one.
        size: of the template.

    Returns:
        Degrees in (-180, 180], counter-clockwise as seen in the picture, and a factor.
    """
    own = outline_places(size) * half_side(size)
    offsets = corners - corners.mean(0)
    spread = float((own * own).sum())
    c = float((own * offsets).sum()) / spread
    s = float((own[:, 0] * offsets[:, 1] - own[:, 1] * offsets[:, 0]).sum()) / spread
    return wrapped(-math.degrees(math.atan2(s, c))), math.hypot(c, s)


def straightened(
    image: Array, matrix: Array, unit: float, sides: tuple[int, int], interpolation: int
) -> Array:
    """What an image shows of an object, straightened; it is averaged first where it is shrunk.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``; beyond its edge, that is repeated.
        matrix: the map.
        unit: samples per unit of places.
        sides: width and height of the picture, in samples; the object's middle is in its middle.
        interpolation: of OpenCV.
    """
    longest, shortest = (axis / unit for axis in axes(matrix))
    fine = min(FINEST, max(1, round(longest / max(1.0, shortest)))) if longest > ALIAS else 1
    width, height = (side * fine for side in sides)
    x = (np.arange(width) + 0.5 - width / 2) / (unit * fine)
    y = ((np.arange(height) + 0.5 - height / 2) / (unit * fine))[:, None]
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    depth = np.maximum(depth, LEAST_DEPTH * matrix[2, 2])
    # Pixel i covers [i, i + 1), so its centre lies at i + 1/2 in both pictures.
    across = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / depth - 0.5
    down = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / depth - 0.5
    step = longest / fine
    reach = math.ceil(2 * step) + 2
    left, right = _span(across, reach, image.shape[1])
    top, bottom = _span(down, reach, image.shape[0])
    part = image[top:bottom, left:right]
    if step > ALIAS:
        part = cv2.GaussianBlur(part, (0, 0), BLUR * step, borderType=cv2.BORDER_REPLICATE)
    picture = cv2.remap(
        part,
        (across - left).astype(np.float32),
        (down - top).astype(np.float32),
        interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return picture if fine == 1 else cv2.resize(picture, sides, interpolation=cv2.INTER_AREA)


def _span(values: Array, reach: int, limit: int) -> tuple[int, int]:
    """Whole pixels of an image around what is sampled, at least one."""
    first = min(max(0, math.floor(float(values.min())) - reach), limit - 1)
    return first, max(min(limit, math.ceil(float(values.max())) + reach), first + 1)


def _area(corners: Array) -> float:
    """Of an outline ``(4, 2)``."""
    x, y = corners.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _turns(corners: Array) -> Array:
    """Twice the signed areas of the corners' triangles; all above 0 if convex and not flipped."""
    edges = np.roll(corners, -1, axis=0) - corners
    after = np.roll(edges, -1, axis=0)
    return edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]
