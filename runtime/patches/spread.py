"""Where the patches of an object lie once it is nearly placed, and the similarity that says so."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kinds import Numeric

Array = NDArray[Any]

WIDTHS: Numeric[tuple[float, ...]] = (12.0, 8.0, 5.0, 4.0)
"""Working pixels of disagreement at which a patch counts half, in each round of the fit."""

LEAST_WEIGHT: Numeric[float] = 1e-6
"""Of a patch that is found nowhere."""


def displacements(
    values: Array, rows: Array, columns: Array, reach: int
) -> tuple[Array, Array, Array]:
    """Where patches lie, relative to their places.

    Args:
        values: ``(K, H, W)`` log quality of each patch and cell.
        rows: ``(K,)`` of the place of each patch.
        columns: the same.
        reach: cells around a place that are looked at.

    Returns:
        ``(K,)`` displacements across and down in cells, and how surely each patch is there.
    """
    count, height, width = values.shape
    offsets = np.arange(-reach, reach + 1)
    y, x = rows + offsets[:, None], columns + offsets[:, None]
    # Offsets come first, so that sums over them go through whole rows of memory.
    each = np.arange(count) * (height * width)
    down = each + np.minimum(np.maximum(y, 0), height - 1) * width
    across = np.minimum(np.maximum(x, 0), width - 1)
    around = values.reshape(-1)[down[:, None] + across]
    if y[0].min() < 0 or x[0].min() < 0 or y[-1].max() >= height or x[-1].max() >= width:
        inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
        around = np.where(inside, around, np.float32(-np.inf))
    around = around.reshape(-1, count)
    highest = around.max(0)
    share = np.exp(around - highest)
    total = share.sum(0)
    steps = np.repeat(offsets, len(offsets)), np.tile(offsets, len(offsets))
    down, across = (np.array(steps, np.float32) @ share) / total
    return across, down, np.exp(highest / 2) / total + LEAST_WEIGHT


def fit_similarity(source: Array, target: Array, weight: Array) -> tuple[Array, Array, float]:
    """The similarity that takes points to others, disagreeing ones counting less.

    Args:
        source: ``(K, 2)``.
        target: ``(K, 2)``.
        weight: ``(K,)``, above 0.

    Returns:
        ``(2, 2)`` and where the origin goes ``(2,)``; and the weighted part that agrees.
    """
    (x, y), (u, v) = source.T, target.T
    # All sums that a fit needs, and the squared distances that it leaves, are products with these.
    terms = np.array(
        [np.ones(len(x)), x, y, u, v, x * x + y * y, x * u + y * v, x * v - y * u, u * u + v * v]
    )
    total = float(weight.sum())
    used, agreeing = weight, weight
    c, s, right, down = 1.0, 0.0, 0.0, 0.0
    for width in WIDTHS:
        sums = terms @ used
        _, mx, my, mu, mv, squares, along, across, _ = (sums / sums[0]).tolist()
        spread = squares - mx * mx - my * my + LEAST_WEIGHT
        c = (along - mx * mu - my * mv) / spread
        s = (across - mx * mv + my * mu) / spread
        right, down = mu - c * mx + s * my, mv - s * mx - c * my
        size = c * c + s * s
        apart = np.array(
            [
                right * right + down * down,
                2 * (c * right + s * down),
                2 * (c * down - s * right),
                -2 * right,
                -2 * down,
                size,
                -2 * c,
                -2 * s,
                1.0,
            ]
        )
        agreeing = 1 / (1 + (apart @ terms) / width**2)
        used = weight * agreeing
    return np.array([[c, -s], [s, c]]), np.array([right, down]), float(weight @ agreeing) / total
