"""The trained network of a bundle, which says whether a query shows the place of a reference."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..backends.graph import Graph
from ..bundle.log_odds import logistic
from ..images import Image
from ..kinds import Numeric
from .reference import PlaceEncoder, Reference, ReferenceLevel

Array = NDArray[Any]

SATURATED: Numeric[float] = 80.0
"""Log odds beyond which float32 would overflow; the score is 0 or 1 long before."""


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
        odds = np.exp(-np.clip(self.region, -SATURATED, SATURATED).astype(np.float32))
        return np.asarray(1 / (1 + odds), np.float32)


def compare_with(network: Graph) -> Compare:
    """How a network of the task ``verify`` compares a query with a reference."""

    def compare(query: Array, reference: Array) -> tuple[float, Array]:
        inputs = {"query": query[None], "reference": reference[None]}
        decision, region = network.run({k: np.ascontiguousarray(v) for k, v in inputs.items()})
        return float(decision[0]), region[0]

    return compare


def look(picture: Image, reference: Reference, encoder: PlaceEncoder, compare: Compare) -> Sight:
    """Compare a query with a reference at each of its working resolutions.

    Args:
        picture: the query.
        reference: encoded by the same encoder.
        encoder: of the features that the network was trained on.
        compare: the network.
    """
    query = encoder.padded(encoder.resized(picture, encoder.recipe.network_size))
    sights: list[Sight] = []
    for level in reference.levels:
        cells = np.ascontiguousarray(level.cells.T).reshape(-1, *level.shape)
        sights.append(Sight(*compare(np.ascontiguousarray(query), cells), level))
    best = max(sights, key=lambda sight: sight.decision)
    return best._replace(decision=best.decision - math.log(len(sights)))
