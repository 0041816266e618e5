"""``Verification``: what a verifier gives back, drawn in pixels of the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..answers import PlainAnswer, plain_box, rounded
from ..boxes import Box
from ..patches.quality import QualityMap
from .homography import transform
from .reference import Reference, ReferenceLevel
from .views import outline, scaling

Array = NDArray[Any]


@dataclass(frozen=True)
class SeenRegion:
    """The part of a reference that a query shows.

    Attributes:
        box: ``(x, y, w, h)`` around the mask in pixels of the reference; all zero where nothing
            was found. In a panorama that wraps around ``x`` lies in [0, W), and a box across the
            seam has ``x + w > W``: its columns beyond W are those from 0 on.
        mask: ``(H, W)`` bool of the reference's size.
    """

    box: Box
    mask: Array

    def __repr__(self) -> str:
        return f"SeenRegion({self.box!r}, {int(self.mask.sum())} px)"


@dataclass(frozen=True)
class Verification(PlainAnswer):
    """Whether a query shows the place of a reference.

    Attributes:
        score: 0 to 1; how surely.
        same_place: whether the score reaches the threshold.
        region: the best candidate, even where ``same_place`` is false; empty if there is none.
        quality: how well each patch of the reference matches one of the query; of a network, how
            surely the query shows it.
        support: weighted number of patches that agree on one transform.
        matches: number of one-to-one matches, agreeing or not.
        ms: milliseconds that it took; ``None`` if no verifier gave it.
    """

    score: float
    same_place: bool
    region: SeenRegion
    quality: QualityMap
    support: float = 0.0
    matches: int = 0
    ms: float | None = field(default=None, compare=False)

    @property
    def box(self) -> Box | None:
        """Around the region, ``(x, y, w, h)`` in pixels of the reference; ``None`` where nothing
        was found."""
        return self.region.box if self.region.mask.any() else None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as ``qatm verify --json`` has it; ``box`` may be ``None``."""
        box = self.box
        return {
            "same_place": bool(self.same_place),
            "score": rounded(self.score, 4),
            "box": None if box is None else plain_box(box),
        }

    def __repr__(self) -> str:
        return (
            f"Verification(score={self.score:.4f}, same_place={bool(self.same_place)}, "
            f"box={self.box!r})"
        )


def empty_region(height: int, width: int) -> SeenRegion:
    """The region of a query that was not found."""
    return SeenRegion(Box(0.0, 0.0, 0.0, 0.0), np.zeros((height, width), bool))


def quality_in(level: ReferenceLevel, values: Array, reference: Reference) -> QualityMap:
    """The quality map of a level's cells.

    Args:
        level: of the reference.
        values: one for each cell, float32 in [0, 1].
        reference: all of it.
    """
    return QualityMap(values.reshape(level.shape), level.cell, reference.size)


def region_under(
    matrix: Array | None, shape: tuple[int, ...], level: ReferenceLevel, reference: Reference
) -> SeenRegion:
    """Where a query's outline falls in the reference.

    Args:
        matrix: ``(3, 3)`` from pixels of the query to working pixels of the level; ``None`` where
            it falls nowhere.
        shape: height and width of the query.
        level: of the reference.
        reference: all of it.
    """
    width, height = reference.size
    if matrix is None:
        return empty_region(height, width)
    points = transform(matrix, outline(shape[1], shape[0]))
    placed = transform(np.linalg.inv(scaling(*level.scale)), points)
    return region_of(placed, height, width, wraps=reference.wraps)


def likely_region(odds: Array, level: ReferenceLevel, reference: Reference) -> SeenRegion:
    """The largest piece of a reference that more likely than not shows what the query shows.

    Args:
        odds: ``(h, w)`` log odds of each cell of the level.
        level: of the reference.
        reference: all of it.
    """
    width, height = reference.size
    rows, columns = level.shape
    size = columns * level.stride, rows * level.stride
    values = np.asarray(odds, np.float32)
    working = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
    high = max(1, round(height * level.scale[1]))
    working = working[:high, : level.width]
    full = cv2.resize(working, (width, height), interpolation=cv2.INTER_LINEAR)
    return largest_piece(np.asarray(full) > 0, wraps=reference.wraps)


def region_of(points: Array, height: int, width: int, *, wraps: bool) -> SeenRegion:
    """The region inside an outline.

    Args:
        points: ``(K, 2)`` x and y in pixels of the reference, in order; may lie outside it.
        height: of the reference.
        width: of the reference.
        wraps: whether columns continue from the last to the first.
    """
    if not wraps:
        mask = _fill(points, height, width)
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        if not len(rows):
            return empty_region(height, width)
        return SeenRegion(_span(columns, rows), mask)
    # Drawn on as many turns as it covers, then laid on top of each other.
    turns = math.floor(float(points[:, 0].min() + 0.5) / width)
    moved = points - (turns * width, 0)
    count = max(1, math.ceil(float(moved[:, 0].max() + 0.5) / width))
    unrolled = _fill(moved, height, min(count, 3) * width)
    columns, rows = np.flatnonzero(unrolled.any(0)), np.flatnonzero(unrolled.any(1))
    if not len(rows):
        return empty_region(height, width)
    mask = np.asarray(unrolled.reshape(height, -1, width).any(1))
    box = _span(columns, rows)
    if box.w >= width:
        box = Box(0.0, box.y, float(width), box.h)
    return SeenRegion(box, mask)


def largest_piece(mask: Array, *, wraps: bool) -> SeenRegion:
    """The largest connected piece of a mask ``(H, W)`` bool, and the box around it."""
    height, width = mask.shape
    unrolled = np.concatenate([mask, mask], 1) if wraps else mask
    _, labels, stats, _ = cv2.connectedComponentsWithStats(unrolled.astype(np.uint8))
    if len(stats) == 1:
        return empty_region(height, width)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    piece = labels == largest
    x, y, w, h = (float(value) for value in stats[largest, :4])
    if wraps:
        piece = piece[:, :width] | piece[:, width:]
        x, w = (0.0, float(width)) if w >= width else (x % width, w)
    return SeenRegion(Box(x, y, w, h), piece)


def _fill(points: Array, height: int, width: int) -> Array:
    """Pixels inside a polygon, as ``(H, W)`` bool."""
    mask = np.zeros((height, width), np.uint8)
    # Far points would overflow the drawing; what lies so far out is cut off anyway.
    near = np.clip(points, -8 * max(height, width), 9 * max(height, width))
    cv2.fillPoly(mask, [np.round(near).astype(np.int32)], 1)
    return mask > 0


def _span(columns: Array, rows: Array) -> Box:
    """The box around rows and columns."""
    x, y = float(columns[0]), float(rows[0])
    return Box(x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y)
