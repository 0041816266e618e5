"""Window sums shared by SSD, NCC and ZNCC, on colour and on feature maps of any depth."""

from __future__ import annotations

import cv2
import numpy as np

from ...runtime.images import Image
from .base import Array, Crop, WindowMethod, Windows, check_fits, cut_out, pixel_windows

EPSILON = 1e-6


def box_sums(values: Array, height: int, width: int) -> Array:
    """Sum of a map ``(H, W)`` in each window inside it, ``(H - h + 1, W - w + 1)`` float64."""
    integral = cv2.integral(np.asarray(values, np.float32), sdepth=cv2.CV_64F)
    rows = integral[height:] - integral[:-height]
    return rows[:, width:] - rows[:, :-width]


def cross_sums(template: Array, search: Array) -> Array:
    """Sum of products of a template ``(C, h, w)`` with each window of a map ``(C, H, W)``.

    Returns:
        ``(H - h + 1, W - w + 1)`` float32.
    """
    shape = [search.shape[axis] - template.shape[axis] + 1 for axis in (1, 2)]
    total = np.zeros(shape, np.float32)
    for part, plane in zip(template, search, strict=True):
        total += cv2.matchTemplate(plane, part, cv2.TM_CCORR)
    return total


class ColourMethod(WindowMethod):
    """``cv2.matchTemplate`` on the three colour channels."""

    mode: int
    lowest: float = 0.0

    def __init__(self, setup: object = None) -> None:
        del setup

    def encode(self, frame: Image, box: object) -> Crop:
        """Cut the template out on whole pixels."""
        return cut_out(frame, box)  # pyright: ignore[reportArgumentType]

    def search(self, encoded: Crop, image: Image) -> Windows:
        """Compare the template with each window."""
        check_fits(encoded.pixels, image)
        values = cv2.matchTemplate(image, encoded.pixels, self.mode)
        return pixel_windows(self.similarity(values, encoded), encoded, image)

    def similarity(self, values: Array, encoded: Crop) -> Array:
        """Turn OpenCV's result into a score of which more is better."""
        del encoded
        return values
