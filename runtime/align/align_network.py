"""Alignment by the trained network of a bundle, in the place of the robust fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.graph import Graph
from ..bundle.recipes import CONTROL, AlignRecipe
from ..images import Image, resize_to
from ..kinds import Numeric
from .affine import AffineFit, measure, pair_scores
from .maps import IDENTITY, believable
from .spline import grid_points

Array = NDArray[Any]

SIDE: Numeric[int] = 256
CELLS: Numeric[int] = 16
"""How the network is built: working width and height of every picture, cells of its grid
along each side."""


def fit_by_network(
    network: Graph,
    encode: Callable[[Image, int], Array],
    source: Image,
    target: Image,
    alpha: float,
    recipe: AlignRecipe,
) -> tuple[AffineFit, tuple[Array, Array] | None]:
    """Affine map, and control points before and after a spline, in fractions of the pictures.

    How sure the result is, is judged without the network, by the QATM scores along its map. Asking
    again for the source bent by the first answer, as the robust fit does, made results worse.

    Args:
        network: of the task ``align``.
        encode: working picture ``(256, 256, 3)``, and pixels per cell, to features ``(C, 16, 16)``.
        source: ``(H, W, 3)`` uint8 BGR.
        target: the same of another size.
        alpha: factor on the cosine similarity, for the judgement.
        recipe: says what is believed.
    """
    pictures = [resize_to(picture, SIDE, SIDE) for picture in (source, target)]
    cells = [encode(picture, SIDE // CELLS) for picture in pictures]
    inputs = {"source": cells[0], "target": cells[1], "usable": np.ones((CELLS, CELLS))}
    arrays = {k: np.ascontiguousarray(v, np.float32)[None] for k, v in inputs.items()}
    affine, placed = network.run(arrays)
    matrix = affine[0].astype(np.float64)
    if not believable(matrix, recipe):
        return AffineFit(IDENTITY, 0.0), None
    control = grid_points(CONTROL, CONTROL), placed[0].astype(np.float64)
    pairs = pair_scores(cells[0], cells[1], alpha)
    return measure(pairs, matrix, recipe.near_widths[-1]), control
