"""Writes ONNX graphs as one writes numpy: values with operators, loops and choices.

PyTorch's exporter traces one path through a program. Finding decides as it goes: how large the
picture is to be, how many places are worth a look, how often an object is looked at again. Here a
program is written as it is, and its loops and choices become those of ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .values import FLOAT, INTEGER, TRUTH, TYPES, Body, NodeWriter, Operand, Value

Array = NDArray[Any]


class GraphWriter(NodeWriter):
    """Collects the nodes of one graph.

    Every node has a name: ONNX Runtime up to 1.21 takes two without one for the same.
    """

    def __init__(self) -> None:
        self._first: list[onnx.NodeProto] = []
        self._scopes: list[list[onnx.NodeProto]] = [[]]
        self._constants: dict[str, TensorProto] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._models: dict[int, dict[str, str]] = {}
        self._count = 0

    def input(self, name: str, kind: str, shape: Sequence[int | str]) -> Value:
        """An input of the graph."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[kind], list(shape)))
        return Value(self, name, kind)

    def value(self, what: Operand, kind: str = FLOAT) -> Value:
        """See :meth:`.NodeWriter.value`."""
        if isinstance(what, Value):
            return what
        array = np.asarray(what, kind)
        key = kind, array.shape, array.tobytes()
        if key not in self._known:
            name = self._new("constant")
            self._constants[name] = numpy_helper.from_array(array, name)
            self._known[key] = name
        return Value(self, self._known[key], kind)

    def nodes(
        self,
        operator: str,
        inputs: Sequence[Value | None],
        kinds: Sequence[str],
        **attributes: Any,
    ) -> list[Value]:
        """See :meth:`.NodeWriter.nodes`."""
        made = [Value(self, self._new(operator.lower()), kind) for kind in kinds]
        names = ["" if value is None else value.name for value in inputs]
        outputs = [value.name for value in made]
        self._scopes[-1].append(
            helper.make_node(operator, names, outputs, name=outputs[0], **attributes)
        )
        return made

    # Loops and choices.

    def loop(
        self, most: Operand, going: Operand, state: Sequence[Value], body: Body, scans: int = 0
    ) -> list[Value]:
        """See :meth:`.NodeWriter.loop`."""
        number = Value(self, self._new("time"), INTEGER)
        condition = Value(self, self._new("going"), TRUTH)
        inside = [Value(self, self._new("state"), value.kind) for value in state]
        self._scopes.append([])
        onward, after, kept = body(number, *inside)
        assert len(after) == len(state)
        assert len(kept) == scans
        # An output has to be made in the body, or it is taken for one of the graph around it.
        outputs = [self.node("Identity", value) for value in (onward, *after, *kept)]
        graph = helper.make_graph(
            self._scopes.pop(),
            self._new("body"),
            [_plain(number, ()), _plain(condition, ()), *(_plain(value) for value in inside)],
            [_plain(value) for value in outputs],
        )
        inputs = [self.value(most, INTEGER), self.value(going, TRUTH), *state]
        kinds = [value.kind for value in (*state, *kept)]
        return self.nodes("Loop", inputs, kinds, body=graph)

    def choose(
        self,
        condition: Value,
        then: Callable[[], Sequence[Value]],
        otherwise: Callable[[], Sequence[Value]],
    ) -> list[Value]:
        """See :meth:`.NodeWriter.choose`."""
        ways, kinds = [], []
        for way in (then, otherwise):
            self._scopes.append([])
            values = [self.node("Identity", value) for value in way()]
            kinds = [value.kind for value in values]
            outputs = [_plain(value) for value in values]
            ways.append(helper.make_graph(self._scopes.pop(), self._new("way"), [], outputs))
        return self.nodes("If", [condition], kinds, then_branch=ways[0], else_branch=ways[1])

    # Graphs that are there already.

    def insert(self, model: onnx.ModelProto, inputs: Mapping[str, Value]) -> dict[str, Value]:
        """See :meth:`.NodeWriter.insert`."""
        shared = self._models.get(id(model))
        if shared is None:
            shared = self._models[id(model)] = self._constants_of(model)
        names = {"": "", **shared, **{name: value.name for name, value in inputs.items()}}
        for node in model.graph.node:
            if node.output[0] in shared:
                continue
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            for output in node.output:
                names[output] = self._new("inner") if output else ""
            copy.input[:] = [names[name] for name in node.input]
            copy.output[:] = [names[name] for name in node.output]
            copy.name = copy.output[0]
            self._scopes[-1].append(copy)
        given = {}
        for output in model.graph.output:
            kind = helper.tensor_dtype_to_np_dtype(output.type.tensor_type.elem_type).name
            given[output.name] = Value(self, names[output.name], kind)
        return given

    def _constants_of(self, model: onnx.ModelProto) -> dict[str, str]:
        """Names of a model's constants, and of what depends on them alone, once they are there."""
        names: dict[str, str] = {}
        for tensor in model.graph.initializer:
            copy = TensorProto()
            copy.CopyFrom(tensor)
            copy.name = names[tensor.name] = self._new("weight")
            self._constants[copy.name] = copy
        for node in model.graph.node:
            if not node.input or any(name and name not in names for name in node.input):
                continue
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [names.get(name, "") for name in node.input]
            for index, output in enumerate(node.output):
                names[output] = copy.output[index] = self._new("weight")
            copy.name = copy.output[0]
            self._first.append(copy)
        return names

    # The end.

    def model(
        self,
        name: str,
        outputs: Mapping[str, tuple[Value, Sequence[int | str] | None]],
        opset: int,
        version: int,
    ) -> onnx.ModelProto:
        """The finished model.

        Args:
            name: of the graph.
            outputs: by name, each with its shape, or ``None`` where nothing is known of it.
            opset: of the operators.
            version: of ONNX's file format.
        """
        infos = []
        for key, (value, shape) in outputs.items():
            node = helper.make_node("Identity", [value.name], [key], name=key)
            self._scopes[0].append(node)
            infos.append(helper.make_tensor_value_info(key, TYPES[value.kind], shape))
        nodes = [*self._first, *self._scopes[0]]
        graph = helper.make_graph(nodes, name, self._inputs, infos, list(self._constants.values()))
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=version,
            producer_name="qatm",
        )

    def _new(self, stem: str) -> str:
        """A name that is not taken."""
        self._count += 1
        return f"{stem}_{self._count}"


def _plain(value: Value, shape: Sequence[int] | None = None) -> onnx.ValueInfoProto:
    """What an inner graph is told of a value: its type, and no shape unless it is known."""
    return helper.make_tensor_value_info(value.name, TYPES[value.kind], shape)
