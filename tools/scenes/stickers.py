"""Cut-out pictures, and putting them into others at any turn and size, exactly.

Places are continuous: pixel ``i`` covers ``i`` to ``i + 1``, so a box from ``x`` to ``x + w`` holds
``w`` whole pixels. A 2x3 matrix maps such places of a sticker to places of a picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Sticker:
    """A picture with a shape, drawn finer than it is shown.

    Attributes:
        pixels: ``(H, W, 4)`` uint8: BGR times coverage, coverage.
        finer: pixels of it to one pixel at its own size.
    """

    pixels: Picture
    finer: float = 1.0

    @property
    def size(self) -> tuple[float, float]:
        """Its own width and height, in pixels."""
        height, width = self.pixels.shape[:2]
        return width / self.finer, height / self.finer


def cut_out(colour: ArrayLike, coverage: Array, finer: float = 1.0) -> Sticker:
    """Make a sticker.

    Args:
        colour: ``(H, W, 3)`` BGR, or one colour for all, 0 to 255.
        coverage: ``(H, W)`` uint8.
        finer: as for :class:`Sticker`.
    """
    height, width = coverage.shape
    pixels = np.empty((height, width, 4), np.uint8)
    share = coverage[..., None].astype(np.uint16)
    pixels[..., :3] = (np.asarray(colour).astype(np.uint16) * share + 127) // 255
    pixels[..., 3] = coverage
    return Sticker(pixels, float(finer))


def with_margin(sticker: Sticker, margin: int) -> Sticker:
    """The same with an empty border of ``margin`` pixels of its own size."""
    pixels, finer = sticker.pixels, sticker.finer
    if not finer.is_integer():
        # The border has to be of whole pixels of the drawing.
        finer = float(math.ceil(finer))
        size = round(sticker.size[0] * finer), round(sticker.size[1] * finer)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    rim = round(margin * finer)
    wide = cv2.copyMakeBorder(pixels, rim, rim, rim, rim, cv2.BORDER_CONSTANT)
    return Sticker(np.asarray(wide, np.uint8), finer)


def shrunk(sticker: Sticker, scale: float) -> Sticker:
    """The same with no more pixels than it needs where it is shown at a scale, to save time."""
    width, height = sticker.size
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if abs(width * scale - size[0]) > 1e-6 or abs(height * scale - size[1]) > 1e-6:
        return sticker
    if size[0] >= sticker.pixels.shape[1]:
        return sticker
    return Sticker(
        np.asarray(cv2.resize(sticker.pixels, size, interpolation=cv2.INTER_AREA), np.uint8), scale
    )


def posed(
    size: tuple[float, float],
    centre: tuple[float, float],
    angle: float = 0.0,
    scale: float = 1.0,
) -> Array:
    """The matrix that puts something of a size somewhere.

    Args:
        size: width and height.
        centre: where its centre goes.
        angle: degrees, counter-clockwise as seen.
        scale: how much larger it gets.
    """
    cos, sin = scale * math.cos(math.radians(angle)), scale * math.sin(math.radians(angle))
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([turn, np.asarray(centre) - turn @ (np.asarray(size) / 2.0)])


def at_corner(x: float, y: float, scale: float = 1.0) -> Array:
    """The matrix that puts the top left corner somewhere, upright."""
    return np.array([[scale, 0.0, x], [0.0, scale, y]])


def corners_of(size: tuple[float, float], matrix: Array | None = None) -> Array:
    """Where the corners of something go: ``(4, 2)`` TL, TR, BR, BL."""
    width, height = size
    corners = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
    return corners if matrix is None else moved(corners, matrix)


def moved(points: Array, matrix: Array) -> Array:
    """Points ``(N, 2)`` mapped by a 2x3 matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def after(second: Array, first: Array) -> Array:
    """The matrix that does ``first``, then ``second``."""
    return np.column_stack([second[:, :2] @ first[:, :2], moved(first[:, 2], second)])


def inside(corners: Array, size: tuple[int, int]) -> bool:
    """Whether corners lie in a picture of a width and height."""
    return bool((corners >= 0.0).all() and (corners <= np.asarray(size, float)).all())


def pixel_matrix(matrix: Array) -> Array:
    """The matrix for OpenCV, which counts from the centres of pixels."""
    shift = matrix[:, :2] @ (0.5, 0.5) - 0.5 + matrix[:, 2]
    return np.column_stack([matrix[:, :2], shift])


def scale_of(matrix: Array) -> float:
    """How much larger a matrix makes things."""
    return math.sqrt(abs(np.linalg.det(matrix[:, :2])))


def warp(picture: Picture, matrix: Array, size: tuple[int, int], border: Any = None) -> Picture:
    """A whole picture moved by a matrix, smoothly also where it gets smaller.

    Args:
        picture: ``(H, W, C)`` uint8.
        matrix: from places of the picture to places of the answer.
        size: width and height of the answer.
        border: colour beyond the picture; without one its edge is mirrored.
    """
    matrix = np.asarray(matrix, float)
    scale = scale_of(matrix)
    if scale < 0.95:
        height, width = picture.shape[:2]
        small = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8)
        back = np.diag([width / small[0], height / small[1]])
        matrix = np.column_stack([matrix[:, :2] @ back, matrix[:, 2]])
    mode = cv2.BORDER_REFLECT_101 if border is None else cv2.BORDER_CONSTANT
    done = cv2.warpAffine(
        picture,
        pixel_matrix(matrix),
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=mode,
        borderValue=border if border is not None else 0,
    )
    return np.asarray(done, np.uint8)


def paste(canvas: Picture, sticker: Sticker, matrix: Array, ink: float = 0.0) -> None:
    """Put a sticker into a picture, in place; what lies outside is cut off.

    Args:
        canvas: ``(H, W, 3)`` uint8 BGR.
        sticker: what to put there.
        matrix: from its own size to the picture.
        ink: 0 covers what is below; above 0 it darkens it like ink of that strength.
    """
    height, width = canvas.shape[:2]
    corners = corners_of(sticker.size, matrix)
    # Edges that lie between pixels reach a little farther.
    exact = float(np.abs(corners - np.rint(corners)).max()) < 1e-6
    reach = 0 if exact else math.ceil(max(1.0, scale_of(matrix) / sticker.finer))
    low = np.floor(corners.min(axis=0) + 1e-6).astype(int) - reach
    high = np.ceil(corners.max(axis=0) - 1e-6).astype(int) + reach
    left, top = np.maximum(low, 0).tolist()
    right, bottom = np.minimum(high, (width, height)).tolist()
    if right <= left or bottom <= top:
        return
    fine = np.column_stack([matrix[:, :2] / sticker.finer, matrix[:, 2] - (left, top)])
    cut = _drawn(sticker.pixels, fine, (right - left, bottom - top))
    below = canvas[top:bottom, left:right]
    coverage = cut[..., 3:].astype(np.uint16)
    if ink > 0.0:
        share = coverage.astype(np.float32) * (ink / 255.0)
        light = cut[..., :3] + (255 - coverage)
        below[:] = np.rint(below * (1.0 - share * (1.0 - light / 255.0)))
    else:
        below[:] = cut[..., :3] + (below * (255 - coverage) + 127) // 255


def shown(sticker: Sticker, scale: float, colour: Any) -> Picture:
    """A sticker upright on one colour, at a size: ``(H, W, 3)``."""
    width, height = sticker.size
    canvas = np.empty((max(1, round(height * scale)), max(1, round(width * scale)), 3), np.uint8)
    canvas[:] = colour
    across = np.array([[canvas.shape[1] / width, 0, 0], [0, canvas.shape[0] / height, 0]])
    paste(canvas, sticker, across)
    return canvas


def _drawn(pixels: Picture, matrix: Array, size: tuple[int, int]) -> Picture:
    """Pixels moved by a matrix; an upright one of whole pixels is only made smaller."""
    height, width = pixels.shape[:2]
    whole_size = np.array([width, height]) * np.diag(matrix[:, :2])
    upright = matrix[0, 1] == 0.0 and matrix[1, 0] == 0.0
    if upright and float(np.abs(whole_size - size).max()) < 1e-6 and not matrix[:, 2].any():
        if (width, height) == size:
            return pixels
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return warp(pixels, matrix, size, border=(0, 0, 0, 0))
