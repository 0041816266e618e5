"""What lies around a supposed box, cell by cell: the evidence that a trained network reads.

A region is resampled to a grid in the box's own sides, so that the network sees every object in one
size and shape. For each look of the target the maps say how like its patches a cell is and how like
what surrounds it, from which part of the target it seems to come compared with where it lies, and
whether that part is found nowhere else; one more map says how likely the target's a cell is by its
colours.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..kinds import Numeric
from ..patches.encoder import Encoder
from ..patches.grid import PatchGrid
from ..patches.region import RegionFeatures
from .colours import ObjectColours
from .compared_region import ComparedRegion

Array = NDArray[Any]

CELLS: Numeric[int] = 20
"""Cells of the grid in both directions."""

REACH: Numeric[float] = 0.85
"""How far the grid reaches from the box's middle, in the box's sides."""

SOFTNESS: Numeric[float] = 4.0
"""Log-odds between target and surroundings are shown up to a few times this."""

MAPS: Numeric[int] = 16
"""Seven of each look, one of colours, and one that says which cells lie in the region."""

READINGS: Numeric[int] = 1
"""Numbers beside the maps: the logarithm of width over height."""

NO_SURROUNDINGS: Numeric[float] = -1.0
"""Likeness to surroundings of which nothing is known."""


class KnownLooks(Protocol):
    """What is known of a target: :class:`.target.TargetModel`.

    Attributes:
        encoder: of regions.
        alpha: factor on the cosine similarity inside softmaxes.
        box: the target in the first frame.
        scale: working pixels per pixel of it.
        coarse: patches of the first look.
        recent: those of a recent one.
        colours: of the target.
    """

    encoder: Encoder
    alpha: float
    box: Box
    scale: float
    coarse: PatchGrid
    recent: PatchGrid
    colours: ObjectColours

    def compared(self, seen: RegionFeatures) -> ComparedRegion:
        """A region beside the first look and the recent one."""
        ...


class GridEvidence(NamedTuple):
    """Evidence around a supposed box.

    Attributes:
        maps: ``(MAPS, CELLS, CELLS)`` float32, each about -1 to 1, first row on top.
        readings: ``(READINGS,)`` float32.
    """

    maps: Array
    readings: Array


def box_evidence(
    model: KnownLooks, seen: RegionFeatures, centre: tuple[float, float]
) -> GridEvidence:
    """Evidence around a target that is supposed to lie in a region as the region's scale says.

    Args:
        model: knows how the target looks.
        seen: features of a region that shows it.
        centre: of the supposed box, in pixels of the frame.
    """
    stride = model.encoder.coarse_stride
    sides = model.box.w * model.scale, model.box.h * model.scale
    middle = seen.region.to_working(*centre)
    rows, columns = seen.coarse.shape[1:]
    across, down = (
        ((np.arange(count) + 0.5) * stride - at) / side
        for count, at, side in zip((columns, rows), middle, sides, strict=True)
    )
    compared = model.compared(seen)
    told = [
        _look_maps(look, cosine, stride, sides, model.alpha, across, down)
        for look, cosine in compared.looks
    ]
    # The first look is the recent one, too, until the object has been followed for a while.
    maps = [*told[0], *told[-1]]
    likely = compared.likely(model.colours)
    maps.append(cv2.resize(likely, (2 * columns, 2 * rows), interpolation=cv2.INTER_AREA))
    grid = ((np.arange(CELLS) + 0.5) / CELLS * 2 - 1) * REACH
    points = [at + grid * side for at, side in zip(middle, sides, strict=True)]
    width, height = columns * stride, rows * stride
    inside_x, inside_y = (
        (at >= 0) & (at <= most) for at, most in zip(points, (width, height), strict=True)
    )
    coarse, fine = (_places(points, step) for step in (stride, stride / 2))
    sampled = [_sampled(each, coarse if len(each) == rows else fine) for each in maps]
    sampled.append((inside_y[:, None] & inside_x).astype(np.float32))
    aspect = np.log(model.box.w / model.box.h)
    return GridEvidence(np.stack(sampled), np.array([aspect], np.float32))


def _look_maps(
    look: PatchGrid,
    cosine: Array,
    stride: int,
    sides: tuple[float, float],
    alpha: float,
    across: Array,
    down: Array,
) -> list[Array]:
    """The maps ``(H, W)`` of one look.

    Args:
        look: its patches, and what competes with them.
        cosine: ``(M, H, W)`` of them with the cells of the region.
        stride: working pixels per cell.
        sides: of the box, in working pixels.
        alpha: factor on the cosine similarity inside softmaxes.
        across: ``(W,)`` where each column lies, from the box's middle in its width.
        down: ``(H,)`` the same of rows.
    """
    shape, own = cosine.shape[1:], look.target > 0
    flat = cosine.reshape(len(cosine), -1)
    patches, others = flat[own], flat[~own]
    # Which part of the target a cell shows: patches weighted by how like it they are.
    nearest = patches.argmax(0)
    highest = patches[nearest, np.arange(patches.shape[1])]
    share = np.exp(alpha * (patches - highest))
    share /= share.sum(0)
    i, j = np.nonzero(look.footprint)
    x = ((j + 0.5) * stride - look.offset[0]) / sides[0] - 0.5
    y = ((i + 0.5) * stride - look.offset[1]) / sides[1] - 0.5
    weights = np.array([x, y, x * x + y * y], np.float32)
    part_x, part_y, squares = weights @ share
    spread = np.sqrt(np.maximum(squares - part_x * part_x - part_y * part_y, 0))
    # Whether the part lies nowhere else: the cell's share among all cells like its nearest patch.
    best = patches.max(1)
    rivals = np.exp(alpha * (patches - best[:, None])).sum(1)
    alone = np.exp(alpha * (highest - best[nearest])) / rivals[nearest]
    around = others.max(0) if len(others) else np.full_like(highest, NO_SURROUNDINGS)
    maps = (
        highest,
        around,
        np.tanh(alpha * (highest - around) / SOFTNESS),
        np.clip(part_x.reshape(shape) - across, -1, 1),
        np.clip(part_y.reshape(shape) - down[:, None], -1, 1),
        spread,
        np.sqrt(alone),
    )
    return [each.reshape(shape).astype(np.float32) for each in maps]


def _places(points: list[Array], step: float) -> tuple[Array, Array]:
    """Columns and rows of the grid's cells in a map of so many working pixels per cell.

    Args:
        points: working pixels of the grid's columns and rows.
        step: working pixels per cell of the map.
    """
    columns, rows = np.meshgrid(*(np.float32(at / step - 0.5) for at in points))
    return columns, rows


def _sampled(values: Array, places: tuple[Array, Array]) -> Array:
    """A map ``(H, W)`` at the grid's cells, linear between its own; beyond its edge as there."""
    edge = cv2.BORDER_REPLICATE
    return cv2.remap(values, *places, cv2.INTER_LINEAR, borderMode=edge)
