"""An endless video with a known answer: an object from one photograph moves over another."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ...calib.photographs import read_photographs
from ...runtime.boxes import Box
from ...runtime.images import Image, resize_to

BACKGROUND = "coffee.png"
OBJECT = "chelsea.png"
FACE = (130, 40, 140, 140)
"""Where the object is in its photograph: x, y, w, h."""

STEP = 0.08
"""Most that the object moves from frame to frame, of its side."""


class MovingScene:
    """A square object on a closed path over a photograph.

    Args:
        width: of the frames, in pixels.
        height: the same.
        side: of the object, in pixels.

    Raises:
        InputError: scikit-image, which brings the photographs, is not installed.
    """

    def __init__(self, width: int, height: int, side: int) -> None:
        background, thing = read_photographs((BACKGROUND, OBJECT)).values()
        x, y, w, h = FACE
        self.background = resize_to(background, width, height)
        self.object = resize_to(thing[y : y + h, x : x + w], side, side)
        self.side = side
        # The longer way round sets the pace, so that no step is too long.
        self.reach = (width - side) / 2.0, (height - side) / 2.0
        self.pace = STEP * side / max(1.0, 2.0 * max(self.reach))

    def box(self, index: int) -> Box:
        """Where the object is in a frame, in whole pixels."""
        x, y = self.reach
        angle = self.pace * index
        left, top = round(x + x * math.sin(angle)), round(y + y * math.sin(2.0 * angle + 1.0))
        return Box(float(left), float(top), float(self.side), float(self.side))

    def frame(self, index: int, *, present: bool = True) -> Image:
        """A frame, with or without the object.

        Returns:
            ``(H, W, 3)`` uint8 BGR.
        """
        image = self.background.copy()
        if present:
            left, top = map(int, self.box(index)[:2])
            image[top : top + self.side, left : left + self.side] = self.object
        # A little light that comes and goes, so that no two frames are alike.
        gain = 1.0 + 0.05 * math.sin(0.37 * index)
        return np.asarray(cv2.convertScaleAbs(image, alpha=gain), np.uint8)
