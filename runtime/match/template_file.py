"""What a file of a template holds: written, and read back as what somebody else may have made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..boxes import MAX_VALUE, Box, box_in_frame, check_elongation
from ..kinds import Bound
from ..limits import PICTURE_PIXELS, TEMPLATE_ROWS
from ..patches.grid import PatchGrid, check_grid, check_lengths
from ..saved_arrays import array_of, numbers_of
from .posed_rows import PosedRows, TemplateView

Array = NDArray[Any]

LEVELS: Bound[int] = 64
"""Resolutions of one template; each is lower than the one before."""

LARGEST_SCALE: Bound[float] = 64.0
"""Working pixels per pixel; recipes enlarge no further."""

POSES: Bound[int] = 100_000
LARGEST_STRIDE: Bound[int] = 4096

ROUNDING: Bound[float] = 1.01
"""Views are shrunk to whole pixels, so that their zoom is not exact."""

PARTS = ("rows", "target", "footprint", "offset")
"""Of a grid."""


def grid_data(kind: str, level: int, grid: PatchGrid) -> dict[str, Array]:
    """A grid as arrays with names."""
    return {f"{kind}{level}_{part}": np.asarray(getattr(grid, part)) for part in PARTS}


def read_scales(arrays: Mapping[str, Array]) -> list[float]:
    """The resolutions, finest first.

    Raises:
        ValueError: none, too many, or in another order.
    """
    scales = numbers_of(arrays, "scales", None, 0, LARGEST_SCALE)
    falling = all(a > b for a, b in zip(scales, [*scales[1:], 0.0], strict=True))
    if not 1 <= len(scales) <= LEVELS or not falling:
        raise ValueError("its resolutions are no falling numbers above 0")
    return scales


def read_size(arrays: Mapping[str, Array]) -> tuple[float, float]:
    """Width and height of the box.

    Raises:
        ValueError: no such box.
    """
    width, height = numbers_of(arrays, "size", 2, 0, MAX_VALUE)
    if min(width, height) <= 0:
        raise ValueError(f"its size is {width:g}x{height:g}")
    check_elongation(Box(0, 0, width, height))
    return width, height


def read_grid(arrays: Mapping[str, Array], kind: str, level: int) -> PatchGrid:
    """One grid.

    Raises:
        ValueError: it is none.
    """
    prefix = f"{kind}{level}"
    rows = array_of(arrays, f"{prefix}_rows", "f", (None, None))
    target = array_of(arrays, f"{prefix}_target", "f", (len(rows),))
    footprint = array_of(arrays, f"{prefix}_footprint", "f", (None, None))
    x, y = numbers_of(arrays, f"{prefix}_offset", 2, -MAX_VALUE, MAX_VALUE)
    rows, target, footprint = (each.astype(np.float32) for each in (rows, target, footprint))
    grid = PatchGrid(rows, target, footprint, (x, y))
    check_grid(grid, TEMPLATE_ROWS)
    return grid


def view_data(view: TemplateView | None) -> dict[str, Array]:
    """A view as arrays with names."""
    if view is None:
        return {}
    mask = {} if view.mask is None else {"view_mask": view.mask}
    about = np.array([*view.box, view.zoom, view.framed])
    return {"view": view.image, "view_about": about, **mask}


def read_view(arrays: Mapping[str, Array], size: tuple[float, float]) -> TemplateView | None:
    """A view; ``None`` if there is none.

    Args:
        arrays: of the file.
        size: of the template's box, in pixels of its frame.

    Raises:
        ValueError: it is none, or shows another box.
    """
    if "view" not in arrays:
        return None
    image = array_of(arrays, "view", "u", (None, None, 3))
    height, width = image.shape[:2]
    if refusal := PICTURE_PIXELS.refusal(width * height):
        raise ValueError(f"its picture {refusal}")
    *sides, zoom, framed = numbers_of(arrays, "view_about", 6, -MAX_VALUE, MAX_VALUE)
    if image.dtype != np.uint8 or framed not in (0, 1) or not 0 < zoom <= ROUNDING:
        raise ValueError("its picture is none of ours")
    box = box_in_frame(sides, width, height)
    # What the box has lost by rounding is a pixel of the picture at most.
    if any(
        abs(side / zoom - whole) > max(1 / zoom, 1.0) + whole * (ROUNDING - 1)
        for side, whole in zip((box.w, box.h), size, strict=True)
    ):
        raise ValueError("its picture shows a box of another size")
    mask = None
    if "view_mask" in arrays:
        mask = array_of(arrays, "view_mask", "b", (height, width))
        if not mask.any():
            raise ValueError("its mask is false everywhere")
    return TemplateView(image, box, zoom, bool(framed), mask)


def pose_data(poses: Mapping[tuple[float, float], PosedRows]) -> dict[str, Array]:
    """Patches at other poses as arrays with names."""
    # Other threads may add some meanwhile.
    kept = dict(poses)
    if not kept:
        return {}
    about = [[*key, each.stride, len(each.rows)] for key, each in kept.items()]
    return {
        "poses": np.array(about),
        "pose_rows": np.concatenate([each.rows for each in kept.values()]),
        "pose_cells": np.concatenate([each.cells for each in kept.values()]),
    }


def read_poses(arrays: Mapping[str, Array], channels: int) -> dict[tuple[float, float], PosedRows]:
    """Patches at other poses.

    Args:
        arrays: of the file.
        channels: of each patch.

    Raises:
        ValueError: they are none, or do not fit together.
    """
    if "poses" not in arrays:
        return {}
    about = array_of(arrays, "poses", "f", (None, 4))
    rows = array_of(arrays, "pose_rows", "f", (None, channels)).astype(np.float32)
    cells = array_of(arrays, "pose_cells", "i", (len(rows), 2)).astype(np.int64)
    angles, zooms, strides, counts = about.T
    fits = (
        len(about) <= POSES
        and (np.abs(angles) <= 360).all()  # noqa: PLR2004
        and ((zooms > 0) & (zooms <= LARGEST_SCALE**2)).all()
        and np.isin(strides, range(1, LARGEST_STRIDE)).all()
        and ((counts >= 1) & (counts <= len(rows)) & (counts % 1 == 0)).all()
        and counts.sum() == len(rows)
        and (np.abs(cells) <= TEMPLATE_ROWS).all()
    )
    if not fits:
        raise ValueError("its patches at other angles and sizes do not fit together")
    check_lengths(rows)
    ends = np.cumsum(counts.astype(np.int64))
    poses: dict[tuple[float, float], PosedRows] = {}
    for (angle, zoom, stride, count), end in zip(about.tolist(), ends.tolist(), strict=True):
        part = slice(end - int(count), end)
        poses[angle, zoom] = PosedRows(rows[part], cells[part], int(stride))
    return poses
