"""Features of a picture, each layer at its own stride; cells of the finest are made on demand.

A layer of a coarser stride is interpolated bilinearly, the centre of a cell being what it shows.
Interpolating a whole picture costs more memory than all its layers, and few cells are ever needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..kinds import Bound
from .windows import CellRange

Array = NDArray[Any]

WEIGHTS_KEPT: Bound[int] = 64
"""Small matrices of weights: windows of few sizes are asked for, at few places within a cell."""


class Cells(Protocol):
    """A map of features from which single cells can be taken.

    Attributes:
        shape: rows and columns.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    def at(self, index: Array) -> Array:
        """Features ``(C, K)`` float32 of cells, given by ``(K,)`` indices counted row by row."""
        ...


@dataclass(frozen=True)
class DenseCells:
    """A map that is there as a whole.

    Attributes:
        features: ``(C, H, W)`` float32.
    """

    features: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        _, rows, columns = self.features.shape
        return rows, columns

    def at(self, index: Array) -> Array:
        """Features ``(C, K)`` float32 of cells, given by ``(K,)`` indices counted row by row."""
        return self.features.reshape(len(self.features), -1)[:, index]


@dataclass(frozen=True)
class Taps:
    """The layers' outputs for a picture or a part of one, and the finest map that they stand for.

    Attributes:
        maps: ``(C, H/s, W/s)`` float32 of each layer; padding of the picture included.
        steps: cells of the finest map that one cell of a layer covers along each side.
        shape: rows and columns of the finest map.
        origin: its first row and column in the picture of which the layers are.
    """

    maps: tuple[Array, ...]
    steps: tuple[int, ...]
    shape: tuple[int, int]
    origin: tuple[int, int] = (0, 0)

    @property
    def channels(self) -> int:
        """Of all layers together."""
        return sum(len(layer) for layer in self.maps)

    def part(self, cells: CellRange) -> Taps:
        """A part of the map; no features are copied."""
        shape = (cells.bottom - cells.top, cells.right - cells.left)
        origin = (self.origin[0] + cells.top, self.origin[1] + cells.left)
        return Taps(self.maps, self.steps, shape, origin)

    def window(self, cells: CellRange) -> Array:
        """The features ``(C, h, w)`` float32 of a part of the map."""
        (y, x), (height, width) = self.origin, (cells.bottom - cells.top, cells.right - cells.left)
        out = np.empty((self.channels, height, width), np.float32)
        start = 0
        for layer, step in zip(self.maps, self.steps, strict=True):
            part = out[start : start + len(layer)]
            _interpolate(layer, step, (cells.top + y, cells.left + x), part)
            start += len(layer)
        return out

    def whole(self) -> Array:
        """The features ``(C, H, W)`` float32 of the whole map, for small pictures."""
        return self.window(CellRange(0, 0, *self.shape))

    def at(self, index: Array) -> Array:
        """Features ``(C, K)`` float32 of cells, given by ``(K,)`` indices counted row by row."""
        rows, columns = np.divmod(index, self.shape[1])
        rows, columns = rows + self.origin[0], columns + self.origin[1]
        parts = []
        for layer, step in zip(self.maps, self.steps, strict=True):
            if step == 1:
                parts.append(layer[:, rows, columns])
                continue
            above, below, down = _neighbours(rows, step, layer.shape[1])
            left, right, across = _neighbours(columns, step, layer.shape[2])
            upper = layer[:, above, left] * (1 - across) + layer[:, above, right] * across
            lower = layer[:, below, left] * (1 - across) + layer[:, below, right] * across
            parts.append(upper * (1 - down) + lower * down)
        return np.concatenate(parts).astype(np.float32, copy=False)


def _neighbours(cells: Array, step: int, count: int) -> tuple[Array, Array, Array]:
    """For cells of the finest map: the two of a layer around each, and the second one's weight."""
    place = (cells.astype(np.float32) + np.float32(0.5)) / np.float32(step) - np.float32(0.5)
    place = np.clip(place, 0, count - 1)
    first = place.astype(np.int64)
    return first, np.minimum(first + 1, count - 1), place - first


def _interpolate(layer: Array, step: int, first: tuple[int, int], out: Array) -> None:
    """Write a layer ``(C, H, W)`` at ``(C, h, w)`` cells of the finest map from ``first`` on."""
    (y, x), (depth, height, width) = first, out.shape
    if step == 1:
        out[:] = layer[:, y : y + height, x : x + width]
        return
    top, down = _mixing(y, height, step, layer.shape[1])
    left, across = _mixing(x, width, step, layer.shape[2])
    part = layer[:, top : top + down.shape[1], left : left + across.shape[1]]
    # Two products: as fast as interpolation by hand is slow in numpy.
    wide = np.ascontiguousarray(part).reshape(-1, across.shape[1]) @ across.T
    np.matmul(down, wide.reshape(depth, down.shape[1], width), out=out)


def _mixing(start: int, length: int, step: int, count: int) -> tuple[int, Array]:
    """The first cell of a layer that is needed, and how much each counts: ``(length, needed)``."""
    # The cell whose centre lies at or before that of the first one of the finest map.
    first = max(0, (2 * start + 1 - step) // (2 * step))
    # Where the layer ends does not matter if that is out of reach.
    count = min(count - first, length // step + 4)
    return first, _weights(start - first * step, length, step, count)


@lru_cache(WEIGHTS_KEPT)
def _weights(start: int, length: int, step: int, count: int) -> Array:
    """How much each cell of a layer counts, from its first one on, ``(length, needed)``."""
    before, after, weight = _neighbours(np.arange(start, start + length), step, count)
    each = np.arange(length)
    weights = np.zeros((length, after[-1] + 1), np.float32)
    weights[each, before] = 1 - weight
    weights[each, after] += weight
    weights.flags.writeable = False
    return weights
