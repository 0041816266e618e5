"""SIFT and ORB: key points of the crop, ratio test, and a similarity by RANSAC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ....runtime.images import Image
from ..base import Array, Crop, MethodOptions, cut_out
from .pose_method import Posed, PoseMethod, PoseSpan
from .similarities import moved, outline

KEY_POINTS = 4000
SMALLEST = 128.0
"""Crops with shorter sides are enlarged to this, or they have no key points."""

MOST_ENLARGED = 4.0
RATIO = 0.85
ERROR = 3.0
"""Pixels that an inlier may be off."""

LEAST = 3
ENOUGH = 5
"""Inliers from which an object counts as found, with a score of one half."""

SLACK = 0.1


@dataclass(frozen=True)
class DescribedCrop:
    """A crop, the poses that count, and key points in pixels of the crop with their descriptors."""

    crop: Crop
    poses: PoseSpan
    points: Array
    rows: Any


class KeyPointPoses(PoseMethod):
    """Inliers of a similarity between key points of the crop and of the picture.

    Args:
        detector: of OpenCV.
        norm: of its descriptors.
    """

    def __init__(self, detector: Any, norm: int) -> None:
        self._detector, self._norm = detector, norm

    def encode(self, frame: Image, box: Sequence[float], poses: PoseSpan) -> DescribedCrop:
        """Describe the crop."""
        crop = cut_out(frame, box)
        factor = min(MOST_ENLARGED, max(1.0, SMALLEST / min(crop.pixels.shape[:2])))
        return DescribedCrop(crop, poses, *self._described(crop.pixels, factor))

    def find(self, encoded: DescribedCrop, image: Image) -> Posed:
        """Fit a similarity to the key points that resemble each other."""
        points, rows = self._described(image, 1.0)
        if min(len(encoded.points), len(points)) < LEAST:
            return Posed(None, 0.0, False)
        pairs = cv2.BFMatcher(self._norm).knnMatch(encoded.rows, rows, k=2)
        kept = [
            two[0] for two in pairs if len(two) == 2 and two[0].distance < RATIO * two[1].distance
        ]
        if len(kept) < LEAST:
            return Posed(None, 0.0, False)
        matrix, inliers = cv2.estimateAffinePartial2D(
            encoded.points[[one.queryIdx for one in kept]],
            points[[one.trainIdx for one in kept]],
            ransacReprojThreshold=ERROR,
        )
        if matrix is None:
            return Posed(None, 0.0, False)
        angle = float(np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0])))
        scale = float(np.hypot(matrix[0, 0], matrix[0, 1]))
        if not encoded.poses.holds(angle, scale, SLACK):
            return Posed(None, 0.0, False)
        count = int(inliers.sum())
        crop = encoded.crop
        corners = moved(outline(crop.box) - (crop.left, crop.top), matrix)
        return Posed(corners, count / (count + ENOUGH), count >= ENOUGH)

    def _described(self, image: Image, factor: float) -> tuple[Array, Any]:
        """Key points, ``(N, 2)`` in pixels of the image, and their descriptors."""
        large = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        found, rows = self._detector.detectAndCompute(large, None)
        points = np.array([point.pt for point in found], float).reshape(-1, 2)
        return (points + 0.5) / factor, rows


class SiftPoses(KeyPointPoses):
    """Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004."""

    name = "sift"

    def __init__(self, options: MethodOptions) -> None:
        del options
        # By default it sees little in blurred frames, and places points a quarter of a pixel off.
        super().__init__(
            cv2.SIFT.create(KEY_POINTS, contrastThreshold=0.01, enable_precise_upscale=True),
            cv2.NORM_L2,
        )


class OrbPoses(KeyPointPoses):
    """Rublee et al., "ORB: an efficient alternative to SIFT or SURF", ICCV 2011."""

    name = "orb"

    def __init__(self, options: MethodOptions) -> None:
        del options
        # By default it sees nothing within 31 pixels of the edges, which is most of a crop.
        detector = cv2.ORB.create(KEY_POINTS, edgeThreshold=15, fastThreshold=5)
        super().__init__(detector, cv2.NORM_HAMMING)
