"""Registration of a planar object's pixels: as :mod:`.pixels` has it, for more parameters.

Inverse compositional Gauss-Newton steps (Baker and Matthews, "Lucas-Kanade 20 years on", IJCV 2004)
for similarities, affine maps and homographies. A map with more parameters is known less exactly at
first, so that few samples find the way and more follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..kinds import Numeric
from .pixels import FLAT, LEAST, WORSE, gradient, grey_values, smoothed
from .plane import moves, outline_places, projected, step_matrix, straightened
from .pose import sampled
from .posed_rows import TemplateView

Array = NDArray[Any]

SAMPLES: Numeric[tuple[int, ...]] = (24, 40, 64)
"""Samples along a template's side, in each round: the root of how many are compared."""

STEPS: Numeric[int] = 15
"""Gauss-Newton steps of a round at most."""

SETTLED: Numeric[float] = 0.005
"""Samples by which the last step moved a corner, below which there is no further one."""

WEAK: Numeric[float] = 1e-3
"""Of the strongest combination of parameters: what the pixels say less about is not moved."""


@dataclass(frozen=True)
class PlaneTemplate:
    """A template's pixels at one resolution, and how they change with the parameters of a map.

    Attributes:
        unit: samples per unit of places.
        sides: columns and rows of samples.
        corners: ``(4, 2)`` places of the template's corners.
        used: ``(rows, columns)`` bool, which samples count.
        grey: ``(N,)`` float32 of those, zero mean and unit length.
        steepest: ``(8, N)`` float32: how they change with each parameter.
    """

    unit: float
    sides: tuple[int, int]
    corners: Array
    used: Array
    grey: Array
    steepest: Array

    @classmethod
    def of(cls, view: TemplateView, samples: int) -> PlaneTemplate | None:
        """From what a template keeps of its picture; ``None`` where it is flat.

        Args:
            view: the template.
            samples: along its side.
        """
        width, height = view.box.w, view.box.h
        zoom = min(1.0, samples / math.sqrt(width * height))
        sides = max(4, round(width * zoom)), max(4, round(height * zoom))
        matrix, middle = np.eye(2) / zoom, view.box.centre
        picture = sampled(grey_values(view.image), matrix, middle, *sides, cv2.BORDER_REPLICATE)
        picture = smoothed(picture)
        used = np.ones(sides[::-1], bool)
        if view.mask is not None:
            shown = view.mask.astype(np.float32)
            used = sampled(shown, matrix, middle, *sides, cv2.BORDER_REPLICATE) > 1 / 2
        if used.sum() < used.size / 8 or float(picture[used].std()) < FLAT:
            return None
        unit = zoom * math.sqrt(width * height) / 2
        right, down = (each[used] * unit for each in gradient(picture))
        y, x = np.nonzero(used)
        places = np.column_stack([x + 0.5 - sides[0] / 2, y + 0.5 - sides[1] / 2]) / unit
        across, along = moves(places).transpose(1, 0, 2)
        grey = picture[used] - picture[used].mean()
        length = float(np.linalg.norm(grey))
        grey = grey / length
        steepest = (across * right + along * down) / length
        steepest -= steepest.mean(1, keepdims=True)
        # What only changes the contrast is no move.
        steepest -= (steepest @ grey)[:, None] * grey
        return cls(
            unit,
            sides,
            outline_places((width, height)),
            used,
            grey.astype(np.float32),
            steepest.astype(np.float32),
        )

    def correlation(self, image: Array, matrix: Array) -> float:
        """Of the pixels at a map, in [-1, 1]; -1 where the image is flat.

        Args:
            image: ``(H, W)`` float32 grey.
            matrix: the map.
        """
        seen = self._seen(image, matrix)
        return -1.0 if seen is None else float(seen @ self.grey)

    def register(self, image: Array, matrix: Array, count: int) -> tuple[Array, float]:
        """The map near to one at which the pixels fit best, and their correlation.

        Args:
            image: ``(H, W)`` float32 grey.
            matrix: known to a sample or two.
            count: parameters of the steps: 4, 6 or 8.
        """
        steepest = self.steepest[:count]
        solve = np.linalg.pinv(steepest @ steepest.T, WEAK, hermitian=True) @ steepest
        best, highest = matrix, -1.0
        for _ in range(STEPS):
            seen = self._seen(image, matrix)
            correlation = -1.0 if seen is None else float(seen @ self.grey)
            if correlation > highest:
                best, highest = matrix, correlation
            if seen is None or correlation < highest - WORSE:
                break
            # The image is scaled so that its part along the template has the template's length.
            step = step_matrix(solve @ (seen / max(correlation, LEAST) - self.grey))
            after = matrix @ np.linalg.inv(step)
            moved = projected(step, self.corners) - self.corners
            matrix = after / after[2, 2]
            if np.abs(moved).max() * self.unit < SETTLED:
                break
        last = self.correlation(image, matrix)
        return (matrix, last) if last > highest else (best, highest)

    def _seen(self, image: Array, matrix: Array) -> Array | None:
        """The image's samples at a map, ``(N,)``, zero mean and unit length."""
        picture = straightened(image, matrix, self.unit, self.sides, cv2.INTER_CUBIC)
        values = smoothed(picture)[self.used]
        values = values - values.mean()
        length = float(np.linalg.norm(values))
        if length < FLAT * math.sqrt(len(values)) / 4:
            return None
        return (values / length).astype(np.float32)


def plane_pyramid(view: TemplateView) -> list[PlaneTemplate]:
    """A template's pixels at rising resolutions; none where it is flat."""
    side = math.sqrt(view.box.w * view.box.h)
    wanted = [samples for samples in SAMPLES if samples < side] or list(SAMPLES[:1])
    made = [PlaneTemplate.of(view, samples) for samples in wanted]
    return [each for each in made if each is not None]
