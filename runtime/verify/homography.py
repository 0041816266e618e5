"""Robust fits of a plane's motion to weighted matches: similarity, then affine or homography."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.recipes import VerifyRecipe
from ..kinds import Numeric

Array = NDArray[Any]

EPSILON: Numeric[float] = 1e-9
"""Keeps divisions finite."""

SINGULAR: Numeric[float] = 1e-12
SEED: Numeric[int] = 0


@dataclass(frozen=True)
class Fit:
    """A transform and what speaks for it.

    Attributes:
        matrix: ``(3, 3)`` float64, from the first points to the second.
        support: weighted number of inliers, each counting ``1 - (error / tolerance)^2``.
        inliers: ``(K,)`` bool.
    """

    matrix: Array
    support: float
    inliers: Array


def transform(matrix: Array, points: Array) -> Array:
    """Points ``(K, 2)`` through a 3x3 matrix."""
    raw = points @ matrix[:, :2].T + matrix[:, 2]
    depth = raw[:, 2:]
    return raw[:, :2] / np.where(np.abs(depth) < EPSILON, EPSILON, depth)


def fit_robustly(
    first: Array, second: Array, weight: Array, recipe: VerifyRecipe, *, planar: bool = False
) -> Fit | None:
    """The transform that most of the weight agrees with, or ``None``.

    Similarities from pairs of matches (drawn by their weight) are judged by their support; the
    best is refined to an affine map, and to a homography if ``planar`` and there are enough
    inliers, by weighted least squares. The same input always gives the same answer.

    Args:
        first: ``(K, 2)`` points.
        second: ``(K, 2)`` points.
        weight: ``(K,)``, at least 0.
        recipe: its tolerance is the largest error of an inlier, in the second points' unit.
        planar: fit a homography in the end.
    """
    if len(first) < recipe.fewest or not weight.sum() > 0:
        return None
    start = _best_similarity(first, second, weight, recipe)
    return None if start is None else _refine(start, first, second, weight, recipe, planar=planar)


def _refine(
    matrix: Array,
    first: Array,
    second: Array,
    weight: Array,
    recipe: VerifyRecipe,
    *,
    planar: bool,
) -> Fit | None:
    """Improve a rough transform by weighted least squares; ``None`` if too few matches agree."""
    tolerance, rounds = recipe.tolerance, recipe.rounds
    for step in range(rounds):
        errors = np.linalg.norm(transform(matrix, first) - second, axis=1)
        trust = weight * np.maximum(0.0, 1.0 - (errors / (recipe.loose * tolerance)) ** 2)
        count = int((trust > 0).sum())
        if count < recipe.fewest:
            return None
        bent = planar and step >= rounds // 2 and count >= recipe.enough
        matrix = _homography(first, second, trust) if bent else _affine(first, second, trust)
    errors = np.linalg.norm(transform(matrix, first) - second, axis=1)
    support = (weight * np.maximum(0.0, 1.0 - (errors / tolerance) ** 2)).sum()
    return Fit(matrix, float(support), errors < tolerance)


def _best_similarity(
    first: Array, second: Array, weight: Array, recipe: VerifyRecipe
) -> Array | None:
    """The similarity with the most support, as a 3x3 matrix."""
    rng = np.random.default_rng(SEED)
    chance = weight / weight.sum()
    a, b = (rng.choice(len(first), recipe.trials, p=chance) for _ in range(2))
    # As complex numbers a similarity is z -> turn * z + shift.
    p, q = (points[:, 0] + 1j * points[:, 1] for points in (first, second))
    apart = np.abs(p[b] - p[a]) > recipe.apart
    a, b = a[apart], b[apart]
    turn = (q[b] - q[a]) / (p[b] - p[a])
    scale = np.abs(turn)
    believed = (scale > recipe.least_scale) & (scale < recipe.most_scale)
    turn, shift = turn[believed], (q[a] - turn * p[a])[believed]
    if not len(turn):
        return None
    errors = np.abs(turn[:, None] * p + shift[:, None] - q)
    support = np.maximum(0.0, 1.0 - (errors / recipe.tolerance) ** 2) @ weight
    best = int(support.argmax())
    z, t = turn[best], shift[best]
    return np.array([[z.real, -z.imag, t.real], [z.imag, z.real, t.imag], [0.0, 0.0, 1.0]])


def _affine(first: Array, second: Array, weight: Array) -> Array:
    """Weighted least squares of an affine map."""
    root = np.sqrt(weight)[:, None]
    system = np.c_[first, np.ones(len(first))] * root
    solution = np.linalg.lstsq(system, second * root, rcond=None)[0]
    return np.vstack([solution.T, [0.0, 0.0, 1.0]])


def _homography(first: Array, second: Array, weight: Array) -> Array:
    """Weighted direct linear transform, with the points scaled beforehand (Hartley, 1997)."""
    own, other = _conditioner(first, weight), _conditioner(second, weight)
    p, q = transform(own, first), transform(other, second)
    root, one, zero = np.sqrt(weight)[:, None], np.ones((len(p), 1)), np.zeros((len(p), 3))
    full = np.hstack([p, one])
    system = np.vstack(
        [
            np.hstack([full, zero, -q[:, :1] * full]) * root,
            np.hstack([zero, full, -q[:, 1:] * full]) * root,
        ]
    )
    # The smallest eigenvector of a 9x9 matrix costs less than the system's singular values.
    vector = np.linalg.eigh(system.T @ system)[1][:, 0]
    matrix = np.linalg.inv(other) @ vector.reshape(3, 3) @ own
    return matrix / matrix[2, 2] if abs(matrix[2, 2]) > SINGULAR else matrix


def _conditioner(points: Array, weight: Array) -> Array:
    """Moves the points' weighted centre to the origin and their mean distance to about one."""
    share = weight / weight.sum()
    centre = share @ points
    spread = np.sqrt(share @ np.square(points - centre).sum(1)) + EPSILON
    return np.array(
        [[1 / spread, 0, -centre[0] / spread], [0, 1 / spread, -centre[1] / spread], [0, 0, 1.0]]
    )
