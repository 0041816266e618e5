"""How one picture lies in another: outlines, transforms a camera could make, bent pictures."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bundle.recipes import VerifyRecipe
from ..images import Image, resize_to
from ..kinds import Numeric
from .homography import transform

Array = NDArray[Any]

SIDE_POINTS: Numeric[int] = 16
"""Points on each side of an outline."""


class Bent(NamedTuple):
    """A picture as another one shows it.

    Attributes:
        image: ``(h, w, 3)`` uint8 BGR; the border is repeated where the picture ends.
        shown: ``(h, w)`` bool, true where the picture is.
        offset: ``(2,)`` x and y of its corner in the other picture.
    """

    image: Image
    shown: Array
    offset: Array


def scaling(x: float, y: float) -> Array:
    """``(3, 3)`` change of resolution; pixel centres are whole numbers, so corners are at -0.5."""
    return np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]])


def quarter_turns(turns: int, shape: tuple[int, ...]) -> Array:
    """``(3, 3)`` from pixels of a picture to those of ``numpy.rot90(picture, turns)``."""
    matrix = np.eye(3)
    height, width = shape[:2]
    for _ in range(turns):
        matrix = np.array([[0.0, 1, 0], [-1, 0, width - 1], [0, 0, 1]]) @ matrix
        height, width = width, height
    return matrix


def outline(width: float, height: float) -> Array:
    """Points ``(K, 2)`` around a picture's border in its pixels, clockwise from the top left."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float) - 0.5
    steps = np.linspace(0, 1, SIDE_POINTS, endpoint=False)[:, None]
    sides = [a + steps * (b - a) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)]
    return np.concatenate(sides)


def plausible(matrix: Array, width: float, height: float, recipe: VerifyRecipe) -> bool:
    """Whether a transform shows a picture as a camera could: not mirrored, folded or stretched.

    Args:
        matrix: ``(3, 3)`` from pixels of the picture to working pixels of the other.
        width: of the picture.
        height: of the picture.
        recipe: says what is believed.
    """
    points = outline(width, height)
    depth = points @ matrix[2, :2] + matrix[2, 2]
    if not np.isfinite(matrix).all() or depth.min() * depth.max() <= 0:
        return False
    placed = transform(matrix, points)
    x, y = placed[:, 0], placed[:, 1]
    area = 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    if not recipe.least_span**2 < area < recipe.most_span**2:
        return False
    corners = placed[::SIDE_POINTS]
    sides = np.linalg.norm(corners - np.roll(corners, -1, 0), axis=1)
    across, along = (sides[0] + sides[2]) / width, (sides[1] + sides[3]) / height
    return bool(max(across, along) < recipe.most_stretch * min(across, along))


def bend(picture: Image, matrix: Array, recipe: VerifyRecipe) -> Bent:
    """Draw a picture as another one shows it, cut around its middle to what is affordable.

    Args:
        picture: ``(H, W, 3)`` uint8 BGR.
        matrix: ``(3, 3)`` from its pixels to those of the other; :func:`plausible`.
        recipe: says how large the drawing may be.
    """
    most = recipe.max_bent
    height, width = picture.shape[:2]
    placed = transform(matrix, outline(width, height))
    low, high = np.floor(placed.min(0)), np.ceil(placed.max(0))
    middle = (low + high) / 2
    low = np.maximum(low, np.floor(middle - most / 2))
    columns, rows = np.minimum(high - low, most).astype(int)
    # Shrunk with averages first, because drawing samples single pixels.
    spread = np.sqrt(np.prod(placed.max(0) - placed.min(0)) / (width * height))
    factor = min(1.0, recipe.oversampling * float(spread))
    small_size = max(1, round(width * factor)), max(1, round(height * factor))
    small = resize_to(picture, *small_size)
    own = np.linalg.inv(scaling(small_size[0] / width, small_size[1] / height))
    whole = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]]) @ matrix @ own
    size = (max(1, int(columns)), max(1, int(rows)))
    image = cv2.warpPerspective(small, whole, size, borderMode=cv2.BORDER_REPLICATE)
    full = np.full(small.shape[:2], 255, np.uint8)
    shown = cv2.warpPerspective(full, whole, size) > 127  # noqa: PLR2004
    return Bent(np.asarray(image, np.uint8), shown, low)
