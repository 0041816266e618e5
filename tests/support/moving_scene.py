"""Short videos with exact truth: a piece of one photograph moves over another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qatm.runtime import Box, VideoWriter

Image = NDArray[np.uint8]

SIZE = (320, 240)
PIECE = (64, 58)


def moving(
    photographs: Mapping[str, Image], count: int = 10, gone: Iterable[int] = ()
) -> list[tuple[Image, Box]]:
    """Frames of a cat's eye that moves over a motorcycle, and where it is.

    Args:
        photographs: by name.
        count: number of frames.
        gone: frames in which it is not there.
    """
    back = np.asarray(cv2.resize(photographs["motorcycle_left"], SIZE), np.uint8)
    piece = cv2.resize(photographs["chelsea"][60:150, 110:210], PIECE)
    absent, shots = set(gone), []
    for number in range(count):
        x, y = 30 + 5 * number, 70 + 3 * number
        frame = back.copy()
        if number not in absent:
            frame[y : y + PIECE[1], x : x + PIECE[0]] = piece
        shots.append((frame, Box(float(x), float(y), *map(float, PIECE))))
    return shots


def numbered(count: int, size: tuple[int, int] = (64, 48)) -> list[Image]:
    """Plain frames whose grey level tells their number: 10 levels apart, from 5."""
    return [np.full((size[1], size[0], 3), 5 + 10 * number, np.uint8) for number in range(count)]


def number_of(image: Image) -> int:
    """The number of a plain frame, whatever the codec did to it."""
    return round((float(image.mean()) - 5) / 10)


def write_video(path: Path, images: Iterable[Image], fps: float = 25.0) -> Path:
    """Write frames to a video file."""
    with VideoWriter(path, fps) as writer:
        for image in images:
            writer.write(image)
    return path


def warped(scene: NDArray[Any], matrix: NDArray[Any], piece_box: Box) -> tuple[Image, Box]:
    """A frame through a 2x3 matrix, and the axis-aligned box around the moved box."""
    height, width = scene.shape[:2]
    frame = cv2.warpAffine(scene, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    x, y, w, h = piece_box
    corners = np.array([[x, y, 1], [x + w, y, 1], [x, y + h, 1], [x + w, y + h, 1]]) @ matrix.T
    low, high = corners.min(0), corners.max(0)
    return np.asarray(frame, np.uint8), Box(*low, *(high - low))
