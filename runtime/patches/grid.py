"""Cutting a template's patches out of a feature map, with what lies around it as competitors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..errors import TemplateError
from ..kinds import Numeric
from ..turns import SharedFields
from .similarity import PatchSums, small_product, standardised
from .taps import Cells
from .windows import clamped, whole_cells

Array = NDArray[Any]

COVERED: Numeric[float] = 0.5 - 1e-4
"""A mask keeps a cell if it covers this much of what the cell shows of the box. A little less than
one half: sums of many pixels are not exact."""


class ScaledMask(NamedTuple):
    """Which pixels of a picture show the object.

    Attributes:
        pixels: ``(H, W)`` bool, true on the object; the picture's own pixels.
        scale: working pixels per pixel, ``(x, y)``.
    """

    pixels: Array
    scale: tuple[float, float]


@dataclass(frozen=True)
class PatchGrid(SharedFields):
    """A template's patches at one stride.

    Attributes:
        rows: ``(M, C)`` float32 raw features, the template's own first, competitors after them.
        target: ``(M,)`` float32, 1 for the template's own rows, 0 for competitors.
        footprint: ``(h, w)`` float32, 1 where the window has a patch that counts.
        offset: working pixels from the window's top-left corner to the box's, ``(x, y)``.
    """

    rows: Array
    target: Array
    footprint: Array
    offset: tuple[float, float]

    @cached_property
    def sums(self) -> PatchSums:
        """What its rows add to a standardisation together with an image's cells."""
        return PatchSums.of(self.rows)

    @property
    def own_rows(self) -> Array:
        """The template's own rows, in the order of the footprint's ones."""
        return self.rows[self.target > 0]

    def window_at(self, x: float, y: float, stride: int) -> tuple[float, float]:
        """Column and row at which the window begins if its box does at ``(x, y)``.

        Args:
            x: left edge of the box, in working pixels.
            y: top edge.
            stride: working pixels per cell.
        """
        return (x - self.offset[0]) / stride, (y - self.offset[1]) / stride

    def box_at(self, column: float, row: float, stride: int) -> tuple[float, float]:
        """Left and top edge of the box, in working pixels, of the window at a column and row."""
        return column * stride + self.offset[0], row * stride + self.offset[1]


def check_grid(grid: PatchGrid, most: int) -> None:
    """Check the shapes and values of a grid that was read from a file.

    Args:
        grid: of float32 arrays.
        most: rows that it may have.

    Raises:
        ValueError: it is none that could have been cut.
    """
    rows, target, footprint = grid.rows, grid.target, grid.footprint
    own = int(np.count_nonzero(target))
    flags = [np.isin(values, (0, 1)).all() for values in (target, footprint)]
    if not (
        rows.ndim == footprint.ndim == 2  # noqa: PLR2004
        and target.shape == (len(rows),)
        and 0 < own <= len(rows) <= most
        and rows.shape[1] > 0
        and all(flags)
        and target[:own].all()
        and own == np.count_nonzero(footprint)
        and math.isfinite(math.hypot(*grid.offset))
    ):
        raise ValueError("its patches do not fit together")
    check_lengths(rows)


def check_lengths(rows: Array) -> None:
    """Refuse patches whose lengths could not be computed.

    Args:
        rows: ``(M, C)`` float32, read from a file.

    Raises:
        ValueError: their squares have no finite sum in single precision.
    """
    if not np.isfinite(np.einsum("ij,ij->", rows, rows)):
        raise ValueError("its patches have numbers that cannot be computed with")


def cut_grid(
    features: Cells,
    box: Box,
    mask: ScaledMask | None,
    stride: int,
    competitors: int,
    pool: int,
) -> PatchGrid:
    """Cut a box out of a feature map, on whole cells, remembering the rest of a cell.

    Args:
        features: the map.
        box: in working pixels; may stick out of the map.
        mask: of the picture that the features show. A cell counts if the mask covers half of what
            it shows of the box, so that a mask which covers the box is the same as ``None``.
        stride: working pixels per cell.
        competitors: this many cells around the box become competitor rows, those most similar to
            the template.
        pool: at most this many cells of the surroundings are looked at for that, evenly spread.

    Raises:
        TemplateError: the mask or the frame's edge leaves no patch.
    """
    left, width = whole_cells(box.x / stride, box.w / stride)
    top, height = whole_cells(box.y / stride, box.h / stride)
    y, x = np.mgrid[top : top + height, left : left + width]
    rows, columns = features.shape
    present = (y >= 0) & (x >= 0) & (y < rows) & (x < columns)
    own = present
    if mask is not None:
        own = present & _covered(mask, box, (left, top), (width, height), stride)
    if not own.any():
        raise TemplateError(
            "the template has no patch left: its mask or its part inside the frame is smaller than "
            f"half a cell of {stride} px at the working resolution"
        )
    # Windows lie inside the map, so cells of the box outside its frame are no part of one.
    kept_y, kept_x = np.flatnonzero(present.any(1)), np.flatnonzero(present.any(0))
    kept = (slice(kept_y[0], kept_y[-1] + 1), slice(kept_x[0], kept_x[-1] + 1))
    y, x, present, own = y[kept], x[kept], present[kept], own[kept]
    top, left = int(y[0, 0]), int(x[0, 0])
    index = y * columns + x
    around = np.ones(rows * columns, bool)
    around[index[present]] = False
    others = _confusable(features, index[own], np.flatnonzero(around), competitors, pool)
    # A masked-out patch of the box competes like any other surrounding.
    chosen = np.concatenate([index[own], index[present & ~own], others])
    target = np.zeros(len(chosen), np.float32)
    target[: int(own.sum())] = 1
    return PatchGrid(
        rows=np.ascontiguousarray(features.at(chosen).T, dtype=np.float32),
        target=target,
        footprint=own.astype(np.float32),
        offset=(box.x - left * stride, box.y - top * stride),
    )


def _covered(
    mask: ScaledMask, box: Box, first: tuple[int, int], size: tuple[int, int], stride: int
) -> Array:
    """Which cells, ``(rows, columns)`` bool from ``first`` on, the mask keeps."""
    lows, highs = (box.x, box.y), (box.x + box.w, box.y + box.h)
    weights, parts = [], []
    for axis, limit in enumerate(mask.pixels.shape[::-1]):
        low, high = (side[axis] / mask.scale[axis] for side in (lows, highs))
        edges = np.arange(first[axis], first[axis] + size[axis] + 1) * stride / mask.scale[axis]
        begin, end = clamped(math.floor(low), math.ceil(high), 1, limit)
        weights.append(_overlaps(np.clip(edges, low, high), np.arange(begin, end)))
        parts.append(slice(begin, end))
    across, down = weights
    covered = down @ mask.pixels[parts[1], parts[0]].astype(np.float32) @ across.T
    return covered >= COVERED * down.sum(1)[:, None] * across.sum(1)


def _overlaps(edges: Array, pixels: Array) -> Array:
    """Length in which each interval between edges covers each pixel, ``(K - 1, N)`` float32."""
    lengths = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.maximum(lengths, 0).astype(np.float32)


def _confusable(features: Cells, own: Array, others: Array, count: int, pool: int) -> Array:
    """The cells of the surroundings that are most similar to any patch of the template.

    A competitor changes the result only where it resembles a cell of the search image about as
    much as the template does, so a few hard ones do the work of thousands.
    """
    if count == 0 or len(others) == 0:
        return others[:0]
    if len(others) > pool:
        others = others[np.linspace(0, len(others) - 1, pool).round().astype(int)]
    if len(others) <= count:
        return others
    rows = standardised(features.at(np.concatenate([own, others])).T)
    likeness = small_product(rows[len(own) :], np.ascontiguousarray(rows[: len(own)].T)).max(1)
    return others[np.argsort(-likeness, kind="stable")[:count]]
