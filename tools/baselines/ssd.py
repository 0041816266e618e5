"""SSD: the window with the smallest sum of squared differences, on colour and on features."""

from __future__ import annotations

import cv2
import numpy as np

from ...runtime.images import Image
from .base import Array
from .correlation import ColourMethod, box_sums, cross_sums
from .deep import DeepWindowMethod


class Ssd(ColourMethod):
    """``cv2.TM_SQDIFF`` on BGR; the score is 1 minus the root mean squared difference.

    Published AUC .46. This one has .49; with the corner of the box instead of its centre where
    the window's is, .48; on grey pictures .44; on CIELab, as NCC and ZNCC here, .53.
    """

    name = "ssd"
    mode = cv2.TM_SQDIFF

    def colours(self, image: Image) -> Array:
        """Plain BGR."""
        return image

    def similarity(self, values: Array, template: Array) -> Array:
        """One minus the root mean squared difference, in [0, 1]."""
        return 1.0 - np.sqrt(np.maximum(values, 0.0) / template.size) / np.float32(255.0)


class SsdDeep(DeepWindowMethod):
    """Squared differences of features; the score is ``1 / (1 + mean squared difference)``."""

    name = "ssd-deep"

    def similarity(self, template: Array, search: Array) -> Array:
        """``Σ(S - T)² = ΣS² - 2ΣST + ΣT²`` over each window."""
        height, width = template.shape[1:]
        energy = box_sums(np.square(search).sum(0), height, width)
        sums = energy - 2.0 * cross_sums(template, search) + np.square(template).sum()
        return 1.0 / (1.0 + np.maximum(sums, 0.0) / template.size)
