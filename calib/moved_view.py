"""A picture as a camera that has moved a little sees it in less light: something to search."""

from __future__ import annotations

import numpy as np

from ..runtime.images import Image

SHIFT = (11, 7)
"""How far the searched image is moved against the template's, in pixels: right, down."""

BRIGHTNESS = 0.85


def moved(image: Image) -> Image:
    """A darker copy of an image, rolled by :data:`SHIFT`."""
    rolled = np.roll(image, (SHIFT[1], SHIFT[0]), axis=(0, 1))
    return np.round(rolled * BRIGHTNESS).astype(np.uint8)
