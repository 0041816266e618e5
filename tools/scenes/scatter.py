"""Places for things that do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .scene import Poses
from .stickers import Array, corners_of, inside, posed

Random = np.random.Generator

COARSE = 2
"""Pixels of a picture to one of the map of what is taken."""

TRIES = 60


class Floor:
    """What of a picture is taken already.

    Args:
        size: width and height, in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.taken = np.zeros((size[1] // COARSE + 2, size[0] // COARSE + 2), np.uint8)

    def take(self, corners: Array, gap: float = 0.0) -> bool:
        """Take a quadrangle, unless it reaches out of the picture or something is there.

        Args:
            corners: ``(4, 2)``.
            gap: pixels that have to be free around it; below 0 it may overlap a little.
        """
        if not inside(corners, self.size):
            return False
        middle = corners.mean(axis=0)
        reach = np.linalg.norm(corners - middle, axis=1, keepdims=True)
        grown = middle + (corners - middle) * np.maximum(0.1, 1.0 + 1.4 * gap / reach)
        left, top = np.maximum(np.floor(grown.min(axis=0) / COARSE).astype(int) - 1, 0)
        right, bottom = np.ceil(grown.max(axis=0) / COARSE).astype(int) + 1
        area = self.taken[top:bottom, left:right]
        shape = np.zeros_like(area)
        points = np.rint(grown / COARSE - (left, top)).astype(np.int32)
        cv2.fillConvexPoly(shape, points, 1)
        if cv2.countNonZero(cv2.bitwise_and(area, shape)):
            return False
        area |= shape
        return True


def scattered(
    random: Random,
    floor: Floor,
    sizes: Sequence[tuple[float, float]],
    poses: Poses,
    gap: float = 2.0,
    upright_first: bool = False,
) -> list[Array | None]:
    """Matrices that put things of these sizes onto a floor; ``None`` where there was no room.

    Args:
        random: everything depends on it only.
        floor: what is taken; what finds a place is taken too.
        sizes: widths and heights, in the order in which they get a place.
        poses: how they lie.
        gap: pixels between them.
        upright_first: the first lies upright, at its own size and on whole pixels.
    """
    places: list[Array | None] = []
    for index, size in enumerate(sizes):
        fixed = upright_first and index == 0
        places.append(_place(random, floor, size, Poses() if fixed else poses, gap))
    return places


def _place(
    random: Random, floor: Floor, size: tuple[float, float], poses: Poses, gap: float
) -> Array | None:
    """One place; only whole pixels for what is neither turned nor zoomed."""
    for _ in range(TRIES):
        angle, scale = poses.draw(random)
        centre = random.uniform(0.0, 1.0, 2) * floor.size
        matrix = posed(size, (float(centre[0]), float(centre[1])), angle, scale)
        corners = corners_of(size, matrix)
        # What reaches out is moved in, so that there are not fewer things near the edges.
        low, high = corners.min(axis=0), corners.max(axis=0)
        matrix[:, 2] += np.maximum(0.0, -low) - np.maximum(0.0, high - floor.size)
        if poses.rotation == (0.0, 0.0) and poses.scale == (1.0, 1.0):
            matrix[:, 2] = np.rint(matrix[:, 2])
        if floor.take(corners_of(size, matrix), gap):
            return matrix
    return None
