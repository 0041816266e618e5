"""What is proven of the values of a graph before it runs, from what its operators do.

Whole numbers that are divided by 0, or the least one by -1, end the process. So a division is only
accepted where its numbers are proven to be floating ones, or what it divides by to be above 0. What
is not known proves nothing: neither the types that a file notes for values inside its graph, nor
operators that are not in :mod:`.onnx_operators`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .onnx_operators import (
    ALIKE,
    DIVIDING,
    EACH,
    FLOATING,
    KEEPING,
    KIND_OF,
    NOT_EMPTY,
    PASSING,
    PICKING,
    POOLS,
)
from .onnx_parts import FLOAT, INT64

BROKEN = frozenset({FLOAT, 10, 11, 16})
"""Types of floating numbers that are divided: of 32, 16 and 64 bits, and bfloat16."""


@dataclass
class Node:
    """An operator, as far as it is looked at.

    Attributes:
        kind: its name.
        inputs: names; one that is left out is empty.
        outputs: names, as well.
        numbers: whole numbers of its attributes, by name.
        output_kind: type of what it gives, where an attribute says so.
        margins_said: the margins of its window are those of its attributes, and none others.
    """

    kind: str
    inputs: list[str]
    outputs: list[str]
    numbers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    output_kind: int = 0
    margins_said: bool = True


class KnownValues:
    """What is known of the values of one graph and of those inside it, by name.

    Args:
        strictly: refuse what is not proven; otherwise only what divides by a constant that is not
            above 0, for graphs whose divisors are sides of what loops and searches give.
    """

    def __init__(self, *, strictly: bool) -> None:
        self._strictly = strictly
        self._below: set[str] = set()
        self._floating: set[str] = set()
        self._above: set[str] = set()
        self._full: set[str] = set()
        self._sizes: dict[str, int] = {}

    def given(self, name: str, kind: int) -> None:
        """An input, which is never empty: the runtime gives pictures, maps and templates."""
        self._full.add(name)
        if kind in BROKEN:
            self._floating.add(name)

    def constant(self, name: str, kind: int, sides: Sequence[int], values: Sequence[int]) -> None:
        """A constant.

        Args:
            name: its own.
            kind: type of its numbers.
            sides: shape.
            values: all of them if they are few whole numbers, and otherwise none.
        """
        if not name:
            return
        if kind in BROKEN:
            self._floating.add(name)
        if all(side > 0 for side in sides):
            self._full.add(name)
        if values:
            self._sizes[name] = math.prod(max(value, 1) for value in values)
            (self._above if min(values) > 0 else self._below).add(name)

    def size_by(self, names: Iterable[str]) -> int:
        """How many values an array has at most whose shape is one of some constants."""
        return max((self._sizes.get(name, 0) for name in names), default=0)

    def alike(self, name: str, other: str) -> None:
        """One value is of the type of another one."""
        if other in self._floating:
            self._floating.add(name)

    def fault(self, node: Node) -> str | None:
        """Why an operator could end the process; ``None`` if it could not."""
        if node.kind in DIVIDING:
            divisor = {*node.inputs[1:2]}
            proven = divisor <= self._above if self._strictly else divisor.isdisjoint(self._below)
            if not proven and self._floating.isdisjoint(node.inputs):
                return "divides whole numbers by what may be 0 or -1"
        if node.kind in NOT_EMPTY and not self._full.issuperset(node.inputs[:1]):
            return f"has operator {node.kind} with what may be empty"
        return None

    def follow(self, node: Node) -> None:
        """Keep what is known of the results of an operator."""
        if node.kind == "Constant":
            return
        first = [name for name in node.outputs[:1] if name]
        if self._gives_floating(node):
            self._floating.update(filter(None, node.outputs) if node.kind == "Split" else first)
        if self._gives_above(node):
            self._above.update(first)
        if self._gives_full(node):
            self._full.update(first)

    def _gives_floating(self, node: Node) -> bool:
        """Whether the first result is of floating numbers."""
        if node.kind in FLOATING or node.output_kind:
            return node.kind in FLOATING or node.output_kind in BROKEN
        if node.kind in ALIKE:
            return not self._floating.isdisjoint(node.inputs)
        of = KIND_OF.get(node.kind, 0)
        return node.kind in PASSING and not self._floating.isdisjoint(node.inputs[of : of + 1])

    def _gives_above(self, node: Node) -> bool:
        """Whether the result is of whole numbers above 0."""
        kind, given = node.kind, {*node.inputs} - {""}
        first = {*node.inputs[:1]}
        if kind in ("Shape", "Size"):
            return first <= self._full
        if kind == "Max":
            return not self._above.isdisjoint(given)
        if kind == "Concat":
            return given <= self._above
        # In fewer bits a large number may be one below 0.
        picked = kind in PICKING or (kind == "Cast" and node.output_kind == INT64)
        return picked and first <= self._above

    def _gives_full(self, node: Node) -> bool:
        """Whether the result has values, at whatever size of the picture."""
        if node.kind in POOLS and not (node.margins_said and _covers(node.numbers)):
            return False
        kept = node.kind in KEEPING or node.kind in POOLS or node.kind == "Gather"
        # What follows are axes and shapes: no array with values takes a shape without.
        shaped = node.kind in EACH and node.kind != "Pow"
        given = {*node.inputs[: 1 if shaped else None]} - {""}
        return node.kind == "Size" or (kept and bool(given) and given <= self._full)


def _covers(numbers: Mapping[str, Sequence[int]]) -> bool:
    """Whether a window has its place even on a single value: its margins make up for its sides."""
    sides = numbers.get("kernel_shape", ())
    pads = numbers.get("pads", ()) or [0] * (2 * len(sides))
    steps = numbers.get("dilations", ()) or [1] * len(sides)
    fits = len(pads) == 2 * len(sides) and len(steps) == len(sides)
    if not sides or not fits:
        return False
    pairs = zip(pads[: len(sides)], pads[len(sides) :], strict=True)
    return all(
        low >= 0 and high >= 0 and low + high >= (side - 1) * step
        for side, step, (low, high) in zip(sides, steps, pairs, strict=True)
    )
