"""Frames per second: which of them are a rate that times can be counted with."""

from __future__ import annotations

from typing import Any

from ..arguments import as_number
from ..errors import InputError
from ..kinds import Bound

FASTEST_RATE: Bound[float] = 1000.0

SLOWEST_RATE: Bound[float] = 1e-9
"""A frame in thirty years; at rates that are next to none the times of frames are infinite."""


def as_rate(value: Any, name: str = "fps") -> float:
    """Frames per second, as somebody gave them.

    Raises:
        InputError: no number, or out of range.
    """
    rate = as_number(value, name)
    if not is_rate(rate):
        raise InputError(f"{name} {rate} is not between {SLOWEST_RATE:g} and {FASTEST_RATE:g}")
    return rate


def is_rate(value: float) -> bool:
    """Whether a number can be frames per second; files and cameras claim others too."""
    return SLOWEST_RATE <= value <= FASTEST_RATE
