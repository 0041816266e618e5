"""A template's patches at other angles and sizes, for a first look at where it may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image
from ..kinds import Numeric
from ..patches.encoder import Encoder
from ..turns import SharedFields
from .pose import Pose, turned_crop

Array = NDArray[Any]

SIDE: Numeric[int] = 128
"""Pixels of a template's side that its view keeps: at most twice those that the network sees."""

BORDER: Numeric[int] = 48
"""Working pixels around a turned template that the network sees with it."""

SMALLEST_ZOOM: Numeric[float] = 0.5
"""A view reaches so far that :data:`BORDER` is there at this size."""

COARSER_FROM: Numeric[float] = 60.0
"""Side of a template in working pixels from which cells of twice the coarse stride are compared:
it still has a dozen of them, and the image has a fourth as many."""

COVERED: Numeric[float] = 0.5
"""A cell is a patch of the template if its mask covers this much of it."""


@dataclass(frozen=True)
class TemplateView:
    """What a template keeps of its picture, to be encoded at other angles and sizes.

    Attributes:
        image: ``(h, w, 3)`` uint8 BGR, the box and what surrounds it.
        box: in its pixels.
        zoom: its pixels per pixel of the template.
        framed: whether it shows what surrounds the object; the border of a crop repeats the crop.
        mask: ``(h, w)`` bool, true on the object, or ``None``.
    """

    image: Image
    box: Box
    zoom: float
    framed: bool
    mask: Array | None = None

    @classmethod
    def cut(
        cls, image: Image, box: Box, mask: Array | None, scale: float, *, framed: bool
    ) -> TemplateView:
        """Keep the part of a frame that other poses need.

        Args:
            image: the frame, or the crop.
            box: in its pixels.
            mask: of the image's size.
            scale: working pixels per pixel.
            framed: whether the image shows what surrounds the object.
        """
        rows, columns = image.shape[:2]
        reach = (math.hypot(box.w, box.h) - min(box.w, box.h)) / 2 + BORDER / SMALLEST_ZOOM / scale
        left, top = max(0, math.floor(box.x - reach)), max(0, math.floor(box.y - reach))
        right = min(columns, math.ceil(box.x + box.w + reach))
        bottom = min(rows, math.ceil(box.y + box.h + reach))
        part = image[top:bottom, left:right]
        kept = None if mask is None else mask[top:bottom, left:right]
        zoom = min(1.0, SIDE / math.sqrt(box.w * box.h))
        size = (max(1, round((right - left) * zoom)), max(1, round((bottom - top) * zoom)))
        factors = size[0] / (right - left), size[1] / (bottom - top)
        if zoom < 1:
            part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
            if kept is not None:
                shown = cv2.resize(kept.astype(np.float32), size, interpolation=cv2.INTER_AREA)
                kept = shown >= COVERED
        moved = Box(box.x - left, box.y - top, box.w, box.h).scaled(*factors)
        return cls(
            np.ascontiguousarray(part, dtype=np.uint8),
            moved,
            math.sqrt(factors[0] * factors[1]),
            framed,
            None if kept is None else np.ascontiguousarray(kept),
        )


@dataclass(frozen=True, eq=False)
class PosedRows(SharedFields):
    """A template's patches at one angle and size; equal to itself only.

    Attributes:
        rows: ``(K, C)`` float32 raw features.
        cells: ``(K, 2)`` int64, row and column of each patch; the first cell right of and below
            the template's middle has 0, 0.
        stride: working pixels per cell.
    """

    rows: Array
    cells: Array
    stride: int

    @cached_property
    def reach(self) -> tuple[int, int, int, int]:
        """First row and column, and last row and column."""
        (top, left), (bottom, right) = self.cells.min(0).tolist(), self.cells.max(0).tolist()
        return top, left, bottom, right

    @cached_property
    def runs(self) -> list[tuple[int, int, int, int]]:
        """Patches side by side: the first one, how many they are, and its row and column."""
        beside = (np.diff(self.cells, axis=0) == (0, 1)).all(1)
        firsts = np.flatnonzero(np.concatenate([[True], ~beside]))
        counts = np.diff(np.append(firsts, len(self.cells)))
        places = self.cells[firsts].tolist()
        return [
            (first, count, row, column)
            for first, count, (row, column) in zip(
                firsts.tolist(), counts.tolist(), places, strict=True
            )
        ]


def encode_poses(
    encoder: Encoder, view: TemplateView, poses: Sequence[tuple[float, float]]
) -> list[PosedRows]:
    """Encode a template turned and resized, with what surrounds it; crops of one size together.

    Args:
        encoder: encodes.
        view: of the template.
        poses: angles in degrees, counter-clockwise, and working pixels per pixel of the template.
    """
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, (angle, zoom) in enumerate(poses):
        by_size.setdefault(_sides(encoder, view, angle, zoom), []).append(index)
    encoded: dict[int, PosedRows] = {}
    for sides, members in by_size.items():
        crops = [
            turned_crop(
                view.image,
                view.box.centre,
                poses[index][0],
                poses[index][1] / view.zoom,
                sides,
                cv2.BORDER_REPLICATE,
            )
            for index in members
        ]
        maps = encoder.encode_crops([np.ascontiguousarray(crop, dtype=np.uint8) for crop in crops])
        for index, (_, coarse) in zip(members, maps, strict=True):
            encoded[index] = _rows(encoder, view, poses[index], sides, coarse)
    return [encoded[index] for index in range(len(poses))]


def _sides(encoder: Encoder, view: TemplateView, angle: float, zoom: float) -> tuple[int, int]:
    """Width and height of what the network sees of a turned template, in working pixels."""
    width, height = _size(view, zoom)
    a = math.radians(angle)
    c, s = abs(math.cos(a)), abs(math.sin(a))
    # The middle of the template is a corner of cells at every stride up to twice the coarse one.
    step = math.lcm(2 * encoder.align, 4 * encoder.coarse_stride)
    across, down = (
        step * math.ceil((side + 2 * BORDER) / step)
        for side in (width * c + height * s, width * s + height * c)
    )
    return across, down


def _size(view: TemplateView, zoom: float) -> tuple[float, float]:
    """Width and height of a template in working pixels."""
    return view.box.w / view.zoom * zoom, view.box.h / view.zoom * zoom


def _rows(
    encoder: Encoder,
    view: TemplateView,
    pose: tuple[float, float],
    sides: tuple[int, int],
    features: Array,
) -> PosedRows:
    """The cells of a turned template's coarse map that are its patches."""
    (angle, zoom), stride = pose, encoder.coarse_stride
    width, height = _size(view, zoom)
    if math.sqrt(width * height) >= COARSER_FROM:
        features, stride = pooled(features), 2 * stride
    shown = _shown(view, angle, zoom, sides, stride)
    own = shown >= COVERED
    if not own.any():
        # Smaller than a cell: the cells that show most of it, or, of hardly a pixel, the middle.
        own = shown >= max(float(shown.max()), 1e-6)
        own[shown.shape[0] // 2, shown.shape[1] // 2] |= not own.any()
    y, x = np.nonzero(own)
    rows = np.ascontiguousarray(features[:, y, x].T, dtype=np.float32)
    middle = np.array(features.shape[1:]) // 2
    return PosedRows(rows, np.column_stack([y, x]) - middle, stride)


def pooled(features: Array) -> Array:
    """2x2 means of a map ``(C, H, W)``; an odd last row or column is repeated."""
    depth, height, width = features.shape
    if height % 2 or width % 2:
        features = np.pad(features, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
        _, height, width = features.shape
    lines = np.ascontiguousarray(features).reshape(-1, width)
    size = (width // 2, depth * height // 2)
    means = cv2.resize(lines, size, interpolation=cv2.INTER_AREA)
    return means.reshape(depth, height // 2, width // 2)


def _shown(
    view: TemplateView, angle: float, zoom: float, sides: tuple[int, int], stride: int
) -> Array:
    """How much of each cell shows the turned template, ``(rows, columns)`` in [0, 1]."""
    box = view.box
    if view.mask is None:
        corners = Pose(sides[0] / 2, sides[1] / 2, angle, zoom / view.zoom).corners((box.w, box.h))
        fixed = np.round((corners - 0.5) * 16).astype(np.int32)
        picture = np.zeros(sides[::-1], np.uint8)
        cv2.fillConvexPoly(picture, fixed, 255, shift=4)
    else:
        own = np.zeros(view.mask.shape, np.uint8)
        top, left = max(0, round(box.y)), max(0, round(box.x))
        part = slice(top, round(box.y + box.h)), slice(left, round(box.x + box.w))
        own[part] = view.mask[part].astype(np.uint8) * np.uint8(255)
        turned = turned_crop(own, box.centre, angle, zoom / view.zoom, sides, cv2.BORDER_CONSTANT)
        picture = np.asarray(turned, np.uint8)
    size = (sides[0] // stride, sides[1] // stride)
    cells = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cells.astype(np.float32) / np.float32(255)
