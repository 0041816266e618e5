"""The formulas of matching and placing as they stand, in float64, to hold everything against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.roles import Qualities, WindowFit
from ...runtime.patches.similarity import NORM_EPSILON, STD_EPSILON

Array = NDArray[Any]


def literal_quality(template: Array, target: Array, search: Array, alpha: float) -> Qualities:
    """Quality of each search position by the paper's equations 3 to 5, as they stand.

    Args:
        template: ``(M, C)`` raw features.
        target: ``(M,)``, 1 for rows that may win, 0 for competitors.
        search: ``(N, C)`` raw features.
        alpha: factor on the cosine similarity.

    Returns:
        ``(N,)`` float64 in [0, 1], with competitors in the softmax over the template and without;
        patches are standardised with them in both.
    """
    similarity = alpha * literal_cosine(template, search)
    own = target > 0
    over_search = _softmax(similarity, 1)[own]
    contested = _softmax(similarity, 0)[own] * over_search
    alone = _softmax(similarity[own], 0) * over_search
    return Qualities(contested.max(0), alone.max(0))


def literal_fit(template: Array, search: Array, cells: Array, alpha: float) -> WindowFit:
    """How well a template fits at some shifts, from the definitions of its values.

    Args:
        template: ``(M, C)`` raw features, the template's own rows first.
        search: ``(N, C)`` raw features.
        cells: ``(K, S)``, for each own row and each shift, the index of the cell at its place.
        alpha: factor on the cosine similarity.

    Returns:
        Values ``(S,)`` float64; of the pairs ``(K, N)``.
    """
    cosine = literal_cosine(template, search)
    own = np.arange(len(cells))[:, None]
    logs = np.log(_softmax(alpha * cosine, 0))
    nearest = cosine[: len(cells)].max(0)
    below = alpha * (cosine[: len(cells)] - 1)
    return WindowFit(
        logs[own, cells].mean(0),
        below[own, cells].mean(0),
        nearest[cells].mean(0),
        below + logs[: len(cells)],
    )


def literal_cosine(template: Array, search: Array) -> Array:
    """Cosine of every pair of rows ``(M, C)`` and ``(N, C)``, channels standardised together."""
    rows = np.concatenate([template, search]).astype(np.float64)
    rows = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + STD_EPSILON)
    rows /= np.sqrt(np.square(rows).sum(1, keepdims=True) + NORM_EPSILON)
    return rows[: len(template)] @ rows[len(template) :].T


def _softmax(values: Array, axis: int) -> Array:
    powers = np.exp(values - values.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)
