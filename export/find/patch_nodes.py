"""Features of pictures, and windows of them compared with a template's patches, as nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import onnx

from ...runtime.bundle.manifest import BackboneInfo
from ...runtime.bundle.match_recipe import MatchRecipe
from ...runtime.patches.similarity import NORM_EPSILON, STD_EPSILON
from .sampling import between, padded
from .values import FLOAT, INTEGER, NodeWriter, Operand, Value

STRAIGHT = 1e-12
"""Bend of a line below which it has no vertex."""


@dataclass(frozen=True)
class Networks:
    """What finding is made of.

    Attributes:
        features: the graph of that role.
        match: the same.
        place: the same.
        backbone: strides and channels.
        recipe: of the bundle.
        compare: the graph of that role, where the recipe's judge weighs what it says.
    """

    features: onnx.ModelProto
    match: onnx.ModelProto
    place: onnx.ModelProto
    backbone: BackboneInfo
    recipe: MatchRecipe
    compare: onnx.ModelProto | None = None

    @property
    def steps(self) -> tuple[int, ...]:
        """Cells of the finest map that a cell of each layer covers along a side."""
        return tuple(max(1, tap.stride // self.backbone.stride) for tap in self.backbone.layers)


class Layers(NamedTuple):
    """A picture's features.

    Attributes:
        taps: ``(C, h, w)`` of each layer.
        rows: of the finest map.
        columns: of the finest map.
        coarse: ``(C, H, W)``.
    """

    taps: tuple[Value, ...]
    rows: Value
    columns: Value
    coarse: Value


class Grid(NamedTuple):
    """A template's patches, as :class:`.PatchGrid` has them.

    Attributes:
        rows: ``(M, C)``.
        target: ``(M,)``.
        footprint: ``(h, w)``.
        x: of the offset.
        y: of the offset.
    """

    rows: Value
    target: Value
    footprint: Value
    x: Value
    y: Value


class CellWindow(NamedTuple):
    """Cells of a map: edges, all whole numbers."""

    top: Value
    left: Value
    bottom: Value
    right: Value


class NodeFit(NamedTuple):
    """How well a template fits at each shift, see :class:`.WindowFit`."""

    likelihood: Value
    similarity: Value
    likeness: Value
    pairs: Value


class Spot(NamedTuple):
    """A pose in an image, in pixels; ``angle`` in radians, counter-clockwise."""

    x: Value
    y: Value
    angle: Value
    scale: Value


def encoded(networks: Networks, working: Value) -> Layers:
    """Features of a picture ``(rows, columns, 3)`` of bytes, at its working resolution."""
    writer, backbone = working.writer, networks.backbone
    rows, columns = working.side(0), working.side(1)
    given = writer.insert(networks.features, {"image": padded(working, backbone.align).widened(0)})
    stride, coarse = backbone.stride, backbone.coarse_stride
    taps = tuple(_first(given[f"tap{i}"]) for i in range(len(networks.steps)))
    cells = [(side + (stride - 1)) / stride for side in (rows, columns)]
    ends = [(side + (coarse - 1)) / coarse for side in (rows, columns)]
    kept = _first(given["coarse"]).cut(0, ends[0], 1).cut(0, ends[1], 2)
    return Layers(taps, cells[0], cells[1], kept)


def _first(batch: Value) -> Value:
    """The only one of a batch."""
    return batch.at(0)


def window_of(networks: Networks, layers: Layers, cells: CellWindow) -> Value:
    """Features ``(C, h, w)`` of cells of the finest map."""
    writer = cells.top.writer
    parts = []
    for layer, step in zip(layers.taps, networks.steps, strict=True):
        part = layer
        for axis, start, end in ((1, cells.top, cells.bottom), (2, cells.left, cells.right)):
            if step == 1:
                part = part.cut(start, end, axis)
            else:
                places = (writer.range(start, end).float() + 0.5) / float(step) - 0.5
                part = between(part, places, axis)
        parts.append(part)
    return writer.join(parts)


def clamped(low: Value, high: Value, least: Value, limit: Value) -> tuple[Value, Value]:
    """What lies of the cells ``[low, high)`` in ``[0, limit)``; never fewer than ``least``."""
    writer = low.writer
    start = writer.least(writer.most(low, 0), limit - least)
    return start, writer.most(writer.least(high, limit), start + least)


def cells_around(
    column: Value, row: Value, footprint: Value, rows: Value, columns: Value, margin: Value | int
) -> CellWindow:
    """The cells that a window covers wholly or partly, and a margin around them."""
    writer = column.writer
    spans = []
    for at, length, limit in (
        (row, footprint.side(0), rows),
        (column, footprint.side(1), columns),
    ):
        low, high = writer.floor(at) - margin, writer.ceil(at) + length + margin
        spans.append(clamped(low, high, length, limit))
    (top, bottom), (left, right) = spans
    return CellWindow(top, left, bottom, right)


def fitted(networks: Networks, grid: Grid, cells: Value) -> NodeFit:
    """Compare a template with the windows of cells ``(C, H, W)``, see :func:`.fit_windows`."""
    writer = cells.writer
    height, width = cells.side(1), cells.side(2)
    h, w = grid.footprint.side(0), grid.footprint.side(1)
    down, across = height - h + 1, width - w + 1
    y, x = own_cells(grid.footprint)
    starts = (writer.range(0, down) * width).widened(1) + writer.range(0, across).widened(0)
    places = (y * width + x).widened(1) + starts.shaped(1, -1)
    given = writer.insert(
        networks.place,
        {"template": grid.rows, "target": grid.target, "search": cells, "cells": places},
    )
    likelihood, similarity, likeness = (
        given[name].shaped(down, across) for name in ("likelihood", "similarity", "likeness")
    )
    return NodeFit(likelihood, similarity, likeness, given["pairs"].shaped(-1, height, width))


def own_cells(footprint: Value) -> tuple[Value, Value]:
    """Rows and columns ``(K,)`` of a footprint's ones, row by row."""
    writer = footprint.writer
    found = writer.node("NonZero", footprint)
    return found.at(0), found.at(1)


def summit(surface: Value) -> tuple[Value, Value]:
    """Row and column of the largest value of ``(H, W)``, the first one of equals."""
    index = surface.writer.argmax(surface.shaped(-1))
    width = surface.side(1)
    row = index / width
    return row, index - row * width


def vertex_offset(surface: Value, y: Value, x: Value) -> tuple[Value, Value]:
    """From a maximum to the vertex of the parabolas through it and its neighbours, ``(x, y)``."""
    return _parabola(surface.at(y), x), _parabola(surface.at(x, 1), y)


def _parabola(line: Value, index: Value) -> Value:
    """Offset in [-0.5, 0.5] of the vertex at a maximum of a line; 0 at its ends."""
    writer = line.writer
    last = line.side(0) - 1
    before = line.at(writer.most(index - 1, 0))
    middle = line.at(index)
    after = line.at(writer.least(index + 1, last))
    bend = (before - middle) + (after - middle)
    inside = (index > 0) & (index < last) & (bend < -STRAIGHT)
    offset = (before - after) * 0.5 / writer.where(inside, bend, -1.0)
    return writer.where(inside, offset.clip(-0.5, 0.5), 0.0)


def box_at(
    grid: Grid,
    where: CellWindow,
    across: tuple[Value, Value],
    down: tuple[Value, Value],
    stride: float,
) -> tuple[Value, Value]:
    """Left and top edge of the box, in working pixels, of a window that a summit tells."""
    left = ((where.left + across[0]).float() + across[1]) * stride + grid.x
    top = ((where.top + down[0]).float() + down[1]) * stride + grid.y
    return left, top


def standardised(rows: Value) -> Value:
    """Patches ``(K, C)``, standardised and scaled to length one; see :func:`.standardised`."""
    writer = rows.writer
    apart = rows - rows.mean(0, keep=True)
    variance = (apart * apart).mean(0, keep=True)
    scaled = apart / writer.sqrt(variance + STD_EPSILON)
    return scaled / writer.sqrt((scaled * scaled).sum(1, keep=True) + NORM_EPSILON)


def quantiles(values: Value, shares: Sequence[float]) -> list[Value]:
    """Values below which shares of a line lie, linear between neighbours."""
    writer = values.writer
    count = values.side(0)
    ordered = writer.nodes(
        "TopK", [values, writer.line(count)], [FLOAT, INTEGER], largest=0, sorted=1
    )[0]
    last = count - 1
    found = []
    for share in shares:
        place = last.float() * share
        below = writer.floor(place + 1e-4)
        part = (place - below.float()).clip(0.0, 1.0)
        low, high = ordered.at(below), ordered.at(writer.least(below + 1, last))
        found.append(low + (high - low) * part)
    return found


def packed(writer: NodeWriter, values: Sequence[Operand]) -> Value:
    """Numbers as one line of float32."""
    return writer.stack(values, FLOAT)
