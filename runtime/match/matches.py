"""What a matcher gives back: matches, quality maps, and what it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box

Array = NDArray[Any]


@dataclass(frozen=True)
class Match:
    """One place where a template may be.

    Attributes:
        box: ``(x, y, w, h)`` in pixels of the searched image.
        score: 0 to 1; how surely the object is there.
        found: whether the score reaches the threshold.
        template: index of the template in the searched list (0 for a single one).
    """

    box: Box
    score: float
    found: bool
    template: int = 0


@dataclass(frozen=True)
class MatchEvidence:
    """What the score of a match is made of.

    Attributes:
        quality: mean quality of the window without competitors, in [0, 1]; 0 where the template or
            the window shows a single colour.
        likeness: mean over its cells of the similarity to the patch of the template that they
            resemble most, in [-1, 1].
    """

    quality: float
    likeness: float


@dataclass(frozen=True)
class QualityMap:
    """Quality of every patch of an image (paper, equation 5).

    Attributes:
        values: ``(h, w)`` float32 in [0, 1].
        cell: width and height of one value's cell in pixels of the image.
        size: width and height of the image.
    """

    values: Array
    cell: tuple[float, float]
    size: tuple[int, int]

    def resized(self, shape: tuple[int, int] | None = None) -> Array:
        """The map interpolated to ``(H, W)`` (default: the image's), float32."""
        width, height = self.size if shape is None else (shape[1], shape[0])
        rows, columns = self.values.shape
        factor = (width / self.size[0], height / self.size[1])
        scale_x, scale_y = self.cell[0] * factor[0], self.cell[1] * factor[1]
        # Sample i lies at the centre of cell i, and the last cell may stick out of the image.
        matrix = np.array([[scale_x, 0, scale_x / 2 - 0.5], [0, scale_y, scale_y / 2 - 0.5]])
        inverse = cv2.invertAffineTransform(matrix)
        x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        map_x = np.clip(inverse[0, 0] * x + inverse[0, 2], 0, columns - 1).astype(np.float32)
        map_y = np.clip(inverse[1, 1] * y + inverse[1, 2], 0, rows - 1).astype(np.float32)
        grid = np.meshgrid(map_x, map_y)
        return cv2.remap(self.values, grid[0], grid[1], cv2.INTER_LINEAR)
