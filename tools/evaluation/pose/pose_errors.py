"""How far a said pose is from the true one: overlap of outlines, centre, angle and scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Lie(NamedTuple):
    """How a template lies in a picture: centre in pixels, degrees counter-clockwise, scale."""

    x: float
    y: float
    angle: float
    scale: float


class PoseErrors(NamedTuple):
    """How far off a pose is: pixels, degrees (0 to 180) and per cent of the true scale."""

    centre: float
    angle: float
    scale: float


def outline_iou(first: Array, second: Array) -> float:
    """Intersection over union of two convex outlines, 0 to 1.

    Args:
        first: ``(N, 2)`` corners, in either direction.
        second: ``(M, 2)`` corners.

    Returns:
        0 where one has no area or is not finite.
    """
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return 0.0
    # Near the origin, because OpenCV computes this in single precision.
    origin = np.mean(first, axis=0)
    one, other = (np.asarray(outline - origin, np.float32) for outline in (first, second))
    areas = [float(cv2.contourArea(outline)) for outline in (one, other)]
    if min(areas) <= 0:
        return 0.0
    if not (cv2.isContourConvex(one) and cv2.isContourConvex(other)):
        return 0.0
    shared = min(float(cv2.intersectConvexConvex(one, other)[0]), *areas)
    return shared / (sum(areas) - shared)


def lie_of(corners: Array, size: tuple[float, float]) -> Lie:
    """How a template lies whose corners are known.

    Angle and scale are those of the affine transform that fits the four corners best: of its
    rotation, and the root of its determinant.

    Args:
        corners: ``(4, 2)``, from the top left one clockwise in the template.
        size: width and height of the template.
    """
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float) * size / 2
    x, y = np.mean(corners, axis=0)
    matrix = (corners - (x, y)).T @ half / np.square(half).sum(axis=0)
    angle = np.arctan2(matrix[0, 1] - matrix[1, 0], matrix[0, 0] + matrix[1, 1])
    scale = np.sqrt(abs(np.linalg.det(matrix)))
    return Lie(float(x), float(y), float(np.degrees(angle)), float(scale))


def errors_between(said: Lie, true: Lie) -> PoseErrors:
    """How far the said pose is from the true one."""
    turn = abs((said.angle - true.angle + 180.0) % 360.0 - 180.0)
    centre = float(np.hypot(said.x - true.x, said.y - true.y))
    return PoseErrors(centre, turn, 100.0 * abs(said.scale / true.scale - 1.0))


def best_truth(corners: Array, truths: Sequence[Array]) -> tuple[float, Array]:
    """The true outline that is overlapped most, and by which IoU.

    Args:
        corners: ``(4, 2)`` of the answer.
        truths: at least one ``(4, 2)``.
    """
    overlaps = [outline_iou(corners, truth) for truth in truths]
    best = int(np.argmax(overlaps))
    return overlaps[best], truths[best]
