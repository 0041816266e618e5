"""Affine maps between two pictures, in fractions of their sides.

A map is ``(2, 3)``, ``y = A [x, 1]``; ``(0, 0)`` is a picture's top left corner and ``(1, 1)`` its
bottom right one.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bundle.recipes import AlignRecipe
from ..images import Image, resize_to

Array = NDArray[Any]

IDENTITY = np.eye(2, 3)


def transform(matrix: Array, points: Array) -> Array:
    """Points ``(N, 2)`` under a map."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def compose(first: Array, then: Array) -> Array:
    """The map that applies ``first`` and then ``then``."""
    return np.c_[then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2] + then[:, 2]]


def invert(matrix: Array) -> Array:
    """The inverse of a map."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.c_[inverse, -inverse @ matrix[:, 2]]


def believable(matrix: Array, recipe: AlignRecipe) -> bool:
    """Whether a map is no collapse, no explosion and no mirror image, and its centre stays."""
    if not np.isfinite(matrix).all() or np.linalg.det(matrix[:, :2]) <= 0:
        return False
    largest, smallest = np.linalg.svd(matrix[:, :2])[1]
    centre = matrix @ np.array([0.5, 0.5, 1.0])
    if not (recipe.least_stretch <= smallest and largest <= recipe.most_stretch):
        return False
    return bool(np.abs(centre - 0.5).max() <= 1)


def bent(source: Image, matrix: Array, target: Image) -> Image:
    """The source under a map in fractions, of the size of the working target."""
    height, width = target.shape[:2]
    pixels = pixel_matrix(matrix, (source.shape[1], source.shape[0]), (width, height))
    shrink = math.sqrt(abs(float(np.linalg.det(pixels[:, :2]))))
    if shrink < 1:
        # Warping does not average, so what is shrunk is shrunk before.
        sides = [max(1, round(side * shrink)) for side in (source.shape[1], source.shape[0])]
        source = resize_to(source, sides[0], sides[1])
        pixels = pixel_matrix(matrix, (sides[0], sides[1]), (width, height))
    warped = cv2.warpAffine(source, pixels, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def pixel_matrix(matrix: Array, source: tuple[int, int], target: tuple[int, int]) -> Array:
    """A map as one from pixels of the one picture to those of the other, of these sizes."""
    linear = matrix[:, :2] * np.array(target)[:, None] / np.array(source)[None]
    offset = (matrix[:, :2] @ (0.5 / np.array(source)) + matrix[:, 2]) * np.array(target) - 0.5
    return np.c_[linear, offset]


def to_pixels(points: Array, size: tuple[int, int]) -> Array:
    """Fractions ``(N, 2)`` of a picture of this width and height in pixels, whose centres are whole
    numbers."""
    return points * np.array(size) - 0.5
