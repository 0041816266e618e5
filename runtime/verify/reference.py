"""Pictures of places, encoded at the working resolutions in which they are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bundle.recipes import VerifyRecipe
from ..errors import BundleError, ImageError
from ..images import Image, resize_to
from ..kinds import Numeric
from ..patches.encoder import Encoder
from .views import Bent, quarter_turns, scaling

Array = NDArray[Any]

SEAM_ROWS: Numeric[int] = 64
SEAM_COLUMNS: Numeric[int] = 1024
"""Picture edges are compared in a picture of at most so many rows and columns."""


@dataclass(frozen=True)
class ReferenceLevel:
    """A reference at one working resolution.

    Attributes:
        size: its working size, comparable with a query's.
        cells: ``(N, C)`` float32 raw features, row by row.
        shape: rows and columns of cells.
        centres: ``(N, 2)`` x and y of each cell's centre in working pixels.
        stride: working pixels per cell.
        scale: working pixels per pixel of the reference, ``(x, y)``.
        width: working width; a panorama continues from there at 0.
    """

    size: float
    cells: Array
    shape: tuple[int, int]
    centres: Array
    stride: int
    scale: tuple[float, float]
    width: int

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell in pixels of the reference."""
        return self.stride / self.scale[0], self.stride / self.scale[1]


@dataclass(frozen=True)
class Reference:
    """A picture of a place, encoded once.

    Attributes:
        size: width and height in pixels.
        wraps: whether columns continue from the last to the first.
        levels: at least one; the coarsest first.
    """

    size: tuple[int, int]
    wraps: bool
    levels: tuple[ReferenceLevel, ...]


class EncodedQuery(NamedTuple):
    """A query at one working resolution.

    Attributes:
        cells: ``(N, C)`` float32 raw features.
        centres: ``(N, 2)`` x and y of each cell's centre in working pixels.
        scale: ``(3, 3)`` from pixels of the query to working pixels.
    """

    cells: Array
    centres: Array
    scale: Array


class PlaceEncoder:
    """Encodes references and queries as a recipe says.

    Args:
        encoder: of the features.
        recipe: says in which sizes.
    """

    def __init__(self, encoder: Encoder, recipe: VerifyRecipe) -> None:
        self.recipe = recipe
        self._encoder = encoder

    def reference(self, image: Image, *, wraps: bool, most: int | None = None) -> Reference:
        """Encode a reference at each level that is neither too fine nor an enlargement.

        Args:
            image: the reference.
            wraps: whether its columns continue from the last to the first.
            most: finer levels than the coarsest have at most so many cells; ``None`` is what the
                recipe says.

        Raises:
            BundleError: the recipe's coarsest level takes too many cells.
        """
        recipe, size = self.recipe, working_size(image, self.recipe)
        most = recipe.max_cells if most is None else most
        levels: list[ReferenceLevel] = []
        for wanted in recipe.levels:
            scale = wanted / size
            if levels and scale > recipe.max_enlarge:
                break
            cells = most if levels else recipe.max_cells
            level = self._level(image, scale, wanted, wraps=wraps, most=cells)
            if level is None:
                break
            levels.append(level)
        if not levels:
            raise BundleError(
                f"recipes.verify: at level {recipe.levels[0]:g} a reference of {image.shape[1]}x"
                f"{image.shape[0]} px takes more than max_cells {recipe.max_cells:,}; begin levels "
                "with a smaller one"
            )
        return Reference((image.shape[1], image.shape[0]), wraps, tuple(levels))

    def query(self, image: Image, size: float, turns: int = 0) -> EncodedQuery:
        """Encode a query at one working size, turned left by quarter turns."""
        turned = np.ascontiguousarray(np.rot90(image, turns))
        working = self.resized(turned, size)
        (rows, columns), (height, width) = working.shape[:2], turned.shape[:2]
        coarse = self.padded(working)
        centres = centres_of(coarse.shape[1:], self._encoder.coarse_stride)
        whole = scaling(columns / width, rows / height) @ quarter_turns(turns, image.shape)
        return EncodedQuery(as_rows(coarse), centres, whole)

    def bent(self, bent: Bent, matrix: Array) -> EncodedQuery | None:
        """Encode a query as a level shows it; ``None`` where no cell shows any of it.

        Args:
            bent: the query drawn in working pixels of the level.
            matrix: ``(3, 3)`` from pixels of the query to those.
        """
        coarse = self.padded(bent.image)
        centres = centres_of(coarse.shape[1:], self._encoder.coarse_stride)
        last = np.array(bent.shown.shape)[::-1] - 1
        x, y = np.minimum(centres.round().astype(int), last).T
        shown = bent.shown[y, x]
        if not shown.any():
            return None
        return EncodedQuery(as_rows(coarse)[shown], centres[shown] + bent.offset, matrix)

    def resized(self, image: Image, size: float) -> Image:
        """A picture at a working size."""
        scale = size / working_size(image, self.recipe)
        rows, columns = (max(1, round(side * scale)) for side in image.shape[:2])
        return resize_to(image, columns, rows)

    def padded(self, working: Image, *, wraps: bool = False) -> Array:
        """Coarse features ``(C, h, w)`` of a picture that is continued beyond its borders.

        The network fills up with zeros, which leaves a frame in the features that matches the frame
        of any other picture. Here the frame falls on a mirrored margin, which is cut off; a
        panorama continues at its other end.
        """
        stride, align = self._encoder.coarse_stride, self._encoder.align
        margin = -(-self.recipe.border // align) * align
        rows, columns = (-(-side // stride) for side in working.shape[:2])
        padded = cv2.copyMakeBorder(working, margin, margin, 0, 0, cv2.BORDER_REFLECT)
        across = cv2.BORDER_WRAP if wraps else cv2.BORDER_REFLECT
        padded = cv2.copyMakeBorder(padded, 0, 0, margin, margin, across)
        skip = margin // stride
        coarse = self._encoder.encode_crop(np.asarray(padded, np.uint8))[1]
        return coarse[:, skip : skip + rows, skip : skip + columns]

    def _level(
        self, image: Image, scale: float, size: float, *, wraps: bool, most: int
    ) -> ReferenceLevel | None:
        """Encode a reference at one scale; ``None`` if that takes too many cells."""
        stride, align = self._encoder.coarse_stride, self._encoder.align
        least = self.recipe.smallest
        rows, columns = (max(least, round(side * scale)) for side in image.shape[:2])
        if wraps:
            # Whole cells, so that the grid continues across the seam.
            columns = max(1, round(columns / align)) * align
        if (rows // stride) * (columns // stride) > most:
            return None
        coarse = self.padded(resize_to(image, columns, rows), wraps=wraps)
        shape = (coarse.shape[1], coarse.shape[2])
        return ReferenceLevel(
            size=size,
            cells=as_rows(coarse),
            shape=shape,
            centres=centres_of(shape, stride),
            stride=stride,
            scale=(columns / image.shape[1], rows / image.shape[0]),
            width=columns,
        )


def working_size(image: Image, recipe: VerifyRecipe) -> float:
    """Root of a picture's area in pixels, its long side cut to a few short ones."""
    short, long = sorted(image.shape[:2])
    return math.sqrt(short * min(long, recipe.widest * short))


def check_size(image: Image, name: str, recipe: VerifyRecipe) -> None:
    """Refuse a picture too small, or too long and narrow, to recognise a place in.

    Raises:
        ImageError: a side is too short, or one is too many times the other.
    """
    height, width = image.shape[:2]
    if min(height, width) < recipe.smallest:
        raise ImageError(
            f"{name} is {width}x{height} px; both sides must have at least {recipe.smallest} px: "
            "give a larger picture"
        )
    if max(height, width) > recipe.longest * min(height, width):
        raise ImageError(
            f"{name} is {width}x{height} px; the long side may be at most {recipe.longest} times "
            "the short one: cut it up"
        )


def centres_of(shape: tuple[int, ...], stride: int) -> Array:
    """``(N, 2)`` x and y of the centres of a grid's cells in working pixels, row by row."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([x.ravel(), y.ravel()], 1) * float(stride) + (stride - 1) / 2


def as_rows(features: Array) -> Array:
    """``(C, H, W)`` features as ``(H W, C)`` rows."""
    return np.ascontiguousarray(features.reshape(features.shape[0], -1).T)


def wraps_around(image: Image, recipe: VerifyRecipe) -> bool:
    """Whether a picture looks like a full turn: wide, and its right edge continues at its left.

    The step across the seam is compared with the steps between neighbouring columns elsewhere.
    A picture whose edges are both of one colour says nothing and counts as not wrapping.
    """
    height, width = image.shape[:2]
    if width < recipe.seam_aspect * height:
        return False
    small = resize_to(image, min(width, SEAM_COLUMNS), min(height, SEAM_ROWS)).astype(np.float32)
    if min(small[:, side].std(0).max() for side in (0, -1)) <= 1:
        return False
    steps = np.abs(np.diff(small, axis=1, append=small[:, :1])).mean(axis=(0, 2))
    return bool(steps[-1] <= recipe.seam_step * np.quantile(steps[:-1], recipe.seam_share))
