"""Masked ``cv2.matchTemplate`` over many angles and sizes, the textbook way to search poses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ....runtime.images import Image
from ..base import Array, MethodOptions
from ..scaling import scaled
from .pose_method import Posed, PoseMethod, PoseSpan
from .turned_crops import ANGLES, CropPoses, TurnedCrop, crop_poses, grey_of, turned_crop

FOUND = 0.7
"""Correlation from which an object counts as found."""

REACH = 3.0
"""Pixels of the shrunk picture around the best place that are searched at full resolution."""

NEAR_SIZES = (0.92, 1.0, 1.09)
"""Sizes that are tried there; angles are half a step apart."""

SUREST = 0.9999
"""Correlations above differ by nothing but rounding."""


@dataclass(frozen=True, eq=False)
class MaskedPeak:
    """A pose at its best place: correlation, and where its picture begins, ``(x, y)`` in pixels."""

    pose: TurnedCrop
    score: float
    place: tuple[float, float]


class MaskedPoses(PoseMethod):
    """Correlation of greys about their mean, 24 angles and 7 sizes, shrunk; then placed exactly."""

    name = "masked"

    def __init__(self, options: MethodOptions) -> None:
        del options

    def encode(self, frame: Image, box: Sequence[float], poses: PoseSpan) -> CropPoses:
        """Draw the template in all poses."""
        return crop_poses(frame, box, poses)

    def find(self, encoded: CropPoses, image: Image) -> Posed:
        """Take the best pose at the low resolution, and the best one near it at the full one."""
        grey = grey_of(image)
        small = scaled(grey, encoded.shrink)
        best = best_peak(small, encoded.poses)
        if best is None:
            return Posed(None, 0.0, False)
        ratio = np.array([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]])
        middle = (np.add(best.place, best.pose.corners.mean(0))) * ratio
        left, top, window = window_around(grey, middle, best.pose.corners, ratio)
        near = best_peak(window, near_poses(encoded, best.pose))
        if near is None or near.score < best.score / 2:
            corners = (best.pose.corners + best.place) * ratio
            return Posed(corners, max(0.0, best.score), best.score >= FOUND)
        corners = near.pose.corners + np.add(near.place, (left, top))
        return Posed(corners, max(0.0, near.score), near.score >= FOUND)


def best_peak(image: Array, poses: Iterable[TurnedCrop]) -> MaskedPeak | None:
    """The pose and place that correlate most surely; nothing where no pose fits inside.

    What is compared, ``arctanh(r) n^¼`` with ``n`` pixels, lies between the correlation itself, by
    which the smallest size would win nearly always, and its significance by Fisher,
    ``arctanh(r) √n``, by which the largest would.
    """
    best: MaskedPeak | None = None
    most = -np.inf
    for pose in poses:
        if any(own > room for own, room in zip(pose.mask.shape, image.shape[:2], strict=True)):
            continue
        values = correlation(image, pose)
        row, column = np.unravel_index(int(np.argmax(values)), values.shape)
        score = float(values[row, column])
        sure = np.arctanh(np.clip(score, -SUREST, SUREST)) * np.count_nonzero(pose.mask) ** 0.25
        if best is None or sure > most:
            most, best = sure, MaskedPeak(pose, score, (float(column), float(row)))
    return best


def correlation(image: Array, pose: TurnedCrop) -> Array:
    """Correlation at each place, -1 to 1; -1 where the picture shows a single colour."""
    values = cv2.matchTemplate(image, pose.pixels, cv2.TM_CCOEFF_NORMED, mask=pose.mask)
    usable = np.isfinite(values) & (np.abs(values) <= 1.0 + 1e-3)
    return np.where(usable, np.clip(values, -1.0, 1.0), np.float32(-1.0))


def window_around(
    image: Array, middle: Array, corners: Array, ratio: Array
) -> tuple[int, int, Array]:
    """The part of a picture around a pose: its left and top, and its pixels."""
    half = np.ptp(corners, axis=0) * ratio * NEAR_SIZES[-1] / 2 + REACH * ratio
    half += 0.15 * float(half.max())
    size = np.array([image.shape[1], image.shape[0]])
    left, top = np.clip(np.floor(middle - half), 0, size - 1).astype(int)
    right, bottom = np.clip(np.ceil(middle + half), (left + 1, top + 1), size).astype(int)
    return int(left), int(top), np.ascontiguousarray(image[top:bottom, left:right])


def near_poses(encoded: CropPoses, pose: TurnedCrop) -> list[TurnedCrop]:
    """The poses around one, at full resolution."""
    turns = (-180.0 / ANGLES, 0.0, 180.0 / ANGLES) if encoded.range.turns else (0.0,)
    sizes = NEAR_SIZES if encoded.range.zooms else (1.0,)
    return [
        turned_crop(encoded.crop, pose.angle + turn, pose.scale * size, 1.0)
        for size in sizes
        for turn in turns
    ]
