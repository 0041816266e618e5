"""What INT8 leaves of a network, in FP16 instead of FP32.

TensorRT's networks are strongly typed: a convolution behind DequantizeLinear gives what the scales
are. With scales in FP16 everything between two quantised layers moves half as many bytes. As in the
FP16 graph, preprocessing and what joins the taps stay FP32; inputs and outputs keep their types.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .equalise import BY_SIZE
from .float_graph import replace_nodes

FOLLOWS = ("Clip", "Relu", "Min", "Add", "MaxPool", "QuantizeLinear")
"""Operators that compute in half where they read a half tensor."""

SUFFIX = "_half"


def with_half_remainder(model: onnx.ModelProto, layers: Collection[str]) -> onnx.ModelProto:
    """Compute in FP16 what belongs to the network and is not INT8.

    Args:
        model: an FP32 graph with or without Q/DQ; it is changed in place. Its scales must be half
            numbers, or they are rounded.
        layers: names of the network's convolutions.

    Returns:
        The model, with Cast wherever FP32 meets FP16.
    """
    writer = _HalfWriter(model)
    for node in model.graph.node:
        if (
            node.name in layers
            or node.op_type == "DequantizeLinear"
            or (node.op_type in FOLLOWS and writer.half.intersection(node.input))
        ):
            writer.add_half(node)
        elif node.op_type in BY_SIZE:
            writer.add_size(node)
        else:
            writer.add_float(node)
    replace_nodes(model, writer.finish())
    return model


class _HalfWriter:
    """Writes nodes in either type; a tensor that exists in both has its own name in FP32."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.half: set[str] = set()
        self._graph = model.graph
        floats = [c for c in model.graph.initializer if c.data_type == TensorProto.FLOAT]
        self._floats = {c.name: c for c in floats}
        self._outputs = {value.name for value in model.graph.output}
        self._nodes: list[onnx.NodeProto] = []
        self._widened: set[str] = set()
        self._narrowed: set[str] = set()

    def add_half(self, node: onnx.NodeProto) -> None:
        """Add a node that computes in half."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        integers = {"DequantizeLinear": (0, 2), "QuantizeLinear": (2,)}.get(node.op_type, ())
        for index, name in enumerate(node.input):
            if name and index not in integers:
                copy.input[index] = self._narrow(name)
        if node.op_type != "QuantizeLinear":
            copy.output[0] = f"{node.output[0]}{SUFFIX}"
            self.half.add(node.output[0])
        self._nodes.append(copy)

    def add_float(self, node: onnx.NodeProto) -> None:
        """Add any other node as it is; it reads the FP32 form of what is half."""
        for name in self.half.intersection(node.input):
            self._widen(name)
        self._nodes.append(node)

    def add_size(self, node: onnx.NodeProto) -> None:
        """Add a node that does not look at values, whatever type they have."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.input[0] in self.half:
            copy.input[0] = f"{node.input[0]}{SUFFIX}"
        self._nodes.append(copy)

    def finish(self) -> list[onnx.NodeProto]:
        """All nodes; outputs are FP32."""
        for name in sorted(self.half & self._outputs):
            self._widen(name)
        return self._nodes

    def _narrow(self, name: str) -> str:
        """The half form of a constant or a tensor."""
        narrow = f"{name}{SUFFIX}"
        if name in self.half or narrow in self._narrowed:
            return narrow
        self._narrowed.add(narrow)
        if name in self._floats:
            values = numpy_helper.to_array(self._floats[name]).astype(np.float16)
            self._graph.initializer.append(numpy_helper.from_array(values, narrow))
        else:
            self._cast(name, narrow, TensorProto.FLOAT16)
        return narrow

    def _widen(self, name: str) -> None:
        """Make the FP32 form of a half tensor, once."""
        if name not in self._widened:
            self._widened.add(name)
            self._cast(f"{name}{SUFFIX}", name, TensorProto.FLOAT)

    def _cast(self, source: str, result: str, kind: int) -> None:
        node = helper.make_node("Cast", [source], [result], name=f"cast_{result}", to=kind)
        self._nodes.append(node)
