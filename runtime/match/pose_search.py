"""A first look over all poses: where in an image, turned and resized how, a template may be.

Patches are compared with the cells at their places, at a coarse stride and in the few dimensions
in which the template's patches differ most. That finds the place nearly always among a few, and
the pose to the nearest step; looking at these upright then says which is right, and exactly where.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bundle.match_recipe import MatchRecipe
from ..kinds import Numeric
from ..patches.encoder import FeatureMap
from .pose import Pose, wrapped
from .posed_rows import PosedRows, pooled

Array = NDArray[Any]

TINY_LENGTH: Numeric[float] = 1e-6
"""Added to lengths and deviations, which may be zero."""

OUTSIDE = np.float32(-2)
"""Response where a template would stick out of the image, below any cosine."""

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
    found: list[PoseCandidate] = []
    for scale in sorted({t.scale for t in templates}):
        group = [t for t in templates if t.scale == scale]
        found += _peaks(group, maps, features, PEAKS * count)
    found.sort(key=lambda each: -each.response)
    return _apart(found, side, count, recipe)


class _ProjectedMaps:
    """Cells of an image and patches of a template, of unit length, in a few dimensions.

    Args:
        coarse: ``(C, H, W)`` raw features.
        stride: of the map.
        posed: patches at all poses.
        depth: dimensions: those in which the patches have most of their lengths.
    """

    def __init__(self, coarse: Array, stride: int, posed: Sequence[PosedRows], depth: int) -> None:
        strides = {each.stride for each in posed}
        maps = {s: coarse if s == stride else pooled(coarse) for s in strides}
        flat = coarse.reshape(len(coarse), -1)
        self._mean = flat.mean(1)
        self._deviation = flat.std(1) + np.float32(TINY_LENGTH)
        rows = self._unit(np.concatenate([each.rows for each in posed]))
        _, vectors = np.linalg.eigh(rows.T @ rows)
        self._basis = np.ascontiguousarray(vectors[:, -depth:].T, dtype=np.float32)
        self.cells: dict[int, Array] = {}
        for s, features in maps.items():
            depth_, height, width = features.shape
            unit = self._unit(np.ascontiguousarray(features.reshape(depth_, -1).T))
            self.cells[s] = (self._basis @ unit.T).reshape(-1, height, width)

    def _unit(self, rows: Array) -> Array:
        """Rows ``(N, C)`` standardised with the image's statistics, of unit length."""
        centred = (rows - self._mean) / self._deviation
        lengths = np.sqrt(np.einsum("nc,nc->n", centred, centred)) + np.float32(TINY_LENGTH)
        return centred / lengths[:, None]

    def response(self, posed: PosedRows) -> Array:
        """Mean cosine for each corner of cells as the template's middle, ``(H + 1, W + 1)``."""
        cells = self.cells[posed.stride]
        depth, height, width = cells.shape
        total = np.full((height + 1, width + 1), OUTSIDE)
        (top, left), (bottom, right) = posed.cells.min(0), posed.cells.max(0)
        down, across = height - (bottom - top), width - (right - left)
        if down < 1 or across < 1:
            return total
        rows = self._unit(posed.rows) @ self._basis.T
        cosines = (rows @ cells.reshape(depth, -1)).reshape(-1, height, width)
        inner = np.zeros((down, across), np.float32)
        for cosine, (y, x) in zip(cosines, posed.cells, strict=True):
            inner += cosine[y - top : y - top + down, x - left : x - left + across]
        total[-top : -top + down, -left : -left + across] = inner / np.float32(len(rows))
        return total


def _peaks(
    group: Sequence[PosedTemplate], maps: _ProjectedMaps, features: FeatureMap, count: int
) -> list[PoseCandidate]:
    """Local maxima over place and angle, of one size."""
    stride = group[0].posed.stride
    responses = np.stack([maps.response(each.posed) for each in group])
    best = responses.max(0)
    summits = (best >= cv2.dilate(best, np.ones((3, 3), np.uint8))) & (best > OUTSIDE)
    y, x = np.nonzero(summits)
    order = np.argsort(-best[y, x], kind="stable")[:count]
    found: list[PoseCandidate] = []
    for row, column in zip(y[order], x[order], strict=True):
        angles = responses[:, row, column]
        # A second angle, too: many objects look alike upside down.
        for index in _tops(angles, [each.angle for each in group]):
            pose = Pose(
                column * stride / features.scale_x,
                row * stride / features.scale_y,
                group[index].angle,
                group[index].scale,
            )
            found.append(PoseCandidate(pose, float(angles[index])))
    return found


def _tops(values: Array, angles: Sequence[float]) -> list[int]:
    """The best angle, and the best that lies far from it, if there is one."""
    first = int(np.argmax(values))
    far = [i for i, a in enumerate(angles) if abs(wrapped(a - angles[first])) > APART_ANGLE]
    second = max(far, key=lambda i: float(values[i]), default=None)
    if second is None or values[second] <= OUTSIDE:
        return [first]
    return [first, second]


APART_ANGLE: Numeric[float] = 50.0
"""Degrees between two candidates at one place: more than one step."""

APART_SCALE: Numeric[float] = 0.7
"""Octaves between two candidates at one place: more than one step."""


def _apart(
    found: Sequence[PoseCandidate], side: float, count: int, recipe: MatchRecipe
) -> list[PoseCandidate]:
    """The best candidates that differ from all better ones."""
    kept: list[PoseCandidate] = []
    for each in found:
        if len(kept) == count:
            break
        if all(_differ(each.pose, other.pose, recipe.pose_apart * side) for other in kept):
            kept.append(each)
    return kept


def _differ(a: Pose, b: Pose, distance: float) -> bool:
    """Whether two poses are two candidates."""
    return (
        math.hypot(a.x - b.x, a.y - b.y) > distance * min(a.scale, b.scale)
        or abs(wrapped(a.angle - b.angle)) > APART_ANGLE
        or abs(math.log2(a.scale / b.scale)) > APART_SCALE
    )
