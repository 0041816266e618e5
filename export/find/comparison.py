"""What the network that compares registered pixels says, as nodes; see :class:`.PixelComparer`."""

from __future__ import annotations

import onnx

from ...runtime.match.comparing import LEAST_ZOOM, SHAPES, SUREST
from .patch_nodes import Spot, packed
from .pixel_nodes import PixelSet
from .sampling import bilinear, interpolated, shrunk, upright
from .template_pixels import TemplatePicture
from .values import INTEGER, Value

PICTURE_SHAPE = ("picture_height", "picture_width", 3)
"""Of the tensor of an encoded template that holds its picture."""


def compared_picture(view: TemplatePicture, used: Value, zoom: Value) -> Value:
    """A template's picture as it is compared, see :class:`.ComparedTemplate`.

    Args:
        view: what is kept of the template's frame, without a mask.
        used: ``(rows, columns)``, the samples of its pixels.
        zoom: samples per pixel of the template.

    Returns:
        ``(rows, columns, 3)`` float32, whole numbers.
    """
    rows, columns = used.side(0), used.side(1)
    samples = upright(view.image, view.zoom / zoom, view.middle, columns, rows)
    return _fitted(samples, *_sides(columns, rows))


def comparison(
    network: onnx.ModelProto, picture: Value, template: PixelSet, image: Value, spot: Spot
) -> Value:
    """Log-odds that what lies in a pose is what the template shows.

    Args:
        network: the graph that compares.
        picture: the template's, as :func:`compared_picture` has it.
        template: its pixels.
        image: ``(H, W, 3)`` bytes.
        spot: registered.
    """
    seen, zooms = seen_picture(picture, template, image, spot)
    pictures = {"template": picture.widened(0), "seen": seen.widened(0)}
    given = image.writer.insert(network, {**pictures, "zooms": zooms})
    return given["odds"].at(0).clip(-SUREST, SUREST)


def seen_picture(
    picture: Value, template: PixelSet, image: Value, spot: Spot
) -> tuple[Value, Value]:
    """What lies in a pose as it is compared, see :func:`~.comparing.seen_picture`.

    Args: as of :func:`comparison`.

    Returns:
        ``(rows, columns, 3)`` float32, and ``(1, 2)``: logarithms of samples per pixel of the
        image, and of the template.
    """
    writer = image.writer
    samples = _evened(_samples(template, image, spot), template.used)
    zooms = template.zoom / spot.scale, template.zoom
    told = [writer.log(writer.most(zoom, LEAST_ZOOM)) for zoom in zooms]
    seen = _fitted(samples, picture.side(1), picture.side(0))
    return seen, packed(writer, told).widened(0)


def _samples(template: PixelSet, image: Value, spot: Spot) -> Value:
    """What lies in a pose, ``(rows, columns, 3)`` float32, whole numbers."""
    writer = image.writer
    rows, columns = template.used.side(0), template.used.side(1)
    step = spot.scale / template.zoom
    c, s = step * writer.node("Cos", spot.angle), step * writer.node("Sin", spot.angle)
    across, down = columns.float() / 2.0, rows.float() / 2.0
    straight, aslant = writer.abs(c), writer.abs(s)
    half = straight * across + aslant * down, aslant * across + straight * down
    part, left, top = shrunk(image, step, (spot.x, spot.y), half)
    u = (writer.range(0, columns).float() - (across - 0.5)).widened(0)
    v = (writer.range(0, rows).float() - (down - 0.5)).widened(1)
    x = u * c + v * s + (spot.x - left.float() - 0.5)
    y = v * c - u * s + (spot.y - top.float() - 0.5)
    shown = writer.node("Round", bilinear(part, x.shaped(-1), y.shaped(-1)))
    return shown.shaped(rows, columns, 3)


def _evened(samples: Value, used: Value) -> Value:
    """Samples whose mean stands where they do not count."""
    writer = samples.writer
    counting = used.widened(2)
    mean = (samples * counting).sum(0, 1) / used.sum()
    return writer.where(counting > 0.0, samples, writer.node("Round", mean))


def _sides(columns: Value, rows: Value) -> tuple[Value, Value]:
    """Columns and rows of the pictures that are compared, of a template of so many samples."""
    writer = columns.writer
    ratio = writer.abs(writer.log(columns.float() / rows.float()))
    *others, (_, *last) = SHAPES
    wide, high = (writer.value(side, INTEGER) for side in last)
    for most, *sides in reversed(others):
        nearer = ratio < most
        wide = writer.where(nearer, sides[0], wide)
        high = writer.where(nearer, sides[1], high)
    return wide, high


def _fitted(samples: Value, wide: Value, high: Value) -> Value:
    """Samples ``(H, W, 3)`` at the size that is compared, on their side where they stand."""
    writer = samples.writer
    rows, columns = samples.side(0), samples.side(1)

    def laid() -> list[Value]:
        return [samples.at(columns - 1 - writer.range(0, columns), 1).turned(1, 0, 2)]

    standing = (rows > columns) & ~wide.equals(high)
    lying = writer.choose(standing, laid, lambda: [samples])[0]
    return interpolated(lying, wide, high)
