"""The trained network of a bundle, which says whether a query shows the place of a reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ..backends.graph import Graph
from ..boxes import Box
from ..bundle.recipes import logistic
from ..images import Image, resize_to
from ..patches.encoder import Encoder
from .reference import ReferenceLevel, encode_padded, working_size
from .verification import SeenRegion, empty_region

Array = NDArray[Any]

QUERY_SIZE = 128.0
"""Working size of a query, that of training."""

FEW_CELLS = 4_000
"""Most cells of a reference's levels: training knows few."""


class Compare(Protocol):
    """Runs a network on the features of a query and of a reference."""

    def __call__(self, query: Array, reference: Array) -> tuple[float, Array]:
        """``(C, h, w)`` and ``(C, H, W)`` float32 to the log odds of both and of each cell."""
        ...


class Sight(NamedTuple):
    """The level of a reference in which a query is most surely seen.

    Attributes:
        decision: log odds that it is the same place. The best of several levels is the higher the
            more there are, so that the logarithm of their number is taken off.
        region: ``(H, W)`` log odds that a cell of the level shows what the query shows.
        level: of the reference.
    """

    decision: float
    region: Array
    level: ReferenceLevel

    @property
    def score(self) -> float:
        """0 to 1."""
        return logistic(self.decision)

    @property
    def quality(self) -> Array:
        """``(H, W)`` float32, 0 to 1, how surely each cell shows what the query shows."""
        odds = np.exp(-np.clip(self.region, -80.0, 80.0).astype(np.float32))
        return np.asarray(1 / (1 + odds), np.float32)


def compare_with(network: Graph) -> Compare:
    """How a network of the task ``verify`` compares a query with a reference."""

    def compare(query: Array, reference: Array) -> tuple[float, Array]:
        inputs = {"query": query[None], "reference": reference[None]}
        decision, region = network.run({k: np.ascontiguousarray(v) for k, v in inputs.items()})
        return float(decision[0]), region[0]

    return compare


def look(
    picture: Image, levels: Sequence[ReferenceLevel], encoder: Encoder, compare: Compare
) -> Sight:
    """Compare a query with a reference at each of its working resolutions.

    Args:
        picture: the query.
        levels: of the reference; at least one.
        encoder: of the features that the network was trained on.
        compare: the network.
    """
    scale = QUERY_SIZE / working_size(picture)
    rows, columns = (max(1, round(side * scale)) for side in picture.shape[:2])
    query = encode_padded(resize_to(picture, columns, rows), encoder)
    sights: list[Sight] = []
    for level in levels:
        reference = np.ascontiguousarray(level.cells.T).reshape(-1, *level.shape)
        sights.append(Sight(*compare(np.ascontiguousarray(query), reference), level))
    best = max(sights, key=lambda sight: sight.decision)
    return best._replace(decision=best.decision - math.log(len(sights)))


def region_of_sight(
    sight: Sight, width: int, height: int, stride: int, *, wraps: bool
) -> SeenRegion:
    """The largest piece of a reference that more likely than not shows what the query shows.

    Args:
        sight: what a network says.
        width: of the reference in pixels.
        height: of the reference.
        stride: working pixels per cell.
        wraps: whether columns continue from the last to the first.
    """
    rows, columns = sight.level.shape
    size = columns * stride, rows * stride
    values = np.asarray(sight.region, np.float32)
    working = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
    high = max(1, round(height * sight.level.scale[1]))
    working = working[:high, : sight.level.width]
    full = cv2.resize(working, (width, height), interpolation=cv2.INTER_LINEAR)
    return largest_piece(np.asarray(full) > 0, wraps=wraps)


def largest_piece(mask: Array, *, wraps: bool) -> SeenRegion:
    """The largest connected piece of a mask ``(H, W)`` bool, and the box around it."""
    height, width = mask.shape
    unrolled = np.concatenate([mask, mask], 1) if wraps else mask
    _, labels, stats, _ = cv2.connectedComponentsWithStats(unrolled.astype(np.uint8))
    if len(stats) == 1:
        return empty_region(height, width)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    piece = labels == largest
    x, y, w, h = (float(value) for value in stats[largest, :4])
    if wraps:
        piece = piece[:, :width] | piece[:, width:]
        x, w = (0.0, float(width)) if w >= width else (x % width, w)
    return SeenRegion(Box(x, y, w, h), piece)
