"""The paper's formulas in plain numpy, float64, written without looking at the toolkit's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def softmax(x: Array, axis: int) -> Array:
    """Softmax along an axis."""
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def cosine(template: Array, search: Array) -> Array:
    """Cosine ``(M, N)`` of ``(M, C)`` and ``(N, C)``, channels standardised over both together."""
    together = np.concatenate([template, search])
    mean, deviation = together.mean(0), together.std(0)
    t, s = (template - mean) / deviation, (search - mean) / deviation
    t /= np.linalg.norm(t, axis=1, keepdims=True)
    s /= np.linalg.norm(s, axis=1, keepdims=True)
    return t @ s.T


def qatm(rho: Array, alpha: float) -> Array:
    """Equations 3 and 4: ``QATM(s, t)`` of each pair, ``(M, N)``."""
    return softmax(alpha * rho, 0) * softmax(alpha * rho, 1)


def quality(template: Array, search: Array, alpha: float) -> Array:
    """Equation 5: the quality ``(N,)`` of each search position, from raw features."""
    return qatm(cosine(template, search), alpha).max(0)
