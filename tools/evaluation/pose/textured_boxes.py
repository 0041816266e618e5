"""Boxes in pictures that show enough to be recognised, drawn by seed."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ....runtime.boxes import Box
from ....runtime.images import Image

SIDES = (0.1, 0.25)
"""Shortest and longest side of a box, of the picture's shorter one."""

SHORTEST = 24.0
MOST_SLENDER = 0.7
TRIES = 400
LEAST_CONTRAST = 15.0
"""Deviation of the grey levels inside."""

LEAST_DETAIL = 2.0
"""Mean difference of neighbouring pixels inside, after a slight blur."""


def textured_boxes(
    image: Image, count: int, rng: np.random.Generator, usable: Callable[[Box], bool]
) -> list[Box]:
    """Draw boxes on whole pixels inside a picture; fewer where it has too few places.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        count: how many.
        rng: draws.
        usable: whether a box can be taken for other reasons.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), 1.0)
    height, width = grey.shape
    boxes: list[Box] = []
    for _ in range(TRIES):
        if len(boxes) == count:
            break
        longer = max(SHORTEST, float(rng.uniform(*SIDES)) * min(height, width))
        sides = rng.permutation([longer, longer * float(rng.uniform(MOST_SLENDER, 1.0))])
        w, h = (
            min(round(float(side)), room) for side, room in zip(sides, (width, height), strict=True)
        )
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        box = Box(float(x), float(y), float(w), float(h))
        if _shows_enough(np.asarray(grey[y : y + h, x : x + w], np.float32)) and usable(box):
            boxes.append(box)
    return boxes


def _shows_enough(part: np.ndarray) -> bool:
    if part.std() < LEAST_CONTRAST:
        return False
    across, down = (float(np.abs(np.diff(part, axis=axis)).mean()) for axis in (0, 1))
    return (across + down) / 2 >= LEAST_DETAIL
