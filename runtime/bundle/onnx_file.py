"""What an ONNX file holds that must be known before a library opens it.

A graph is a program, and a library that opens it reads whatever other files it names. The file's
description is walked here, without any package for ONNX: weights in other files, operators that no
network needs, loops, constants that a few bytes blow up to gigabytes, divisions that end the
process, and what would be computed of constants for minutes while it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..kinds import Bound
from ..limits import FILL_VALUES, FOLDED_NODES, GRAPH_NODES, GRAPH_TEXT_BYTES, WINDOW_SIDE
from .onnx_messages import MessageReader, Span
from .onnx_operators import (
    ABOVE_ZERO,
    ACCEPTED,
    FILLING,
    IN_LOOPING,
    LABORIOUS,
    OPERATORS,
    REFUSED,
)
from .onnx_parts import (
    FEW_SIDES,
    FLOAT,
    HAS_TEXTS,
    INT64,
    TEXT,
    Attribute,
    Parts,
    Tensor,
    kind_of,
    read_attributes,
    read_tensor,
    text_of,
    whole_numbers,
)
from .onnx_values import KnownValues, Node

DEEPEST: Bound[int] = 8
"""Graphs inside one another."""

HAS_SPARSE = "has sparse weights"


class Onnx:
    """Numbers of fields in ``onnx.proto``, by the message that has them."""

    GRAPH, OPSETS, PROPERTIES, TRAINING, FUNCTIONS = 7, 8, 14, 20, 25
    NODES, INITIALIZERS, INPUTS, OUTPUTS, SPARSE = 1, 5, 11, 12, 15
    NODE_INPUTS, NODE_OUTPUTS, NODE_KIND, NODE_ATTRIBUTES, NODE_DOMAIN = 1, 2, 4, 5, 7


BESIDES = {13: "value", 14: "note", 16: "pair"}
"""Parts of a graph that nothing is asked of, but that must be as they should."""

CONSTANTS = {
    "value": 4,
    "value_int": 2,
    "value_ints": 7,
    "value_float": 1,
    "value_floats": 6,
    "value_string": 3,
    "value_strings": 8,
    "sparse_value": 11,
}
"""Attributes of a constant, and of which type each is."""


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
        self._reader = MessageReader(data)
        self._loops = loops
        self._accepted = ACCEPTED | IN_LOOPING if loops else ACCEPTED
        self._depth = self._nodes = self._folded = self._weights = 0
        self._values = KnownValues(strictly=not loops)
        self._fixed: set[str] = set()
        self._awaited: set[str] = set()
        self._defined: set[str] = set()

    def model(self) -> None:
        """The whole file.

        Raises:
            ValueError: it is no ONNX file.
        """
        graph: Span | None = None
        for number, value in self._reader.fields("model", (0, len(self._data))):
            if number == Onnx.GRAPH:
                graph = value
            elif number == Onnx.OPSETS:
                self._domain(*self._reader.message("opset", value).get(1, ()))
            elif number == Onnx.PROPERTIES:
                self._reader.message("pair", value)
            elif number in (Onnx.FUNCTIONS, Onnx.TRAINING):
                self._refuse("has functions or training of its own")
        if graph is None:
            raise ValueError("it holds no graph")
        self._graph(graph)
        if len(self._data) - self._weights > GRAPH_TEXT_BYTES:
            self._refuse(f"has more than {GRAPH_TEXT_BYTES:,} bytes besides its weights")

    def _graph(self, span: Span, given: Sequence[str] | None = None) -> list[str]:
        """A graph: its weights, and its operators; returns the names of its outputs.

        Args:
            span: where it is.
            given: of a graph inside another one, the values that its inputs are.
        """
        ends: dict[int, list[tuple[str, int]]] = {Onnx.INPUTS: [], Onnx.OUTPUTS: []}
        for number, value in self._reader.fields("graph", span):
            if number in ends:
                ends[number].append(self._described(value))
            elif number == Onnx.INITIALIZERS:
                self._initializer(read_tensor(self._reader, value))
            elif number in BESIDES:
                self._reader.message(BESIDES[number], value)
            elif number == Onnx.SPARSE:
                self._refuse(HAS_SPARSE)
        self._inputs(ends[Onnx.INPUTS], given)
        for number, value in self._reader.fields("graph", span):
            if number == Onnx.NODES and not self.found.problems:
                self._node(value)
        return [name for name, _ in ends[Onnx.OUTPUTS]]

    def _inputs(self, inputs: list[tuple[str, int]], given: Sequence[str] | None) -> None:
        """What a graph gets, and what is known of it."""
        for place, (name, kind) in enumerate(inputs):
            if given is not None:
                self._define(name)
                for outer in given[place : place + 1]:
                    self._values.alike(name, outer)
            elif name not in self._fixed:
                # Weights may be listed as inputs as well; nobody gives others for them.
                self._define(name)
                self._values.given(name, kind)

    def _described(self, span: Span) -> tuple[str, int]:
        """Name and type of an input or output."""
        message = self._reader.message("value", span)
        array = message.get(2, [{}])[0].get(1, [{}])[0]
        return message.get(1, [""])[0], array.get(1, [0])[0]

    def _initializer(self, tensor: Tensor) -> None:
        """Weights."""
        self._tensor(tensor)
        self._define(tensor.name)
        self._fixed.add(tensor.name)
        self._values.constant(tensor.name, tensor.kind, tensor.sides, tensor.values)

    def _tensor(self, tensor: Tensor) -> None:
        """Weights, or a tensor of an attribute."""
        self._weights += tensor.weights
        if tensor.problem:
            self._refuse(tensor.problem)
        elif tensor.location:
            self.found.external.append(tensor.location)

    def _node(self, span: Span) -> None:
        """One operator, with the graphs inside it."""
        self._nodes += 1
        if self._nodes > GRAPH_NODES:
            self._refuse(f"has more than {GRAPH_NODES:,} operators")
            return
        message = self._reader.message("node", span)
        kind = message.get(Onnx.NODE_KIND, [""])[0]
        self._domain(*message.get(Onnx.NODE_DOMAIN, ()))
        if not self._loops and kind in REFUSED:
            self._refuse(f"runs graphs inside operator {kind}, which may have no end")
        elif kind not in self._accepted:
            self._refuse(f"has operator {kind!r}, which bundles may not have")
        attributes = read_attributes(message.get(Onnx.NODE_ATTRIBUTES, []))
        node = Node(
            kind,
            message.get(Onnx.NODE_INPUTS, []),
            message.get(Onnx.NODE_OUTPUTS, []),
            {name: whole_numbers(attribute) for name, attribute in attributes.items()},
            margins_said=text_of(self._reader, attributes.get("auto_pad", {})) in (b"", b"NOTSET"),
        )
        self._awaited.update(filter(None, node.inputs))
        self._made(node, attributes)
        self._sized(node)
        if fault := self._values.fault(node):
            self._refuse(fault)
        self._following(node)
        inner = [
            self._inner(node, graph)
            for attribute in attributes.values()
            for number in Parts.GRAPHS
            for graph in attribute.get(number, ())
        ]
        for name in filter(None, node.outputs):
            self._define(name)
        self._values.follow(node)
        for outputs in inner[:1]:
            # Whether a loop goes on is no result of it.
            for name, of in zip(node.outputs, outputs[kind == "Loop" :], strict=False):
                self._values.alike(name, of)

    def _made(self, node: Node, attributes: dict[str, Attribute]) -> None:
        """What an operator has among its attributes: tensors, and the type of what it gives."""
        tensors: list[Tensor] = []
        for attribute in attributes.values():
            if any(number in attribute for number in Parts.SPARSE):
                self._refuse(HAS_SPARSE)
            for number in Parts.TENSORS:
                tensors += (read_tensor(self._reader, span) for span in attribute.get(number, ()))
        for tensor in tensors:
            self._tensor(tensor)
        if node.kind == "Constant":
            self._constant(node, {key: kind_of(each) for key, each in attributes.items()}, tensors)
        elif node.kind == "ConstantOfShape":
            node.output_kind = tensors[0].kind if tensors else FLOAT
        elif node.kind == "Cast":
            (node.output_kind,) = node.numbers.get("to") or [0]
            if node.output_kind == TEXT:
                self._refuse(HAS_TEXTS)

    def _constant(self, node: Node, kinds: dict[str, int], tensors: list[Tensor]) -> None:
        """A constant that is an operator.

        Raises:
            ValueError: it has no value, or several.
        """
        if len(kinds) != 1 or not kinds.items() <= CONSTANTS.items() or len(node.outputs) != 1:
            raise ValueError("a constant has no value, or several")
        ((name, attribute),) = zip(node.outputs, kinds, strict=True)
        if attribute in ("value_string", "value_strings"):
            self._refuse(HAS_TEXTS)
        elif attribute in ("value_float", "value_floats"):
            self._values.constant(name, FLOAT, [attribute == "value_float"], [])
        elif attribute in ("value_int", "value_ints"):
            values = node.numbers[attribute] or [0] * (attribute == "value_int")
            few = values if len(values) <= FEW_SIDES else []
            self._values.constant(name, INT64, [len(values)], few)
        for tensor in tensors:
            self._values.constant(name, tensor.kind, tensor.sides, tensor.values)

    def _sized(self, node: Node) -> None:
        """Refuse windows without end, sides of 0, and large arrays that are made of a shape."""
        numbers = node.numbers
        if node.kind in LABORIOUS and any(
            abs(value) > WINDOW_SIDE for values in numbers.values() for value in values
        ):
            self._refuse(f"has a window, a step or a margin of more than {WINDOW_SIDE}")
        for name in sorted(ABOVE_ZERO.intersection(numbers)):
            if any(value < 1 for value in numbers[name]):
                self._refuse(f"has {name} below 1 in operator {node.kind}")
        if node.kind in FILLING:
            values = self._values.size_by(node.inputs)
            if values > FILL_VALUES:
                self._refuse(f"makes {values:,} values out of a constant in operator {node.kind}")

    def _following(self, node: Node) -> None:
        """Keep what follows from constants alone: libraries compute it when they open the file."""
        given = [name for name in node.inputs if name]
        if node.kind == "Constant":
            self._fixed.update(node.outputs)
        elif given and self._fixed.issuperset(given):
            self._fixed.update(node.outputs)
            self._folded += 1
            if node.kind in LABORIOUS:
                self._refuse(f"has operator {node.kind} with constants alone")
            if self._folded > FOLDED_NODES:
                self._refuse(f"computes with constants alone in more than {FOLDED_NODES} operators")

    def _inner(self, node: Node, span: Span) -> list[str]:
        """A graph of an attribute, with whatever it holds; returns the names of its outputs.

        Raises:
            ValueError: it lies too deep in others.
        """
        if not self._loops:
            self._refuse(f"runs graphs inside operator {node.kind}, which may have no end")
            return []
        if self._depth == DEEPEST:
            raise ValueError(f"more than {DEEPEST} graphs lie inside one another")
        self._depth += 1
        # A loop hands on the number of its round, whether it goes on, and its own further inputs.
        outputs = self._graph(span, ("", "", *node.inputs[2:]))
        self._depth -= 1
        return outputs

    def _define(self, name: str) -> None:
        """Give a name to a value: none is given twice, or used before.

        Raises:
            ValueError: it has none, or it is given twice.
        """
        if not name or name in self._defined:
            raise ValueError(f"two values are named {name!r}" if name else "a value has no name")
        if name in self._awaited:
            # What follows from constants would not be seen, and libraries sort them.
            self._refuse("lists an operator before what it needs, which ONNX does not allow")
        self._defined.add(name)

    def _domain(self, name: str = "") -> None:
        """Whose operators they are."""
        if name not in OPERATORS:
            self._refuse(f"uses operators of {name!r}, which ONNX does not describe")

    def _refuse(self, problem: str) -> None:
        """Keep a reason, once."""
        if problem not in self.found.problems:
            self.found.problems.append(problem)
