"""What is difficult about a sequence, as far as its true boxes tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SIZE_CHANGE = 1.4
"""Largest over smallest size (root of the area) from which the size is said to change."""

ASPECT_CHANGE = 1.2
"""The same for width over height."""

SMALL = 32.0
"""Median size in pixels below which an object is small."""

FAST = 0.5
"""Move of the centre from one frame to the next, in sizes, beyond which a frame is fast."""

FAST_SHARE = 0.05
"""Share of fast frames from which a sequence is fast."""


def size_changes(truth: Array) -> bool:
    """Whether the object becomes so much larger or smaller."""
    return _span(_sizes(truth)) >= SIZE_CHANGE


def aspect_changes(truth: Array) -> bool:
    """Whether its outline becomes so much wider or narrower."""
    return _span(truth[:, 2] / truth[:, 3]) >= ASPECT_CHANGE


def is_steady(truth: Array) -> bool:
    """Whether size and aspect stay about the same."""
    return not size_changes(truth) and not aspect_changes(truth)


def is_small(truth: Array) -> bool:
    """Whether it is usually small."""
    return bool(np.nanmedian(_sizes(truth)) < SMALL)


def is_fast(truth: Array) -> bool:
    """Whether it moves far in a part of the frames; moves while it is absent are not known."""
    centres = truth[:, :2] + truth[:, 2:] / 2.0
    moves = np.hypot(*np.diff(centres, axis=0).T) / _sizes(truth)[:-1]
    known = moves[~np.isnan(moves)]
    return bool(len(known)) and bool((known > FAST).mean() >= FAST_SHARE)


def leaves(truth: Array) -> bool:
    """Whether it is absent in some frame."""
    return bool(np.isnan(truth).any())


ATTRIBUTES: Mapping[str, Callable[[Array], bool]] = MappingProxyType(
    {
        "steady": is_steady,
        "size change": size_changes,
        "aspect change": aspect_changes,
        "small": is_small,
        "fast": is_fast,
        "leaving": leaves,
    }
)
"""Name of an attribute -> whether a sequence with true boxes ``(N, 4)`` x, y, w, h has it.

Rows are NaN where the object is absent. Turns in the picture are not among them: upright boxes do
not tell them from other changes of the aspect.
"""


def attributes_of(truth: Array) -> list[str]:
    """The attributes of a sequence.

    Args:
        truth: ``(N, 4)`` x, y, w, h in pixels, at least one without NaN.
    """
    return [name for name, holds in ATTRIBUTES.items() if holds(truth)]


def _sizes(truth: Array) -> Array:
    """Root of the area in each frame, ``(N,)``."""
    return np.sqrt(truth[:, 2] * truth[:, 3])


def _span(values: Array) -> float:
    """The largest over the smallest."""
    return float(np.nanmax(values) / np.nanmin(values))
