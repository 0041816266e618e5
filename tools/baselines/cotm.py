"""CoTM, template matching with co-occurrence statistics.

Kat, Jevnisek and Avidan, "Matching Pixels using Co-Occurrence Statistics", CVPR 2018. Colours are
quantised by k-means. How often two of them occur near each other in the picture says how well
they may stand for one another::

    C(a, b) = Σ_{p, q} exp(-‖p - q‖² / 2σ²) [colour(p) = a] [colour(q) = b]
    M(a, b) = P(a, b) / (P(a) P(b))
    score   = Σ_p M(T_p, I_p)

over the pixels p of a window. The numbers of colours and σ that the paper used could not be
confirmed; here k = 64, σ² = 2√15 + 1 and neighbourhoods of 15 x 15. Colours are learned from the
picture that is searched, and the template takes the nearest ones. No AUC of the colour variant on
the 105 pairs is known (with deep features: .674).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from ...runtime.images import Image
from .base import Array, Crop, WindowMethod, Windows, check_fits, cut_out, pixel_windows

COLOURS = 64
NEIGHBOURHOOD = 15
SIGMA = math.sqrt(2.0 * math.sqrt(NEIGHBOURHOOD) + 1.0)
SAMPLE = 8000
"""Pixels from which the colours are learned."""

ROUNDS = 20


class Cotm(WindowMethod):
    """Co-occurrence of quantised colours."""

    name = "cotm"

    def __init__(self, options: object = None) -> None:
        del options

    def encode(self, frame: Image, box: Sequence[float]) -> Crop:
        """Cut the template out; its colours are quantised with those of the picture."""
        return cut_out(frame, box)

    def search(self, encoded: Crop, image: Image) -> Windows:
        """Score each window by the co-occurrence of its colours with the template's."""
        check_fits(encoded.pixels, image)
        palette = learn_colours(image)
        labels = quantise(image, palette)
        affinity = pointwise_affinity(cooccurrences(labels, len(palette)))
        template = quantise(encoded.pixels, palette)
        values = window_affinity(template, labels, affinity)
        return pixel_windows(values, encoded, image)


def learn_colours(image: Image) -> Array:
    """At most :data:`COLOURS` colours of a picture by k-means, ``(k, 3)`` float32."""
    pixels = image.reshape(-1, 3)
    chosen = np.linspace(0, len(pixels) - 1, min(SAMPLE, len(pixels))).round().astype(int)
    sample = pixels[chosen].astype(np.float32)
    distinct = np.unique(sample, axis=0)
    if len(distinct) <= COLOURS:
        return distinct
    # Evenly spaced in brightness, so that the result does not depend on random numbers.
    order = np.argsort(sample.sum(1), kind="stable")
    starts = order[np.linspace(0, len(order) - 1, COLOURS).round().astype(int)]
    palette = sample[starts]
    for _ in range(ROUNDS):
        labels = nearest(sample, palette)
        counts = np.bincount(labels, minlength=COLOURS)
        sums = np.stack(
            [np.bincount(labels, sample[:, channel], COLOURS) for channel in range(3)], axis=1
        )
        used = counts > 0
        palette[used] = (sums[used] / counts[used, None]).astype(np.float32)
    return palette


def nearest(pixels: Array, palette: Array) -> Array:
    """Index of the nearest colour for each of ``(N, 3)`` float32 pixels."""
    return np.argmin(np.square(palette).sum(1) - 2.0 * (pixels @ palette.T), axis=1)


def quantise(image: Image, palette: Array) -> Array:
    """Index of the nearest colour of each pixel, ``(H, W)``."""
    return nearest(image.reshape(-1, 3).astype(np.float32), palette).reshape(image.shape[:2])


def cooccurrences(labels: Array, count: int) -> Array:
    """Gaussian-weighted counts of two colours in one neighbourhood, ``(k, k)`` float64."""
    size = (NEIGHBOURHOOD, NEIGHBOURHOOD)
    flat = labels.ravel()
    rows = []
    for colour in range(count):
        plane = (labels == colour).astype(np.float32)
        near = cv2.GaussianBlur(plane, size, SIGMA, borderType=cv2.BORDER_CONSTANT)
        rows.append(np.bincount(flat, near.ravel(), count))
    table = np.stack(rows)
    return (table + table.T) / 2.0


def pointwise_affinity(table: Array) -> Array:
    """``P(a, b) / (P(a) P(b))`` from the table of co-occurrences, 0 for colours not seen."""
    total = table.sum()
    single = table.sum(1)
    expected = np.outer(single, single)
    ratio = np.divide(table * total, expected, out=np.zeros_like(table), where=expected > 0)
    return ratio.astype(np.float32)


def window_affinity(template: Array, labels: Array, affinity: Array) -> Array:
    """Mean affinity of the template's colours with those of each window.

    Args:
        template: ``(h, w)`` int.
        labels: ``(H, W)`` int.
        affinity: ``(k, k)`` float32.

    Returns:
        ``(H - h + 1, W - w + 1)`` float32.
    """
    shape = [labels.shape[axis] - template.shape[axis] + 1 for axis in (0, 1)]
    total = np.zeros(shape, np.float32)
    for colour in np.unique(template):
        where = (template == colour).astype(np.float32)
        total += cv2.matchTemplate(affinity[colour][labels], where, cv2.TM_CCORR)
    return total / np.float32(template.size)
