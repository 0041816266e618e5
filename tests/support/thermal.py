"""Radiometric pictures drawn from a photograph: hundredths of a kelvin in 16 bits."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.uint16]

SIZE = (320, 240)
BOX = (95, 65, 80, 80)
"""A face in the first frame."""

MOVED = (14, 9)
"""How far later frames are moved, to the right and down."""

NOISE = 4.0


def grey(photograph: NDArray[np.uint8], moved: bool = False) -> NDArray[np.float64]:
    """The photograph in grey, 0 to 255, small; as a later frame if wanted."""
    small = cv2.resize(photograph, SIZE)
    level = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float64)
    return np.roll(level, MOVED[::-1], (0, 1)) if moved else level


def counts(level: NDArray[np.float64], low: float, high: float, seed: int = 0) -> Counts:
    """Grey levels as temperatures from low to high, in hundredths, with a camera's noise."""
    noise = np.random.default_rng(seed).normal(0, NOISE, level.shape)
    return np.clip(low + level * (high - low) / 255 + noise, 0, 65535).astype(np.uint16)


def truth() -> tuple[int, int, int, int]:
    """Where the face is in later frames."""
    return BOX[0] + MOVED[0], BOX[1] + MOVED[1], BOX[2], BOX[3]
