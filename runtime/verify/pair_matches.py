"""One-to-one matches between the patches of two pictures, by the quality of each pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..kinds import Numeric
from ..patches.quality import best_pairs
from ..patches.similarity import similarities

Array = NDArray[Any]

PairMatching = Literal["qatm", "correlation", "cosine"]
MATCHING: tuple[PairMatching, ...] = get_args(PairMatching)

COLUMN_EPSILON: Numeric[float] = 1e-6
"""Added to a column's squared length: one without any agreement stays zero."""


@dataclass(frozen=True)
class PairMatches:
    """The pairs of patches that are each other's best, and the quality of every search cell.

    Attributes:
        first: ``(K,)`` indices into the template's rows.
        second: ``(K,)`` indices into the search cells.
        weight: ``(K,)`` float32 in [0, 1], root of the pair's quality.
        quality: ``(N,)`` float32 in [0, 1], of each search cell (paper, equation 5).
    """

    first: Array
    second: Array
    weight: Array
    quality: Array


def match_pairs(
    template: Array, search: Array, alpha: float, matching: str = "qatm"
) -> PairMatches:
    """Match two sets of patches one to one.

    With the quality of a pair ``QATM(s,t) = L(t|s) L(s|t)`` (paper, equation 4), ``(s, t)`` is a
    match if ``s`` is the best for ``t`` and ``t`` the best for ``s``. Memory: one ``M x N`` matrix.

    Args:
        template: ``(M, C)`` raw features.
        search: ``(N, C)`` raw features.
        alpha: factor on the cosine similarity.
        matching: ``qatm``; for comparison ``cosine``, the bare similarity, or ``correlation``, the
            positive similarities with each search cell's scaled to length one.
    """
    cosine = similarities(template, search)
    if matching != "qatm":
        return _plain_pairs(cosine, scaled=matching == "correlation")
    best, value, highest = best_pairs(cosine, alpha)
    first, second = _mutual(best, value, highest)
    return PairMatches(first, second, np.exp(0.5 * value[first]), np.minimum(np.exp(highest), 1))


def _mutual(best: Array, value: Array, highest: Array) -> tuple[Array, Array]:
    """Rows whose best value is also the highest of its column; of equal rows the first one.

    Comparing values finds the same pairs as the position of each column's maximum, which is slow
    to look for in rows.
    """
    first = np.flatnonzero(value >= highest[best])
    second, index = np.unique(best[first], return_index=True)
    order = np.argsort(first[index])
    return first[index][order], second[order]


def _plain_pairs(rho: Array, *, scaled: bool) -> PairMatches:
    """Mutual nearest neighbours by similarity, weighted with it."""
    values = np.maximum(rho, 0, out=rho)
    if scaled:
        values /= np.sqrt(np.square(values).sum(0) + np.float32(COLUMN_EPSILON))
    best, highest = values.argmax(1), values.max(0)
    value = values[np.arange(len(values)), best]
    first, second = _mutual(best, value, highest)
    return PairMatches(first, second, value[first], highest)
