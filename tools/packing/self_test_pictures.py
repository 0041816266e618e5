"""The pictures of a self-test: drawn here, so that a pack carries nobody else's."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ...runtime.images import Image
from ..evaluation.speed.bench_pictures import PIECE, drawn, drawn_pieces

SIZE = (320, 240)
"""Width and height in pixels."""

BOX = (120, 88, 64, 64)
"""Of the object in its frame."""

PLACE = (201, 133)
"""Left and top of the object in the picture to search."""

GAIN = 0.85
NOISE = 3.0
"""The searched pictures are darker, and noisy by this standard deviation."""

SLANT = ((6, 4), (-9, 7), (-5, -8), (8, -3))
"""Pixels by which the corners move in a view of the whole frame."""


class SelfTestPictures(NamedTuple):
    """All of :data:`SIZE`, ``(H, W, 3)`` uint8 BGR.

    Attributes:
        frame: shows the object in :data:`BOX`.
        image: shows it elsewhere, on another ground.
        without: the same ground without it.
    """

    frame: Image
    image: Image
    without: Image

    @property
    def near(self) -> Image:
        """The frame from nearby, for those who compare whole pictures."""
        width, height = SIZE
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        matrix = cv2.getPerspectiveTransform(corners + np.array(SLANT, np.float32), corners)
        view = cv2.warpPerspective(self.frame, matrix, SIZE, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(np.rint(view * GAIN), np.uint8)


def make_pictures() -> SelfTestPictures:
    """Draw them; the same ones every time."""
    width, height = SIZE
    x, y, w, h = BOX
    thing = np.asarray(cv2.resize(_object(), (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    frame = drawn(1)[:height, :width].copy()
    frame[y : y + h, x : x + w] = thing
    ground = drawn(2)[:height, :width].copy()
    image = ground.copy()
    left, top = PLACE
    image[top : top + h, left : left + w] = thing
    return SelfTestPictures(frame, _seen(image), _seen(ground))


def _object() -> Image:
    """One of the drawn pieces, the one with the most contrast."""
    pieces = drawn_pieces()
    corners = range(0, len(pieces) - PIECE + 1, PIECE)
    parts = [pieces[y : y + PIECE, x : x + PIECE] for y in corners for x in corners]
    return max(parts, key=lambda part: float(part.std()))


def _seen(image: Image) -> Image:
    """As a camera in less light has it."""
    noise = np.random.default_rng(0).normal(0.0, NOISE, image.shape)
    return np.clip(np.rint(image * GAIN + noise), 0, 255).astype(np.uint8)
