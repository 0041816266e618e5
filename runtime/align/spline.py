"""Thin-plate splines: the smoothest map of the plane near given points.

``f(x) = A [x, 1] + sum over k of w_k U(|x - c_k|)`` with ``U(r) = r^2 log r^2`` (Bookstein, 1989).
:func:`bend` fits one to what an affine map leaves over between two feature maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.recipes import AlignRecipe
from ..kinds import Numeric
from .affine import PairScores, match_weights
from .maps import transform

Array = NDArray[Any]

EPSILON: Numeric[float] = 1e-12
RIDGE: Numeric[float] = 1e-9


@dataclass(frozen=True)
class ThinPlate:
    """A spline.

    Attributes:
        centres: ``(K, 2)`` control points.
        weights: ``(K + 3, 2)``: of the control points, then of x, y and 1.
    """

    centres: Array
    weights: Array

    def __call__(self, points: Array) -> Array:
        """Points ``(N, 2)`` to ``(N, 2)``."""
        return _basis(points, self.centres) @ self.weights


def fit_thin_plate(
    centres: Array, points: Array, values: Array, weights: Array, smoothness: float
) -> ThinPlate:
    """The spline that minimises the weighted squared error plus ``smoothness`` times bending.

    Args:
        centres: ``(K, 2)`` control points, not all on one line.
        points: ``(N, 2)`` where values are known.
        values: ``(N, 2)``.
        weights: ``(N,)``, not negative; their scale does not matter.
        smoothness: 0 follows the values, infinity leaves an affine map.
    """
    count = len(centres)
    basis = _basis(points, centres)
    bending = np.zeros((count + 3, count + 3))
    bending[:count, :count] = _radial(centres, centres)
    normal = (basis * (weights / weights.sum())[:, None]).T @ basis + smoothness * bending
    right = (basis * (weights / weights.sum())[:, None]).T @ values
    # The radial part must not grow like an affine map: its weights are orthogonal to those.
    side = np.c_[centres, np.ones(count)].T
    constraint = np.c_[side, np.zeros((3, 3))]
    system = np.block(
        [[normal + RIDGE * np.eye(count + 3), constraint.T], [constraint, np.zeros((3, 3))]]
    )
    solution = np.linalg.lstsq(system, np.r_[right, np.zeros((3, 2))], rcond=None)[0]
    return ThinPlate(centres, solution[: count + 3])


def grid_points(columns: int, rows: int) -> Array:
    """Points ``(columns * rows, 2)`` of a grid that spans the unit square."""
    x, y = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    return np.stack([x.ravel(), y.ravel()], axis=1)


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


def _radial(points: Array, centres: Array) -> Array:
    squared = ((points[:, None] - centres[None]) ** 2).sum(-1)
    return squared * np.log(squared + EPSILON)


def _basis(points: Array, centres: Array) -> Array:
    return np.c_[_radial(points, centres), points, np.ones(len(points))]
