"""An affine map fitted to all matches of two feature maps at once, without sampling.

Every source cell may match every target cell; what they are worth is their QATM score. A Hough
vote over scales and shifts gives a few starts. From each, the map is refined by weighted least
squares in which a match counts by its score and by a Gaussian of its distance, narrower from round
to round, so that far matches help first and only near ones decide. Nothing is random.

Coordinates and maps are in fractions of the pictures' sides, as in :mod:`.maps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bundle.recipes import AlignRecipe
from ..kinds import Numeric
from ..patches.quality import pair_quality
from ..patches.similarity import standardised
from .maps import IDENTITY, invert, transform

Array = NDArray[Any]

RIDGE: Numeric[float] = 1e-9
"""Keeps systems of equations solvable, relative to their size."""


@dataclass(frozen=True)
class PairScores:
    """QATM scores of all pairs of cells.

    Attributes:
        values: ``(M, N)`` float in [0, 1] of ``M`` source and ``N`` target cells.
        source: ``(M, 2)`` centres of the source cells, fractions of the image.
        target: ``(N, 2)`` the same of the target.
    """

    values: Array
    source: Array
    target: Array


@dataclass(frozen=True)
class AffineFit:
    """A map ``(2, 3)`` and the share of cells, 0 to 1, that have a one-to-one match along it."""

    matrix: Array
    support: float


def pair_scores(source: Array, target: Array, alpha: float) -> PairScores:
    """QATM scores (paper, equation 4) of all pairs of cells of two feature maps.

    Args:
        source: ``(C, h, w)`` raw features.
        target: ``(C, H, W)`` raw features.
        alpha: factor on the cosine similarity.
    """
    values = pair_quality(_similarities(source, target), alpha)
    return PairScores(values.astype(np.float64), _centres(source), _centres(target))


def cosine_scores(source: Array, target: Array) -> PairScores:
    """Cosine similarities of mutually best cells, all other pairs zero: the plain alternative.

    Args:
        source: ``(C, h, w)`` raw features.
        target: ``(C, H, W)`` raw features.
    """
    rho = _similarities(source, target)
    best = (rho == rho.max(0)) & (rho == rho.max(1, keepdims=True)) & (rho > 0)
    values = np.where(best, rho, 0.0).astype(np.float64)
    return PairScores(values, _centres(source), _centres(target))


def inside(pairs: PairScores, matrix: Array) -> PairScores:
    """The pairs whose bent cell shows the source and not its repeated border.

    Args:
        pairs: scores of the source's cells after it was bent by the map.
        matrix: the map ``(2, 3)``.
    """
    at = transform(invert(matrix), pairs.source)
    seen = np.all((at >= 0) & (at <= 1), axis=1)
    return PairScores(pairs.values * seen[:, None], pairs.source, pairs.target)


def fit_affine(pairs: PairScores, recipe: AlignRecipe) -> AffineFit:
    """The affine map along which the cells match best."""
    fits = [_refine(pairs, matrix, recipe.widths) for matrix in _vote(pairs, recipe)]
    return max(fits, key=lambda fit: fit.support)


def fit_rest(pairs: PairScores, recipe: AlignRecipe) -> AffineFit:
    """What is left to map, where the cells nearly lie on each other already."""
    return _refine(pairs, IDENTITY, recipe.near_widths)


def match_weights(pairs: PairScores, mapped: Array, width: float) -> Array:
    """Scores ``(M, N)`` times a Gaussian of how far mapped source centres are from the target's."""
    distance = (mapped**2).sum(1)[:, None] + (pairs.target**2).sum(1) - 2 * mapped @ pairs.target.T
    return pairs.values * np.exp(distance / (-2 * width * width))


def measure(pairs: PairScores, matrix: Array, width: float) -> AffineFit:
    """How well a map ``(2, 3)`` that is already known fits, at a width of what is believed."""
    weights = match_weights(pairs, transform(matrix, pairs.source), width)
    return AffineFit(matrix, _support(weights))


def _support(weights: Array) -> float:
    """Share of the smaller map's cells that have a match, 0 to 1."""
    return float(min(1.0, weights.sum() / min(weights.shape)))


def _rows(features: Array) -> Array:
    return features.reshape(features.shape[0], -1).T.astype(np.float32)


def _similarities(source: Array, target: Array) -> Array:
    """Cosine similarity of all pairs of cells, ``(M, N)`` float32."""
    first, second = _rows(source), _rows(target)
    both = standardised(np.concatenate([first, second]))
    return both[: len(first)] @ both[len(first) :].T


def _centres(features: Array) -> Array:
    """Centres of the cells of a map as fractions, ``(h * w, 2)``."""
    height, width = features.shape[1:]
    y, x = np.mgrid[:height, :width]
    return np.stack([(x.ravel() + 0.5) / width, (y.ravel() + 0.5) / height], axis=1)


def _vote(pairs: PairScores, recipe: AlignRecipe) -> list[Array]:
    """Axis-parallel maps with the most votes, best first."""
    most = recipe.vote_stretch
    scales = [(x, y) for x in recipe.scales for y in recipe.scales if 1 / most < x / y < most]
    votes = [_vote_shift(pairs, np.array(scale), recipe.bins) for scale in scales]
    votes.sort(key=lambda vote: -vote[0])
    return [matrix for _, matrix in votes[: recipe.starts]]


def _vote_shift(pairs: PairScores, scale: Array, count: int) -> tuple[float, Array]:
    """Votes for the best place of the source's centre in the target, at one scale."""
    centred = scale * (pairs.source - 0.5)
    bins = [
        np.floor((pairs.target[None, :, k] - centred[:, k, None]) * count).astype(np.int64)
        for k in (0, 1)
    ]
    within = (bins[0] >= 0) & (bins[0] < count) & (bins[1] >= 0) & (bins[1] < count)
    index = (bins[1] * count + bins[0])[within]
    # Where nothing lies within, what is counted is whole numbers, which OpenCV does not blur.
    counts = np.bincount(index, pairs.values[within], count * count).astype(np.float64)
    counts = counts.reshape(count, count)
    counts = cv2.GaussianBlur(counts, (0, 0), 1.0)
    y, x = divmod(int(counts.argmax()), count)
    centre = np.array([x + 0.5, y + 0.5]) / count
    return float(counts.max()), np.c_[np.diag(scale), centre - 0.5 * scale]


def _refine(pairs: PairScores, matrix: Array, widths: tuple[float, ...]) -> AffineFit:
    """Weighted least squares with ever narrower weights."""
    rows = np.c_[pairs.source, np.ones(len(pairs.source))]
    for width in widths:
        weights = match_weights(pairs, transform(matrix, pairs.source), width)
        own = weights.sum(1)
        if own.sum() < RIDGE:
            return AffineFit(matrix, 0.0)
        normal = (rows * own[:, None]).T @ rows
        ridge = RIDGE * np.trace(normal) * np.eye(3)
        matrix = np.linalg.solve(normal + ridge, rows.T @ (weights @ pairs.target)).T
    return measure(pairs, matrix, widths[-1])
