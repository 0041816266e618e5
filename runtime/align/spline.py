"""What an affine map leaves over between two feature maps, taken up by a smooth spline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.recipes import AlignRecipe
from .affine import PairScores, match_weights
from .maps import transform
from .thin_plate import fit_thin_plate, grid_points

Array = NDArray[Any]


def bend(pairs: PairScores, matrix: Array, recipe: AlignRecipe) -> tuple[Array, Array]:
    """Control points ``(K, 2)`` and where a spline takes them, both in fractions.

    Args:
        pairs: scores of all pairs of cells.
        matrix: the affine map ``(2, 3)`` to start from.
        recipe: says how many points there are, and how far they may move.
    """
    control = grid_points(recipe.spline_points, recipe.spline_points)
    straight = transform(matrix, control)
    mapped, placed = transform(matrix, pairs.source), straight
    for width in recipe.spline_widths:
        weights = match_weights(pairs, mapped, width)
        own = weights.sum(1)
        if own.sum() <= 0:
            return control, straight
        means = (weights @ pairs.target) / np.maximum(own, np.finfo(float).tiny)[:, None]
        spline = fit_thin_plate(control, pairs.source, means, own, recipe.smoothness)
        mapped, placed = spline(pairs.source), spline(control)
    offset = placed - straight
    length = np.hypot(offset[:, 0], offset[:, 1])[:, None]
    largest = recipe.largest_bend
    offset *= np.minimum(1.0, largest / np.maximum(length, largest))
    return control, straight + offset
