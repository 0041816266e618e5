"""A first look over all poses: where in an image, turned and resized how, a template may be.

Patches are compared with the cells at their places, at a coarse stride and in the few dimensions
in which the template's patches differ most. That finds the place nearly always among a few, and
the pose to the nearest step; looking at these upright then says which is right, and exactly where.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bundle.match_recipe import MatchRecipe
from ..kinds import Bound, Numeric
from ..patches.encoder import FeatureMap
from ..patches.similarity import small_product, unit
from .pose import FULL_TURN, Pose, wrapped
from .posed_rows import PosedRows, pooled

Array = NDArray[Any]

TINY_LENGTH: Numeric[float] = 1e-6
"""Added to lengths and deviations, which may be zero."""

OUTSIDE = np.float32(-2)
"""Response where a template would stick out of the image, below any cosine."""

BLOCK: Bound[int] = 8192
"""Cells of which all channels are standardised at once."""

PRODUCT: Bound[int] = 500_000
"""Cosines of patches with cells that are held at once, unless a single pose has more."""

AXES_KEPT: Bound[int] = 16
"""Templates, each at the poses of one range, of which the main axes are kept."""

PEAKS: Numeric[int] = 4
"""Local maxima of each size that are taken up for each pose that is wanted."""


@dataclass(frozen=True)
class PosedTemplate:
    """A template's patches at one angle and size.

    Attributes:
        angle: in degrees.
        scale: relative to the template.
        posed: its patches.
    """

    angle: float
    scale: float
    posed: PosedRows


@dataclass(frozen=True)
class PoseCandidate:
    """A pose in which a template may be.

    Attributes:
        pose: known to a cell, and to half a step of angle and size.
        response: mean cosine of the patches with the cells at their places.
    """

    pose: Pose
    response: float


def first_look(
    templates: Sequence[PosedTemplate],
    features: FeatureMap,
    stride: int,
    side: float,
    count: int,
    recipe: MatchRecipe,
) -> list[PoseCandidate]:
    """The most promising poses, best first; each apart from the others in place, angle or size.

    Args:
        templates: the poses to look for, at the resolution of the features.
        features: of the image.
        stride: working pixels per cell of the coarse map.
        side: of the template, in pixels.
        count: poses at most.
        recipe: of the bundle.
    """
    maps = _ProjectedMaps(features.coarse, stride, [t.posed for t in templates], recipe.pose_depth)
    found: list[_Summit] = []
    for scale in sorted({t.scale for t in templates}):
        group = [index for index, t in enumerate(templates) if t.scale == scale]
        responses = np.stack(maps.responses(group))
        found += _summits(responses, [templates[index] for index in group], PEAKS * count)
    found.sort(key=lambda each: -each.response)
    kept: list[PoseCandidate] = []
    for each in found:
        if len(kept) == count:
            break
        x = each.column * each.of.posed.stride / features.scale_x
        y = each.row * each.of.posed.stride / features.scale_y
        pose = Pose(x, y, each.of.angle, each.of.scale)
        if all(_differ(pose, other.pose, recipe.pose_apart * side) for other in kept):
            kept.append(PoseCandidate(pose, each.response))
    return kept


class _MainAxes(NamedTuple):
    """The dimensions in which a template's patches have most of their lengths.

    Attributes:
        mean: of each channel over the patches, ``(C,)`` float32.
        deviation: of each channel, above 0.
        axes: ``(C, depth)``, of the patches standardised by them and scaled to length one.
    """

    mean: Array
    deviation: Array
    axes: Array


@lru_cache(AXES_KEPT)
def _main_axes(posed: tuple[PosedRows, ...], depth: int) -> _MainAxes:
    """The main axes of a template's patches at all poses."""
    rows = np.concatenate([each.rows for each in posed])
    mean = rows.mean(0)
    deviation = rows.std(0) + np.float32(TINY_LENGTH)
    rows = (rows - mean) / deviation
    rows /= np.sqrt(np.einsum("nc,nc->n", rows, rows) + np.float32(TINY_LENGTH))[:, None]
    _, vectors = np.linalg.eigh(rows.T @ rows)
    return _MainAxes(mean, deviation, vectors[:, -depth:])


class _ProjectedMaps:
    """Cells of an image and patches of a template, of unit length, in a few dimensions.

    Args:
        coarse: ``(C, H, W)`` raw features.
        stride: of the map.
        posed: patches at all poses.
        depth: dimensions: those in which the patches have most of their lengths.
    """

    def __init__(self, coarse: Array, stride: int, posed: Sequence[PosedRows], depth: int) -> None:
        flat = coarse.reshape(len(coarse), -1)
        self._mean = flat.mean(1)
        self._deviation = _deviation(flat, self._mean) + np.float32(TINY_LENGTH)
        # What a template's axes, and the way from its mean to the image's, are when standardised by
        # the image; which is nearly as good as the axes of its patches standardised so.
        own = _main_axes(tuple(posed), depth - 1)
        ways = np.column_stack([own.axes * own.deviation[:, None], own.mean - self._mean])
        self._basis = _orthonormal((ways / self._deviation[:, None]).T)
        self._cells: dict[int, Array] = {}
        for s in {each.stride for each in posed}:
            features = coarse if s == stride else pooled(coarse)
            unit = self._projected(features.reshape(len(features), -1))
            self._cells[s] = unit.reshape(-1, *features.shape[1:])
        rows = self._projected(np.concatenate([each.rows for each in posed]).T).T
        ends = np.cumsum([len(each.rows) for each in posed])
        self._posed = list(zip(posed, np.split(rows, ends[:-1]), strict=True))

    def _projected(self, features: Array) -> Array:
        """Features ``(C, N)``, standardised with the image's statistics, of unit length, in the few
        dimensions: ``(depth, N)`` float32."""
        projected = np.empty((len(self._basis), features.shape[1]), np.float32)
        for start in range(0, features.shape[1], BLOCK):
            block = features[:, start : start + BLOCK] - self._mean[:, None]
            block /= self._deviation[:, None]
            lengths = np.sqrt(np.einsum("ij,ij->j", block, block)) + np.float32(TINY_LENGTH)
            projected[:, start : start + BLOCK] = small_product(self._basis, block) / lengths
        return projected

    def responses(self, indices: Sequence[int]) -> list[Array]:
        """Mean cosine at poses of one stride, for each corner of cells as the template's middle.

        Returns:
            Maps of ``(H + 1, W + 1)``.
        """
        cells = self._cells[self._posed[indices[0]][0].stride]
        depth, height, width = cells.shape
        flat = cells.reshape(depth, -1)
        found: list[Array] = []
        # Few large products, as long as what they make stays in the cache.
        ends = np.cumsum([len(self._posed[index][1]) for index in indices])
        parts = np.split(indices, np.flatnonzero(np.diff(ends * flat.shape[1] // PRODUCT)) + 1)
        for part in parts:
            members = [self._posed[index] for index in part]
            cosines = small_product(np.concatenate([rows for _, rows in members]), flat)
            start = 0
            for posed, rows in members:
                found.append(_summed(cosines[start : start + len(rows)], posed, (height, width)))
                start += len(rows)
        return found


def _summed(cosines: Array, posed: PosedRows, shape: tuple[int, int]) -> Array:
    """Means of the cosines ``(K, N)`` of patches with cells, each at its place."""
    height, width = shape
    total = np.full((height + 1, width + 1), OUTSIDE)
    top, left, bottom, right = posed.reach
    down, across = height - (bottom - top), width - (right - left)
    if down < 1 or across < 1:
        return total
    # Row by row in one line, a shift by rows and columns is one along the line; and patches side by
    # side are summed along a diagonal.
    line = np.zeros(down * width, np.float32)
    length = down * width - (right - left)
    outer, inner = cosines.strides
    for first, count, row, column in posed.runs:
        shift = (row - top) * width + column - left
        along = np.ndarray(
            (count, length),
            np.float32,
            cosines,
            first * outer + shift * inner,
            (outer + inner, inner),
        )
        line[:length] += along.sum(0)
    means = line.reshape(down, width)[:, :across] / np.float32(len(cosines))
    total[-top : -top + down, -left : -left + across] = means
    return total


def _orthonormal(rows: Array) -> Array:
    """Rows ``(K, C)`` that span the same, of unit length and square to each other, float32.

    Of rows that depend on others next to nothing is left.
    """
    exact = unit(rows.astype(np.float64))
    # Not a QR decomposition: NumPy's library shares even one so small among threads.
    products = small_product(exact, np.ascontiguousarray(exact.T))
    lower = np.linalg.cholesky(products + TINY_LENGTH * np.eye(len(exact)))
    return small_product(np.linalg.inv(lower), exact).astype(np.float32)


def _deviation(flat: Array, mean: Array) -> Array:
    """Standard deviation of each channel ``(C, N)``."""
    squares = np.zeros(len(flat), np.float32)
    for start in range(0, flat.shape[1], BLOCK):
        block = flat[:, start : start + BLOCK] - mean[:, None]
        squares += np.einsum("ij,ij->i", block, block)
    return np.sqrt(squares / np.float32(flat.shape[1]))


class _Summit(NamedTuple):
    """A local maximum: its response, where its middle is in corners of cells, and its pose."""

    response: float
    row: int
    column: int
    of: PosedTemplate


def _summits(responses: Array, group: Sequence[PosedTemplate], count: int) -> list[_Summit]:
    """Local maxima of responses ``(A, H, W)`` over place and angle, of one size."""
    best = responses.max(0)
    highest = (best >= cv2.dilate(best, np.ones((3, 3), np.uint8))) & (best > OUTSIDE)
    y, x = np.nonzero(highest)
    order = np.argsort(-best[y, x], kind="stable")[:count]
    y, x = y[order], x[order]
    values = responses[:, y, x]
    tops = _tops(values, np.array([each.angle for each in group]))
    return [
        _Summit(float(values[index, rank]), row, column, group[index])
        for rank, (row, column) in enumerate(zip(y.tolist(), x.tolist(), strict=True))
        for index in tops[rank]
    ]


def _tops(values: Array, angles: Array) -> list[list[int]]:
    """For each column of ``(A, N)``: the best angle, and the best that lies far from it, if there
    is one: many objects look alike upside down."""
    turns = np.abs(angles[:, None] - angles)
    far = np.minimum(turns, FULL_TURN - turns) > APART_ANGLE
    first = values.argmax(0)
    others = np.where(far[first].T, values, OUTSIDE)
    second = others.argmax(0)
    there = others[second, np.arange(len(second))] > OUTSIDE
    pairs = zip(first.tolist(), second.tolist(), there.tolist(), strict=True)
    return [[one, other] if two else [one] for one, other, two in pairs]


APART_ANGLE: Numeric[float] = 50.0
"""Degrees between two candidates at one place: more than one step."""

APART_SCALE: Numeric[float] = 0.7
"""Octaves between two candidates at one place: more than one step."""


def _differ(a: Pose, b: Pose, distance: float) -> bool:
    """Whether two poses are two candidates."""
    return (
        math.hypot(a.x - b.x, a.y - b.y) > distance * min(a.scale, b.scale)
        or abs(wrapped(a.angle - b.angle)) > APART_ANGLE
        or abs(math.log2(a.scale / b.scale)) > APART_SCALE
    )
