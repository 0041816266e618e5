"""A template as the arrays that a bundle's ``find.onnx`` takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kinds import Numeric
from .differences import COLOUR_SIDE
from .pixels import PixelTemplate
from .template import Template
from .turned_squares import SIDE, TurnedSquares

Array = NDArray[Any]

NUMBERS: Numeric[tuple[str, ...]] = (
    *("width", "height", "inside", "flat", "scale", "confusable"),
    *("even", "smooth", "noise", "edges", "blue", "green", "red"),
    *("zoom", "registered", "core", "square_step"),
)
"""What the input ``numbers`` holds, in this order; truths are 0 or 1."""

LEVEL_NUMBERS: Numeric[tuple[str, ...]] = (
    *("scale", "offset_x", "offset_y", "footprint_rows", "footprint_columns"),
    *("first_cell", "first_row", "rows"),
)
"""What each row of the input ``levels`` holds."""

NO_PICTURE: Numeric[tuple[int, int, int]] = (8, 8, 3)
"""Shape of the input ``picture`` where a template has no pixels to be compared."""

SQUARES: Numeric[int] = 24
"""Turned pictures of a template's middle: those that are hardly turned come first."""


def find_inputs(template: Template, *, compared: bool = True) -> dict[str, Array]:
    """The arrays that ``find.onnx`` takes beside an image, as ``encode.onnx`` gives them.

    Args:
        template: encoded, or read from a file. It should be of pictures shown as they are (uint8);
            one with a value range needs images shown in that range.
        compared: whether the graph takes a ``picture``: that of a bundle does whose judge weighs
            what a trained network says of pixels.

    Returns:
        Arrays by the names of the graph's inputs; docs/graphs.md says what they are.
    """
    own, levels = template.levels[0], template.levels
    squares, grids = template.turned_squares, [level.coarse for level in levels]
    cells = np.cumsum([0, *(grid.footprint.size for grid in grids)])
    rows = np.cumsum([0, *(len(grid.rows) for grid in grids)])
    table = [
        (level.scale, *grid.offset, *grid.footprint.shape, cell, row, len(grid.rows))
        for level, grid, cell, row in zip(levels, grids, cells, rows, strict=False)
    ]
    tint, colours = template.tint
    pixels, core = template.pixels, template.core
    numbers = (
        *template.size,
        template.inside,
        template.flat,
        own.scale,
        template.confusable,
        *template.grain,
        *tint,
        0.0 if pixels is None else pixels.zoom,
        pixels is not None,
        core is not None,
        0.0 if squares is None else squares.step,
    )
    side = COLOUR_SIDE
    given = {
        "numbers": np.array(numbers),
        "levels": np.array(table),
        "coarse_rows": np.concatenate([grid.rows for grid in grids]),
        "coarse_target": np.concatenate([grid.target for grid in grids]),
        "coarse_footprint": np.concatenate([grid.footprint.ravel() for grid in grids]),
        "fine_rows": own.fine.rows,
        "fine_target": own.fine.target,
        "fine_footprint": own.fine.footprint,
        "fine_offset": np.array(own.fine.offset),
        **_pixels("pixels", pixels),
        **_pixels("core", core),
        "colours": np.ones((side, side)) if colours is None else colours,
    }
    arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in given.items()}
    arrays["squares"] = _squares(squares)
    return {**arrays, "picture": _picture(template)} if compared else arrays


def _pixels(name: str, pixels: PixelTemplate | None) -> dict[str, Array]:
    """What registration needs; of nothing where there is nothing to register."""
    if pixels is None:
        empty = np.zeros((1, 1)), np.zeros(1), np.zeros((4, 1)), np.zeros((4, 4))
        used, grey, steepest, inverse = empty
    else:
        used, grey = pixels.used, pixels.grey
        steepest, inverse = pixels.steepest, pixels.inverse
    return {
        f"{name}_used": used,
        f"{name}_grey": grey,
        f"{name}_steepest": steepest,
        f"{name}_inverse": inverse,
    }


def _squares(squares: TurnedSquares | None) -> Array:
    """``(24, 20, 20, 3)`` uint8, black where there are none."""
    if squares is None:
        return np.zeros((SQUARES, SIDE, SIDE, 3), np.uint8)
    return np.stack([*squares.own, *squares.others])


def _picture(template: Template) -> Array:
    """``(rows, columns, 3)`` float32, black where there are no pixels to be compared."""
    compared = template.compared
    return np.zeros(NO_PICTURE, np.float32) if compared is None else compared.picture[0]
