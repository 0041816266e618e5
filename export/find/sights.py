"""Looks at an object whose place is nearly known, and the pose that its patches tell, as nodes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...runtime.match.registration import MOST_TURN, MOST_ZOOM, SURENESS
from ...runtime.patches.spread import LEAST_WEIGHT, WIDTHS
from .patch_nodes import (
    CellWindow,
    Grid,
    Networks,
    NodeFit,
    Spot,
    box_at,
    cells_around,
    encoded,
    fitted,
    own_cells,
    quantiles,
    summit,
    vertex_offset,
    window_of,
)
from .sampling import as_bytes, quarter_turn_tangent
from .values import INTEGER, Value

NOWHERE = -1e30
"""Log quality of cells beyond a window."""


class PatchLook(NamedTuple):
    """A look at an object, see :class:`.UprightLook`; ``placed`` without its turn."""

    placed_x: Value
    placed_y: Value
    placed_scale: Value
    x: Value
    y: Value
    angle: Value
    scale: Value
    likelihood: Value
    similarity: Value
    likeness: Value
    support: Value
    worst: Value
    most: Value
    best: Value


def seen(
    networks: Networks,
    grid: Grid,
    fit: NodeFit,
    where: CellWindow,
    sides: tuple[Value, Value],
    working: tuple[Value, Value],
    spot: Spot,
    scale: Value,
) -> PatchLook:
    """What an encoded look shows; the spot is upright. See ``PoseRefiner``."""
    recipe = networks.recipe
    stride = float(networks.backbone.stride)
    y, x = summit(fit.likelihood)
    ys, xs = own_cells(grid.footprint)
    dx, dy, weight, own = _displacements(fit.pairs, ys + y, xs + x, recipe.pose_margin)
    first = (
        ((where.left + x).float() + 0.5) * stride - sides[0] / 2.0,
        ((where.top + y).float() + 0.5) * stride - sides[1] / 2.0,
    )
    origin = (
        0.5 * stride - grid.x - working[0] / 2.0,
        0.5 * stride - grid.y - working[1] / 2.0,
    )
    source = xs.float() * stride + origin[0], ys.float() * stride + origin[1]
    found = (xs.float() + dx) * stride + first[0], (ys.float() + dy) * stride + first[1]
    turn, zoom, right, down, support = _similarity(source, found, weight)
    step = spot.scale / scale
    column, row = vertex_offset(fit.likelihood, y, x)
    left, top = box_at(grid, where, (x, column), (y, row), stride)
    placed = (
        spot.x + (left + working[0] / 2.0 - sides[0] / 2.0) * step,
        spot.y + (top + working[1] / 2.0 - sides[1] / 2.0) * step,
    )
    similarity = fit.similarity.at(y).at(x) / float(recipe.alpha) + 1.0
    return PatchLook(
        *placed,
        spot.scale,
        spot.x + right * step,
        spot.y + down * step,
        -turn,
        spot.scale * zoom,
        fit.likelihood.at(y).at(x),
        similarity,
        fit.likeness.at(y).at(x),
        support,
        *quantiles(own, SURENESS),
    )


def _displacements(
    pairs: Value, rows: Value, columns: Value, reach: int
) -> tuple[Value, Value, Value, Value]:
    """Where patches lie, relative to their places; see :func:`.displacements`.

    Returns:
        ``(K,)`` displacements across and down, how surely each patch is there, and its log quality
        at its place.
    """
    writer = pairs.writer
    count, height, width = (pairs.side(axis) for axis in range(3))
    steps = np.arange(-reach, reach + 1)
    down, across = np.repeat(steps, len(steps)), np.tile(steps, len(steps))
    y = rows.widened(1) + writer.value(down[None], INTEGER)
    x = columns.widened(1) + writer.value(across[None], INTEGER)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    each = (writer.range(0, count) * (height * width)).widened(1)
    flat = pairs.shaped(-1)
    index = each + y.clip(0, height - 1) * width + x.clip(0, width - 1)
    near = writer.where(inside, flat.at(index), NOWHERE)
    highest = near.max(1, keep=True)
    share = writer.exp(near - highest)
    total = share.sum(1)
    moved = [(share @ writer.value(side.astype(np.float32))) / total for side in (across, down)]
    weight = writer.exp(highest.shaped(-1) * 0.5) / total + LEAST_WEIGHT
    own = near.at(len(down) // 2, 1)
    return moved[0], moved[1], weight, own


def _similarity(
    source: tuple[Value, Value], found: tuple[Value, Value], weight: Value
) -> tuple[Value, Value, Value, Value, Value]:
    """The similarity that takes points to others, disagreeing ones counting less.

    Returns:
        Turn in radians, clockwise, and zoom, both limited; where the origin goes; and the part
        that agrees. See :func:`.fit_similarity`.
    """
    writer = weight.writer
    (x, y), (u, v) = source, found
    total, used, agreeing = weight.sum(), weight, weight
    zero = writer.value(0.0)
    c = s = right = down = zero
    for width in WIDTHS:
        share = used / used.sum()
        mx, my, mu, mv = ((value * share).sum() for value in (x, y, u, v))
        px, py, pu, pv = x - mx, y - my, u - mu, v - mv
        spread = ((px * px + py * py) * share).sum() + LEAST_WEIGHT
        c = ((px * pu + py * pv) * share).sum() / spread
        s = ((px * pv - py * pu) * share).sum() / spread
        right, down = mu - c * mx + s * my, mv - s * mx - c * my
        apart_x, apart_y = u - (c * x - s * y + right), v - (s * x + c * y + down)
        agreeing = 1.0 / (1.0 + (apart_x * apart_x + apart_y * apart_y) / width**2)
        used = weight * agreeing
    limit = math.radians(MOST_TURN)
    turn = quarter_turn_tangent(s, c).clip(-limit, limit)
    zoom = writer.hypot(c, s).clip(1 / MOST_ZOOM, MOST_ZOOM)
    return turn, zoom, right, down, (weight * agreeing).sum() / total


def look_sides(networks: Networks, size: tuple[Value, Value], scale: Value) -> list[Value]:
    """Width and height of a look at a template, in working pixels, whole numbers."""
    recipe, align = networks.recipe, networks.backbone.align
    return [look_side(side * scale, recipe.look_share, recipe.pose_border, align) for side in size]


def look_side(side: Value, share: float, border: int, align: int) -> Value:
    """Working pixels of a side of a part of an image that needs no padding."""
    whole = (side * (1 + 2 * share) + 2.0 * border) / float(align)
    # What is whole but for rounding stays so.
    return side.writer.ceil(whole - 1e-5) * align


def looked(
    networks: Networks,
    grid: Grid,
    crop: Value,
    working: tuple[Value, Value],
    spot: Spot,
    scale: Value,
) -> PatchLook:
    """Look at an object in a crop ``(rows, columns, 3)`` float32, in whose middle it should be."""
    layers = encoded(networks, as_bytes(crop))
    sides = (crop.side(1).float(), crop.side(0).float())
    stride = float(networks.backbone.stride)
    column = ((sides[0] - working[0]) / 2.0 - grid.x) / stride
    row = ((sides[1] - working[1]) / 2.0 - grid.y) / stride
    margin = networks.recipe.pose_margin
    cells = cells_around(column, row, grid.footprint, layers.rows, layers.columns, margin)
    fit = fitted(networks, grid, window_of(networks, layers, cells))
    return seen(networks, grid, fit, cells, sides, working, spot, scale)
