"""Where a registered object's pixels differ from its template's.

A correlation is an average: an icon that differs from another by a letter correlates with it by .9,
as an object does that is lit or seen a little differently. What tells them apart is that the icon
differs in one spot and nowhere else.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..images import Image
from ..kinds import Numeric
from ..patches.order_statistics import quantiles
from .pixels import PixelTemplate, grey_values
from .pose import Pose, sampled
from .posed_rows import TemplateView

Array = NDArray[Any]

SPOTS: Numeric[int] = 8
"""Spots along the shorter side of a template."""

SURROUNDINGS: Numeric[int] = 3
"""Sides of a spot over which the mean is taken that details are without."""

MOST: Numeric[float] = 60.0
"""Difference from which a spot has nothing in common, in variances of the template."""

LEAST: Numeric[float] = 0.02
"""Difference that is nothing: interpolation and compression leave as much."""

UNKNOWN: Numeric[float] = 30.0
"""Difference of pixels that cannot be compared."""

COLOUR_SIDE: Numeric[int] = 16
"""Samples along a side of which the mean colour is taken."""

TINY: Numeric[float] = 1e-12
"""Sum of squares of values that are all the same."""

EVEN_DETAILS: Numeric[float] = 1e-6
"""Deviation of details of which there are none."""

SHARES: Numeric[tuple[float, ...]] = (0.1, 0.5, 0.9)
"""Quantiles of the spots that are told."""

EVEN: Numeric[tuple[float, float]] = (1.0, 3.0)
"""Standard deviations of grey values below which nine pixels count as even."""


class Differences(NamedTuple):
    """How much the spots of an object differ from its template's, in variances of the template.

    Each is the logarithm of the difference, and of :data:`LEAST` more; gain and offset of the light
    do not count.

    Attributes:
        worst: of the spot that differs most.
        inner: the same inside the ellipse in the box, as whose corners many objects show what is
            behind them; the others are of the ellipse, too.
        low: of the tenth that differ least.
        middle: of half of them.
        high: of nine tenths.
        detail: correlation of details in the ellipse, which are what is left of the pixels without
            the mean of what surrounds each: light that falls from one side says nothing there.
        worst_detail: difference of the spot of the ellipse whose details differ most.
        middle_detail: of half of them.
        high_detail: of nine tenths.
    """

    worst: float
    inner: float
    low: float
    middle: float
    high: float
    detail: float
    worst_detail: float
    middle_detail: float
    high_detail: float

    @classmethod
    def unknown(cls) -> Differences:
        """Where pixels cannot be compared."""
        unknown = math.log(LEAST + UNKNOWN)
        values = [*[unknown] * 5, 0.0, *[unknown] * 3]
        return cls(*values)

    @classmethod
    def between(cls, template: PixelTemplate, image: Image, pose: Pose) -> Differences:
        """Compare an object with its template, spot by spot.

        Args:
            template: its pixels.
            image: ``(H, W, 3)`` uint8 BGR.
            pose: registered.
        """
        seen = template.seen(image, pose)
        if seen is None:
            return cls.unknown()
        grey, count = template.grey, np.float32(len(seen))
        worst = _spots(template, seen - np.float32(seen @ grey) * grey, count)[template.used].max()
        # Behind the corners of an object there may be anything, which is no light on it.
        kept = template.inner[template.used]
        inner = _spots(template, seen - _fitted(grey, grey[kept], seen[kept]), count)
        inner = inner[template.inner]
        whole = float(worst), float(inner.max()), *quantiles(inner, SHARES)
        correlation, details = _details_apart(template, seen, kept)
        fine = float(details.max()), *quantiles(details, SHARES[1:])
        values = [*map(_logarithm, whole), correlation, *map(_logarithm, fine)]
        return cls(*values)


def _logarithm(value: float) -> float:
    """Of a difference."""
    return math.log(LEAST + min(value, MOST))


def _details_apart(template: PixelTemplate, seen: Array, kept: Array) -> tuple[float, Array]:
    """Correlation of the details of an object and its template, and spots where they differ.

    Args:
        template: its pixels.
        seen: the object's.
        kept: which of them are inside the ellipse.
    """
    own, other = (_details(template, values, kept) for values in (template.grey, seen))
    correlation = np.float32((own[kept] @ other[kept]) / np.float32(kept.sum()))
    spots = _spots(template, other - correlation * own, np.float32(1))
    return float(correlation), spots[template.inner]


def _details(template: PixelTemplate, values: Array, kept: Array) -> Array:
    """Values without the mean of what surrounds each, of unit variance inside the ellipse."""
    side = SURROUNDINGS * _spot_side(template)
    mean = _averaged(template, values, side)
    if not template.whole:
        mean /= np.maximum(_averaged(template, np.ones_like(values), side), TINY)
    details = values - mean[template.used]
    inside = details[kept]
    details -= np.add.reduce(inside) / np.float32(len(inside))
    inside = details[kept]
    deviation = math.sqrt(float(inside @ inside) / len(inside))
    return details / np.float32(max(deviation, EVEN_DETAILS))


def _fitted(values: Array, source: Array, target: Array) -> Array:
    """Values after the gain and offset that take some to others with the least squares."""
    count = np.float32(len(source))
    middle, mean = np.add.reduce(source) / count, np.add.reduce(target) / count
    apart = source - middle
    gain = (apart @ target) / max(apart @ apart, np.float32(TINY))
    return (values - middle) * gain + mean


def _spots(template: PixelTemplate, error: Array, count: np.float32) -> Array:
    """Mean square of what is left, around each sample, in variances of the template."""
    return _averaged(template, error * error * count, _spot_side(template))


def _averaged(template: PixelTemplate, values: Array, side: int) -> Array:
    """Mean of a square around each sample, with 0 for what is not used."""
    whole = np.zeros(template.used.shape, np.float32)
    whole[template.used] = values
    return cv2.boxFilter(whole, -1, (side, side), borderType=cv2.BORDER_REFLECT)


def _spot_side(template: PixelTemplate) -> int:
    """Samples along the side of a spot."""
    return max(2, round(min(template.used.shape) / SPOTS))


def mean_tint(
    image: Image, matrix: Array, middle: tuple[float, float], mask: Array | None
) -> Array:
    """Mean colour of an outline without its brightness, ``(3,)`` in grey values.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        matrix: ``(2, 2)``, from the sides of the outline, as one, to offsets in the image.
        middle: of the outline.
        mask: ``(COLOUR_SIDE, COLOUR_SIDE)`` bool, of what counts; all of it if it is ``None``.
    """
    side = COLOUR_SIDE
    shown = sampled(image, matrix / side, middle, side, side, cv2.BORDER_REPLICATE)
    colours = shown.reshape(-1, 3) if mask is None else shown[mask]
    mean = colours.mean(0, dtype=np.float64)
    return mean - mean.mean()


def colour_mask(view: TemplateView) -> Array | None:
    """What of a template counts for its colour."""
    if view.mask is None:
        return None
    matrix = np.diag([view.box.w, view.box.h]) / COLOUR_SIDE
    shown = view.mask.astype(np.float32)
    side = COLOUR_SIDE
    kept = sampled(shown, matrix, view.box.centre, side, side, cv2.BORDER_REPLICATE) >= SHARES[1]
    return kept if kept.any() else None


class Grain(NamedTuple):
    """How a picture is made: drawn, with even colours and sharp edges, or seen by a camera.

    Attributes:
        even: part of its pixels that hardly differ from their neighbours.
        smooth: part of them that differ little.
        noise: median difference of a pixel from the mean of its neighbours, in grey values.
        edges: deviation among neighbours that a tenth of them reach, in grey values.
    """

    even: float = 0.0
    smooth: float = 0.0
    noise: float = 0.0
    edges: float = 0.0

    @classmethod
    def of(cls, image: Image) -> Grain:
        """Of a picture ``(H, W, 3)`` uint8 BGR."""
        grey = grey_values(image)
        mean = cv2.blur(grey, (3, 3))
        deviation = np.sqrt(np.maximum(cv2.blur(grey * grey, (3, 3)) - mean * mean, 0))
        curvature = np.abs(cv2.Laplacian(grey, cv2.CV_32F, ksize=1))
        even, smooth = (float((deviation < bound).mean()) for bound in EVEN)
        (edges,) = quantiles(deviation, SHARES[-1:])
        return cls(even, smooth, float(np.median(curvature)), edges)
