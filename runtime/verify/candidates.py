"""A query at a working resolution, and how it may lie in a reference."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from .reference import ReferenceLevel

Array = NDArray[Any]


class EncodedQuery(NamedTuple):
    """A query at one working resolution; ``scale`` is a matrix from its pixels to working ones."""

    cells: Array
    centres: Array
    scale: Array


class Candidate(NamedTuple):
    """How a query lies in one level of the reference.

    ``matrix`` leads from pixels of the query to working pixels of the level; ``None`` where nothing
    fits.
    """

    matrix: Array | None
    support: float
    level: ReferenceLevel
    quality: Array
    matches: int
