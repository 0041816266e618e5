"""Resizing, sampling and smoothing of pictures as nodes: what OpenCV does in the runtime."""

from __future__ import annotations

import math

import numpy as np

from ...runtime.images import FLAT_RANGE
from ...runtime.match.pose import ALIAS, BLUR
from .values import BYTE, Operand, Value

CUBIC = -0.75
"""The free coefficient of OpenCV's cubic interpolation."""

FLOAT_REACH = 4.0
"""Standard deviations on each side that OpenCV's average of float pictures takes in, ..."""

BYTE_REACH = 3.0
"""... and that of bytes."""

MIDDLE_GREY = 128.0
"""Taken off before long sums, which are then exact to a hundredth of a grey value."""

GREY_WEIGHTS = (0.114, 0.587, 0.299)
"""Of blue, green and red."""


def resized(image: Value, columns: Value, rows: Value) -> Value:
    """A picture ``(H, W, 3)`` of bytes in another size: area averages or linear.

    Returns:
        ``(rows, columns, 3)`` float32, whole numbers.
    """
    writer = image.writer
    height, width = image.side(0), image.side(1)
    same = height.equals(rows) & width.equals(columns)

    def kept() -> list[Value]:
        return [image.float()]

    def changed() -> list[Value]:
        shrinking = columns * rows < height * width

        def averaged() -> list[Value]:
            picture = image.float() - MIDDLE_GREY
            means = _averaged(_averaged(picture, rows, 0), columns, 1)
            return [nearest(means + MIDDLE_GREY)]

        def linear() -> list[Value]:
            return [interpolated(image.float(), columns, rows)]

        return writer.choose(shrinking, averaged, linear)

    return writer.choose(same, kept, changed)[0]


def _averaged(picture: Value, count: Value, axis: int) -> Value:
    """Means of equal parts along an axis, from sums up to where they begin and end."""
    writer = picture.writer
    length = picture.side(axis)
    step = length.float() / count.float()
    edges = writer.range(0, count + 1).float() * step
    below = writer.least(writer.floor(edges + 1e-4), length)
    part = (edges - below.float()).clip(0.0, 1.0)
    sums = writer.node("CumSum", picture, writer.value(axis, "int64"))
    before = sums.at(writer.most(below - 1, 0), axis)
    first = (below > 0).float()
    here = picture.at(writer.least(below, length - 1), axis)
    spread = [1] if axis == 0 else [0]
    weights = [value.widened(*spread, 2) for value in (first, part)]
    whole = before * weights[0] + here * weights[1]
    return (whole.cut(1, count + 1, axis) - whole.cut(0, count, axis)) / step


def interpolated(picture: Value, columns: Value, rows: Value) -> Value:
    """A picture interpolated in the steps of OpenCV, which cuts where it could round."""
    first, second, near, far = _mixing(picture, columns, 1)
    wide = picture.at(first, 1) * near.widened(0, 2) + picture.at(second, 1) * far.widened(0, 2)
    wide = floored(wide / 16.0)
    first, second, near, far = _mixing(picture, rows, 0)
    high = floored(wide.at(first) * (near.widened(1, 2) / 65536.0))
    low = floored(wide.at(second) * (far.widened(1, 2) / 65536.0))
    return floored((high + low + 2.0) / 4.0)


def _mixing(picture: Value, count: Value, axis: int) -> tuple[Value, Value, Value, Value]:
    """The two rows or columns around each new one, and their weights in 2048ths."""
    writer = picture.writer
    length = picture.side(axis)
    step = length.float() / count.float()
    places = (writer.range(0, count).float() + 0.5) * step - 0.5
    places = places.clip(0.0, (length - 1).float())
    first = writer.floor(places)
    part = places - first.float()
    near, far = (writer.node("Round", share * 2048.0) for share in (1.0 - part, part))
    return first, writer.least(first + 1, length - 1), near, far


def floored(values: Value) -> Value:
    """Whole numbers below, as float32."""
    return values.writer.node("Floor", values)


def nearest(values: Value) -> Value:
    """Nearest whole numbers, the larger of two, as float32."""
    return floored(values + 0.5)


def between(picture: Value, places: Value, axis: int, *, rank: int = 3) -> Value:
    """An array at fractional places along an axis, linear, its edges repeated."""
    writer = picture.writer
    last = picture.side(axis) - 1
    inside = places.clip(0.0, last.float())
    first = writer.floor(inside)
    second = writer.least(first + 1, last)
    part = inside - first.float()
    part = part.widened(*(other for other in range(rank) if other != axis))
    low, high = picture.at(first, axis), picture.at(second, axis)
    return low + (high - low) * part


def padded(picture: Value, multiple: int) -> Value:
    """A picture whose last row and column are repeated to multiples of a number."""
    writer = picture.writer
    for axis in (0, 1):
        length = picture.side(axis)
        count = (length + (multiple - 1)) / multiple * multiple
        picture = picture.at(writer.least(writer.range(0, count), length - 1), axis)
    return picture


def as_bytes(picture: Value) -> Value:
    """Whole numbers as bytes."""
    return picture.clip(0.0, 255.0).cast(BYTE)


def grey(picture: Value) -> Value:
    """Grey values ``(H, W)`` float32, whole numbers, of ``(H, W, 3)`` bytes."""
    writer = picture.writer
    weights = writer.value(np.array(GREY_WEIGHTS)[:, None])
    values = picture.shaped(-1, 3).float() @ weights
    return writer.node("Round", values.shaped(picture.side(0), picture.side(1)))


def bell(writer_of: Value, sigma: Operand, reach: float) -> Value:
    """Weights of a Gaussian average ``(n,)``, as long as OpenCV has them.

    Args:
        writer_of: any value of the graph.
        sigma: standard deviation.
        reach: deviations that it takes in on each side.
    """
    writer = writer_of.writer
    width = writer.value(sigma)
    half = writer.round(width * (2 * reach) + 1.0) / 2
    steps = writer.range(-half, half + 1).float()
    weights = writer.exp(steps * steps / (width * width) * -0.5)
    return weights / weights.sum()


def smoothed(picture: Value, weights: Value) -> Value:
    """A picture ``(H, W)`` averaged with weights ``(n,)`` along both sides, its edges repeated."""
    height, width = picture.side(0), picture.side(1)
    half = weights.side(0) / 2
    whole = around(picture, half)
    whole = whole.shaped(1, 1, height + half * 2, width + half * 2)
    writer = picture.writer
    down = writer.node("Conv", whole, weights.shaped(1, 1, -1, 1))
    return writer.node("Conv", down, weights.shaped(1, 1, 1, -1)).shaped(height, width)


def band(count: Value, weights: np.ndarray) -> Value:
    """The ``(count, count)`` matrix that averages neighbours on a line, its ends repeated.

    A product with it takes ONNX Runtime less time than a convolution of a single small picture.
    """
    writer = count.writer
    half = len(weights) // 2
    index = writer.range(0, count)
    total: Value | None = None
    for step, weight in zip(range(-half, half + 1), weights.tolist(), strict=True):
        there = writer.least(writer.most(index + step, 0), count - 1)
        term = there.widened(1).equals(index.widened(0)).float() * weight
        total = term if total is None else total + term
    assert total is not None
    return total


def around(picture: Value, half: Value) -> Value:
    """A picture ``(H, W)`` or ``(H, W, 3)`` with its edges repeated so many times."""
    writer = picture.writer
    for axis in (0, 1):
        length = picture.side(axis)
        index = writer.range(-half, length + half)
        picture = picture.at(writer.least(writer.most(index, 0), length - 1), axis)
    return picture


def blurred(picture: Value, sigma: Value) -> Value:
    """``(H, W, 3)`` bytes, averaged: float32, whole numbers."""
    height, width = picture.side(0), picture.side(1)
    weights = _in_256ths(bell(picture, sigma, BYTE_REACH))
    half = weights.side(0) / 2
    # Channels are pictures of one channel.
    values = around(picture.float(), half).turned(2, 0, 1).widened(1)
    writer = picture.writer
    down = writer.node("Conv", values, weights.shaped(1, 1, -1, 1))
    mean = writer.node("Conv", down, weights.shaped(1, 1, 1, -1))
    return nearest(mean.shaped(3, height, width).turned(1, 2, 0))


def _in_256ths(weights: Value) -> Value:
    """Symmetric weights, whose running sums are rounded as OpenCV does for bytes."""
    writer = weights.writer
    half = weights.side(0) / 2
    sums = writer.node("CumSum", weights.cut(0, half) * 256.0, writer.value(0, "int64"))
    sums = writer.node("Round", sums)
    before = writer.join([writer.value([0.0]), sums.cut(0, half - 1)])
    side = sums - before
    centre = 256.0 - side.sum() * 2.0
    other = side.at(half - 1 - writer.range(0, half))
    return writer.join([side, writer.line(centre), other]) / 256.0


def span(low: Value, high: Value, limit: Value) -> tuple[Value, Value]:
    """Whole pixels of a picture around an interval, at least one: first, and past the last."""
    writer = low.writer
    first = writer.least(writer.most(writer.floor(low), 0), limit - 1)
    return first, writer.most(writer.least(limit, writer.ceil(high)), first + 1)


def shrunk(
    image: Value, step: Value, middle: tuple[Value, Value], half: tuple[Value, Value]
) -> tuple[Value, Value, Value]:
    """The part of a picture that a crop shows, averaged where pixels are farther apart than it has.

    Args:
        image: ``(H, W, 3)`` bytes.
        step: pixels of the image per sample.
        middle: of the crop, in pixels of the image.
        half: how far the crop reaches from there.

    Returns:
        The part, float32, and its first column and row.
    """
    writer = image.writer
    reach = writer.ceil(step * 2.0).float() + 2.0
    left, right = span(middle[0] - half[0] - reach, middle[0] + half[0] + reach, image.side(1))
    top, bottom = span(middle[1] - half[1] - reach, middle[1] + half[1] + reach, image.side(0))
    part = image.cut(top, bottom, 0).cut(left, right, 1)
    values = writer.choose(
        step > ALIAS, lambda: [blurred(part, step * BLUR)], lambda: [part.float()]
    )[0]
    return values, left, top


def upright(
    image: Value, step: Value, middle: tuple[Value, Value], columns: Value, rows: Value
) -> Value:
    """A crop of a picture that is only resized, ``(rows, columns, 3)`` float32, whole numbers.

    Args:
        image: ``(H, W, 3)`` bytes.
        step: pixels of the image per sample.
        middle: of the crop, in pixels of the image.
        columns: of the crop.
        rows: of the crop.
    """
    writer = image.writer
    half = step * columns.float() / 2.0, step * rows.float() / 2.0
    part, left, top = shrunk(image, step, middle, half)
    for axis, count, start, centre in (
        (0, rows, top, middle[1]),
        (1, columns, left, middle[0]),
    ):
        offsets = writer.range(0, count).float() - (count.float() - 1.0) / 2.0
        places = offsets * step + (centre - start.float() - 0.5)
        part = between(part, places, axis)
    return writer.node("Round", part)


def slanted(
    image: Value, matrix: tuple[Value, Value, Value, Value], middle: tuple[Value, Value], side: int
) -> Value:
    """A crop of a picture through any matrix, ``(side * side, 3)`` float32.

    Args:
        image: ``(H, W, 3)`` bytes.
        matrix: from offsets in the crop to offsets in the image, row by row.
        middle: of the crop, in pixels of the image.
        side: columns and rows of the crop.
    """
    writer = image.writer
    a, b, c, d = matrix
    step = writer.sqrt(writer.abs(a * d - b * c))
    half = (
        (writer.abs(a) + writer.abs(b)) * (side / 2),
        (writer.abs(c) + writer.abs(d)) * (side / 2),
    )
    part, left, top = shrunk(image, step, middle, half)
    u, v = (grid.astype(np.float32) for grid in _offsets(side))
    x = a * u + b * v + (middle[0] - left.float() - 0.5)
    y = c * u + d * v + (middle[1] - top.float() - 0.5)
    return bilinear(part, x, y)


def bilinear(picture: Value, x: Value, y: Value) -> Value:
    """Colours ``(N, 3)`` of a picture ``(H, W, 3)`` float32 at places ``(N,)``, edges repeated."""
    writer = picture.writer
    rows, columns = picture.side(0), picture.side(1)
    flat = picture.shaped(-1, 3)
    x, y = x.clip(0.0, (columns - 1).float()), y.clip(0.0, (rows - 1).float())
    x0, y0 = writer.floor(x), writer.floor(y)
    fx, fy = (x - x0.float()).widened(1), (y - y0.float()).widened(1)
    x1, y1 = writer.least(x0 + 1, columns - 1), writer.least(y0 + 1, rows - 1)

    def across(row: Value) -> Value:
        low, high = flat.at(row * columns + x0), flat.at(row * columns + x1)
        return low + (high - low) * fx

    upper = across(y0)
    return upper + (across(y1) - upper) * fy


def _offsets(side: int) -> list[np.ndarray]:
    """Columns and rows of the samples of a square, from its middle."""
    steps = np.arange(side) - (side - 1) / 2
    return [np.tile(steps, side), np.repeat(steps, side)]


def cubic(part: Value, x: Value, y: Value) -> Value:
    """Grey values ``(H, W)`` at places ``(N,)``, bicubic, the edges repeated."""
    writer = part.writer
    rows, columns = part.side(0), part.side(1)
    flat = part.shaped(-1)
    x0, y0 = writer.floor(x), writer.floor(y)
    across, down = _cubic_weights(x - x0.float()), _cubic_weights(y - y0.float())
    indices = [writer.least(writer.most(x0 + (i - 1), 0), columns - 1) for i in range(len(across))]
    total: Value | None = None
    for j, weight in enumerate(down):
        row = writer.least(writer.most(y0 + (j - 1), 0), rows - 1) * columns
        line: Value | None = None
        for index, share in zip(indices, across, strict=True):
            term = flat.at(row + index) * share
            line = term if line is None else line + term
        assert line is not None
        total = line * weight if total is None else total + line * weight
    assert total is not None
    return total


def _cubic_weights(t: Value) -> list[Value]:
    """Of the four samples around a place."""
    a = CUBIC
    far, near, after = t + 1.0, t, 1.0 - t
    first = ((far * a - 5 * a) * far + 8 * a) * far - 4 * a
    second = (near * (a + 2) - (a + 3)) * near * near + 1.0
    third = (after * (a + 2) - (a + 3)) * after * after + 1.0
    return [first, second, third, 1.0 - first - second - third]


def alike(sigma: float, reach: float) -> np.ndarray:
    """The weights of :func:`bell` for a deviation that is known."""
    half = round(sigma * 2 * reach + 1) // 2
    steps = np.arange(-half, half + 1)
    weights = np.exp(-(steps**2) / (2 * sigma * sigma))
    return (weights / weights.sum()).astype(np.float32)


def quarter_turn_tangent(y: Value, x: Value) -> Value:
    """The angle of a vector, in radians within ±pi."""
    writer = y.writer
    size = writer.hypot(x, y) + x
    # Half the angle has a tangent that is finite but for a half turn.
    half = writer.node("Atan", y / writer.most(size, 1e-12))
    return writer.where(size > 1e-6 * 1.0, half * 2.0, writer.value(math.pi))


def single_coloured(image: Value, box: tuple[Value, Value, Value, Value]) -> Value:
    """Whether a picture shows a single colour in a box ``x, y, w, h``; see :func:`.is_flat`."""
    writer, part = image.writer, image
    for start, side, axis in ((box[0], box[2], 1), (box[1], box[3], 0)):
        limit = image.side(axis)
        first = writer.least(writer.most(start.int(), 0), limit - 1)
        end = writer.least(writer.ceil(start + side), limit)
        part = part.cut(first, writer.most(end, first + 1), axis)
    part = part.float()
    return (part.max(0, 1) - part.min(0, 1)).max() <= float(FLAT_RANGE)
