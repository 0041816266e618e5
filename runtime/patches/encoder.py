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
from ..limits import PIECE_PIXELS, WORKING_PIXELS
from ..session import Session
from .taps import Taps
from .windows import CellRange

Array = NDArray[Any]

HALO: Numeric[int] = 96
"""Pixels around a window that are encoded with it and thrown away."""

SEAM: Numeric[int] = 64
"""The same around a piece of a large image: fewer, since little of it lies near a seam."""

BATCH: Bound[int] = 512 * 512
"""Pixels of the parts of images that are encoded in one run, unless a single one has more."""

WHOLE: Bound[int] = 1_300_000
"""Images up to this many pixels are encoded in one piece, unless they lie outside what the engine
was built for."""

PIECE: Bound[int] = 500_000
"""Larger ones are encoded in equal pieces of up to this many pixels, with what is thrown away: a
pixel of a larger piece takes longer, because less of what is computed stays in the cache."""

SMALLEST: Bound[int] = 256
"""Side of the smallest piece into which an image is cut for an engine."""


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
            ImageError: the resized image has no pixels left, or too many.
        """
        height, width = image.shape[:2]
        rows, columns = round(height * scale), round(width * scale)
        if rows < 1 or columns < 1:
            raise ImageError(f"image of {width}x{height} px is too small for this template's scale")
        if refusal := WORKING_PIXELS.refusal(rows * columns):
            raise ImageError(
                f"image of {width}x{height} px, searched at {scale:g} times its size, {refusal}"
            )
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

    def encode_each(self, crops: Sequence[Image]) -> list[tuple[Taps, Array]]:
        """The same of several of any sizes, in their order; those of one size together."""
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, crop in enumerate(crops):
            by_size.setdefault(crop.shape[:2], []).append(index)
        encoded: dict[int, tuple[Taps, Array]] = {}
        for members in by_size.values():
            maps = self.encode_crops([crops[index] for index in members])
            encoded.update(zip(members, maps, strict=True))
        return [encoded[index] for index in range(len(crops))]

    def encode_crops(self, crops: Sequence[Image]) -> list[tuple[Taps, Array]]:
        """The same of several of one size, as many at once as memory and the device allow.

        Raises:
            ImageError: they are too large to be encoded in one piece.
        """
        if not crops:
            return []
        rows, columns = crops[0].shape[:2]
        if refusal := PIECE_PIXELS.refusal(rows * columns):
            raise ImageError(f"a part of an image {refusal}")
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

    def look_side(self, side: float, share: float, border: int) -> int:
        """Working pixels of a side of a part of an image that needs no padding.

        Args:
            side: of the box in it, in working pixels.
            share: of the box that is shown on each side of it, and ...
            border: ... so many pixels more.
        """
        return self.align * math.ceil((side * (1 + 2 * share) + 2 * border) / self.align)

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
        """Coarse features of a large image, piece by piece with a halo."""
        rows, columns = working.shape[:2]
        step = self.coarse_stride
        coarse: Array | None = None
        height, width = self._piece(rows, columns)
        for top in range(0, rows, height):
            for left in range(0, columns, width):
                y, x = max(0, top - SEAM), max(0, left - SEAM)
                tile = working[y : top + height + SEAM, x : left + width + SEAM]
                part = self.encode_crop(np.ascontiguousarray(tile))[1]
                if coarse is None:
                    shape = (len(part), math.ceil(rows / step), math.ceil(columns / step))
                    coarse = np.empty(shape, np.float32)
                inner = part[:, (top - y) // step :, (left - x) // step :]
                inner = inner[:, : height // step, : width // step]
                j, i = top // step, left // step
                coarse[:, j : j + inner.shape[1], i : i + inner.shape[2]] = inner
        assert coarse is not None
        return coarse

    def _piece(self, rows: int, columns: int) -> tuple[int, int]:
        """Height and width of the equal pieces that an image is cut into, halos not included.

        Of the pieces that can be encoded, those with which least is encoded twice.
        """
        step = math.lcm(self.align, self.coarse_stride)
        best: tuple[float, tuple[int, int]] | None = None
        for down, across in np.ndindex(-(-rows // SMALLEST), -(-columns // SMALLEST)):
            counts = down + 1, across + 1
            height, width = (
                step * math.ceil(side / count / step)
                for side, count in zip((rows, columns), counts, strict=True)
            )
            # Of two pieces each has one seam, of more the inner ones have two.
            seams = (min(2, count - 1) for count in counts)
            sides = height + next(seams) * SEAM, width + next(seams) * SEAM
            if math.prod(sides) > PIECE or not self.in_one_piece(*sides):
                continue
            twice = 2 * SEAM * ((counts[0] - 1) * columns + (counts[1] - 1) * rows)
            if best is None or twice < best[0]:
                best = twice, (height, width)
        return (SMALLEST, SMALLEST) if best is None else best[1]
