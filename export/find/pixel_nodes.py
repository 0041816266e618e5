"""Registration of pixels and what differs between them, as nodes."""

from __future__ import annotations

from typing import NamedTuple

from ...runtime.bundle.match_recipe import MatchRecipe
from ...runtime.match import differences, pixels
from ...runtime.match.pose import ALIAS, BLUR
from .patch_nodes import Spot, quantiles
from .sampling import (
    FLOAT_REACH,
    alike,
    band,
    bell,
    cubic,
    grey,
    slanted,
    smoothed,
    span,
)
from .values import FLOAT, Value

SOONER = 0.7
"""Part of the distance between samples from which the average is made beforehand: a registration
may change the size."""

NO_CORRELATION = -1.0
"""Of pixels that are flat."""


class PixelSet(NamedTuple):
    """A template's pixels, as :class:`.PixelTemplate` has them.

    Attributes:
        used: ``(rows, columns)`` float32, 1 where a sample counts.
        grey: ``(N,)``.
        steepest: ``(4, N)``.
        inverse: ``(4, 4)``.
        zoom: samples per pixel of the template.
    """

    used: Value
    grey: Value
    steepest: Value
    inverse: Value
    zoom: Value


class GreyPart(NamedTuple):
    """A grey part of an image, made ready to be sampled.

    Attributes:
        part: ``(H, W)`` float32.
        averaged: the same for samples that lie farther apart than its pixels.
        down: smooths columns of samples.
        across: smooths rows of samples.
    """

    part: Value
    averaged: Value
    down: Value
    across: Value

    @classmethod
    def of(cls, template: PixelSet, part: Value, here: Value) -> GreyPart:
        """For samples at about a pose."""
        writer = part.writer
        step = writer.hypot(here.at(2), here.at(3)) / template.zoom
        averaged = writer.choose(
            step > ALIAS * SOONER,
            lambda: [smoothed(part, bell(part, step * BLUR, FLOAT_REACH))],
            lambda: [part],
        )[0]
        weights = alike(pixels.SMOOTH, FLOAT_REACH)
        down, across = (band(template.used.side(axis), weights) for axis in (0, 1))
        return cls(part, averaged, down, across.turned(1, 0))


class Registered(NamedTuple):
    """A registration, see :class:`.Registration`."""

    spot: Spot
    correlation: Value


def registered(template: PixelSet, image: Value, spot: Spot) -> Registered:
    """Find the pose at which pixels fit best, see ``PixelTemplate.register``."""
    writer = image.writer
    part, left, top = _around(template, image, spot)
    rows, columns = template.used.side(0).float(), template.used.side(1).float()
    reach = writer.hypot(rows, columns) / 2.0
    start = writer.stack([spot.x - left, spot.y - top, *_factor(spot)], FLOAT)
    screen = GreyPart.of(template, part, start)
    never, off = writer.value(-2.0), writer.value(False, "bool")

    def step(
        number: Value, here: Value, best: Value, highest: Value, before: Value, last: Value
    ) -> tuple[Value, list[Value], list[Value]]:
        samples, correlation = _compared(template, screen, here)
        before = writer.where(before < -1.0, correlation, before)
        better = correlation > highest
        highest, best = writer.where(better, correlation, highest), writer.where(better, here, best)
        lost = (correlation <= NO_CORRELATION) | (correlation < highest - pixels.WORSE)
        error = samples / writer.most(correlation, pixels.LEAST) - template.grey
        change = template.inverse @ (template.steepest @ error)
        dx, dy, turn, grow = (change.at(index) for index in range(4))
        size = (grow + 1.0) * (grow + 1.0) + turn * turn
        # What the offsets went through, undone: 1 / (1 + grow + i turn).
        a, b = (grow + 1.0) / size, -turn / size
        f, g = here.at(2), here.at(3)
        after_f, after_g = f * a - g * b, f * b + g * a
        back_x, back_y = dx / template.zoom, dy / template.zoom
        onward = writer.stack(
            [
                here.at(0) - (after_f * back_x - after_g * back_y),
                here.at(1) - (after_f * back_y + after_g * back_x),
                after_f,
                after_g,
            ],
            FLOAT,
        )
        moved = writer.hypot(dx, dy) + writer.hypot(turn, grow) * reach
        final = (moved < pixels.SETTLED) | (number >= pixels.STEPS - 1)
        return ~(lost | last), [onward, best, highest, before, final], []

    state = [start, start, never, never, off]
    # One look more than steps: where the last one led to.
    _, best, highest, before, _ = writer.loop(pixels.STEPS + 1, True, state, step)
    farthest = writer.where(
        highest < pixels.SURE, pixels.FARTHEST, writer.value(pixels.FARTHEST_SURE)
    )
    near = _near(template, start, best, farthest)
    moved = near & (writer.abs(best - start).max() > 0.0)
    correlation = writer.most(writer.where(near, highest, before), NO_CORRELATION)
    c, s = best.at(2), -best.at(3)
    found = Spot(best.at(0) + left, best.at(1) + top, _angle(s, c), writer.hypot(c, s))
    chosen = (writer.where(moved, new, old) for new, old in zip(found, spot, strict=True))
    return Registered(Spot(*chosen), correlation)


def _factor(spot: Spot) -> tuple[Value, Value]:
    """What takes offsets in the template to those in the image, a complex number."""
    writer = spot.x.writer
    cosine, sine = writer.node("Cos", spot.angle), writer.node("Sin", spot.angle)
    return spot.scale * cosine, -(spot.scale * sine)


def _angle(sine: Value, cosine: Value) -> Value:
    """An angle of less than a quarter turn, which is all that patches tell of one."""
    return sine.writer.node("Atan", sine / cosine)


def _around(template: PixelSet, image: Value, spot: Spot) -> tuple[Value, Value, Value]:
    """The grey part of an image around an object, and where it begins."""
    writer = image.writer
    rows, columns = template.used.side(0).float(), template.used.side(1).float()
    radius = writer.hypot(rows, columns) / template.zoom * spot.scale * pixels.AROUND + 4.0
    left, right = span(spot.x - radius, spot.x + radius, image.side(1))
    top, bottom = span(spot.y - radius, spot.y + radius, image.side(0))
    part = grey(image.cut(top, bottom, 0).cut(left, right, 1))
    return part, left.float(), top.float()


def _samples(template: PixelSet, screen: GreyPart, here: Value) -> Value:
    """Smoothed samples of a part of an image at a pose, those that count, ``(N,)``."""
    writer = here.writer
    rows, columns = template.used.side(0), template.used.side(1)
    f, g = here.at(2) / template.zoom, here.at(3) / template.zoom
    step = writer.hypot(f, g)
    source = writer.choose(step > ALIAS, lambda: [screen.averaged], lambda: [screen.part])[0]
    u = writer.range(0, columns).float() - (columns.float() - 1.0) / 2.0
    v = writer.range(0, rows).float() - (rows.float() - 1.0) / 2.0
    u, v = u.widened(0), v.widened(1)
    x = (u * f - v * g) + (here.at(0) - 0.5)
    y = (u * g + v * f) + (here.at(1) - 0.5)
    picture = cubic(source, x.shaped(-1), y.shaped(-1)).shaped(rows, columns)
    picture = screen.down @ picture @ screen.across
    return picture.shaped(-1).at(_used(template))


def _used(template: PixelSet) -> Value:
    """Which samples count, by their number row by row."""
    writer = template.used.writer
    return writer.node("NonZero", template.used.shaped(-1)).shaped(-1)


def _compared(template: PixelSet, screen: GreyPart, here: Value) -> tuple[Value, Value]:
    """Samples of zero mean and unit length, and their correlation; -1 where they are flat."""
    values = _samples(template, screen, here)
    writer = values.writer
    values = values - values.mean()
    length = writer.sqrt((values * values).sum())
    count = values.side(0).float()
    flat = length < writer.sqrt(count) * (pixels.FLAT / 4)
    values = values / writer.most(length, 1e-6)
    correlation = (values * template.grey).sum()
    return values, writer.where(flat, NO_CORRELATION, correlation)


def _near(template: PixelSet, start: Value, best: Value, farthest: Value) -> Value:
    """Whether a registration stayed where it began."""
    writer = start.writer
    width = template.used.side(1).float() / template.zoom
    height = template.used.side(0).float() / template.zoom
    side = writer.sqrt(width * height) * writer.hypot(start.at(2), start.at(3))
    change = best - start
    x, y, f, g = (change.at(index) for index in range(4))
    moved: list[Value] = []
    for down in (0.5, -0.5):
        for sign in (1.0, -1.0):
            right, below = width * (0.5 * sign), height * (down * sign)
            moved.append(writer.hypot(x + f * right - g * below, y + f * below + g * right))
    return writer.most(*moved) <= farthest * side + 1.0


class Differing(NamedTuple):
    """Logarithms of how much spots differ, see :class:`.Differences`."""

    worst: Value
    inner: Value
    low: Value
    middle: Value
    high: Value
    detail: Value
    worst_detail: Value
    middle_detail: Value
    high_detail: Value


def differing(template: PixelSet, image: Value, spot: Spot) -> list[Value]:
    """Compare an object with its template, spot by spot; see ``Differences.between``."""
    writer = image.writer
    part, left, top = _around(template, image, spot)
    here = writer.stack([spot.x - left, spot.y - top, *_factor(spot)], FLOAT)
    samples, correlation = _compared(template, GreyPart.of(template, part, here), here)
    expected, count = template.grey, samples.side(0).float()
    used = _used(template)
    worst = _spots(template, samples - expected * correlation, count).at(used).max()
    inside = _inner(template)
    kept = inside.at(used)
    light = _fitted(expected, samples, kept)
    spots = _spots(template, samples - light, count)
    index = writer.node("NonZero", inside).shaped(-1)
    spots = spots.at(index)
    own, other = (_details(template, values, kept) for values in (expected, samples))
    detail = (own * other * kept).sum() / kept.sum()
    apart = _spots(template, other - own * detail, writer.value(1.0)).at(index)
    whole = [worst, spots.max(), *quantiles(spots, differences.SHARES)]
    fine = [apart.max(), *quantiles(apart, differences.SHARES[1:])]
    values = [*map(_logarithm, whole), detail, *map(_logarithm, fine)]
    flat = correlation <= NO_CORRELATION
    unknown = differences.Differences.unknown()
    return [
        writer.where(flat, nothing, value) for nothing, value in zip(unknown, values, strict=True)
    ]


def _logarithm(value: Value) -> Value:
    """Of a difference."""
    writer = value.writer
    return writer.log(writer.least(value, differences.MOST) + differences.LEAST)


def _details(template: PixelSet, values: Value, kept: Value) -> Value:
    """Values without the mean of what surrounds each, see ``Differences``."""
    writer = values.writer
    side = _spot_side(template) * differences.SURROUNDINGS
    ones = writer.filled(1.0, values.side(0))
    mean, shown = (_averaged(template, each, side).at(_used(template)) for each in (values, ones))
    details = values - mean / writer.most(shown, differences.TINY)
    count = kept.sum()
    details = details - (details * kept).sum() / count
    deviation = writer.sqrt((details * details * kept).sum() / count)
    return details / writer.most(deviation, differences.EVEN_DETAILS)


def _inner(template: PixelSet) -> Value:
    """``(N,)`` float32: samples that count inside the inner ellipse; all where none do."""
    writer = template.used.writer
    rows, columns = template.used.side(0), template.used.side(1)
    y = ((writer.range(0, rows).float() + 0.5) * 2.0 / rows.float() - 1.0).widened(1)
    x = ((writer.range(0, columns).float() + 0.5) * 2.0 / columns.float() - 1.0).widened(0)
    within = (y * y + x * x < pixels.INNER**2).float()
    flat = template.used.shaped(-1)
    inside = flat * within.shaped(-1)
    return writer.where(inside.max() > 0.0, inside, flat)


def _fitted(expected: Value, samples: Value, kept: Value) -> Value:
    """The template's values after the gain and offset that fit best where they are kept."""
    writer = expected.writer
    count = kept.sum()
    middle, mean = (expected * kept).sum() / count, (samples * kept).sum() / count
    apart = (expected - middle) * kept
    gain = (apart * samples).sum() / writer.most((apart * apart).sum(), differences.TINY)
    return (expected - middle) * gain + mean


def _spots(template: PixelSet, error: Value, count: Value) -> Value:
    """``(rows * columns,)``: mean square of what is left around each sample."""
    return _averaged(template, error * error * count, _spot_side(template))


def _spot_side(template: PixelSet) -> Value:
    """Samples along the side of a spot."""
    writer = template.used.writer
    shorter = writer.least(template.used.side(0), template.used.side(1)).float()
    return writer.most(writer.round(shorter / float(differences.SPOTS)), 2)


def _averaged(template: PixelSet, values: Value, side: Value) -> Value:
    """``(rows * columns,)``: mean of a square around each sample, with 0 for what is not used."""
    writer = values.writer
    rows, columns = template.used.side(0), template.used.side(1)
    empty = writer.filled(0.0, rows * columns)
    whole = writer.node("ScatterElements", empty, _used(template), values).shaped(rows, columns)
    before = side / 2
    for axis in (0, 1):
        length = whole.side(axis)
        index = writer.range(-before, length + side - 1 - before)
        # Mirrored with the edge twice.
        index = writer.where(index < 0, -1 - index, index)
        index = writer.where(index >= length, length * 2 - 1 - index, index)
        whole = whole.at(writer.least(writer.most(index, 0), length - 1), axis)
    whole = whole.shaped(1, 1, whole.side(0), whole.side(1))
    weights = writer.filled(1.0, side) / side.float()
    whole = writer.node("Conv", whole, weights.shaped(1, 1, -1, 1))
    return writer.node("Conv", whole, weights.shaped(1, 1, 1, -1)).shaped(-1)


def tint(image: Value, spot: Spot, size: tuple[Value, Value], colours: Value) -> Value:
    """Mean colour of an outline without its brightness, ``(3,)``; see :func:`.mean_tint`."""
    writer = image.writer
    side = differences.COLOUR_SIDE
    cosine = spot.scale * writer.node("Cos", spot.angle)
    sine = spot.scale * writer.node("Sin", spot.angle)
    matrix = (
        cosine * size[0] / float(side),
        sine * size[1] / float(side),
        -sine * size[0] / float(side),
        cosine * size[1] / float(side),
    )
    shown = writer.node("Round", slanted(image, matrix, (spot.x, spot.y), side))
    weights = colours.shaped(-1)
    mean = (weights @ shown) / weights.sum()
    return mean - mean.mean()


def by_pixels(
    template: PixelSet,
    core: PixelSet,
    has_core: Value,
    image: Value,
    spot: Spot,
    recipe: MatchRecipe,
) -> Registered:
    """Where an object is exactly if it is rigid; see :func:`.by_pixels` of the runtime."""
    writer = image.writer
    fit = registered(template, image, spot)
    rigid = fit.correlation >= recipe.rigid_correlation
    found = Spot(*(writer.where(rigid, new, old) for new, old in zip(fit.spot, spot, strict=True)))
    between = (fit.correlation >= recipe.core_least) & (fit.correlation < recipe.core_most)

    def inside() -> list[Value]:
        again = registered(core, image, found)
        sure = again.correlation >= recipe.core_correlation
        pairs = zip(again.spot, found, strict=True)
        return [writer.where(sure, new, old) for new, old in pairs]

    spots = writer.choose(between & has_core, inside, lambda: list(found))
    return Registered(Spot(*spots), fit.correlation)
