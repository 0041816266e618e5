"""What is kept of a template's picture, and what is made of it, as nodes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...runtime.match import differences, pixels, turned_squares
from ...runtime.match.pose import ALIAS, BLUR, wrapped
from .patch_nodes import Spot, quantiles
from .pixel_nodes import tint
from .sampling import (
    FLOAT_REACH,
    alike,
    as_bytes,
    bell,
    between,
    bilinear,
    blurred,
    grey,
    smoothed,
)
from .values import Value

WORST = 1e6
"""Condition of the products of moves from which they tell nothing."""


class TemplatePicture(NamedTuple):
    """A picture and the box in it, see :class:`.TemplateView`.

    Attributes:
        image: ``(h, w, 3)`` bytes.
        x: of the box.
        y: of the box.
        w: of the box.
        h: of the box.
        zoom: pixels of the picture per pixel of the template.
    """

    image: Value
    x: Value
    y: Value
    w: Value
    h: Value
    zoom: Value

    @property
    def middle(self) -> tuple[Value, Value]:
        """Of the box."""
        return self.x + self.w / 2.0, self.y + self.h / 2.0


def pixel_set(view: TemplatePicture, *, core: bool) -> tuple[dict[str, Value], Value, Value]:
    """The inputs of a registration; whether there is something to register; and its zoom.

    See ``PixelTemplate.of``.
    """
    writer = view.x.writer
    width, height = view.w / view.zoom, view.h / view.zoom
    zoom = writer.least(view.zoom, pixels.SAMPLES / writer.sqrt(width * height))
    columns, rows = (writer.most(writer.round(side * zoom), 4) for side in (width, height))
    step = view.zoom / zoom
    shown = grey(view.image)
    source = writer.choose(
        step > ALIAS,
        lambda: [smoothed(shown, bell(shown, step * BLUR, FLOAT_REACH))],
        lambda: [shown],
    )[0]
    for axis, count, centre in ((0, rows, view.middle[1]), (1, columns, view.middle[0])):
        offsets = writer.range(0, count).float() - (count.float() - 1.0) / 2.0
        source = between(source, offsets * step + (centre - 0.5), axis, rank=2)
    picture = smoothed(source, writer.value(alike(pixels.SMOOTH, FLOAT_REACH)))
    x = (writer.range(0, columns).float() - (columns.float() - 1.0) / 2.0).widened(0)
    y = (writer.range(0, rows).float() - (rows.float() - 1.0) / 2.0).widened(1)
    used = writer.filled(1.0, rows, columns)
    if core:
        across = ((writer.range(0, columns).float() + 0.5) * 2.0 / columns.float() - 1.0).widened(0)
        down = ((writer.range(0, rows).float() + 0.5) * 2.0 / rows.float() - 1.0).widened(1)
        used = (down * down + across * across < pixels.INNER**2).float()
    index = writer.node("NonZero", used.shaped(-1)).shaped(-1)
    right, below = _slope(picture, 1), _slope(picture, 0)
    moves = [right, below, below * x - right * y, right * x + below * y]
    moves = writer.join([move.shaped(1, -1).at(index, 1) for move in moves])
    values = picture.shaped(-1).at(index)
    apart = values - values.mean()
    length = writer.sqrt((apart * apart).sum())
    deviation = length / writer.sqrt(values.side(0).float())
    safe = writer.most(length, 1e-6)
    own = apart / safe
    moves = moves / safe
    moves = moves - moves.mean(1, keep=True)
    moves = moves - (moves @ own).widened(1) * own
    inverse, condition = _inverse(moves @ moves.turned(1, 0))
    usable = (deviation >= pixels.FLAT) & (condition < WORST)
    given = {"used": used, "grey": own, "steepest": moves, "inverse": inverse}
    return given, usable, zoom


def _slope(picture: Value, axis: int) -> Value:
    """Change of values per sample along an axis, the edges repeated."""
    writer = picture.writer
    count = picture.side(axis)
    here = writer.range(0, count)
    after = picture.at(writer.least(here + 1, count - 1), axis)
    before = picture.at(writer.most(here - 1, 0), axis)
    return (after - before) / 2.0


def _inverse(products: Value) -> tuple[Value, Value]:
    """The inverse of a symmetric ``(4, 4)``, and about its condition once it is scaled."""
    writer = products.writer
    size = 4
    diagonal = [products.at(i).at(i) for i in range(size)]
    scale = writer.sqrt(writer.most(writer.stack(diagonal, "float32"), 1e-12))
    scaled = products / (scale.widened(1) * scale.widened(0))
    rows = [scaled.at(i) for i in range(size)]
    others = [writer.value(np.eye(size)[i]) for i in range(size)]
    for i in range(size):
        pivot = writer.most(rows[i].at(i), 1e-9)
        rows[i], others[i] = rows[i] / pivot, others[i] / pivot
        for j in range(size):
            if j != i:
                factor = rows[j].at(i)
                rows[j] = rows[j] - rows[i] * factor
                others[j] = others[j] - others[i] * factor
    inverse = writer.join([row.widened(0) for row in others])
    # The root of the sum of squares is the largest part, or twice that at most.
    condition = writer.sqrt((scaled * scaled).sum() * (inverse * inverse).sum()) / 2.0
    return inverse / (scale.widened(1) * scale.widened(0)), condition


def squares(view: TemplatePicture) -> tuple[Value, Value]:
    """The square in a template's middle at all turns, and the pixels between its samples.

    See :class:`.TurnedSquares`.
    """
    writer = view.x.writer
    side = turned_squares.SIDE
    step = writer.least(view.w, view.h) / (math.sqrt(2) * side)
    angles = np.arange(-180, 180, turned_squares.STEP)
    turns = np.abs([wrapped(angle) for angle in angles.tolist()])
    ordered = [
        *angles[turns <= turned_squares.OWN_TURN],
        *angles[turns >= turned_squares.OTHER_TURN],
    ]
    offsets = np.arange(side) - (side - 1) / 2
    u, v = np.tile(offsets, side), np.repeat(offsets, side)
    turn = np.radians(ordered)[:, None]
    across = (np.cos(turn) * u - np.sin(turn) * v).ravel().astype(np.float32)
    down = (np.sin(turn) * u + np.cos(turn) * v).ravel().astype(np.float32)
    source = writer.choose(
        step > ALIAS,
        lambda: [blurred(view.image, step * BLUR)],
        lambda: [view.image.float()],
    )[0]
    x = writer.value(across) * step + (view.middle[0] - 0.5)
    y = writer.value(down) * step + (view.middle[1] - 0.5)
    shown = as_bytes(writer.node("Round", bilinear(source, x, y)))
    return shown.shaped(len(ordered), side, side, 3), step / view.zoom


def tint_of(view: TemplatePicture) -> Value:
    """Mean colour of the box without its brightness, ``(3,)``."""
    writer = view.x.writer
    spot = Spot(*view.middle, writer.value(0.0), writer.value(1.0))
    side = differences.COLOUR_SIDE
    return tint(view.image, spot, (view.w, view.h), writer.filled(1.0, side, side))


def grain(view: TemplatePicture) -> list[Value]:
    """How the picture is made, see :class:`.Grain`."""
    writer = view.x.writer
    shown = grey(view.image)
    mean = _blurred(shown)
    variance = _blurred(shown * shown) - mean * mean
    deviation = writer.sqrt(writer.most(variance, 0.0))
    bends: Value | None = None
    for axis in (0, 1):
        before, after = _neighbours(shown, axis)
        bend = before + after - shown * 2.0
        bends = bend if bends is None else bends + bend
    assert bends is not None
    even, smooth = ((deviation < bound).float().mean() for bound in differences.EVEN)
    noise = quantiles(writer.abs(bends).shaped(-1), (0.5,))
    return [even, smooth, *noise, *quantiles(deviation.shaped(-1), differences.SHARES[-1:])]


def _neighbours(picture: Value, axis: int) -> tuple[Value, Value]:
    """The samples before and after each along an axis, mirrored at the edges."""
    writer = picture.writer
    count = picture.side(axis)
    here = writer.range(0, count)
    before = writer.abs(here - 1)
    after = (count - 1) - writer.abs((count - 1) - (here + 1))
    indices = (writer.least(writer.most(index, 0), count - 1) for index in (before, after))
    first, second = indices
    return picture.at(first, axis), picture.at(second, axis)


def _blurred(picture: Value) -> Value:
    """Means of nine samples, mirrored at the edges."""
    for axis in (0, 1):
        before, after = _neighbours(picture, axis)
        picture = (before + after + picture) / 3.0
    return picture
