"""DIM, divisive input modulation: the template and others explain the picture together.

Spratling, "Explaining away results in accurate and tolerant template matching", Pattern
Recognition 2020 (arXiv 1911.04169). The template competes with itself at other places and with
templates cut from other parts of its own frame. With the picture's channels ``X_i``, templates
``w_ji`` of sum 1 and the same with maximum 1, ``v_ji``, these are repeated::

    R_i = Σ_j v_ji * Y_j                          (what the templates explain)
    E_i = X_i / max(R_i, ε₂)                      (what is not yet explained)
    Y_j = max(Y_j, ε₁) Σ_i w_ji ⋆ E_i             (convolution *, correlation ⋆)

``X`` are the positive and the negative part of each channel of CIELab minus its local mean. ``Y``
of the template, summed over a small ellipse, is the map. Published AUC on the 105 pairs: .69. How
many competitors and how large an ellipse are this file's choices; they were not tuned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...runtime.images import Image
from .base import Array, Crop, WindowMethod, Windows, check_fits, cut_out, pixel_windows
from .colour import cielab

ITERATIONS = 10
COMPETITORS = 4
"""Other templates cut from the same frame: the windows most alike that do not overlap."""

EPSILON = 0.01
"""ε₂; ε₁ follows from it."""

TINY = 1e-6

POOLING = 0.05
"""Axes of the ellipse over which evidence is summed, as a part of the template's sides."""


@dataclass(frozen=True)
class DimTemplate:
    """All templates ``(J, 6, h, w)``, the wanted one first; the local mean's σ; and the crop."""

    templates: Array
    sigma: float
    crop: Crop


class Dim(WindowMethod):
    """Divisive input modulation on colour, windows one pixel apart."""

    name = "dim"

    def __init__(self, options: object = None) -> None:
        del options

    def encode(self, frame: Image, box: Sequence[float]) -> DimTemplate:
        """Cut the template and its competitors out of the frame's channels."""
        crop = cut_out(frame, box)
        height, width = crop.pixels.shape[:2]
        sigma = max(1.0, min(height, width) / 2.0)
        planes = channels(frame, sigma)
        places = [(crop.top, crop.left), *competitors(frame, crop)]
        cut = [planes[:, y : y + height, x : x + width] for y, x in places]
        return DimTemplate(np.stack(cut), sigma, crop)

    def search(self, encoded: DimTemplate, image: Image) -> Windows:
        """Explain the picture by the templates."""
        check_fits(encoded.crop.pixels, image)
        evidence = explain(channels(image, encoded.sigma), encoded.templates)
        return pixel_windows(pooled(evidence, encoded.templates.shape[2:]), encoded.crop, image)


def channels(image: Image, sigma: float) -> Array:
    """Positive and negative parts of the colours minus their local mean, ``(6, H, W)`` float32."""
    pixels = cielab(image) / np.float32(100.0)
    contrast = pixels - cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    planes = np.moveaxis(contrast, 2, 0)
    return np.maximum(np.concatenate([planes, -planes]), 0.0)


def competitors(frame: Image, crop: Crop) -> list[tuple[int, int]]:
    """Top-left corners ``(y, x)`` of the windows most like the template that do not overlap."""
    values = cv2.matchTemplate(frame, crop.pixels, cv2.TM_CCOEFF_NORMED)
    values = np.where(np.isfinite(values), values, -1.0).astype(np.float32)
    height, width = crop.pixels.shape[:2]
    y, x = crop.top, crop.left
    places: list[tuple[int, int]] = []
    while True:
        values[max(0, y - height + 1) : y + height, max(0, x - width + 1) : x + width] = -2.0
        y, x = (int(i) for i in np.unravel_index(int(np.argmax(values)), values.shape))
        if values[y, x] < -1.0 or len(places) == COMPETITORS:
            return places
        places.append((y, x))


def explain(picture: Array, templates: Array) -> Array:
    """Evidence for the first template at each window after :data:`ITERATIONS` rounds.

    Args:
        picture: ``(I, H, W)``, not negative.
        templates: ``(J, I, h, w)``, not negative.

    Returns:
        ``(H - h + 1, W - w + 1)`` float32, not negative.
    """
    from scipy.fft import next_fast_len

    height, width = picture.shape[1:]
    h, w = templates.shape[2:]
    # Windows that stick out explain the border; without them windows there have no rivals.
    top, left = h // 2, w // 2
    wanted = height + 2 * top, width + 2 * left
    grid = int(next_fast_len(wanted[0], True) or 0), int(next_fast_len(wanted[1], True) or 0)
    ends = grid[0] - height - top, grid[1] - width - left
    padded = np.stack(
        [
            cv2.copyMakeBorder(plane, top, ends[0], left, ends[1], cv2.BORDER_REFLECT)
            for plane in picture
        ]
    )
    parts = templates / np.maximum(templates.sum((1, 2, 3), keepdims=True), TINY)
    shapes = templates / np.maximum(templates.max((1, 2, 3), keepdims=True), TINY)
    least = EPSILON / max(float(shapes.sum((1, 2, 3)).max()), TINY)
    weights, shapes = _spectra(parts, grid).conj(), _spectra(shapes, grid)
    evidence = np.zeros((len(templates), *grid), np.float32)
    explained = np.zeros_like(padded)
    for round_number in range(ITERATIONS):
        if round_number:
            spectra = _spectra(evidence, grid)
            mixed = [(shapes[:, i] * spectra).sum(0) for i in range(len(padded))]
            explained = _planes(np.stack(mixed), grid)
        unexplained = _spectra(padded / np.maximum(explained, EPSILON), grid)
        support = _planes(np.stack([(own * unexplained).sum(0) for own in weights]), grid)
        evidence = np.maximum(evidence, least) * np.maximum(support, 0.0)
    return evidence[0, top : top + height - h + 1, left : left + width - w + 1]


def _spectra(planes: Array, grid: tuple[int, int]) -> Array:
    """Fourier transforms of real planes ``(..., H, W)``, filled up with zeros to a grid."""
    from scipy.fft import rfft2

    return np.asarray(rfft2(planes, grid))


def _planes(spectra: Array, grid: tuple[int, int]) -> Array:
    """The real planes ``(..., H, W)`` of Fourier transforms."""
    from scipy.fft import irfft2

    return np.asarray(irfft2(spectra, grid))


def pooled(evidence: Array, size: Sequence[int]) -> Array:
    """Sum of the evidence over an ellipse that is small against the template ``(h, w)``."""
    height, width = (2 * max(1, round(POOLING * side)) + 1 for side in size)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, height)).astype(np.float32)
    return cv2.filter2D(evidence, -1, ellipse, borderType=cv2.BORDER_CONSTANT)
