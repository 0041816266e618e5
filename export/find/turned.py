"""Whether an object that was found lies turned there instead, as nodes."""

from __future__ import annotations

import math

from ...runtime.match import turned_squares
from .patch_nodes import Spot
from .sampling import upright
from .values import Value

SIDE = turned_squares.SIDE
TINY = 1e-6


def fits_turned(
    squares: Value, step: Value, image: Value, spot: Spot, size: tuple[Value, Value]
) -> Value:
    """Whether what is there fits a turned template clearly better; see :class:`.TurnedSquares`.

    Args:
        squares: ``(24, side, side, 3)`` bytes, those that are hardly turned first.
        step: pixels of the template between their samples.
        image: ``(H, W, 3)`` bytes.
        spot: where the template was found.
        size: of the template, in pixels.
    """
    writer = image.writer
    alike = writer.abs(writer.log(spot.scale)) < math.log(turned_squares.ALIKE)
    first = _at(squares, step, image, spot, writer.value(1.0), size)
    second = writer.choose(
        alike | first,
        lambda: [first],
        lambda: [_at(squares, step, image, spot, spot.scale, size)],
    )[0]
    return first | second


def _at(
    squares: Value,
    step: Value,
    image: Value,
    spot: Spot,
    scale: Value,
    size: tuple[Value, Value],
) -> Value:
    """The same in one size."""
    writer = image.writer
    reach = 1 + turned_squares.REACH
    columns, rows = (
        writer.most(writer.floor(side * reach / step + 1e-4), SIDE + 2) for side in size
    )
    part = upright(image, step * scale, (spot.x, spot.y), columns, rows)
    highest = _correlations(squares, part)
    own = sum(
        abs(angle) <= turned_squares.OWN_TURN
        for angle in range(-180, 180, int(turned_squares.STEP))
    )
    straight, turned = highest.cut(0, own).max(), highest.cut(own, 1000).max()
    clear = _fisher(turned) - _fisher(straight) >= turned_squares.CLEAR
    return (turned >= turned_squares.LEAST) & clear


def _correlations(squares: Value, part: Value) -> Value:
    """``(24,)``: the highest correlation of each square anywhere in a picture."""
    writer = part.writer
    count = float(SIDE * SIDE)
    values = squares.float().turned(0, 3, 1, 2)
    values = values - values.mean(2, 3, keep=True)
    lengths = writer.sqrt((values * values).sum(1, 2, 3))
    values = values / writer.most(lengths, TINY).shaped(-1, 1, 1, 1)
    # Middle grey off: sums of squares are then differences of smaller numbers.
    shown = (part - 128.0).turned(2, 0, 1)
    agreeing = writer.node("Conv", shown.widened(0), values).at(0)
    ones = writer.filled(1.0, 1, 1, SIDE, SIDE)
    sums = writer.node("Conv", shown.widened(1), ones)
    squared = writer.node("Conv", (shown * shown).widened(1), ones)
    spread = (squared - sums * sums / count).sum(0).at(0)
    length = writer.sqrt(writer.most(spread, 0.0))
    shares = agreeing / writer.most(length, TINY).widened(0)
    shares = writer.where((length > 1.0).widened(0), shares.clip(-1.0, 1.0), 0.0)
    return shares.max(1, 2)


def _fisher(correlation: Value) -> Value:
    """Fisher's transform of a correlation."""
    writer = correlation.writer
    most = turned_squares.CERTAIN
    inside = correlation.clip(-most, most)
    return writer.log((inside + 1.0) / (1.0 - inside)) * 0.5
