"""Pictures of alignments: both pictures with a grid that is bent, and one laid over the other."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime import Alignment
from ...runtime.drawing.labels import FOUND_COLOUR, MISSED_COLOUR
from ...runtime.drawing.outlines import INK, Colour, line_unit
from ...runtime.images import Image, resize_to
from .draw import Panel, framed_row, panel_for, shown_size

LINES = 8
"""Meshes of the grid along the longer side of the source."""

STEPS = 64
"""Pieces of each line, so that bent ones look bent."""

FURTHEST = 30000.0
"""Pixels beyond which OpenCV cannot draw."""

Array = NDArray[np.float64]


def alignment_picture(source: Image, target: Image, name: str, alignment: Alignment) -> Image:
    """Both pictures, and the source laid over the target.

    The source has a grid on it, the target the same grid where the alignment takes it: green, or
    orange where no reliable one was found. The overlay shows the target and the bent source half
    each, and the target alone where the source does not reach.

    Args:
        source: ``(h, w, 3)`` uint8 BGR.
        target: ``(H, W, 3)`` uint8 BGR.
        name: of the target's file, for the caption.
        alignment: of the two.

    Returns:
        ``(H', W', 3)`` uint8 BGR.
    """
    colour = FOUND_COLOUR if alignment.found else MISSED_COLOUR
    lines = grid_lines(source.shape[1], source.shape[0])
    there = [alignment.transfer(line) for line in lines]
    verdict = "aligned" if alignment.found else "no reliable transform"
    captions = (
        f"source {source.shape[1]}x{source.shape[0]}",
        f"{name} {target.shape[1]}x{target.shape[0]}: {verdict}, {alignment.score:.2f}",
        "source on target",
    )
    room = panel_for(target)
    pictures = [
        with_lines(source, lines, colour, room),
        with_lines(target, there, colour, room),
        fitted(overlay(source, target, alignment), room),
    ]
    return framed_row(pictures, captions, room)


def overlay(source: Image, target: Image, alignment: Alignment) -> Image:
    """Half the target and half the bent source, ``(H, W, 3)`` uint8 BGR of the target's size."""
    bent = alignment.warp(source)
    covered = alignment.warp(np.full(source.shape, 255, np.uint8)).astype(np.float32) / 510.0
    return np.rint(target + (bent.astype(np.float32) - target) * covered).astype(np.uint8)


def grid_lines(width: int, height: int) -> list[Array]:
    """The lines of a grid of square meshes on a picture, each ``(N, 2)`` x and y in pixels."""
    mesh = max(width, height) / LINES
    across, down = (max(1, round(side / mesh)) for side in (width, height))
    along = np.linspace(0.0, 1.0, STEPS + 1)
    steady = np.ones_like(along)
    size = np.array([width - 1.0, height - 1.0])
    upright = [np.column_stack([steady * x, along]) for x in np.linspace(0, 1, across + 1)]
    level = [np.column_stack([along, steady * y]) for y in np.linspace(0, 1, down + 1)]
    return [line * size for line in (*upright, *level)]


def with_lines(image: Image, lines: list[Array], colour: Colour, room: Panel) -> Image:
    """A picture as large as a panel shows it, with lines given in its own pixels."""
    canvas = fitted(image, room).copy()
    scale = canvas.shape[1] / image.shape[1], canvas.shape[0] / image.shape[0]
    points = [np.clip(line * scale, -FURTHEST, FURTHEST) for line in lines]
    drawn = [np.rint(line * 16).astype(np.int32) for line in points]
    width = max(1, round(line_unit(canvas)))
    for ink, thick in ((INK, width + 2), (colour, width)):
        cv2.polylines(canvas, drawn, False, ink, thick, cv2.LINE_AA, 4)
    return canvas


def fitted(image: Image, room: Panel) -> Image:
    """A picture as large as a panel shows it."""
    height, width = shown_size(image, room)
    return resize_to(image, width, height)
