"""What an ONNX file holds that must be known before a library opens it.

A graph is a program, and a library that opens it reads whatever other files it names. The few parts
of the file's description (``onnx.proto``, protocol buffers) that say so are walked here, without
any package for ONNX: weights in other files, operators of other makers, loops, constants that a few
bytes blow up to gigabytes, and what would be computed of constants for minutes while it is opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..kinds import Bound, Numeric
from ..limits import FILL_VALUES, FOLDED_NODES, WINDOW_SIDE
from .onnx_operators import (
    COUNTING,
    FILLING,
    GIVES_AS_SAID,
    GIVES_PLACES,
    GIVES_WHOLE,
    INT64,
    KIND_OF,
    LABORIOUS,
    OPERATORS,
    PICKING,
    REFUSED,
    TEXT,
    WHOLE,
    WITH_TENSORS,
)

Field = tuple[int, int, int]
"""Number of a field; where its value begins and ends, or its number twice."""

VARINT: Numeric[int] = 0
FIXED: Numeric[dict[int, int]] = {1: 8, 5: 4}
DELIMITED: Numeric[int] = 2
LONGEST_VARINT: Numeric[int] = 10
LONGER: Numeric[int] = 0x80
"""Bit of a byte after which a number goes on."""

DEEPEST: Bound[int] = 8
"""Graphs inside one another."""

HAS_TEXTS = "has tensors of texts"

FEW_SIDES: Bound[int] = 16
FEW_BYTES: Bound[int] = 8 * 16
"""Of a constant that may be a shape."""


class Onnx:
    """Numbers of fields in ``onnx.proto``, by the message that has them."""

    GRAPH, OPSETS, FUNCTIONS, TRAINING = 7, 8, 25, 20
    NODES, INITIALIZERS, INPUTS, SPARSE = 1, 5, 11, 15
    NODE_INPUTS, NODE_OUTPUTS, NODE_KIND, NODE_ATTRIBUTES, NODE_DOMAIN = 1, 2, 4, 5, 7
    ATTRIBUTE_INTEGERS, ATTRIBUTE_TENSORS, ATTRIBUTE_SPARSE = (3, 8), (5, 10), (22, 23)
    ATTRIBUTE_GRAPHS = (6, 11)
    ATTRIBUTE_TEXTS = (4, 9)
    KIND, INTEGERS, NAME, RAW, EXTERNAL, PLACE = 2, (5, 7), 8, 9, 13, 14


@dataclass
class OnnxContents:
    """What was found in an ONNX file.

    Attributes:
        external: names of other files that hold weights.
        problems: why the file is not to be opened, in words that follow its name.
    """

    external: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def onnx_contents(data: bytes, *, loops: bool = False) -> OnnxContents:
    """Look through an ONNX file.

    Args:
        data: all of it.
        loops: it may run graphs inside, which are then looked through as well.

    Raises:
        ValueError: it is none.
    """
    walker = _Walker(data, loops=loops)
    walker.model()
    return walker.found


class _Walker:
    """Goes through the messages of one file.

    Args:
        data: all of it.
        loops: operators that run graphs inside are not refused.
    """

    def __init__(self, data: bytes, *, loops: bool) -> None:
        self.found = OnnxContents()
        self._data = data
        self._loops = loops
        self._depth = 0
        self._constants: dict[str, int] = {}
        self._values: dict[str, list[int]] = {}
        self._whole: set[str] = set()
        self._sides: set[str] = set()
        self._fixed: set[str] = set()
        self._folded = 0

    def model(self) -> None:
        """The whole file.

        Raises:
            ValueError: it is no ONNX file.
        """
        graphs = 0
        for number, start, end in self._fields(0, len(self._data)):
            if number == Onnx.GRAPH:
                graphs += 1
                self._graph(start, end)
            elif number == Onnx.OPSETS:
                for inner, begin, stop in self._fields(start, end):
                    if inner == 1:
                        self._domain(self._text(begin, stop))
            elif number in (Onnx.FUNCTIONS, Onnx.TRAINING):
                self._refuse("has functions or training of its own")
        if graphs != 1:
            raise ValueError("it holds no graph")

    def _graph(self, start: int, end: int) -> None:
        """The graph: its nodes and its weights."""
        nodes: list[tuple[int, int]] = []
        awaited: set[str] = set()
        for number, begin, stop in self._fields(start, end):
            if number == Onnx.NODES:
                nodes.append((begin, stop))
            elif number == Onnx.INPUTS:
                self._input(begin, stop)
            elif number == Onnx.INITIALIZERS:
                self._fixed.add(self._tensor(begin, stop))
            elif number == Onnx.SPARSE:
                self._refuse("has sparse weights")
        for node in nodes:
            inputs, outputs = self._node(*node)
            awaited.update(filter(None, inputs))
            if not awaited.isdisjoint(outputs):
                # What follows from constants would not be seen, and libraries sort them.
                self._refuse("lists an operator before what it needs, which ONNX does not allow")

    def _input(self, start: int, end: int) -> None:
        """An input of a graph: whether it has whole numbers."""
        name, kind = "", 0
        for number, begin, stop in self._fields(start, end):
            if number == 1:
                name = self._text(begin, stop)
            elif number == 2:  # noqa: PLR2004 - its type, of which tensors are the first sort
                kind = self._first(*self._first(begin, stop))[0]
        if kind in WHOLE:
            self._whole.add(name)

    def _first(self, start: int, end: int) -> tuple[int, int]:
        """Where field 1 of a message is, or its number twice; zeros if it has none."""
        return next((field[1:] for field in self._fields(start, end) if field[0] == 1), (0, 0))

    def _node(self, start: int, end: int) -> tuple[list[str], list[str]]:
        """One operator; returns the names of its inputs and of its outputs.

        Graphs inside it need a look only where what runs them is not refused.
        """
        parts: dict[int, list[tuple[int, int]]] = {}
        for number, begin, stop in self._fields(start, end):
            parts.setdefault(number, []).append((begin, stop))
        kinds = [self._text(*part) for part in parts.get(Onnx.NODE_KIND, ())]
        for part in parts.get(Onnx.NODE_DOMAIN, ()):
            self._domain(self._text(*part))
        if not WITH_TENSORS.isdisjoint(kinds):
            output = next((self._text(*part) for part in parts.get(Onnx.NODE_OUTPUTS, ())), "")
            for part in parts.get(Onnx.NODE_ATTRIBUTES, ()):
                self._attribute(*part, output)
        attributes = parts.get(Onnx.NODE_ATTRIBUTES, ())
        numbers = [value for part in attributes for value in self._numbers(*part)]
        if "Cast" in kinds and TEXT in numbers:
            self._refuse(HAS_TEXTS)
        for part in attributes if self._loops else ():
            self._inner(*part)
        inputs, outputs = (
            [self._text(*part) for part in parts.get(side, ())]
            for side in (Onnx.NODE_INPUTS, Onnx.NODE_OUTPUTS)
        )
        if not LABORIOUS.isdisjoint(kinds) and any(abs(value) > WINDOW_SIDE for value in numbers):
            self._refuse(f"has a window, a step or a margin of more than {WINDOW_SIDE}")
        self._looping_or_filling(kinds, inputs)
        self._dividing(kinds, inputs)
        self._following(kinds, inputs, outputs)
        self._counting(kinds, inputs, outputs, numbers)
        return inputs, outputs

    def _dividing(self, kinds: list[str], inputs: list[str]) -> None:
        """Refuse to divide whole numbers by what may be -1, which ends the process."""
        if "Div" not in kinds or self._whole.isdisjoint(inputs) or inputs[-1] in self._sides:
            return
        divisors = self._values.get(inputs[-1])
        if (divisors is None and not self._loops) or -1 in (divisors or ()):
            self._refuse("divides whole numbers by what may be -1")

    def _counting(
        self, kinds: list[str], inputs: list[str], outputs: list[str], numbers: list[int]
    ) -> None:
        """Keep which values are whole numbers, and which of them are not below 0."""
        kind = kinds[0] if kinds else ""
        if kind in COUNTING or (kind in PICKING and not self._sides.isdisjoint(inputs[:1])):
            self._sides.update(outputs)
        whole = kind in GIVES_WHOLE
        if kind in GIVES_AS_SAID:
            whole = not (self._whole.isdisjoint(outputs) and WHOLE.isdisjoint(numbers))
        elif kind != "Constant":
            source = inputs[KIND_OF.get(kind, 0) :][:1]
            whole = whole or not self._whole.isdisjoint(source)
        if whole:
            self._whole.update(outputs)
        if kind in GIVES_PLACES:
            self._whole.update(outputs[1:])

    def _looping_or_filling(self, kinds: list[str], inputs: list[str]) -> None:
        """Refuse operators that run graphs inside, and large arrays that are made of a shape."""
        for kind in () if self._loops else REFUSED.intersection(kinds):
            self._refuse(f"runs graphs inside operator {kind}, which may have no end")
        for kind in FILLING.intersection(kinds):
            values = max((self._constants.get(name, 0) for name in inputs), default=0)
            if values > FILL_VALUES:
                self._refuse(f"makes {values:,} values out of a constant in operator {kind}")

    def _following(self, kinds: list[str], inputs: list[str], outputs: list[str]) -> None:
        """Keep what follows from constants alone: libraries compute it when they open the file."""
        given = [name for name in inputs if name]
        if "Constant" in kinds:
            self._fixed.update(outputs)
        elif given and self._fixed.issuperset(given):
            self._fixed.update(outputs)
            self._folded += 1
            for kind in LABORIOUS.intersection(kinds):
                self._refuse(f"has operator {kind} with constants alone")
            if self._folded > FOLDED_NODES:
                self._refuse(f"computes with constants alone in more than {FOLDED_NODES} operators")

    def _inner(self, start: int, end: int) -> None:
        """The graphs of an attribute, with whatever they hold.

        Raises:
            ValueError: they lie too deep in one another.
        """
        for number, begin, stop in self._fields(start, end):
            if number in Onnx.ATTRIBUTE_GRAPHS:
                if self._depth == DEEPEST:
                    raise ValueError(f"more than {DEEPEST} graphs lie inside one another")
                self._depth += 1
                self._graph(begin, stop)
                self._depth -= 1

    def _attribute(self, start: int, end: int, output: str) -> None:
        """An attribute of a constant, which is named as its output."""
        for number, begin, stop in self._fields(start, end):
            if number in Onnx.ATTRIBUTE_TENSORS:
                self._tensor(begin, stop, output)
            elif number in Onnx.ATTRIBUTE_SPARSE:
                self._refuse("has sparse weights")
            elif number in Onnx.ATTRIBUTE_TEXTS:
                self._refuse(HAS_TEXTS)
        self._constant(output, self._numbers(start, end))

    def _numbers(self, start: int, end: int) -> list[int]:
        """The whole numbers of an attribute."""
        return [
            value
            for number, begin, stop in self._fields(start, end)
            if number in Onnx.ATTRIBUTE_INTEGERS
            for value in self._integers(begin, stop)
        ]

    def _tensor(self, start: int, end: int, name: str = "") -> str:
        """Weights, or a constant, and what they stand for if they are few; returns their name."""
        self._elsewhere(start, end)
        kind, raw = 0, b""
        values: list[int] = []
        for number, begin, stop in self._fields(start, end):
            if number == Onnx.KIND:
                kind = begin
            elif number == Onnx.NAME:
                name = name or self._text(begin, stop)
            elif number == Onnx.RAW and stop - begin <= FEW_BYTES:
                raw = self._data[begin:stop]
            elif number in Onnx.INTEGERS:
                values += self._integers(begin, stop)
        if kind == TEXT:
            self._refuse(HAS_TEXTS)
        if kind in WHOLE:
            self._whole.add(name)
            self._constant(name, values + _whole_numbers(raw, 8 if kind == INT64 else 4))
        return name

    def _constant(self, name: str, values: list[int]) -> None:
        """Keep a few whole numbers, and how many values an array has whose shape they are."""
        if name and 0 < len(values) <= FEW_SIDES:
            self._whole.add(name)
            self._values[name] = [*self._values.get(name, ()), *values]
            size = math.prod(max(value, 1) for value in values)
            self._constants[name] = max(size, self._constants.get(name, 0))

    def _elsewhere(self, start: int, end: int) -> None:
        """Whether weights lie in another file, and in which."""
        external = False
        for number, begin, stop in self._fields(start, end):
            external = external or number == Onnx.EXTERNAL or (number == Onnx.PLACE and begin != 0)
            if number == Onnx.EXTERNAL:
                self._external(begin, stop)
        if external and not self.found.external:
            self._refuse("has weights elsewhere, and does not say where")

    def _external(self, start: int, end: int) -> None:
        """Where weights are that lie in another file."""
        pair = {number: self._text(begin, stop) for number, begin, stop in self._fields(start, end)}
        if pair.get(1) == "location":
            self.found.external.append(pair.get(2, ""))

    def _domain(self, name: str) -> None:
        """Whose operators they are."""
        if name not in OPERATORS:
            self._refuse(f"uses operators of {name!r}, which ONNX does not describe")

    def _refuse(self, problem: str) -> None:
        """Keep a reason, once."""
        if problem not in self.found.problems:
            self.found.problems.append(problem)

    def _text(self, start: int, end: int) -> str:
        """A text; what is none gets marks that no name has."""
        return self._data[start:end].decode("utf-8", "replace")

    def _integers(self, start: int, end: int) -> list[int]:
        """Whole numbers, packed one after another or a single one."""
        if start == end:
            return [start]
        if end - start > FEW_BYTES:
            return []
        found: list[int] = []
        while start < end:
            value, start = self._varint(start, end)
            found.append(value - (1 << 64) if value >> 63 else value)
        return found

    def _fields(self, start: int, end: int) -> Iterator[Field]:
        """The fields of a message: number, and where the value is; a plain number is itself.

        Raises:
            ValueError: it is no message.
        """
        data, read = self._data, self._varint
        while start < end:
            # Nearly all keys and lengths have one byte.
            key, start = (data[start], start + 1) if data[start] < LONGER else read(start, end)
            kind = key & 7
            if kind == DELIMITED and start < end:
                short = data[start] < LONGER
                size, start = (data[start], start + 1) if short else read(start, end)
            elif kind == VARINT:
                value, start = read(start, end)
                yield key >> 3, value, value
                continue
            elif kind in FIXED:
                size = FIXED[kind]
            else:
                raise ValueError("it is no protocol buffer")
            if start + size > end:
                raise ValueError("it is cut off")
            yield key >> 3, start, start + size
            start += size

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """A number of any length, and where it ends.

        Raises:
            ValueError: it does not end.
        """
        value = 0
        for place in range(at, min(end, at + LONGEST_VARINT)):
            byte = self._data[place]
            value |= (byte & 0x7F) << 7 * (place - at)
            if byte < LONGER:
                return value, place + 1
        raise ValueError("it is no protocol buffer, or cut off")


def _whole_numbers(raw: bytes, size: int) -> list[int]:
    """The numbers of so many bytes each that some bytes hold."""
    parts = (raw[at : at + size] for at in range(0, len(raw), size))
    return [int.from_bytes(part, "little", signed=True) for part in parts]
