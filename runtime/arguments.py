"""Plain arguments of the public calls: numbers, sizes and names, or an error that says why not."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from .errors import InputError, seen
from .kinds import Bound
from .limits import PICTURE_PIXELS

LONGEST_CALLED: Bound[int] = 1000
"""Letters; a name has to fit into a line of a file with everything else."""

MOST_BITS: Bound[int] = 63
"""Of a whole number beside its sign: Python does not even write out those of many thousands."""


def as_count(value: Any, name: str) -> int:
    """A whole number, as Python or NumPy have it.

    Raises:
        InputError: something else, also a truth value or a fraction, or more than 64 bits.
    """
    try:
        if isinstance(value, bool) or np.ma.is_masked(value):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} is {_shown(value)}; give a whole number") from None
    if number.bit_length() > MOST_BITS:
        raise InputError(f"{name} is {_shown(number)}; give a whole number of at most 64 bits")
    return number


def as_number(value: Any, name: str) -> float:
    """A finite number, as Python or NumPy have it.

    Raises:
        InputError: something else, also a truth value, or not finite.
    """
    number = as_float(value)
    if number is None or not math.isfinite(number):
        raise InputError(f"{name} is {_shown(value)}; give a finite number")
    return number


def as_float(value: Any) -> float | None:
    """A number as a float, which may be infinite or NaN; ``None`` for anything else."""
    if type(value) is float:
        return value
    # Numpy would make floats of complex numbers, spans of time and masked values, with a warning.
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    odd = isinstance(value, (bool, str, bytes, bytearray)) or kind not in "fiu"
    if odd or getattr(value, "ndim", 0) or np.ma.is_masked(value):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def few_floats(values: Any, most: int) -> list[float]:
    """The numbers of a short row, as :func:`as_float`; none if there is anything else in it.

    Args:
        values: what was given; one that has no end, or memory for none, is not gone through.
        most: how many are wanted; of a longer row there is one more.
    """
    if isinstance(values, (str, bytes)):
        return []
    try:
        taken = list(islice(values, most + 1))
    except (TypeError, NotImplementedError):
        # The latter is what a buffer of several dimensions says.
        return []
    numbers = [number for value in taken if (number := as_float(value)) is not None]
    return numbers if len(numbers) == len(taken) else []


def is_row(value: Any) -> bool:
    """Whether one may go through a value; text, buffers and arrays of one number are no rows."""
    through = isinstance(value, Iterable) and not isinstance(value, (str, bytes, memoryview))
    return through and getattr(value, "ndim", 1) != 0


def as_switch(value: Any, name: str) -> bool:
    """A truth value; 0 and 1 are taken too.

    Raises:
        InputError: something else, such as an array.
    """
    if not isinstance(value, (bool, int, np.bool_)):
        raise InputError(f"{name} is {_shown(value)}; give True or False")
    return bool(value)


def as_size(size: Any) -> tuple[int, int]:
    """Width and height of a picture.

    Raises:
        InputError: they are not two whole numbers from 1 on, or more pixels than :mod:`.limits`
            allow.
    """
    try:
        width, height = size
    except (TypeError, ValueError, NotImplementedError):
        raise InputError("size is not two numbers; give width and height in pixels") from None
    width, height = as_count(width, "a side of size"), as_count(height, "a side of size")
    if width < 1 or height < 1:
        raise InputError(f"size {width}x{height} is no picture's; give width and height in pixels")
    if refusal := PICTURE_PIXELS.refusal(width * height):
        raise InputError(f"size {width}x{height}: it {refusal}")
    return width, height


def is_name(value: Any, names: Sequence[str]) -> bool:
    """Whether a value is one of some names; an array would compare with each of them."""
    return isinstance(value, str) and value in names


def as_called(value: Any, name: str = "name") -> str:
    """What an object is called: any text that a line of a file can hold, or none.

    Returns:
        Plain text, also of a class that derives from it.

    Raises:
        InputError: something else, half a character, or text without end.
    """
    if not isinstance(value, str) or len(value) > LONGEST_CALLED:
        raise InputError(f"{name} is {_shown(value)}; give text of up to {LONGEST_CALLED} letters")
    if not is_text(value):
        raise InputError(f"{name} is {_shown(value)}, which is no UTF-8; give text")
    return str.__str__(value)


def as_saved_name(name: Any) -> str:
    """What a template is called, if its file can keep it.

    Raises:
        InputError: no text, too long, half a character, or a NUL: numpy drops those at the end.
    """
    if "\0" in (called := as_called(name)):
        raise InputError(f"name {seen(called)} holds a NUL character; leave it out")
    return called


def is_text(value: str) -> bool:
    """Whether a string has whole characters only; OpenCV crashes over half ones."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: Any) -> str:
    """A value for a message."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return f"a number of {value.bit_length()} bits"
    plain = value is None or isinstance(value, (bool, int, float, str))
    return repr(value)[:60] if plain else f"of type {type(value).__name__}"
