"""From an image to feature maps at a working resolution, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..images import Image, pad_to_multiple, resize_to
from ..kinds import Bound, Numeric
from ..session import Session
from .taps import Taps
from .windows import CellRange

Array = NDArray[Any]

TILE: Bound[int] = 1024
"""Side of a tile in pixels; larger images are encoded tile by tile."""

HALO: Numeric[int] = 96
"""Pixels around a tile that are encoded with it and thrown away."""

BATCH: Bound[int] = 512 * 512
"""Pixels of the parts of images that are encoded in one run, unless a single one has more."""

WHOLE: Bound[int] = TILE * TILE * 2
"""Images up to this many pixels are encoded in one piece, unless they lie outside what the engine
was built for."""


@dataclass(frozen=True)
class FeatureMap:
    """Features of an image at one working resolution.

    Attributes:
        size: width and height of the image, in pixels.
        working: the resized image.
        taps: its layers, or ``None`` where the image was encoded in tiles.
        coarse: ``(C, H/2s, W/2s)``, 2x2 means of the finest map's cells.
        scale_x: working pixels per image pixel, horizontally.
        scale_y: the same vertically.
    """

    size: tuple[int, int]
    working: Image
    taps: Taps | None
    coarse: Array
    scale_x: float
    scale_y: float


class Encoder:
    """Resizes, pads and encodes images with one session."""

    def __init__(self, session: Session) -> None:
        backbone = session.bundle.spec.backbone
        self.session = session
        self.stride = backbone.stride
        self.coarse_stride = backbone.coarse_stride
        self.align = backbone.align

    def encode(self, image: Image, scale: float) -> FeatureMap:
        """Encode an image resized by ``scale``.

        Cells that hold no pixel of the image (padding) are cut off.

        Raises:
            ImageError: the resized image has no pixels left.
        """
        height, width = image.shape[:2]
        rows, columns = round(height * scale), round(width * scale)
        if rows < 1 or columns < 1:
            raise ImageError(f"image of {width}x{height} px is too small for this template's scale")
        working = resize_to(image, columns, rows)
        if self.in_one_piece(rows, columns):
            taps, coarse = self.encode_crop(working)
        else:
            taps, coarse = None, self._encode_tiles(working)
        scales = (columns / width, rows / height)
        return FeatureMap((width, height), working, taps, coarse, *scales)

    def in_one_piece(self, rows: int, columns: int) -> bool:
        """Whether a working image of this size is encoded whole, not in tiles."""
        sides = (math.ceil(side / self.align) * self.align for side in (rows, columns))
        return rows * columns <= WHOLE and self.session.takes_image(*sides)

    def encode_crop(self, working: Image) -> tuple[Taps, Array]:
        """Layers and coarse features of an image that is already at its working resolution."""
        return self.encode_crops([working])[0]

    def encode_crops(self, crops: Sequence[Image]) -> list[tuple[Taps, Array]]:
        """The same of several of one size, as many at once as memory and the device allow."""
        if not crops:
            return []
        rows, columns = crops[0].shape[:2]
        shape = (math.ceil(rows / self.stride), math.ceil(columns / self.stride))
        coarse_shape = tuple(math.ceil(side / self.coarse_stride) for side in (rows, columns))
        padded = [pad_to_multiple(crop, self.align) for crop in crops]
        return [
            (
                Taps(features.taps, self.session.tap_steps, shape),
                features.coarse[:, : coarse_shape[0], : coarse_shape[1]],
            )
            for features in self.session.features_of(padded, BATCH)
        ]

    def fine_window(self, features: FeatureMap, cells: CellRange) -> Array:
        """Features ``(C, h, w)`` of some cells of the finest map."""
        if features.taps is not None:
            return features.taps.window(cells)
        step = self.align // self.stride
        halo = HALO // self.stride
        y, x = (max(0, edge // step * step - halo) for edge in (cells.top, cells.left))
        ends = (cells.bottom + halo) * self.stride, (cells.right + halo) * self.stride
        crop = features.working[y * self.stride : ends[0], x * self.stride : ends[1]]
        taps = self.encode_crop(np.ascontiguousarray(crop))[0]
        inner = CellRange(cells.top - y, cells.left - x, cells.bottom - y, cells.right - x)
        return taps.window(inner)

    def fine_shape(self, features: FeatureMap) -> tuple[int, int]:
        """Rows and columns of the whole finest map."""
        rows, columns = features.working.shape[:2]
        return math.ceil(rows / self.stride), math.ceil(columns / self.stride)

    def _encode_tiles(self, working: Image) -> Array:
        """Coarse features of a large image, tile by tile with a halo."""
        rows, columns = working.shape[:2]
        step = self.coarse_stride
        result: Array | None = None
        for top in range(0, rows, TILE):
            for left in range(0, columns, TILE):
                y, x = max(0, top - HALO), max(0, left - HALO)
                tile = working[y : top + TILE + HALO, x : left + TILE + HALO]
                coarse = self.encode_crop(np.ascontiguousarray(tile))[1]
                if result is None:
                    shape = (coarse.shape[0], math.ceil(rows / step), math.ceil(columns / step))
                    result = np.empty(shape, np.float32)
                inner = coarse[:, (top - y) // step :, (left - x) // step :]
                inner = inner[:, : TILE // step, : TILE // step]
                j, i = top // step, left // step
                result[:, j : j + inner.shape[1], i : i + inner.shape[2]] = inner
        assert result is not None
        return result
