"""A template in many poses, as pictures with masks: what plain template matching needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ....runtime.boxes import Box
from ....runtime.images import Image
from ..base import Array, Crop, cut_out
from ..scaling import area_scale
from .pose_method import PoseSpan
from .similarities import moved, outline, similarity, warped

ANGLES = 24
SIZES = 7
WORKING_AREA = 1024.0
"""Pixels of the template while it is searched; pictures are shrunk by as much."""

LEAST_SIDE = 4


@dataclass(frozen=True, eq=False)
class TurnedCrop:
    """A template in one pose.

    Attributes:
        angle: in degrees, counter-clockwise as seen.
        scale: relative to the template.
        pixels: ``(h, w)`` uint8 grey, black where the mask is 0.
        mask: ``(h, w)`` uint8, 255 on the template.
        corners: ``(4, 2)`` of the template's box in these pixels.
    """

    angle: float
    scale: float
    pixels: Array
    mask: Array
    corners: Array


@dataclass(frozen=True, eq=False)
class CropPoses:
    """A template in many poses of a range, and how much it was shrunk before."""

    crop: Crop
    range: PoseSpan
    shrink: float
    poses: tuple[TurnedCrop, ...]


def crop_poses(frame: Image, box: Sequence[float], poses: PoseSpan) -> CropPoses:
    """Cut a template out and draw it in at most :data:`ANGLES` x :data:`SIZES` poses.

    Raises:
        BoxError: malformed, or outside the frame.
    """
    crop = cut_out(frame, box)
    shrink = area_scale(crop, WORKING_AREA)
    turned = [
        turned_crop(crop, angle, scale, shrink)
        for scale in poses.sizes(SIZES)
        for angle in poses.angles(ANGLES)
    ]
    return CropPoses(crop, poses, shrink, tuple(turned))


def turned_crop(crop: Crop, angle: float, scale: float, shrink: float) -> TurnedCrop:
    """Draw a crop turned and zoomed, and shrunk on top of that, in the least room."""
    height, width = crop.pixels.shape[:2]
    rim = outline(Box(0.0, 0.0, width, height))
    factor = scale * shrink
    around = moved(rim, similarity((width / 2, height / 2), angle, factor, (0.0, 0.0)))
    room = np.maximum(np.ceil(np.ptp(around, axis=0) - 1e-6), LEAST_SIDE).astype(int)
    size = int(room[0]), int(room[1])
    matrix = similarity((width / 2, height / 2), angle, factor, (size[0] / 2, size[1] / 2))
    pixels = grey_of(warped(crop.pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE))
    inside = warped(np.full_like(crop.pixels[..., :1], 255), matrix, size)
    mask = np.where(inside > 127, np.uint8(255), np.uint8(0))
    corners = moved(outline(crop.box) - (crop.left, crop.top), matrix)
    return TurnedCrop(angle, scale, pixels * (mask > 0), mask, corners)


def grey_of(image: Image) -> Array:
    """``(H, W)`` uint8 grey levels of a ``(H, W, 3)`` picture."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
