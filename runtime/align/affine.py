"""An affine map fitted to all matches of two feature maps at once, without sampling.

Every source cell may match every target cell; what they are worth is their QATM score. A Hough
vote over scales and shifts gives a few starts. From each, the map is refined by weighted least
squares in which a match counts by its score and by a Gaussian of its distance, narrower from round
to round, so that far matches help first and only near ones decide. Nothing is random.

Coordinates are fractions of an image's width and height; maps are ``(2, 3)``, ``y = A [x, 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SCALES = (0.5, 0.63, 0.8, 1.0, 1.25, 1.6, 2.0)
"""Scales of width and height that are voted for."""

MAX_STRETCH = 1.7
"""Width and height are never voted to be scaled by more different factors than this."""

BINS = 24
"""Bins of the vote across an image's width and height."""

STARTS = 3
"""Winners of the vote that are refined."""

WIDTHS = (0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.06)
"""Standard deviation of the distances believed in each round, in fractions of an image."""

NEAR_WIDTHS = (0.12, 0.1, 0.08, 0.06, 0.06)
"""The same where the start is nearly right."""

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

STD_EPSILON = 1e-6
NORM_EPSILON = 1e-3
RIDGE = 1e-9


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
    rows, cells = _standardise(_rows(source), _rows(target))
    powers = np.exp(alpha * (rows @ cells.T - 1.0))
    values = powers / powers.sum(0) * (powers / powers.sum(1, keepdims=True))
    return PairScores(values.astype(np.float64), _centres(source), _centres(target))


def cosine_scores(source: Array, target: Array) -> PairScores:
    """Cosine similarities of mutually best cells, all other pairs zero: the plain alternative.

    Args:
        source: ``(C, h, w)`` raw features.
        target: ``(C, H, W)`` raw features.
    """
    rows, cells = _standardise(_rows(source), _rows(target))
    rho = rows @ cells.T
    best = (rho == rho.max(0)) & (rho == rho.max(1, keepdims=True)) & (rho > 0)
    values = np.where(best, rho, 0.0).astype(np.float64)
    return PairScores(values, _centres(source), _centres(target))


def fit_affine(pairs: PairScores, start: Array | None = None) -> AffineFit:
    """The affine map along which the cells match best.

    Args:
        pairs: scores of all pairs of cells.
        start: refine this map ``(2, 3)``, which is nearly right; ``None`` votes for starts.
    """
    if start is not None:
        return _refine(pairs, start, NEAR_WIDTHS)
    fits = [_refine(pairs, matrix, WIDTHS) for matrix in _vote(pairs)]
    return max(fits, key=lambda fit: fit.support)


def transform(matrix: Array, points: Array) -> Array:
    """Points ``(N, 2)`` under a map ``(2, 3)``."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def compose(first: Array, then: Array) -> Array:
    """The map that applies ``first`` and then ``then``, all ``(2, 3)``."""
    return np.c_[then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2] + then[:, 2]]


def invert(matrix: Array) -> Array:
    """The inverse of a map ``(2, 3)``."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.c_[inverse, -inverse @ matrix[:, 2]]


def match_weights(pairs: PairScores, mapped: Array, width: float) -> Array:
    """Scores ``(M, N)`` times a Gaussian of how far mapped source centres are from the target's."""
    distance = (mapped**2).sum(1)[:, None] + (pairs.target**2).sum(1) - 2 * mapped @ pairs.target.T
    return pairs.values * np.exp(distance / (-2 * width * width))


def measure(pairs: PairScores, matrix: Array, width: float = NEAR_WIDTHS[-1]) -> AffineFit:
    """How well a map ``(2, 3)`` that is already known fits."""
    weights = match_weights(pairs, transform(matrix, pairs.source), width)
    return AffineFit(matrix, _support(weights))


def _support(weights: Array) -> float:
    """Share of the smaller map's cells that have a match, 0 to 1."""
    return float(min(1.0, weights.sum() / min(weights.shape)))


def _rows(features: Array) -> Array:
    return features.reshape(features.shape[0], -1).T.astype(np.float32)


def _centres(features: Array) -> Array:
    """Centres of the cells of a map as fractions, ``(h * w, 2)``."""
    height, width = features.shape[1:]
    y, x = np.mgrid[:height, :width]
    return np.stack([(x.ravel() + 0.5) / width, (y.ravel() + 0.5) / height], axis=1)


def _standardise(rows: Array, cells: Array) -> tuple[Array, Array]:
    """Each channel standardised over both maps, each cell then scaled to length one."""
    both = np.concatenate([rows, cells])
    both = (both - both.mean(0)) / np.sqrt(both.var(0) + STD_EPSILON)
    both /= np.sqrt((both * both).sum(1, keepdims=True) + NORM_EPSILON)
    return both[: len(rows)], both[len(rows) :]


def _vote(pairs: PairScores) -> list[Array]:
    """Axis-parallel maps with the most votes, best first."""
    pairs_of_scales = [
        (sx, sy) for sx in SCALES for sy in SCALES if 1 / MAX_STRETCH < sx / sy < MAX_STRETCH
    ]
    votes = [_vote_shift(pairs, np.array(scale)) for scale in pairs_of_scales]
    votes.sort(key=lambda vote: -vote[0])
    return [matrix for _, matrix in votes[:STARTS]]


def _vote_shift(pairs: PairScores, scale: Array) -> tuple[float, Array]:
    """Votes for the best place of the source's centre in the target, at one scale."""
    centred = scale * (pairs.source - 0.5)
    bins = [
        np.floor((pairs.target[None, :, k] - centred[:, k, None]) * BINS).astype(np.int64)
        for k in (0, 1)
    ]
    inside = (bins[0] >= 0) & (bins[0] < BINS) & (bins[1] >= 0) & (bins[1] < BINS)
    index = (bins[1] * BINS + bins[0])[inside]
    counts = np.bincount(index, pairs.values[inside], BINS * BINS).reshape(BINS, BINS)
    counts = cv2.GaussianBlur(counts, (0, 0), 1.0)
    y, x = divmod(int(counts.argmax()), BINS)
    centre = np.array([x + 0.5, y + 0.5]) / BINS
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
