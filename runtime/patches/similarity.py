"""Cosine similarity of patches whose channels are standardised over both sets together.

One formula for every task: with mean and population variance of each channel over the patches of
both sets, ``x -> (x - mean) / sqrt(variance + STD_EPSILON)``, then
``x -> x / sqrt(|x|^2 + NORM_EPSILON)``; the similarity of two patches is their dot product. The
operations below differ in what they hold at once and in the last bits, not in what they compute:
:func:`standardised` for sets that lie in one array, :func:`similarities` for two that do not,
:func:`joint_standardisation` for blocks, :class:`Comparison` for one region and many looks.
"""

from __future__ import annotations

import math
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

BLOCK_COLUMNS: Numeric[int] = 16
"""Columns of a block of a small product, which has as many rows as one thread then takes."""


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


class PatchSums(NamedTuple):
    """What a set of patches adds to a joint standardisation; it does not change with the other set.

    Attributes:
        patches: how many they are.
        mean: of each channel, ``(C,)`` float32.
        squares: sum of each channel's squared distances from that mean, ``(C,)`` float32.
    """

    patches: int
    mean: Array
    squares: Array

    @classmethod
    def of(cls, rows: Array) -> PatchSums:
        """The sums of patches ``(M, C)``."""
        # Once for many comparisons, so that exact sums cost nothing.
        mean = rows.mean(0, dtype=np.float64)
        squares = np.square(rows - mean).sum(0)
        return cls(len(rows), mean.astype(np.float32), squares.astype(np.float32))


class Comparison:
    """Cells of a region, made ready once to be compared with patches of a target many times.

    Each channel is standardised jointly over the cells and the target's patches. The scaling is
    moved to the patches, as in the matching graph, so that the larger operand is only centred and
    divided by its lengths.

    Args:
        rows: ``(M, C)`` raw features of the target's patches and their competitors, or their sums.
        cells: ``(C, H, W)`` raw features of the region.

    Attributes:
        cells: ``(C, H, W)`` float32, whose dot products with :meth:`aligned` patches are cosine
            similarities.
    """

    def __init__(self, rows: Array | PatchSums, cells: Array) -> None:
        known = rows if isinstance(rows, PatchSums) else PatchSums.of(rows)
        flat = cells.reshape(cells.shape[0], -1)
        total = np.float32(known.patches + flat.shape[1])
        self._mean = (known.mean * np.float32(known.patches) + flat.sum(1)) / total
        others = flat - self._mean[:, None]
        squares = np.square(others)
        # Sums of squares about another mean: those about their own, and the distance of the two.
        apart = known.squares + np.float32(known.patches) * np.square(known.mean - self._mean)
        variance = (apart + squares.sum(1)) / total
        self._inverse = 1 / (variance + np.float32(STD_EPSILON))
        # Not a product of matrices: those of this size wait for other threads.
        lengths = np.einsum("i,ij->j", self._inverse, squares)
        others /= np.sqrt(lengths + np.float32(NORM_EPSILON))
        self.cells: Array = others.reshape(cells.shape)

    def aligned(self, rows: Array) -> Array:
        """Patches ``(M, C)`` whose dot products with the cells are cosine similarities."""
        apart = rows - self._mean
        scaled = apart * self._inverse
        lengths = np.einsum("ij,ij->i", apart, scaled)
        scaled /= np.sqrt(lengths + np.float32(NORM_EPSILON))[:, None]
        return scaled

    def cosine(self, rows: Array) -> Array:
        """Cosine similarity of patches ``(M, C)`` with all cells, ``(M, H, W)`` float32."""
        flat = self.cells.reshape(self.cells.shape[0], -1)
        return small_product(self.aligned(rows), flat).reshape(len(rows), *self.cells.shape[1:])


def small_product(a: Array, b: Array) -> Array:
    """Matrix product of ``(M, C)`` and ``(C, N)`` that stays in the calling thread.

    NumPy's library shares a larger product among threads, and then waits for cores that the
    inference library keeps busy: many times longer than these small products take.
    """
    product = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    _fill_product(a, b, product)
    return product


def _fill_product(a: Array, b: Array, product: Array) -> None:
    """Write a matrix product, in blocks that one thread computes; most of them in one call."""
    (count, depth), width = a.shape, b.shape[1]
    if count == 0 or width == 0:
        return
    most = max(1, ALONE // max(1, depth))
    across = _even_part(width, min(most, max(BLOCK_COLUMNS, most // count)))
    down = _even_part(count, most // across)
    rows, columns = count // down, width // across
    whole, done = rows * down, columns * across
    np.matmul(
        a[:whole].reshape(rows, 1, down, depth),
        b[:, :done].reshape(depth, columns, across).transpose(1, 0, 2),
        out=product[:whole, :done].reshape(rows, down, columns, across).transpose(0, 2, 1, 3),
    )
    _fill_product(a[:whole], b[:, done:], product[:whole, done:])
    _fill_product(a[whole:], b, product[whole:])


def _even_part(length: int, most: int) -> int:
    """The length of parts of at most ``most`` that divide a length as evenly as they can."""
    return math.ceil(length / math.ceil(length / most))
