"""Outlines of boxes, and turning and zooming them and pictures, in pixels whose edges are whole.

``cv2`` puts whole numbers into the middle of pixels; boxes put them on the edges, and so do all
points here.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from ....runtime.boxes import Box
from ....runtime.images import Image
from ..base import Array


def outline(box: Box) -> Array:
    """``(4, 2)`` corners of a box, from the top left one clockwise as seen."""
    x, y, w, h = box
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], float)


def similarity(
    pivot: tuple[float, float], angle: float, scale: float, place: tuple[float, float]
) -> Array:
    """The ``(2, 3)`` transform that turns and zooms about a pivot, which comes to lie on a place.

    Args:
        pivot: ``(x, y)`` in pixels.
        angle: in degrees, counter-clockwise as seen, as ``cv2.getRotationMatrix2D`` has it.
        scale: factor on lengths.
        place: ``(x, y)`` in pixels.
    """
    matrix = cv2.getRotationMatrix2D(pivot, angle, scale)
    matrix[:, 2] += np.subtract(place, pivot)
    return matrix


def moved(points: Array, matrix: Array) -> Array:
    """``(N, 2)`` points after a ``(2, 3)`` or ``(3, 3)`` transform."""
    return cv2.perspectiveTransform(
        np.asarray(points, np.float64)[None],
        np.asarray(matrix if len(matrix) == 3 else [*matrix, (0.0, 0.0, 1.0)], np.float64),
    )[0]


def warped(image: Image, matrix: Array, size: tuple[int, int], **border: Any) -> Image:
    """A picture after a ``(2, 3)`` transform of points.

    What gets smaller is blurred first, so that nothing finer than the new pixels is left.

    Args:
        image: ``(H, W, C)`` uint8.
        matrix: of points, as :func:`similarity` gives it.
        size: width and height of the new picture.
        border: ``borderMode`` and ``borderValue`` of ``cv2.warpAffine``.
    """
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    if scale < 1:
        image = np.asarray(
            cv2.GaussianBlur(image, (0, 0), 0.5 * math.sqrt(scale**-2 - 1)), np.uint8
        )
    middles = matrix.copy()
    middles[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return np.asarray(
        cv2.warpAffine(image, middles, size, flags=cv2.INTER_LINEAR, **border), np.uint8
    )
