"""Alignment by the trained network of a bundle, in the place of the robust fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.graph import Graph
from ..images import Image, resize_to
from .affine import IDENTITY, AffineFit, measure, pair_scores
from .maps import believable
from .thin_plate import grid_points

Array = NDArray[Any]

SIDE = 256
"""Working width and height of every picture: the network's grid has 16 by 16 cells."""

CELLS = 16
CONTROL = 4
"""Control points of the network's spline along each side."""


def fit_by_network(
    network: Graph,
    encode: Callable[[Image], Array],
    source: Image,
    target: Image,
    alpha: float,
) -> tuple[AffineFit, tuple[Array, Array] | None]:
    """Affine map, and control points before and after a spline, in fractions of the pictures.

    How sure the result is, is judged without the network, by the QATM scores along its map. Asking
    again for the source bent by the first answer, as the robust fit does, made results worse.

    Args:
        network: of the task ``align``.
        encode: working picture ``(256, 256, 3)`` to features ``(C, 16, 16)``.
        source: ``(H, W, 3)`` uint8 BGR.
        target: the same of another size.
        alpha: factor on the cosine similarity, for the judgement.
    """
    pictures = [resize_to(picture, SIDE, SIDE) for picture in (source, target)]
    cells = [encode(picture) for picture in pictures]
    inputs = {"source": cells[0], "target": cells[1], "usable": np.ones((CELLS, CELLS))}
    arrays = {k: np.ascontiguousarray(v, np.float32)[None] for k, v in inputs.items()}
    affine, placed = network.run(arrays)
    matrix = affine[0].astype(np.float64)
    if not believable(matrix):
        return AffineFit(IDENTITY, 0.0), None
    control = grid_points(CONTROL, CONTROL), placed[0].astype(np.float64)
    return measure(pair_scores(cells[0], cells[1], alpha), matrix), control
