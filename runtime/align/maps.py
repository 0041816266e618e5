"""Maps between two pictures in fractions of their sides: belief in them, pictures bent by them."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images import Image, resize_to
from .affine import PairScores, invert, transform
from .alignment import Parameters

Array = NDArray[Any]

SINGULAR = (0.2, 5.0)
"""Stretches of the affine map, relative to the pictures' sizes, that are believed."""


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


def inside(pairs: PairScores, matrix: Array) -> PairScores:
    """The pairs whose bent cell shows the source and not its repeated border."""
    at = transform(invert(matrix), pairs.source)
    seen = np.all((at >= 0) & (at <= 1), axis=1)
    return PairScores(pairs.values * seen[:, None], pairs.source, pairs.target)


def believable(matrix: Array) -> bool:
    """Whether a map is no collapse, no explosion and no mirror image, and its centre stays."""
    if not np.isfinite(matrix).all() or np.linalg.det(matrix[:, :2]) <= 0:
        return False
    largest, smallest = np.linalg.svd(matrix[:, :2])[1]
    centre = matrix @ np.array([0.5, 0.5, 1.0])
    low, high = SINGULAR
    if not (low <= smallest and largest <= high):
        return False
    return bool(np.abs(centre - 0.5).max() <= 1)


def _to_pixels(points: Array, size: tuple[int, int]) -> Array:
    """Fractions to pixels; a pixel's centre has integer coordinates."""
    return points * np.array(size) - 0.5


def pixel_matrix(matrix: Array, source: tuple[int, int], target: tuple[int, int]) -> Array:
    """A map of fractions ``(2, 3)`` as one of pixels."""
    linear = matrix[:, :2] * np.array(target)[:, None] / np.array(source)[None]
    offset = (matrix[:, :2] @ (0.5 / np.array(source)) + matrix[:, 2]) * np.array(target) - 0.5
    return np.c_[linear, offset]


def in_pixels(
    matrix: Array,
    control: tuple[Array, Array] | None,
    source: tuple[int, int],
    target: tuple[int, int],
) -> Parameters:
    """A transform in fractions as one between pixels of pictures of these sizes."""
    affine = pixel_matrix(matrix, source, target)
    if control is None:
        return Parameters(affine, np.empty((0, 2)), np.empty((0, 2)))
    return Parameters(affine, _to_pixels(control[0], source), _to_pixels(control[1], target))
