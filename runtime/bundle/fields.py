"""Numbers with a kind and a range: the fields of recipes, declared, checked and read in one way."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

import numpy as np

from ..errors import InputError, seen
from ..kinds import Bound, Numeric

Kind = Literal["fitted", "chosen", "bound", "numeric"]
"""Where a number comes from: a fit to data (:class:`~.recipes.FitRecord` says which); a choice
among alternatives that were measured; a limit on work or memory, or of what is accepted; or
arithmetic alone."""

MANY: Numeric[int] = 10_000

LONGEST_LIST: Bound[int] = 64
LONGER: Bound[int] = 16
"""A list of numbers may have this many times those of its default."""

RecordT = TypeVar("RecordT", bound="Record")


def fitted(default: float | tuple[float, ...], low: float, high: float) -> Any:
    """A number, or a tuple of numbers, fitted to data, from ``low`` to ``high``."""
    return _declared("fitted", default, low, high)


def chosen(default: Any, low: float = 0, high: float = 1) -> Any:
    """A number, a tuple of numbers, or a switch that was chosen by what it is worth."""
    return _declared("chosen", default, low, high)


def bound(default: Any, low: float, high: float) -> Any:
    """A limit on work or memory, or of what is accepted."""
    return _declared("bound", default, low, high)


def numeric(default: Any, low: float, high: float) -> Any:
    """A number of the arithmetic: nothing else would change if it were a little different."""
    return _declared("numeric", default, low, high)


def kind_of(entry: Field[Any]) -> Kind:
    """The kind a field was declared with."""
    return entry.metadata["kind"]


@dataclass(frozen=True)
class Record:
    """Numbers whose types and ranges are checked when they are set.

    A whole number may stand for a fraction, but a fraction never for a count.

    Raises:
        InputError: a value of another type or outside its range; names both.
    """

    def __post_init__(self) -> None:
        """Check every field, and keep it as the type that was declared."""
        for entry in fields(self):
            object.__setattr__(self, entry.name, _checked(entry, getattr(self, entry.name)))

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``json.dump``."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls: type[RecordT], data: Mapping[str, Any]) -> RecordT:
        """Read what :meth:`as_dict` gave; missing fields have their defaults.

        Raises:
            InputError: an unknown field, or a value of another type or outside its range.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"{cls.__name__} is {seen(data)}; give an object of names and values")
        known = [entry.name for entry in fields(cls)]
        unknown = [name for name in data if name not in known]
        if unknown:
            raise InputError(
                f"{cls.__name__} has no field {seen(str(unknown[0]))}; "
                f"choose from {', '.join(known)}"
            )
        return cls(**data)


def _declared(kind: Kind, default: Any, low: float, high: float) -> Any:
    return field(default=default, metadata={"kind": kind, "low": low, "high": high})


def _checked(entry: Field[Any], value: Any) -> Any:
    """A value as its field has it.

    Raises:
        InputError: of another type, or outside the range.
    """
    default = entry.default
    assert default is not MISSING
    low, high = entry.metadata["low"], entry.metadata["high"]
    between = f"between {_text(low)} and {_text(high)}"
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"{entry.name} is {seen(value)}; it must be true or false")
        return value
    if isinstance(default, tuple):
        parts = value if isinstance(value, (tuple, list)) else ()
        if len(parts) > max(LONGEST_LIST, LONGER * len(default)):
            raise InputError(f"{entry.name} is a list of {len(parts)} numbers; give fewer")
        if not parts or not all(_is_number(part) and low <= part <= high for part in parts):
            raise InputError(f"{entry.name} is {seen(value)}; give a list of numbers {between}")
        return tuple(float(part) for part in parts)
    if not _is_number(value) or not low <= value <= high:
        raise InputError(f"{entry.name} is {seen(value)}; it must lie {between}")
    if isinstance(default, int):
        if not isinstance(value, numbers.Integral):
            raise InputError(f"{entry.name} is {seen(value)}; it must be a whole number {between}")
        return int(value)
    return float(value)


def _text(number: float) -> str:
    """A number for people."""
    return f"{number:,.0f}" if abs(number) >= MANY else f"{number:g}"


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number, and no truth value."""
    if type(value) is float:
        # Nearly all are; asking the abstract class takes longer than all the rest.
        return math.isfinite(value)
    # A numpy.timedelta64 calls itself a whole number.
    if not isinstance(value, numbers.Real) or isinstance(value, (bool, np.timedelta64)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
