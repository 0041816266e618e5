"""A part while it is cut: its outline, its relief and its paint."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .fonts import Mask

LONGER = 128
"""Longer side of a part as it is drawn, in pixels."""

SHIFT = 4


@dataclass
class Blank:
    """A part while it is cut.

    Attributes:
        mask: what is there, ``(H, W)`` uint8.
        relief: how far it stands out beyond its rounded edges, in pixels, ``(H, W)`` float32.
        paint: ``(H, W, 3)`` factors on the colour of its material.
    """

    mask: Mask
    relief: np.ndarray
    paint: np.ndarray

    @property
    def middle(self) -> tuple[float, float]:
        """Its middle, x and y."""
        return self.mask.shape[1] / 2.0, self.mask.shape[0] / 2.0

    def disc(self, x: float, y: float, radius: float, value: int = 255) -> None:
        """Add or cut a disc."""
        cv2.circle(self.mask, _fixed(x, y), round(radius * 16), value, -1, cv2.LINE_AA, SHIFT)

    def polygon(self, points: np.ndarray, value: int = 255) -> None:
        """Add or cut a polygon ``(N, 2)``."""
        cv2.fillPoly(self.mask, [_fixed_points(points)], value, cv2.LINE_AA, SHIFT)

    def bar(self, start: np.ndarray, end: np.ndarray, width: float, value: int = 255) -> None:
        """Add or cut a bar between two places, with round ends."""
        points = _fixed_points(np.array([start, end]))
        wide = max(1, round(width))
        cv2.line(self.mask, points[0].tolist(), points[1].tolist(), value, wide, cv2.LINE_AA, SHIFT)

    def ring(self, x: float, y: float, radius: float, width: float, depth: float) -> None:
        """Raise or sink a ring."""
        line = max(1, round(width))
        shape = np.zeros_like(self.mask)
        cv2.circle(shape, _fixed(x, y), round(radius * 16), 255, line, cv2.LINE_AA, SHIFT)
        self.relief += shape * (depth / 255.0)

    def groove(self, points: np.ndarray, width: float, depth: float) -> None:
        """Raise or sink a line."""
        shape = np.zeros_like(self.mask)
        line = max(1, round(width))
        fixed = [_fixed_points(points)]
        cv2.polylines(shape, fixed, False, 255, line, cv2.LINE_AA, SHIFT)
        self.relief += shape * (depth / 255.0)

    def mark(self, drawn: Mask, x: float, y: float, width: float, depth: float) -> None:
        """Emboss a mark of a width around a place."""
        scale = width / drawn.shape[1]
        size = max(1, round(width)), max(1, round(drawn.shape[0] * scale))
        drawn = np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)
        left, top = round(x - size[0] / 2), round(y - size[1] / 2)
        area = self.relief[max(0, top) : top + size[1], max(0, left) : left + size[0]]
        area += drawn[: area.shape[0], : area.shape[1]] * (depth / 255.0)

    def colour(self, box: tuple[float, float, float, float], factors: np.ndarray) -> None:
        """Paint a rectangle: x, y, w, h."""
        x, y, w, h = (round(value) for value in box)
        self.paint[max(0, y) : y + h, max(0, x) : x + w] = factors

    def filled(self, points: np.ndarray) -> np.ndarray:
        """A polygon ``(N, 2)`` as a map of 0 to 1, to raise or sink."""
        shape = np.zeros_like(self.mask)
        cv2.fillPoly(shape, [_fixed_points(points)], 255, cv2.LINE_AA, SHIFT)
        return shape.astype(np.float32) / 255.0

    def dome(self, centre: tuple[float, float], radius: float) -> np.ndarray:
        """A half ball as a map of 0 to 1."""
        rows, columns = np.ogrid[: self.mask.shape[0], : self.mask.shape[1]]
        away = ((columns + 0.5 - centre[0]) ** 2 + (rows + 0.5 - centre[1]) ** 2) / radius**2
        return np.sqrt(np.maximum(0.0, 1.0 - away)).astype(np.float32)


def blank(aspect: float = 1.0) -> Blank:
    """An empty part; its height is its width by the aspect."""
    width, height = (LONGER, max(16, round(LONGER / aspect)))
    return Blank(
        np.zeros((height, width), np.uint8),
        np.zeros((height, width), np.float32),
        np.ones((height, width, 3), np.float32),
    )


def around(count: int, radius: float, start: float = 0.0) -> np.ndarray:
    """Places on a circle about 0: ``(count, 2)``, the first at an angle in degrees."""
    angles = np.radians(start) + np.arange(count) * 2 * np.pi / count
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def rectangle(x: float, y: float, w: float, h: float) -> np.ndarray:
    """The corners of a rectangle."""
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


def _fixed(x: float, y: float) -> tuple[int, int]:
    """A place in OpenCV's fixed point, counted from the centres of pixels."""
    return round((x - 0.5) * 16), round((y - 0.5) * 16)


def _fixed_points(points: np.ndarray) -> np.ndarray:
    """The same for several."""
    return np.rint((np.asarray(points, float) - 0.5) * 16).astype(np.int32)
