"""Cutting a template's patches out of a feature map, with what lies around it as competitors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..errors import TemplateError
from .similarity import small_product, standardised
from .windows import whole_cells

Array = NDArray[Any]

POOL = 2000
"""Most cells of the surroundings that are looked at, unless asked otherwise."""


@dataclass(frozen=True)
class PatchGrid:
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


def cut_grid(
    features: Array,
    box: Box,
    mask: Array | None,
    stride: int,
    competitors: int,
    pool: int = POOL,
) -> PatchGrid:
    """Cut a box out of a feature map, on whole cells, remembering the rest of a cell.

    Args:
        features: ``(C, H, W)``.
        box: in working pixels; may stick out of the map.
        mask: ``(H', W')`` float in [0, 1] at the working resolution, or ``None``.
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
    present = (y >= 0) & (x >= 0) & (y < features.shape[1]) & (x < features.shape[2])
    own = present & (_cell_coverage(mask, y, x, stride) >= 0.5)  # noqa: PLR2004
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
    flat = features.reshape(features.shape[0], -1)
    index = y * features.shape[2] + x
    around = np.ones(flat.shape[1], bool)
    around[index[present]] = False
    others = _confusable(flat, index[own], np.flatnonzero(around), competitors, pool)
    # A masked-out patch of the box competes like any other surrounding.
    chosen = np.concatenate([index[own], index[present & ~own], others])
    target = np.zeros(len(chosen), np.float32)
    target[: int(own.sum())] = 1
    return PatchGrid(
        rows=np.ascontiguousarray(flat[:, chosen].T, dtype=np.float32),
        target=target,
        footprint=own.astype(np.float32),
        offset=(box.x - left * stride, box.y - top * stride),
    )


def _cell_coverage(mask: Array | None, y: Array, x: Array, stride: int) -> Array:
    """The part of each cell that the mask covers, 0 to 1."""
    if mask is None:
        return np.ones(y.shape)
    rows, columns = (-(-side // stride) for side in mask.shape)
    cells = cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA)
    return cells[np.clip(y, 0, rows - 1), np.clip(x, 0, columns - 1)]


def _confusable(flat: Array, own: Array, others: Array, count: int, pool: int) -> Array:
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
    rows = standardised(flat[:, np.concatenate([own, others])].T)
    likeness = small_product(rows[len(own) :], np.ascontiguousarray(rows[: len(own)].T)).max(1)
    return others[np.argsort(-likeness, kind="stable")[:count]]
