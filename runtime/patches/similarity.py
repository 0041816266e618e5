"""Cosine similarity of patches whose channels are standardised over both sets together.

One formula for every task: with mean and population variance of each channel over the patches of
both sets, ``x -> (x - mean) / sqrt(variance + STD_EPSILON)``, then
``x -> x / sqrt(|x|^2 + NORM_EPSILON)``; the similarity of two patches is their dot product. The
operations below differ in what they hold at once and in the last bits, not in what they compute:
:func:`standardised` for sets that lie in one array, :func:`similarities` for two that do not,
:func:`joint_standardisation` for blocks, :class:`Comparison` for one region and many looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..kinds import Bound, Numeric

Array = NDArray[Any]

STD_EPSILON: Numeric[float] = 1e-6
"""Added to a channel's variance: a constant channel becomes zero."""

NORM_EPSILON: Numeric[float] = 1e-3
"""Added to a patch's squared length: one that equals the mean stays zero."""

ALONE: Bound[int] = 200_000
"""Multiplications up to which OpenBLAS uses one thread, with some room."""


class Standardisation(NamedTuple):
    """What takes raw patches to standardised ones.

    Attributes:
        mean: of each channel, ``(C,)`` float32.
        scale: one over each channel's deviation.
    """

    mean: Array
    scale: Array

    def rows(self, raw: Array) -> Array:
        """Patches ``(K, C)``, standardised and scaled to length one."""
        return unit((raw - self.mean) * self.scale)


def joint_standardisation(sets: Iterable[Array], dtype: DTypeLike = np.float32) -> Standardisation:
    """Standardise each channel over the patches of several sets together.

    Args:
        sets: ``(K, C)`` raw features of each; gone through twice.
        dtype: in which sums are held; blocks of millions of patches need float64.
    """
    mean = joint_mean(sets, dtype)
    variance = joint_mean((np.square(rows - mean) for rows in sets), dtype)
    return Standardisation(mean, 1 / np.sqrt(variance + np.float32(STD_EPSILON)))


def joint_mean(sets: Iterable[Array], dtype: DTypeLike = np.float32) -> Array:
    """Mean of each column over the rows ``(K, C)`` of several sets together, ``(C,)`` float32."""
    total, count = np.zeros((), dtype), 0
    for rows in sets:
        total = total + rows.sum(0, dtype=dtype)
        count += len(rows)
    return (total / count).astype(np.float32)


def standardised(rows: Array) -> Array:
    """Patches ``(K, C)`` of all sets in one array, standardised and scaled to length one."""
    return unit((rows - rows.mean(0)) / np.sqrt(rows.var(0) + np.float32(STD_EPSILON)))


def similarities(first: Array, second: Array) -> Array:
    """Cosine similarity of every pair, ``(M, N)`` float32 in [-1, 1].

    Args:
        first: ``(M, C)`` float32 raw features.
        second: ``(N, C)`` float32 raw features.
    """
    both = joint_standardisation((first, second))
    return both.rows(first) @ both.rows(second).T


def unit(x: Array) -> Array:
    """Scale each row to length one; a (nearly) zero row stays (nearly) zero."""
    return x / np.sqrt(np.square(x).sum(1, keepdims=True) + np.float32(NORM_EPSILON))


class Comparison:
    """Cells of a region, made ready once to be compared with patches of a target many times.

    Each channel is standardised jointly over the cells and the target's patches. The scaling is
    moved to the patches, as in the matching graph, so that the larger operand is only centred and
    divided by its lengths.

    Args:
        rows: ``(M, C)`` raw features of the target's patches and their competitors.
        cells: ``(C, H, W)`` raw features of the region.

    Attributes:
        cells: ``(C, H, W)`` float32, whose dot products with :meth:`aligned` patches are cosine
            similarities.
    """

    def __init__(self, rows: Array, cells: Array) -> None:
        flat = cells.reshape(cells.shape[0], -1)
        self._mean = joint_mean((rows, flat.T))
        others = flat - self._mean[:, None]
        squares = np.square(others)
        variance = joint_mean((np.square(rows - self._mean), squares.T))
        self._inverse = 1 / (variance + np.float32(STD_EPSILON))
        others /= np.sqrt(self._inverse @ squares + np.float32(NORM_EPSILON))
        self.cells: Array = others.reshape(cells.shape)

    def aligned(self, rows: Array) -> Array:
        """Patches ``(M, C)`` whose dot products with the cells are cosine similarities."""
        scale = np.sqrt(self._inverse)
        return unit((rows - self._mean) * scale) * scale

    def cosine(self, rows: Array) -> Array:
        """Cosine similarity of patches ``(M, C)`` with all cells, ``(M, H, W)`` float32."""
        flat = self.cells.reshape(self.cells.shape[0], -1)
        return small_product(self.aligned(rows), flat).reshape(len(rows), *self.cells.shape[1:])


def small_product(a: Array, b: Array) -> Array:
    """Matrix product of ``(M, C)`` and ``(C, N)`` that stays in the calling thread.

    NumPy's library shares a larger product among threads, and then waits for cores that the
    inference library keeps busy: many times longer than these small products take.
    """
    count, depth = a.shape
    block = max(1, min(count, ALONE // max(1, depth * b.shape[1])))
    whole = count // block * block
    blocks = np.matmul(a[:whole].reshape(-1, block, depth), b).reshape(whole, -1)
    return blocks if whole == count else np.concatenate([blocks, a[whole:] @ b])
