"""What an affine map leaves over between two feature maps, taken up by a smooth spline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .affine import PairScores, match_weights, transform
from .thin_plate import fit_thin_plate, grid_points

Array = NDArray[Any]

GRID = 4
"""Control points along each side."""

WIDTHS = (0.06, 0.06, 0.06)
"""Standard deviations of the distances believed in each round, in fractions of an image."""

SMOOTHNESS = 0.1
"""How stiff the spline is: enough to keep it close to an affine map."""

LARGEST = 0.15
"""No control point is moved further from its place under the affine map, in fractions."""


def bend(pairs: PairScores, matrix: Array) -> tuple[Array, Array]:
    """Control points ``(K, 2)`` and where a spline takes them, both in fractions.

    Args:
        pairs: scores of all pairs of cells.
        matrix: the affine map ``(2, 3)`` to start from.
    """
    control = grid_points(GRID, GRID)
    straight = transform(matrix, control)
    mapped, placed = transform(matrix, pairs.source), straight
    for width in WIDTHS:
        weights = match_weights(pairs, mapped, width)
        own = weights.sum(1)
        if own.sum() <= 0:
            return control, straight
        means = (weights @ pairs.target) / np.maximum(own, np.finfo(float).tiny)[:, None]
        spline = fit_thin_plate(control, pairs.source, means, own, SMOOTHNESS)
        mapped, placed = spline(pairs.source), spline(control)
    offset = placed - straight
    length = np.hypot(offset[:, 0], offset[:, 1])[:, None]
    offset *= np.minimum(1.0, LARGEST / np.maximum(length, LARGEST))
    return control, straight + offset
