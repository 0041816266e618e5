"""An FP16 graph for a CPU, with the rounding that a GPU does.

ONNX Runtime has no FP16 convolutions on a CPU: it computes them in FP32 and rounds only what
passes between some of them. Here every half tensor is rounded to half and widened again, so that
nothing but the order of sums differs from a GPU that adds up in FP32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def rounded_like_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write the half tensors of a graph as float ones that are rounded to half where they are made.

    Args:
        model: inputs and outputs are not half; it is not changed.

    Returns:
        A graph with the same inputs and outputs, all of whose arithmetic is FP32.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    known = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.value_info
    half = {v.name for v in known if v.type.tensor_type.elem_type == TensorProto.FLOAT16}
    for constant in graph.initializer:
        _widen(constant)
    nodes = [made for node in graph.node for made in _rounded(node, half)]
    del graph.value_info[:]
    del graph.node[:]
    graph.node.extend(nodes)
    return result


def _widen(constant: onnx.TensorProto) -> None:
    """Make a half constant a float one of the same values."""
    if constant.data_type == TensorProto.FLOAT16:
        values = numpy_helper.to_array(constant).astype(np.float32)
        constant.CopyFrom(numpy_helper.from_array(values, constant.name))


def _rounded(node: onnx.NodeProto, half: set[str]) -> Iterator[onnx.NodeProto]:
    """A node in FP32, and what rounds each of its outputs that is half."""
    wide = onnx.NodeProto()
    wide.CopyFrom(node)
    for attribute in wide.attribute:
        if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
            attribute.i = TensorProto.FLOAT
        elif attribute.type == onnx.AttributeProto.TENSOR:
            _widen(attribute.t)
    rounded = [name for name in node.output if name in half]
    for index, name in enumerate(node.output):
        if name in half:
            wide.output[index] = f"{name}_exact"
    yield wide
    for name in rounded:
        inner = f"{name}_half"
        yield helper.make_node("Cast", [f"{name}_exact"], [inner], to=TensorProto.FLOAT16)
        yield helper.make_node("Cast", [inner], [name], to=TensorProto.FLOAT)
