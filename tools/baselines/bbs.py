"""BBS, best-buddies similarity.

Dekel, Oron, Rubinstein, Avidan and Freeman, "Best-Buddies Similarity for Robust Template
Matching", CVPR 2015 (arXiv 1609.01571). Template and window are sets of 3 x 3 colour patches, each
with its place. A pair of patches are best buddies if each is the other's nearest neighbour in::

    d(p, q) = ‖appearance_p - appearance_q‖² + λ ‖place_p - place_q‖²

and the score of a window is the number of best buddies over the number of patches. Published AUC
on the 105 pairs, colour: .55.

The distance of places is a sum of a horizontal and a vertical part, so both nearest neighbours
come from passes along rows and columns: ``N (w + h)`` operations a window instead of ``N w h``.
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
SIGMA = 0.6
"""Deviation in pixels of the weight of a patch's pixels."""

PLACE_WEIGHT = 2.0
PLACE_UNIT = 0.0039
"""One pixel in the distance of places; colours are in [0, 1]."""

MOST_PIXELS = 2700.0
"""Larger templates are shrunk to this area together with the picture: 300 patches."""

FARTHEST = 0.8
"""Distances of places end here. No appearances differ by as much (at most .75), so a patch that
far away is never the nearest: the one at the same place is nearer. It keeps sums below 2."""

INDEX_BITS = 10
UNIT = 1 << 20
"""Distances are whole multiples of 1 / UNIT, with the index of the neighbour in the low bits."""


@dataclass(frozen=True)
class BbsTemplate:
    """Appearance of the patches ``(h, w, 27)``, and how much the template was shrunk."""

    patches: Array
    crop: Crop
    scale: float


class Bbs(WindowMethod):
    """Best buddies of 3 x 3 colour patches, windows 3 pixels apart."""

    name = "bbs"

    def __init__(self, options: object = None) -> None:
        del options

    def encode(self, frame: Image, box: Sequence[float]) -> BbsTemplate:
        """Cut the template out and describe its patches."""
        crop = cut_out(frame, box)
        scale = area_scale(crop, MOST_PIXELS)
        return BbsTemplate(patches_of(scaled(crop.pixels, scale)), crop, scale)

    def search(self, encoded: BbsTemplate, image: Image) -> Windows:
        """Count the best buddies of each window."""
        check_fits(encoded.crop.pixels, image)
        patches = patches_of(scaled(image, encoded.scale))
        template = encoded.patches[: patches.shape[0], : patches.shape[1]]
        values = best_buddies(template, patches) / np.float32(np.prod(template.shape[:2]))
        height, width = (side * PATCH / encoded.scale for side in template.shape[:2])
        x, y = encoded.crop.shift
        return Windows(
            values=smoothed(values),
            centre=(width / 2 + x, height / 2 + y),
            step=(PATCH / encoded.scale, PATCH / encoded.scale),
            size=(encoded.crop.box.w, encoded.crop.box.h),
            image=(image.shape[1], image.shape[0]),
        )


def smoothed(values: Array) -> Array:
    """Counts are whole numbers: of several equal windows prefer the one among good ones."""
    return values + np.float32(1e-3) * cv2.blur(values, (3, 3), borderType=cv2.BORDER_REPLICATE)


def patches_of(image: Image) -> Array:
    """Non-overlapping 3 x 3 patches, ``(H/3, W/3, 27)`` float32, pixels weighted by a Gaussian."""
    if min(image.shape[:2]) < PATCH:
        size = (max(image.shape[1], PATCH), max(image.shape[0], PATCH))
        image = np.asarray(cv2.resize(image, size), np.uint8)
    rows, columns = image.shape[0] // PATCH, image.shape[1] // PATCH
    pixels = image[: rows * PATCH, : columns * PATCH].astype(np.float32) / 255.0
    line = cv2.getGaussianKernel(PATCH, SIGMA)
    weight = (line @ line.T).astype(np.float32)[:, :, None]
    split = pixels.reshape(rows, PATCH, columns, PATCH, 3).transpose(0, 2, 1, 3, 4)
    return (split * weight).reshape(rows, columns, -1)


def best_buddies(template: Array, image: Array) -> Array:
    """Number of best buddies of each window.

    Args:
        template: ``(h, w, D)`` patches, at most 1,024.
        image: ``(H, W, D)`` patches.

    Returns:
        ``(H - h + 1, W - w + 1)`` int.
    """
    h, w, depth = template.shape
    rows, columns = image.shape[:2]
    flat = image.reshape(-1, depth)
    own = template.reshape(-1, depth)
    apart = np.square(own).sum(1)[:, None] + np.square(flat).sum(1) - 2.0 * own @ flat.T
    packed = np.rint(np.maximum(apart, 0.0) * UNIT).astype(np.int32) << INDEX_BITS
    packed = packed.reshape(h, w, rows, columns)
    of_template = nearest_in_window(packed)
    of_image = nearest_in_template(packed)
    return _count_mutual(of_template, of_image)


def nearest_in_window(distance: Array) -> Array:
    """For each template patch and window, the place in the window of its nearest neighbour.

    Args:
        distance: ``(h, w, H, W)`` int32, distances of appearance above the index bits.

    Returns:
        ``(h, w, H - h + 1, W - w + 1)`` int32, row of the window times ``w`` plus its column.
    """
    h, w, rows, columns = distance.shape
    width, height = columns - w + 1, rows - h + 1
    across = np.full((h, w, rows, width), np.iinfo(np.int32).max, np.int32)
    for place in range(w):
        cost = place_costs(w, place) + place
        part = distance[..., place : place + width] + cost[None, :, None, None]
        np.minimum(across, part, out=across)
    best = np.full((h, w, height, width), np.iinfo(np.int32).max, np.int32)
    for place in range(h):
        cost = place_costs(h, place) + place * w
        part = across[:, :, place : place + height] + cost[:, None, None, None]
        np.minimum(best, part, out=best)
    return best & ((1 << INDEX_BITS) - 1)


def nearest_in_template(distance: Array) -> Array:
    """For each place in a window and image patch, the template patch nearest to it.

    Args:
        distance: as for :func:`nearest_in_window`.

    Returns:
        ``(h, w, H, W)`` int32: template row times ``w`` plus its column, if the image patch lies
        at that row and column of the window.
    """
    h, w = distance.shape[:2]
    across = np.full(distance.shape, np.iinfo(np.int32).max, np.int32)
    for patch in range(w):
        cost = place_costs(w, patch) + patch
        np.minimum(across, distance[:, patch, None] + cost[None, :, None, None], out=across)
    best = np.full(distance.shape, np.iinfo(np.int32).max, np.int32)
    for patch in range(h):
        cost = place_costs(h, patch) + patch * w
        np.minimum(best, across[patch, None] + cost[:, None, None, None], out=best)
    return best & ((1 << INDEX_BITS) - 1)


def place_costs(length: int, place: int) -> Array:
    """The distance of each of ``length`` places in a row to one of them, ``(length,)`` int32."""
    pixels = PATCH * PLACE_UNIT * (np.arange(length) - place)
    apart = np.minimum(PLACE_WEIGHT * np.square(pixels), FARTHEST)
    return np.rint(apart * UNIT).astype(np.int32) << INDEX_BITS


def _count_mutual(of_template: Array, of_image: Array) -> Array:
    """Count, for each window, the template patches whose neighbour points back at them."""
    h, w, height, width = of_template.shape
    rows, columns = of_image.shape[2:]
    y, x = np.divmod(np.arange(h * w), w)
    place_starts = np.arange(h * w) * (rows * columns) + y * columns + x
    window_starts = (np.arange(height)[:, None] * columns + np.arange(width)).ravel()
    answers = of_image.ravel()
    count = np.zeros(height * width, np.int32)
    for patch, nearest in enumerate(of_template.reshape(h * w, -1)):
        count += answers[place_starts[nearest] + window_starts] == patch
    return count.reshape(height, width)
