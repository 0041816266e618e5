"""Window sums shared by SSD, NCC and ZNCC, on colour and on feature maps of any depth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ...runtime.images import Image
from .base import (
    Array,
    Crop,
    MethodOptions,
    WindowMethod,
    Windows,
    check_fits,
    cut_out,
    pixel_windows,
)
from .colour import cielab

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


def defined(values: Array) -> Array:
    """A normalised correlation, 0 where OpenCV divided nothing by nothing.

    OpenCV answers with values beyond 1, infinity or NaN there.
    """
    return np.where(np.abs(values) < 1.0 + 1e-3, values, 0.0).astype(np.float32)


class ColourMethod(WindowMethod):
    """``cv2.matchTemplate`` on three colour channels (default CIELab), windows a pixel apart."""

    mode: int

    def __init__(self, options: MethodOptions | None = None) -> None:
        del options

    def encode(self, frame: Image, box: Sequence[float]) -> Crop:
        """Cut the template out on whole pixels."""
        return cut_out(frame, box)

    def search(self, encoded: Crop, image: Image) -> Windows:
        """Compare the template with each window."""
        check_fits(encoded.pixels, image)
        template = self.colours(encoded.pixels)
        values = cv2.matchTemplate(self.colours(image), template, self.mode)
        return pixel_windows(self.similarity(values, template), encoded, image)

    def colours(self, image: Image) -> Array:
        """The channels to compare, ``(H, W, 3)``."""
        return cielab(image)

    def similarity(self, values: Array, template: Array) -> Array:
        """Turn OpenCV's result into a finite score of which more is better."""
        del template
        return values
