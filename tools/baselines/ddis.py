"""DDIS, deformable diversity similarity.

Talmi, Mechrez and Zelnik-Manor, "Template Matching with Deformable Diversity Similarity", CVPR
2017 (arXiv 1612.02190). Every patch of the picture has a nearest template patch. A window is good
if its patches are matched by many different template patches, close to their own places::

    DDIS = Σ_q exp(1 - κ(q)) / (1 + r(q))

over the patches q of the window, κ(q) the number of them that share q's neighbour, and r(q) the
pixels between q's place in the window and its neighbour's place in the template. The map is
summed over a third of the window, and its maximum moved to the centre of mass around it. Colour
variant: 3 x 3 patches of all three channels. Published AUC on the 105 pairs: .64.

The paper finds neighbours approximately; here they are exact, which is affordable because
templates of more than :data:`MOST_PIXELS` pixels are shrunk together with the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...runtime.images import Image
from .base import Array, Crop, WindowMethod, Windows, check_fits, cut_out
from .scaling import area_scale, scaled

PATCH = 3
MOST_PIXELS = 500.0
SMOOTHING = 3
BLOCK = 8_000_000
"""Distances held at once."""


@dataclass(frozen=True)
class DdisTemplate:
    """The shrunk template's pixels, the crop, and how much it was shrunk."""

    pixels: Image
    crop: Crop
    scale: float


class Ddis(WindowMethod):
    """Deformable diversity of 3 x 3 colour patches, windows one pixel apart."""

    name = "ddis"

    def __init__(self, options: object = None) -> None:
        del options

    def encode(self, frame: Image, box: Sequence[float]) -> DdisTemplate:
        """Cut the template out."""
        crop = cut_out(frame, box)
        scale = area_scale(crop, MOST_PIXELS)
        return DdisTemplate(scaled(crop.pixels, scale), crop, scale)

    def search(self, encoded: DdisTemplate, image: Image) -> Windows:
        """Measure the diversity of each window, then smooth."""
        check_fits(encoded.crop.pixels, image)
        picture = scaled(image, encoded.scale)
        pixels = encoded.pixels[: picture.shape[0], : picture.shape[1]]
        height, width = pixels.shape[:2]
        labels = nearest_patches(patches_of(pixels), patches_of(picture))
        values = diversity(labels.reshape(picture.shape[:2]), (height, width))
        values = values / np.float32(height * width)
        third = (max(1, width // SMOOTHING), max(1, height // SMOOTHING))
        summed = cv2.boxFilter(values, -1, third, borderType=cv2.BORDER_CONSTANT)
        dx, dy = centre_of_mass(values, summed, third)
        x, y = encoded.crop.shift
        step = 1.0 / encoded.scale
        centre = ((width / 2 + dx) * step + x, (height / 2 + dy) * step + y)
        size = (encoded.crop.box.w, encoded.crop.box.h)
        return Windows(summed, centre, (step, step), size, (image.shape[1], image.shape[0]))


def patches_of(image: Image) -> Array:
    """The 3 x 3 patch around each pixel, ``(H W, 27)`` float32 in [0, 1]."""
    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    shifted = [padded[y : y + height, x : x + width] for y in range(PATCH) for x in range(PATCH)]
    return (np.concatenate(shifted, axis=2).reshape(height * width, -1) / 255.0).astype(np.float32)


def nearest_patches(template: Array, image: Array) -> Array:
    """Index of the nearest template patch for each patch of a picture.

    Args:
        template: ``(M, D)``.
        image: ``(N, D)``.

    Returns:
        ``(N,)`` int.
    """
    norms = np.square(template).sum(1)
    block = max(1, BLOCK // len(template))
    parts = [
        np.argmin(norms - 2.0 * (image[start : start + block] @ template.T), axis=1)
        for start in range(0, len(image), block)
    ]
    return np.concatenate(parts)


def diversity(labels: Array, window: tuple[int, int]) -> Array:
    """Deformable diversity of each window.

    Args:
        labels: ``(H, W)`` int, the template patch (row times ``w`` plus column) nearest to each
            pixel.
        window: rows and columns ``(h, w)`` of template and window.

    Returns:
        ``(H - h + 1, W - w + 1)`` float32.
    """
    h, w = window
    rows, columns = labels.shape
    y, x = np.mgrid[1 - h : h, 1 - w : w]
    closeness = (1.0 / (1.0 + np.hypot(y, x))).astype(np.float32)
    weights = np.exp(1.0 - np.arange(h * w + 1)).astype(np.float32)
    order = np.argsort(labels, axis=None, kind="stable")
    ends = np.searchsorted(labels.ravel()[order], np.arange(h * w + 1))
    total = np.zeros((rows + h - 1, columns + w - 1), np.float32)
    near, count = np.empty_like(total), np.empty(total.shape, np.int32)
    for label in np.flatnonzero(np.diff(ends)):
        row, column = divmod(int(label), w)
        kernel = closeness[row : row + h, column : column + w]
        near.fill(0.0)
        count.fill(0)
        # Window (p, q) is stored at (p + h - 1, q + w - 1): each pixel reaches h x w of them.
        for place in order[ends[label] : ends[label + 1]].tolist():
            top, left = divmod(place, columns)
            near[top : top + h, left : left + w] += kernel
            count[top : top + h, left : left + w] += 1
        near *= weights[count]
        total += near
    return total[h - 1 : rows, w - 1 : columns]


def centre_of_mass(values: Array, summed: Array, window: tuple[int, int]) -> tuple[float, float]:
    """From the maximum of the smoothed map to the centre of mass around it, in cells ``(x, y)``."""
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(summed)), summed.shape))
    half_w, half_h = window[0] // 2, window[1] // 2
    top, left = max(0, row - half_h), max(0, column - half_w)
    part = values[top : row + half_h + 1, left : column + half_w + 1]
    mass = float(part.sum())
    if mass <= 0:
        return 0.0, 0.0
    y = float((part.sum(1) * np.arange(part.shape[0])).sum()) / mass + top
    x = float((part.sum(0) * np.arange(part.shape[1])).sum()) / mass + left
    return x - column, y - row
