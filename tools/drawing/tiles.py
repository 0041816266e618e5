"""Several small pictures in one: tiles, and what an image shows of objects, turned upright."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime import Match
from ...runtime.images import Image, resize_to
from .draw import MAX_ENLARGE, PAPER, Panel

GAP = 4
"""Pixels between tiles."""


def tile_size(sizes: Sequence[tuple[float, float]], room: Panel) -> tuple[int, Panel]:
    """How many columns of equal tiles make the most of a room, and the room of each tile.

    Args:
        sizes: width and height of what each tile shows.
        room: for all of them.
    """
    wide, tall = (max(size[axis] for size in sizes) for axis in (0, 1))
    best = (0.0, 1, Panel(1, 1))
    for columns in range(1, len(sizes) + 1):
        rows = math.ceil(len(sizes) / columns)
        cell = Panel(
            max(1, (room.width + GAP) // columns - GAP), max(1, (room.height + GAP) // rows - GAP)
        )
        fit = min(cell.width / wide, cell.height / tall)
        if fit > best[0]:
            best = fit, columns, cell
    return best[1], best[2]


def tiled(pictures: Sequence[Image], room: Panel) -> Image:
    """Pictures as tiles, in rows; a single one as it is.

    Args:
        pictures: at least one, ``(h, w, 3)`` uint8 BGR.
        room: for all of them.
    """
    if len(pictures) == 1:
        return pictures[0]
    columns, cell = tile_size([(p.shape[1], p.shape[0]) for p in pictures], room)
    rows = math.ceil(len(pictures) / columns)
    sheet = np.full(
        (rows * (cell.height + GAP) - GAP, columns * (cell.width + GAP) - GAP, 3), PAPER, np.uint8
    )
    for index, picture in enumerate(pictures):
        high, wide = picture.shape[:2]
        fit = min(cell.width / wide, cell.height / high, MAX_ENLARGE)
        tile = resize_to(picture, max(1, round(wide * fit)), max(1, round(high * fit)))
        row, column = divmod(index, columns)
        top = row * (cell.height + GAP) + (cell.height - tile.shape[0]) // 2
        left = column * (cell.width + GAP) + (cell.width - tile.shape[1]) // 2
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def upright_views(image: Image, matches: Sequence[Match], room: Panel) -> Image:
    """What an image shows at matches, turned upright and resized as their templates are, as tiles.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        matches: at least one.
        room: for all tiles.
    """
    sizes = [template_size(match) for match in matches]
    _, cell = tile_size(sizes, room)
    views = []
    for match, (wide, high) in zip(matches, sizes, strict=True):
        fit = min(cell.width / wide, cell.height / high, MAX_ENLARGE)
        views.append(
            upright_view(image, match, max(1, round(wide * fit)), max(1, round(high * fit)))
        )
    return tiled(views, room)


def upright_view(image: Image, match: Match, width: int, height: int) -> Image:
    """What an image shows at a match, seen as its template.

    Args:
        image: ``(H, W, 3)`` uint8 BGR; black beyond its borders.
        match: where.
        width: of the view in pixels.
        height: the same.
    """
    size = template_size(match)
    extent = match.corners.max(axis=0) - match.corners.min(axis=0)
    # Looked at finely enough first, or fine texture would alias.
    finer = min(8, max(1, math.ceil(float(extent.max()) / max(width, height, 1))))
    across, down = width * finer, height * finer
    x, y = size[0] / across, size[1] / down
    # Pixel i covers [i, i + 1), so its centre lies at i + 1/2 in both pictures.
    to_template = np.array([[x, 0.0, x / 2], [0.0, y, y / 2], [0.0, 0.0, 1.0]])
    to_pixel = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5], [0.0, 0.0, 1.0]])
    matrix: NDArray[np.float64] = to_pixel @ match.transform @ to_template
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpPerspective(image, matrix, (across, down), flags=flags)
    return resize_to(np.asarray(view, np.uint8), width, height)


def template_size(match: Match) -> tuple[float, float]:
    """Width and height of a match's template, in pixels; of a box alone, those of the box."""
    return match.size or (match.box.w, match.box.h)
