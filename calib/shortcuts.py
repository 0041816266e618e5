"""Rewrites for ONNX Runtime on a CPU that leave the results as they are.

Beside INT8 convolutions, what is done to the image before the first of them counts: bytes are
moved instead of floats, and the order of the colours and the division by the standard deviation
go into the weights. The mean stays where it is, because the convolution pads with zeros after it.
Shapes are taken from integers, channels are scaled while they are dequantised, and means of 2x2
cells are a filter, which is twice as fast on maps that are not blocked by channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .float_graph import attributes_of, consumers_of, producers_of, replace_nodes

Array = NDArray[Any]

POOL: Mapping[str, Any] = MappingProxyType({"kernel_shape": [2, 2], "strides": [2, 2]})
"""The pool that makes the coarse map."""

NORMALISATION = ("Gather", "Sub", "Div")
"""What is done to an image before the first convolution, in this order; each may be missing."""


def take_shortcuts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Apply every rewrite that fits the graph; the model is changed in place."""
    _transpose_bytes(model)
    fold_normalisation(model)
    _scale_while_dequantising(model)
    _pool_by_filter(model)
    _take_shapes_of_integers(model)
    return model


def _transpose_bytes(model: onnx.ModelProto) -> None:
    """Transpose the image before it becomes float, where it was done after."""
    nodes = list(model.graph.node)
    producers, readers = producers_of(nodes), consumers_of(nodes)
    inputs = {value.name for value in model.graph.input}
    for index, transpose in enumerate(nodes):
        cast = producers.get(transpose.input[0]) if transpose.op_type == "Transpose" else None
        if cast is None or cast.op_type != "Cast" or cast.input[0] not in inputs:
            continue
        if len(readers[cast.output[0]]) > 1:
            continue
        image, middle, result = cast.input[0], cast.output[0], transpose.output[0]
        transpose.input[0], transpose.output[0] = image, middle
        cast.input[0], cast.output[0] = middle, result
        nodes[nodes.index(cast)], nodes[index] = transpose, cast
        replace_nodes(model, nodes)
        return


def fold_normalisation(model: onnx.ModelProto) -> None:
    """Put order of channels and division before a float convolution into its weights, in place."""
    nodes = list(model.graph.node)
    readers = consumers_of(nodes)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    for conv in (node for node in nodes if node.op_type == "Conv"):
        chain = _normalisation_before(conv, nodes, constants)
        plain = attributes_of(conv).get("group", 1) == 1 and conv.input[1] in constants
        worth_it = plain and ("Gather" in chain or "Div" in chain)
        if not worth_it or len(readers[conv.input[1]]) > 1:
            continue
        weight = constants[conv.input[1]]
        values = {kind: constants[node.input[1]] for kind, node in chain.items()}
        weight = weight / values.get("Div", np.float32(1)).reshape(1, -1, 1, 1)
        source = chain[next(kind for kind in NORMALISATION if kind in chain)].input[0]
        channels = weight.shape[1]
        back = np.argsort(values["Gather"]) if "Gather" in chain else np.arange(channels)
        conv.input[0], conv.input[1] = source, _add(model, conv.input[1], weight[:, back])
        if "Sub" in chain:
            mean = np.broadcast_to(values["Sub"].reshape(1, -1, 1, 1), (1, channels, 1, 1))
            subtract = chain["Sub"]
            subtract.input[0] = source
            subtract.input[1] = _add(model, subtract.input[1], mean[:, back])
            conv.input[0] = subtract.output[0]
        dropped = [chain[kind] for kind in ("Gather", "Div") if kind in chain]
        replace_nodes(model, [node for node in nodes if node not in dropped])
        return


def _normalisation_before(
    conv: onnx.NodeProto, nodes: list[onnx.NodeProto], constants: Mapping[str, Array]
) -> dict[str, onnx.NodeProto]:
    """The nodes of :data:`NORMALISATION` that lead to a convolution and nowhere else, by kind."""
    producers, readers = producers_of(nodes), consumers_of(nodes)
    found: dict[str, onnx.NodeProto] = {}
    tensor = conv.input[0]
    for kind in reversed(NORMALISATION):
        node = producers.get(tensor)
        if node is None or node.op_type != kind or len(readers[tensor]) > 1:
            continue
        if node.input[1] not in constants or not _for_each_channel(node, constants):
            break
        found[kind] = node
        tensor = node.input[0]
    return found


def _for_each_channel(node: onnx.NodeProto, constants: Mapping[str, Array]) -> bool:
    """Whether a node does one thing to each channel of an NCHW tensor, by a constant."""
    value = constants[node.input[1]]
    if node.op_type == "Gather":
        permutes = value.ndim == 1 and np.array_equal(np.sort(value), np.arange(value.size))
        return permutes and attributes_of(node).get("axis", 0) == 1
    return value.size == 1 or (value.ndim > 2 and value.size == value.shape[-3])  # noqa: PLR2004


def _add(model: onnx.ModelProto, name: str, values: Array) -> str:
    """Add a float constant named after the one that it replaces."""
    name = f"{name}_folded"
    array = np.ascontiguousarray(values, np.float32)
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def _scale_while_dequantising(model: onnx.ModelProto) -> None:
    """Multiply the channels of a tensor while it is dequantised, where it was done after."""
    nodes = list(model.graph.node)
    producers = producers_of(nodes)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    for index, node in enumerate(nodes):
        source = producers.get(node.input[0]) if node.op_type == "Mul" else None
        factors = constants.get(node.input[1]) if source is not None else None
        if source is None or source.op_type != "DequantizeLinear" or factors is None:
            continue
        step, zero = (constants[name] for name in source.input[1:])
        channels = (1, factors.size, 1, 1)
        if step.ndim or factors.shape != channels:
            continue
        steps = _add(model, f"{node.output[0]}_scale", step * factors.reshape(-1))
        zeros = f"{node.output[0]}_zero"
        filled = np.full(factors.size, zero)
        model.graph.initializer.append(numpy_helper.from_array(filled, zeros))
        inputs = [source.input[0], steps, zeros]
        nodes[index] = helper.make_node(
            "DequantizeLinear", inputs, list(node.output), node.name, axis=1
        )
    replace_nodes(model, nodes)


def _pool_by_filter(model: onnx.ModelProto) -> None:
    """Take 2x2 means of a tensor that was dequantised by channels with a convolution."""
    nodes = list(model.graph.node)
    producers = producers_of(nodes)
    sizes = {c.name: tuple(c.dims) for c in model.graph.initializer}
    for index, node in enumerate(nodes):
        source = producers.get(node.input[0]) if node.op_type == "AveragePool" else None
        found = attributes_of(node)
        plain = all(found.get(name) == value for name, value in POOL.items())
        plain = plain and not any(found.get("pads", [0])) and not found.get("ceil_mode", 0)
        if source is None or source.op_type != "DequantizeLinear" or not plain:
            continue
        if len(sizes[source.input[1]]) != 1:
            continue
        (channels,) = sizes[source.input[1]]
        quarters = _add(model, f"{node.output[0]}_quarters", np.full((channels, 1, 2, 2), 0.25))
        inputs = [node.input[0], quarters]
        nodes[index] = helper.make_node(
            "Conv", inputs, list(node.output), node.name, group=channels, **POOL
        )
    replace_nodes(model, nodes)


def _take_shapes_of_integers(model: onnx.ModelProto) -> None:
    """Take shapes from quantised tensors: ONNX Runtime dequantises once for each reader."""
    producers = producers_of(model.graph.node)
    for node in model.graph.node:
        source = producers.get(node.input[0]) if node.op_type == "Shape" else None
        if source is not None and source.op_type == "DequantizeLinear":
            node.input[0] = source.input[0]
