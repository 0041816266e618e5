"""The messages of an ONNX file (``onnx.proto``, protocol buffers), read strictly.

A library that opens a file must find nothing in it that was not seen here. Where protocol buffers
leave a choice, such as a field that comes twice, one of another type or a number of too many bits,
there is none: such a file is refused, and so is every field that is not in the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..kinds import Numeric
from ..limits import GRAPH_FIELDS

Span = tuple[int, int]
"""Where a value begins and ends."""

VARINT: Numeric[int] = 0
DELIMITED: Numeric[int] = 2
FIXED: Numeric[dict[int, int]] = {1: 8, 5: 4}
WAYS = (VARINT, DELIMITED, *FIXED)
"""How values are written; groups, of old, are not."""

LONGER: Numeric[int] = 0x80
"""Bit of a byte after which a number goes on."""

SECOND: Numeric[int] = 1
"""Byte after the first of a key of two: no field here has a number above 31."""

LONGEST_VARINT: Numeric[int] = 10
LONGEST_SIZE: Numeric[int] = 5

INT, INT32, FLOAT, DOUBLE = "int64", "int32", "float", "double"
TEXT, BYTES = "text", "bytes"
WIRES = {INT: VARINT, INT32: VARINT, FLOAT: 5, DOUBLE: 1}
"""How numbers come that are not packed; all else is delimited."""

Known = tuple[str, bool]
"""Type of a field, and whether it may come again."""


def _table(**kinds: str) -> dict[int, Known]:
    """Fields of a message: ``f3="text"``, or ``f3="*text"`` for one that is repeated."""
    return {int(key[1:]): (kind.lstrip("*"), kind[0] == "*") for key, kind in kinds.items()}


MESSAGES: dict[str, dict[int, Known]] = {
    "model": _table(
        f1=INT, f2=BYTES, f3=BYTES, f4=BYTES, f5=INT, f6=BYTES, f7="graph", f8="*opset",
        f14="*pair", f20="*training", f25="*function",
    ),
    "opset": _table(f1=TEXT, f2=INT),
    "pair": _table(f1=TEXT, f2=TEXT),
    "graph": _table(
        f1="*node", f2=TEXT, f5="*tensor", f10=BYTES, f11="*value", f12="*value", f13="*value",
        f14="*note", f15="*sparse", f16="*pair",
    ),
    "node": _table(
        f1="*text", f2="*text", f3=TEXT, f4=TEXT, f5="*attribute", f6=BYTES, f7=TEXT, f8=TEXT,
        f9="*pair",
    ),
    "attribute": _table(
        f1=TEXT, f2=FLOAT, f3=INT, f4=BYTES, f5="tensor", f6="graph", f7="*float", f8="*int64",
        f9="*bytes", f10="*tensor", f11="*graph", f13=BYTES, f20=INT32, f22="sparse",
        f23="*sparse",
    ),
    "tensor": _table(
        f1="*int64", f2=INT32, f4="*float", f5="*int32", f6="*bytes", f7="*int64", f8=TEXT,
        f9=BYTES, f10="*double", f11="*int64", f12=BYTES, f13="*pair", f14=INT32, f16="*pair",
    ),
    "value": _table(f1=TEXT, f2="type", f3=BYTES, f4="*pair"),
    "type": _table(f1="array", f6=TEXT),
    "array": _table(f1=INT32, f2="shape"),
    "shape": _table(f1="*side"),
    "side": _table(f1=INT, f2=TEXT, f3=TEXT),
    "note": _table(f1=TEXT, f2="*pair"),
}  # fmt: skip
"""Every field that a file may have; what is no message here is refused before it is looked into."""

LATER = ("node", "tensor", "graph", "sparse", "training", "function")
"""Messages that :meth:`MessageReader.message` leaves as they are, for whoever asks for them."""


class MessageReader:
    """Reads the messages of one file, and counts what it reads.

    Args:
        data: all of it.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = GRAPH_FIELDS

    def message(self, kind: str, span: Span) -> dict[int, list[Any]]:
        """A message with what lies in it: numbers, texts, dictionaries and places of bytes.

        Raises:
            ValueError: it is not as such messages are.
        """
        table = MESSAGES[kind]
        found: dict[int, list[Any]] = {}
        for number, value in self.fields(kind, span):
            of = table[number][0]
            inner = self.message(of, value) if of in MESSAGES and of not in LATER else value
            found.setdefault(number, []).append(inner)
        return found

    def fields(self, kind: str, span: Span) -> Iterator[tuple[int, Any]]:
        """The fields of a message in their order; messages and bytes as their places.

        Whole numbers that are packed come one by one, except those of tensors, which may be many.

        Raises:
            ValueError: it is not as such messages are.
        """
        table, seen = MESSAGES[kind], 0
        at, end = span
        while at < end:
            number, wire, at = self._key(at, end)
            known = table.get(number)
            if known is None or (seen >> number & 1 and not known[1]):
                raise ValueError(
                    f"it is no protocol buffer, or its {kind} has field {number}, which "
                    + ("comes twice" if known else "is not known")
                )
            seen |= 1 << number
            of, repeated = known
            packed = wire == DELIMITED and of in WIRES
            if wire != (DELIMITED if packed and repeated else WIRES.get(of, DELIMITED)):
                raise ValueError(
                    f"it is no protocol buffer, or its {kind} has another field {number}"
                )
            if wire == VARINT:
                value, at = self.varint(at, end, of)
                yield number, value
                continue
            place = self._place(wire, at, end)
            at = place[1]
            if not packed:
                yield number, self._text(place) if of == TEXT else place
            elif of in (INT, INT32) and kind != "tensor":
                for value in self.packed(place, of):
                    self._count()
                    yield number, value
            elif (at - place[0]) % FIXED.get(WIRES[of], 1):
                raise ValueError("it is cut off")
            else:
                yield number, place

    def packed(self, place: Span, of: str = INT) -> Iterator[int]:
        """Whole numbers that follow one another.

        Raises:
            ValueError: they have more bits, or are cut off.
        """
        at, end = place
        while at < end:
            value, at = self.varint(at, end, of)
            yield value

    def varint(self, at: int, end: int, of: str) -> tuple[int, int]:
        """A whole number with its sign, and where it ends.

        Raises:
            ValueError: it does not end, or has more bits than its type.
        """
        value = shift = 0
        for place in range(at, min(end, at + LONGEST_VARINT)):
            byte = self.data[place]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < LONGER:
                bits = 64 if of == INT else 32
                signed = value - (1 << 64) if value >> 63 else value
                if value >> 64 or not -1 << bits - 1 <= signed < 1 << bits - 1:
                    raise ValueError(f"it has a number of more than {bits} bits")
                return signed, place + 1
        raise ValueError("it is no protocol buffer, or cut off")

    def _key(self, at: int, end: int) -> tuple[int, int, int]:
        """Number of a field, how its value is written, and where that begins."""
        self._count()
        key = self.data[at]
        at += 1
        if key >= LONGER:
            if at == end or self.data[at] != SECOND:
                raise ValueError("it is no protocol buffer, or has a field that is not known")
            at += 1
        wire = key & 7
        if wire not in WAYS:
            raise ValueError("it is no protocol buffer")
        return key >> 3, wire, at

    def _place(self, wire: int, at: int, end: int) -> Span:
        """Where a value is that is no number of its own length."""
        size = FIXED.get(wire)
        if size is None:
            if at < end and self.data[at] < LONGER:
                size, at = self.data[at], at + 1
            else:
                size, at = self.varint(at, min(end, at + LONGEST_SIZE), INT)
        if at + size > end:
            raise ValueError("it is cut off")
        return at, at + size

    def _count(self) -> None:
        """Count a field or a number.

        Raises:
            ValueError: there are too many.
        """
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"it has more than {GRAPH_FIELDS:,} fields")

    def _text(self, place: Span) -> str:
        """A text, which must be one."""
        try:
            return self.data[place[0] : place[1]].decode()
        except UnicodeDecodeError:
            raise ValueError("a name is no text") from None
