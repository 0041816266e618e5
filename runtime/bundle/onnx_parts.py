"""Tensors and attributes of an ONNX file: each holds what its type says, and nothing else.

Libraries go by the type of a tensor or of an attribute, or by the field in which something stands;
where the two do not agree, they would see other numbers than those that are checked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..kinds import Bound, Numeric
from .onnx_messages import FIXED, INT, MessageReader, Span

Attribute = dict[int, list[Any]]
"""Fields of an attribute by their numbers."""

FLOAT: Numeric[int] = 1
INT32: Numeric[int] = 6
INT64: Numeric[int] = 7
TEXT: Numeric[int] = 8
"""Of tensors of texts, which take memory that no limit of the inference library counts."""

FEW_SIDES: Bound[int] = 16
"""Whole numbers of a constant that are looked at: more are no shape."""

FEW_BYTES: Bound[int] = 10 * FEW_SIDES
"""Of such numbers, however they are written."""

HAS_TEXTS = "has tensors of texts"


class Parts:
    """Numbers of fields of tensors and attributes in ``onnx.proto``."""

    SIDES, KIND, TEXTS, NAME, RAW, EXTERNAL, PLACE, PROPERTIES = 1, 2, 6, 8, 9, 13, 14, 16
    NUMBERS = (4, 5, 6, 7, 10, 11)
    AS_IN_MEMORY = (4, 9, 10)
    ATTRIBUTE_NAME, ATTRIBUTE_KIND, INTEGER, LETTERS, INTEGERS = 1, 20, 3, 4, 8
    TENSORS, GRAPHS, SPARSE = (5, 10), (6, 11), (22, 23)


LISTED = {FLOAT: 4, INT64: 7, 11: 10, 12: 11, 13: 11, 14: 4, 15: 10}
"""In which field the numbers of a tensor stand that are not raw, by its type; others in field 5."""

SMALL_NUMBERS: Numeric[int] = 5

VALUES: Numeric[tuple[int, ...]] = (0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 22, 23)
"""In which field the value of an attribute stands, by its type."""

WHERE = frozenset({"location", "offset", "length", "checksum"})
"""What is said of weights in another file."""


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        kind: type of its numbers.
        name: its own; a constant has the name of the operator's output instead.
        sides: its shape.
        values: its numbers if they are few whole ones, and otherwise none.
        weights: bytes of the file that are its numbers as they are in memory.
        location: name of another file that has its numbers, or nothing.
        problem: why no file may have it.
    """

    kind: int
    name: str
    sides: list[int]
    values: list[int]
    weights: int
    location: str
    problem: str | None


def read_tensor(reader: MessageReader, span: Span) -> Tensor:
    """Read a tensor, but not its numbers, if they are many.

    Raises:
        ValueError: it has no type, numbers of another one, or says in two ways where they are.
    """
    found: dict[int, list[Any]] = {}
    for number, value in reader.fields("tensor", span):
        pair = number in (Parts.EXTERNAL, Parts.PROPERTIES)
        found.setdefault(number, []).append(reader.message("pair", value) if pair else value)
    kind = found.get(Parts.KIND, [0])[0]
    name = found.get(Parts.NAME, [""])[0]
    listed = LISTED.get(kind, SMALL_NUMBERS)
    held = {n for n in (*Parts.NUMBERS, Parts.RAW, Parts.EXTERNAL) if n in found}
    location, problem = _elsewhere(found)
    if kind == TEXT or Parts.TEXTS in held:
        problem = HAS_TEXTS
    elif kind < 1 or len(held) > 1 or not held <= {listed, Parts.RAW, Parts.EXTERNAL}:
        raise ValueError(f"tensor {name!r} has no type, or numbers of another type")
    spans = (span for n in held.intersection(Parts.AS_IN_MEMORY) for span in found[n])
    return Tensor(
        kind,
        name,
        [side for value in found.get(Parts.SIDES, ()) for side in _whole(reader, value)],
        _few(reader, found, kind, listed) if kind in (INT32, INT64) else [],
        sum(end - start for start, end in spans),
        location,
        problem,
    )


def read_attributes(read: list[Attribute]) -> dict[str, Attribute]:
    """The attributes of an operator by their names.

    Raises:
        ValueError: two have one name, or one has no type, or a value of another type.
    """
    found: dict[str, Attribute] = {}
    for attribute in read:
        name = attribute.get(Parts.ATTRIBUTE_NAME, [""])[0]
        kind = kind_of(attribute)
        if not 0 < kind < len(VALUES):
            raise ValueError(f"attribute {name!r} has no type that is known")
        if name in found or any(n in attribute for n in VALUES if n != VALUES[kind]):
            raise ValueError(f"attribute {name!r} is there twice, or has a value of another type")
        found[name] = attribute
    return found


def kind_of(attribute: Attribute) -> int:
    """The type of an attribute."""
    return attribute.get(Parts.ATTRIBUTE_KIND, [0])[0]


def whole_numbers(attribute: Attribute) -> list[int]:
    """The whole numbers of an attribute."""
    return [*attribute.get(Parts.INTEGER, ()), *attribute.get(Parts.INTEGERS, ())]


def text_of(reader: MessageReader, attribute: Attribute) -> bytes:
    """The text of an attribute."""
    return b"".join(reader.data[start:end] for start, end in attribute.get(Parts.LETTERS, ()))


def _elsewhere(found: dict[int, list[Any]]) -> tuple[str, str | None]:
    """In which other file the numbers of a tensor are, if they are, and what is wrong with that.

    Raises:
        ValueError: it is said twice, or in words that others may read in another way.
    """
    pairs = found.get(Parts.EXTERNAL, ())
    said = {pair.get(1, [""])[0]: pair.get(2, [""])[0] for pair in pairs}
    if len(said) != len(pairs) or not WHERE.issuperset(said):
        raise ValueError("it says twice where weights are, or in unknown words")
    place = found.get(Parts.PLACE, [0])[0]
    if place not in (0, 1) or (said and not place):
        raise ValueError("it has weights of which it does not say whether they are elsewhere")
    location = said.get("location", "")
    missing = place and not location
    return location, "has weights elsewhere, and does not say where" if missing else None


def _few(reader: MessageReader, found: dict[int, list[Any]], kind: int, listed: int) -> list[int]:
    """The whole numbers of a tensor, if they are few."""
    numbers: list[int] = []
    for start, end in found.get(Parts.RAW, ()):
        if end - start <= FEW_BYTES:
            size = FIXED[1] if kind == INT64 else FIXED[5]
            parts = (reader.data[at : at + size] for at in range(start, end, size))
            numbers = [int.from_bytes(part, "little", signed=True) for part in parts]
    for value in found.get(listed, ()):
        few = _whole(reader, value)
        if not few or len(numbers) > FEW_SIDES:
            return []
        numbers += few
    return numbers if len(numbers) <= FEW_SIDES else []


def _whole(reader: MessageReader, value: int | Span) -> list[int]:
    """Whole numbers, packed one after another or a single one; none if they are many."""
    if isinstance(value, int):
        return [value]
    few = value[1] - value[0] <= FEW_BYTES
    return list(reader.packed(value, INT)) if few else []
