"""``Multi-Template-Matching`` from PyPI, given the template in many poses with masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from ....runtime.images import Image
from ..base import MethodOptions
from ..scaling import scaled
from .pose_method import Posed, PoseMethod, PoseSpan
from .turned_crops import CropPoses, crop_poses, grey_of

FOUND = 0.9
"""Correlation without means, the one of its kinds that takes masks, is high everywhere."""


class MtmPoses(PoseMethod):
    """Thomas and Gehrig, "Multi-template matching", BMC Bioinformatics 2020.

    The poses are those of ``masked``, and shrunk as much.
    """

    name = "mtm"

    def __init__(self, options: MethodOptions) -> None:
        import MTM

        del options
        self._package = MTM

    def encode(self, frame: Image, box: Sequence[float], poses: PoseSpan) -> CropPoses:
        """Draw the template in all poses."""
        return crop_poses(frame, box, poses)

    def find(self, encoded: CropPoses, image: Image) -> Posed:
        """Take the best hit."""
        # Where all is black the correlation would be infinite.
        small = np.maximum(scaled(grey_of(image), encoded.shrink), np.uint8(1))
        room = small.shape[:2]
        listed: list[Any] = [
            (str(index), pose.pixels, pose.mask)
            for index, pose in enumerate(encoded.poses)
            if pose.mask.shape[0] <= room[0] and pose.mask.shape[1] <= room[1]
        ]
        if not listed:
            return Posed(None, 0.0, False)
        hits = self._package.matchTemplates(
            listed, small, method=cv2.TM_CCORR_NORMED, N_object=1, score_threshold=0.0
        )
        label, place, score = hits[0]
        ratio = (image.shape[1] / small.shape[1], image.shape[0] / small.shape[0])
        corners = (encoded.poses[int(label)].corners + place[:2]) * ratio
        score = float(np.clip(score, 0.0, 1.0))
        return Posed(corners, score, score >= FOUND)
