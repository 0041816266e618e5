"""JSON that somebody else may have written, read strictly: size, depth, types, ranges.

Every file of ours that holds JSON is read here. Errors are ``ValueError``; whoever reads turns
them into an error that names the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .files import read_regular
from .kinds import Bound
from .limits import JSON_BYTES, JSON_DEPTH

Value = TypeVar("Value")

LARGEST: Bound[int] = 1 << 63
"""No whole number of ours is larger: it must fit into the integers of other languages."""

SHOWN: Bound[int] = 60
"""Characters of a wrong value that a message repeats."""


def read_json(path: Path) -> Any:
    """What a file of JSON holds.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: as :func:`parse_json`.
    """
    return parse_json(read_regular(path, JSON_BYTES))


def parse_json(text: str | bytes, most: int = JSON_BYTES) -> Any:
    """What some JSON holds.

    Args:
        text: UTF-8 if it is bytes.
        most: bytes or characters that it may have.

    Raises:
        ValueError: it is too long, is not JSON, names something twice, nests too deep, or has a
            number that is not finite or beyond 64 bits, or half a character.
    """
    if len(text) > most:
        raise ValueError(f"more than {most:,} bytes of JSON")
    if isinstance(text, bytes):
        text = text.decode()
    try:
        value = json.loads(text, object_pairs_hook=_named_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    _check_values(value)
    return value


def object_of(value: Any, name: str) -> dict[str, Any]:
    """A value that must be an object.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {shown(value)}; it must be an object")
    return value


def list_of(value: Any, name: str, most: int) -> list[Any]:
    """A value that must be a list of at most so many.

    Raises:
        ValueError: it is none, or longer.
    """
    if not isinstance(value, list):
        raise ValueError(f"{name} is {shown(value)}; it must be a list")
    if len(value) > most:
        raise ValueError(f"{name} has {len(value)} entries; at most {most} are accepted")
    return value


def text_of(value: Any, name: str) -> str:
    """A value that must be text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} is {shown(value)}; it must be text")
    return value


def count_of(value: Any, name: str, low: int = 0, high: int = LARGEST) -> int:
    """A value that must be a whole number from ``low`` to ``high``.

    Raises:
        ValueError: it is none, or lies outside.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(
            f"{name} is {shown(value)}; it must be a whole number from {low} to {high}"
        )
    return value


def number_of(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A value that must be a finite number from ``low`` to ``high``.

    Raises:
        ValueError: it is none, or lies outside.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        between = "" if math.isinf(low) and math.isinf(high) else f" from {low:g} to {high:g}"
        raise ValueError(f"{name} is {shown(value)}; it must be a finite number{between}")
    return float(value)


def or_none(value: Any, read: Callable[[Any], Value]) -> Value | None:
    """A value that may be missing."""
    return None if value is None else read(value)


def member(data: Mapping[str, Any], name: str) -> Any:
    """What an object must have under a name.

    Raises:
        ValueError: it has nothing.
    """
    if name not in data:
        raise ValueError(f"{name!r} is missing")
    return data[name]


def shown(value: Any) -> str:
    """A value for a message, cut short."""
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else ""
    text = text or f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; whoever checks it and whoever reads it must see the same value."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ValueError(f"{shown(twice)} is named twice in one object")
    return found


def _no_constant(name: str) -> float:
    """JSON has no such number."""
    raise ValueError(f"{name} is no JSON")


def _check_values(value: Any) -> None:
    """Check depth, numbers and texts, without recursion."""
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, (dict, list)):
                if depth == JSON_DEPTH:
                    raise ValueError(_too_deep())
                inner += each
                inner += each.values() if isinstance(each, dict) else ()
            else:
                _check_plain(each)
        level, depth = inner, depth + 1


def _check_plain(value: Any) -> None:
    """Check a number or a text."""
    if isinstance(value, str):
        if not value.isascii():
            # Half of a pair of surrogates could be neither printed nor be a file's name.
            value.encode()
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is too large to be computed with")
    elif isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"a whole number has more than 64 bits: {shown(value)}")


def _too_deep() -> str:
    return f"more than {JSON_DEPTH} objects or lists inside one another"
