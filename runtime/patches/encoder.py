"""From an image to feature maps at a working resolution, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..images import Image, pad_to_multiple, resize_to
from ..kinds import Bound, Numeric
from ..session import Session

Array = NDArray[Any]

TILE: Bound[int] = 1024
"""Side of a tile in pixels; larger images are encoded tile by tile."""

HALO: Numeric[int] = 96
"""Pixels around a tile that are encoded with it and thrown away."""

WHOLE: Bound[int] = TILE * TILE * 2
"""Images up to this many pixels are encoded in one piece, unless they lie outside what the engine
was built for."""


@dataclass(frozen=True)
class FeatureMap:
    """Features of an image at one working resolution.

    Attributes:
        size: width and height of the image, in pixels.
        working: the resized image.
        fine: ``(C, H/s, W/s)`` float32, or ``None`` where the image was encoded in tiles.
        coarse: ``(C, H/2s, W/2s)``, 2x2 means of the fine ones.
        scale_x: working pixels per image pixel, horizontally.
        scale_y: the same vertically.
    """

    size: tuple[int, int]
    working: Image
    fine: Array | None
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
            fine, coarse = self.encode_crop(working)
        else:
            fine, coarse = None, self._encode_tiles(working)
        scales = (columns / width, rows / height)
        return FeatureMap((width, height), working, fine, coarse, *scales)

    def in_one_piece(self, rows: int, columns: int) -> bool:
        """Whether a working image of this size is encoded whole, not in tiles."""
        sides = (math.ceil(side / self.align) * self.align for side in (rows, columns))
        return rows * columns <= WHOLE and self.session.takes_image(*sides)

    def encode_crop(self, working: Image) -> tuple[Array, Array]:
        """Fine and coarse features of an image that is already at its working resolution."""
        rows, columns = working.shape[:2]
        fine, coarse = self.session.features(pad_to_multiple(working, self.align))
        return (
            _cut(fine, rows, columns, self.stride),
            _cut(coarse, rows, columns, self.coarse_stride),
        )

    def fine_region(
        self, features: FeatureMap, top: int, left: int, bottom: int, right: int
    ) -> Array:
        """Fine features of the cells ``[top, bottom)`` x ``[left, right)``."""
        if features.fine is not None:
            return features.fine[:, top:bottom, left:right]
        step = self.align // self.stride
        y, x = (max(0, edge // step * step - HALO // self.stride) for edge in (top, left))
        ends = (bottom * self.stride + HALO, right * self.stride + HALO)
        crop = features.working[y * self.stride : ends[0], x * self.stride : ends[1]]
        fine = self.encode_crop(np.ascontiguousarray(crop))[0]
        return fine[:, top - y : bottom - y, left - x : right - x]

    def fine_shape(self, features: FeatureMap) -> tuple[int, int]:
        """Rows and columns of the whole fine map, encoded or not."""
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


def _cut(features: Array, rows: int, columns: int, stride: int) -> Array:
    """Drop the cells that lie in the padding."""
    return features[:, : math.ceil(rows / stride), : math.ceil(columns / stride)]
