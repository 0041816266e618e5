"""Values of a graph that is being written, with the operators of numpy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
from onnx import TensorProto

FLOAT, INTEGER, TRUTH, BYTE = "float32", "int64", "bool", "uint8"
"""Types of values, by numpy's names."""

TYPES = {
    FLOAT: TensorProto.FLOAT,
    INTEGER: TensorProto.INT64,
    TRUTH: TensorProto.BOOL,
    BYTE: TensorProto.UINT8,
}

GIVES = {
    "Shape": INTEGER,
    "ArgMax": INTEGER,
    "NonZero": INTEGER,
    "Less": TRUTH,
    "LessOrEqual": TRUTH,
    "Greater": TRUTH,
    "GreaterOrEqual": TRUTH,
    "Equal": TRUTH,
    "And": TRUTH,
    "Or": TRUTH,
    "Not": TRUTH,
}
"""Types that operators give; others give that of their first input."""

Operand = Any
"""A value, or a number or array that becomes a constant of the type that goes with it."""


class Value:
    """What a node of a graph gives: numpy's operators write further nodes.

    Args:
        writer: of the graph.
        name: in the graph.
        kind: numpy's name of its type.
    """

    __array_priority__ = 100.0

    def __init__(self, writer: NodeWriter, name: str, kind: str) -> None:
        self.writer = writer
        self.name = name
        self.kind = kind

    def _with(self, operator: str, other: Operand, *, swapped: bool = False) -> Value:
        """A node of two inputs."""
        value = self.writer.value(other, self.kind)
        first, second = (value, self) if swapped else (self, value)
        return self.writer.node(operator, first, second)

    def __add__(self, other: Operand) -> Value:
        return self._with("Add", other)

    def __radd__(self, other: Operand) -> Value:
        return self._with("Add", other, swapped=True)

    def __sub__(self, other: Operand) -> Value:
        return self._with("Sub", other)

    def __rsub__(self, other: Operand) -> Value:
        return self._with("Sub", other, swapped=True)

    def __mul__(self, other: Operand) -> Value:
        return self._with("Mul", other)

    def __rmul__(self, other: Operand) -> Value:
        return self._with("Mul", other, swapped=True)

    def __truediv__(self, other: Operand) -> Value:
        return self._with("Div", other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self._with("Div", other, swapped=True)

    def __matmul__(self, other: Operand) -> Value:
        return self._with("MatMul", other)

    def __neg__(self) -> Value:
        return self.writer.node("Neg", self)

    def __lt__(self, other: Operand) -> Value:
        return self._with("Less", other)

    def __le__(self, other: Operand) -> Value:
        return self._with("LessOrEqual", other)

    def __gt__(self, other: Operand) -> Value:
        return self._with("Greater", other)

    def __ge__(self, other: Operand) -> Value:
        return self._with("GreaterOrEqual", other)

    def equals(self, other: Operand) -> Value:
        """Where the two are equal."""
        return self._with("Equal", other)

    def __and__(self, other: Operand) -> Value:
        return self._with("And", other)

    def __or__(self, other: Operand) -> Value:
        return self._with("Or", other)

    def __invert__(self) -> Value:
        return self.writer.node("Not", self)

    def float(self) -> Value:
        """As float32."""
        return self.cast(FLOAT)

    def int(self) -> Value:
        """As int64, cut towards zero."""
        return self.cast(INTEGER)

    def cast(self, kind: str) -> Value:
        """As another type."""
        if kind == self.kind:
            return self
        return self.writer.node("Cast", self, kind=kind, to=TYPES[kind])

    def side(self, axis: int) -> Value:
        """Its length along an axis, a whole number."""
        shape = self.writer.node("Shape", self)
        return self.writer.node("Gather", shape, self.writer.value(axis, INTEGER))

    def at(self, index: Operand, axis: int = 0) -> Value:
        """What stands at a whole number, or at several, along an axis."""
        return self.writer.node("Gather", self, self.writer.value(index, INTEGER), axis=axis)

    def cut(self, start: Operand, end: Operand, axis: int = 0) -> Value:
        """What stands from one whole number up to another along an axis."""
        writer = self.writer
        edges = (writer.line(writer.value(edge, INTEGER)) for edge in (start, end))
        return writer.node("Slice", self, *edges, writer.value([axis], INTEGER))

    def shaped(self, *sides: Operand) -> Value:
        """In another shape; one side may be -1."""
        shape = self.writer.stack([self.writer.value(side, INTEGER) for side in sides])
        return self.writer.node("Reshape", self, shape)

    def turned(self, *axes: int) -> Value:
        """With its axes in another order."""
        return self.writer.node("Transpose", self, perm=list(axes))

    def widened(self, *axes: int) -> Value:
        """With axes of length one more."""
        return self.writer.node("Unsqueeze", self, self.writer.value(list(axes), INTEGER))

    def _over(self, operator: str, axes: Sequence[int] | None, keep: bool) -> Value:
        """Reduced over axes, or over all of them."""
        over = [] if axes is None else [self.writer.value(list(axes), INTEGER)]
        return self.writer.node(operator, self, *over, keepdims=int(keep))

    def sum(self, *axes: int, keep: bool = False) -> Value:
        """Sum over axes, or over all."""
        return self._over("ReduceSum", axes or None, keep)

    def mean(self, *axes: int, keep: bool = False) -> Value:
        """Mean over axes, or over all."""
        return self._over("ReduceMean", axes or None, keep)

    def max(self, *axes: int, keep: bool = False) -> Value:
        """Maximum over axes, or over all."""
        return self._over("ReduceMax", axes or None, keep)

    def min(self, *axes: int, keep: bool = False) -> Value:
        """Minimum over axes, or over all."""
        return self._over("ReduceMin", axes or None, keep)

    def clip(self, low: Operand, high: Operand) -> Value:
        """Within bounds, which may be values too."""
        return self.writer.least(self.writer.most(self, low), high)


Body = Callable[..., tuple[Value, Sequence[Value], Sequence[Value]]]


class NodeWriter(ABC):
    """Writes nodes; functions of values as numpy has them."""

    @abstractmethod
    def value(self, what: Operand, kind: str = FLOAT) -> Value:
        """A value as it is, anything else as a constant."""

    @abstractmethod
    def nodes(
        self,
        operator: str,
        inputs: Sequence[Value | None],
        kinds: Sequence[str],
        **attributes: Any,
    ) -> list[Value]:
        """A node of several outputs."""

    @abstractmethod
    def loop(
        self, most: Operand, going: Operand, state: Sequence[Value], body: Body, scans: int = 0
    ) -> list[Value]:
        """Do something again and again.

        Args:
            most: times at most.
            going: whether to begin.
            state: what is handed on from one time to the next.
            body: given the number of the time and the state; returns whether to go on, the new
                state, and what is kept of each time.
            scans: how many are kept.

        Returns:
            The last state, and all that was kept, along a new first axis.
        """

    @abstractmethod
    def choose(
        self,
        condition: Value,
        then: Callable[[], Sequence[Value]],
        otherwise: Callable[[], Sequence[Value]],
    ) -> list[Value]:
        """One of two ways to compute the same values; the other is not gone."""

    @abstractmethod
    def insert(self, model: onnx.ModelProto, inputs: Mapping[str, Value]) -> dict[str, Value]:
        """Write the nodes of another graph; its constants are written once.

        Args:
            model: of the same opset, without loops or choices.
            inputs: values for its inputs.

        Returns:
            Its outputs by name.
        """

    def node(
        self, operator: str, *inputs: Value | None, kind: str | None = None, **attributes: Any
    ) -> Value:
        """A node of one output."""
        return self.nodes(operator, inputs, [self._kind(operator, inputs, kind)], **attributes)[0]

    @staticmethod
    def _kind(operator: str, inputs: Sequence[Value | None], kind: str | None) -> str:
        """The type that a node gives."""
        if kind is not None:
            return kind
        index = 1 if operator == "Where" else 0
        first = inputs[index]
        assert first is not None
        return GIVES.get(operator, first.kind)

    def line(self, value: Value) -> Value:
        """A number as a line of one."""
        return self.node("Reshape", value, self.value([1], INTEGER))

    def stack(self, values: Sequence[Operand], kind: str = INTEGER) -> Value:
        """Numbers as one line."""
        lines = [self.line(self.value(value, kind)) for value in values]
        return self.node("Concat", *lines, axis=0)

    def join(self, values: Sequence[Value], axis: int = 0) -> Value:
        """Arrays one after the other."""
        return self.node("Concat", *values, axis=axis)

    def range(self, start: Operand, end: Operand) -> Value:
        """Whole numbers from one up to another."""
        edges = (self.value(edge, INTEGER) for edge in (start, end, 1))
        return self.node("Range", *edges)

    def where(self, condition: Value, yes: Operand, no: Operand) -> Value:
        """One or the other."""
        kind = next((v.kind for v in (yes, no) if isinstance(v, Value)), FLOAT)
        return self.node("Where", condition, self.value(yes, kind), self.value(no, kind))

    def least(self, *values: Operand) -> Value:
        """The smaller of values."""
        return self._of_all("Min", values)

    def most(self, *values: Operand) -> Value:
        """The larger of values."""
        return self._of_all("Max", values)

    def _of_all(self, operator: str, values: Sequence[Operand]) -> Value:
        kind = next(value.kind for value in values if isinstance(value, Value))
        return self.node(operator, *(self.value(value, kind) for value in values))

    def exp(self, value: Value) -> Value:
        """Power of e."""
        return self.node("Exp", value)

    def log(self, value: Value) -> Value:
        """Natural logarithm."""
        return self.node("Log", value)

    def sqrt(self, value: Value) -> Value:
        """Square root."""
        return self.node("Sqrt", value)

    def abs(self, value: Value) -> Value:
        """Without its sign."""
        return self.node("Abs", value)

    def floor(self, value: Value) -> Value:
        """The whole number below, as int64."""
        return self.node("Floor", value).int()

    def ceil(self, value: Value) -> Value:
        """The whole number above, as int64."""
        return self.node("Ceil", value).int()

    def round(self, value: Value) -> Value:
        """The nearest whole number, the even one of two, as int64."""
        return self.node("Round", value).int()

    def hypot(self, x: Value, y: Value) -> Value:
        """Length of a vector."""
        return self.sqrt(x * x + y * y)

    def argmax(self, flat: Value) -> Value:
        """Where a line is highest, the first of equals."""
        return self.node("ArgMax", flat, axis=0, keepdims=0)

    def filled(self, number: float, *sides: Operand, kind: str = FLOAT) -> Value:
        """An array of one number."""
        shape = self.stack([self.value(side, INTEGER) for side in sides])
        return self.node("Expand", self.value(number, kind), shape)
