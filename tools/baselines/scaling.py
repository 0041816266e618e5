"""Shrinking picture and template together, for methods whose cost grows with the square."""

from __future__ import annotations

import math

from ...runtime.images import Image, resize_to
from .base import Crop


def area_scale(crop: Crop, most_pixels: float) -> float:
    """The factor on both sides that brings a template down to an area; never above 1."""
    height, width = crop.pixels.shape[:2]
    return min(1.0, math.sqrt(most_pixels / (height * width)))


def scaled(image: Image, scale: float) -> Image:
    """An image resized by a factor, at least one pixel on each side."""
    if scale == 1.0:
        return image
    height, width = image.shape[:2]
    return resize_to(image, max(1, round(width * scale)), max(1, round(height * scale)))
