"""Plain arguments of the public calls: numbers, counts and names, or an error that says why not."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import InputError
from .kinds import Bound

LONGEST_CALLED: Bound[int] = 1000
"""Letters; a name has to fit into a line of a file with everything else."""


def as_count(value: Any, name: str) -> int:
    """A whole number, as Python or NumPy have it.

    Raises:
        InputError: something else, also a truth value or a fraction.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name} is {_shown(value)}; give a whole number") from None


def as_number(value: Any, name: str) -> float:
    """A finite number, as Python or NumPy have it.

    Raises:
        InputError: something else, also a truth value, or not finite.
    """
    plain = (
        not isinstance(value, (bool, str, bytes, bytearray))
        and not getattr(value, "ndim", 0)
        and not np.iscomplexobj(value)
        and not np.ma.is_masked(value)
    )
    try:
        number = float(value) if plain else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} is {_shown(value)}; give a finite number")
    return number


def is_name(value: Any, names: Sequence[str]) -> bool:
    """Whether a value is one of some names; an array would compare with each of them."""
    return isinstance(value, str) and value in names


def as_called(value: Any, name: str = "name") -> str:
    """What an object is called: any text that a line of a file can hold, or none.

    Raises:
        InputError: something else, half a character, or text without end.
    """
    if not isinstance(value, str) or len(value) > LONGEST_CALLED:
        raise InputError(f"{name} is {_shown(value)}; give text of up to {LONGEST_CALLED} letters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(f"{name} is {_shown(value)}, which is no UTF-8; give text") from None
    return value


def _shown(value: Any) -> str:
    """A value for a message."""
    plain = value is None or isinstance(value, (bool, int, float, str))
    return repr(value)[:60] if plain else f"of type {type(value).__name__}"
