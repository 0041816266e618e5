"""A reference picture encoded once, at the working resolutions in which queries look for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..images import Image, resize_to
from ..patches.encoder import Encoder

Array = NDArray[Any]

LEVELS = (90.5, 128.0, 181.0, 256.0, 362.0, 512.0, 724.0, 1024.0)
"""Working sizes of a reference: root of the area, with the long side cut to :data:`WIDEST`."""

WIDEST = 1.5
"""Long side by short side up to which a picture's whole area counts as its size."""

MAX_CELLS = 24_000
"""Most cells of a level; finer ones are left out."""

MAX_ENLARGE = 1.5
"""No level shows the reference larger than this."""

MIN_SIDE = 32
"""Pictures with a shorter side show too little of a place."""

LONGEST = 16
"""Long side by short side of what is accepted."""

MARGIN = 48
"""Working pixels beyond a picture's borders that are encoded with it and cut off."""

SEAM_ASPECT = 1.9
"""Width by height from which ``auto`` asks whether a picture wraps around."""

SEAM_STEP = 1.5
"""A seam is at most this many times rougher than nine in ten of the other columns' steps."""

SEAM_ROWS = 64


@dataclass(frozen=True)
class ReferenceLevel:
    """A reference at one working resolution.

    Attributes:
        size: its working size, comparable with a query's.
        cells: ``(N, C)`` float32 raw features, row by row.
        shape: rows and columns of cells.
        centres: ``(N, 2)`` x and y of each cell's centre in working pixels.
        scale: working pixels per pixel of the reference, ``(x, y)``.
        width: working width; a panorama continues from there at 0.
    """

    size: float
    cells: Array
    shape: tuple[int, int]
    centres: Array
    scale: tuple[float, float]
    width: int


def working_size(image: Image) -> float:
    """Root of a picture's area in pixels, its long side cut to :data:`WIDEST` short ones."""
    short, long = sorted(image.shape[:2])
    return math.sqrt(short * min(long, WIDEST * short))


def check_size(image: Image, name: str) -> None:
    """Refuse a picture too small, or too long and narrow, to recognise a place in.

    Raises:
        ImageError: a side is shorter than :data:`MIN_SIDE`, or one is :data:`LONGEST` times the
            other.
    """
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name} is {width}x{height} px; both sides must have at least {MIN_SIDE} px: "
            "give a larger picture"
        )
    if max(height, width) > LONGEST * min(height, width):
        raise ImageError(
            f"{name} is {width}x{height} px; the long side may be at most {LONGEST} times the "
            "short one: cut it up"
        )


def encode_levels(
    image: Image, encoder: Encoder, *, wraps: bool, most: int = MAX_CELLS
) -> list[ReferenceLevel]:
    """Encode a reference at each of :data:`LEVELS` that is neither too fine nor an enlargement.

    Args:
        image: the reference.
        encoder: of its features.
        wraps: whether its columns continue from the last to the first.
        most: finer levels than the coarsest have at most so many cells.
    """
    size = working_size(image)
    levels: list[ReferenceLevel] = []
    for wanted in LEVELS:
        scale = wanted / size
        if levels and scale > MAX_ENLARGE:
            break
        cells = most if levels else MAX_CELLS
        level = _encode(image, encoder, scale, wanted, wraps=wraps, most=cells)
        if level is None:
            break
        levels.append(level)
    return levels


def encode_padded(working: Image, encoder: Encoder, *, wraps: bool = False) -> Array:
    """Coarse features ``(C, h, w)`` of a picture that is continued beyond its borders.

    The network fills up with zeros, which leaves a frame in the features that matches the frame of
    any other picture. Here the frame falls on a mirrored margin, which is cut off; a panorama
    continues at its other end.
    """
    stride = encoder.coarse_stride
    margin = -(-MARGIN // encoder.align) * encoder.align
    rows, columns = (-(-side // stride) for side in working.shape[:2])
    padded = cv2.copyMakeBorder(working, margin, margin, 0, 0, cv2.BORDER_REFLECT)
    across = cv2.BORDER_WRAP if wraps else cv2.BORDER_REFLECT
    padded = cv2.copyMakeBorder(padded, 0, 0, margin, margin, across)
    skip = margin // stride
    coarse = encoder.encode_crop(np.asarray(padded, np.uint8))[1]
    return coarse[:, skip : skip + rows, skip : skip + columns]


def centres_of(shape: tuple[int, ...], stride: int) -> Array:
    """``(N, 2)`` x and y of the centres of a grid's cells in working pixels, row by row."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([x.ravel(), y.ravel()], 1) * float(stride) + (stride - 1) / 2


def as_rows(features: Array) -> Array:
    """``(C, H, W)`` features as ``(H W, C)`` rows."""
    return np.ascontiguousarray(features.reshape(features.shape[0], -1).T)


def wraps_around(image: Image) -> bool:
    """Whether a picture looks like a full turn: wide, and its right edge continues at its left.

    The step across the seam is compared with the steps between neighbouring columns elsewhere.
    A picture whose edges are both of one colour says nothing and counts as not wrapping.
    """
    height, width = image.shape[:2]
    if width < SEAM_ASPECT * height:
        return False
    small = resize_to(image, min(width, 1024), min(height, SEAM_ROWS)).astype(np.float32)
    if min(small[:, side].std(0).max() for side in (0, -1)) <= 1:
        return False
    steps = np.abs(np.diff(small, axis=1, append=small[:, :1])).mean(axis=(0, 2))
    return bool(steps[-1] <= SEAM_STEP * np.quantile(steps[:-1], 0.9))


def _encode(
    image: Image, encoder: Encoder, scale: float, size: float, *, wraps: bool, most: int
) -> ReferenceLevel | None:
    """Encode at one scale; ``None`` if that takes too many cells."""
    stride = encoder.coarse_stride
    rows, columns = (max(MIN_SIDE, round(side * scale)) for side in image.shape[:2])
    if wraps:
        # Whole cells, so that the grid continues across the seam.
        columns = max(1, round(columns / encoder.align)) * encoder.align
    if (rows // stride) * (columns // stride) > most:
        return None
    coarse = encode_padded(resize_to(image, columns, rows), encoder, wraps=wraps)
    shape = (coarse.shape[1], coarse.shape[2])
    return ReferenceLevel(
        size=size,
        cells=as_rows(coarse),
        shape=shape,
        centres=centres_of(shape, stride),
        scale=(columns / image.shape[1], rows / image.shape[0]),
        width=columns,
    )
