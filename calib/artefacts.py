"""The two explicit Q/DQ graphs: symmetric for TensorRT, uint8 for ONNX Runtime on a CPU.

TensorRT's parser takes symmetric int8 only and wants biases in float; it fuses a convolution whose
input and weights come from DequantizeLinear. ONNX Runtime is fast only if a convolution lies
between uint8 tensors, with an int32 bias, and if sums are quantised too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .byte_stem import feed_bytes
from .float_graph import ConvLayer, FloatGraph, attributes_of, replace_nodes
from .half_remainder import with_half_remainder
from .ranges import Range
from .rounding import LIMIT, RoundedWeight, half_steps
from .shortcuts import take_shortcuts

Array = NDArray[Any]

SAME_RANGE = ("MaxPool",)
"""Operators that choose among their inputs, so that their output has the same scale."""


@dataclass(frozen=True)
class Calibration:
    """What quantising a graph needs.

    Attributes:
        ranges: by tensor, of the equalised graph.
        weights: INT8 weights by node, of the equalised graph.
        scales: factors of the channels by tensor, which equalise the graph.
    """

    ranges: Mapping[str, Range]
    weights: Mapping[str, RoundedWeight]
    scales: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """How an activation is quantised: ``real = (value - zero) * step``."""

    step: np.float32
    zero: np.int8 | np.uint8


def symmetric_scale(limits: Range) -> Scale:
    """Scale of an int8 activation whose zero is 0; a half number."""
    widest = max(abs(limits[0]), abs(limits[1]))
    return Scale(np.float32(half_steps(np.asarray(widest / LIMIT if widest else 1.0))), np.int8(0))


def unsigned_scale(limits: Range) -> Scale:
    """Scale of a uint8 activation; zero is represented exactly, as padding needs."""
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    step = np.float32((high - low) / 255 if high > low else 1.0)
    return Scale(step, np.uint8(np.clip(np.round(-low / step), 0, 255)))


def quantise_for_tensorrt(
    graph: FloatGraph, calibration: Calibration, kept_float: Collection[str]
) -> onnx.ModelProto:
    """The ``int8-trt`` graph: Q/DQ on the input and the weights of every other convolution.

    What the network computes between them, and in layers that are not quantised, is FP16.

    Args:
        graph: the float graph.
        calibration: of it.
        kept_float: nodes that stay as they are.
    """
    writer = _Writer(graph, calibration)
    layers = {layer.node: layer for layer in graph.layers if layer.node not in kept_float}
    for node in graph.model.graph.node:
        if node.name not in layers:
            writer.nodes.append(node)
            continue
        layer, copy = layers[node.name], _copy(node)
        copy.input[0] = writer.activation(layer.source, symmetric_scale)
        copy.input[1] = writer.weight(layer)
        bias = layer.bias + calibration.weights[layer.node].shift
        _set_bias(copy, writer.constant(f"{layer.weight_name}_bias", bias))
        writer.nodes.append(copy)
    return with_half_remainder(writer.finish(), {layer.node for layer in graph.layers})


def quantise_for_cpu(
    graph: FloatGraph, calibration: Calibration, kept_float: Collection[str]
) -> onnx.ModelProto:
    """The ``int8-cpu`` graph: uint8 activations around every other convolution and their sums.

    Activation functions vanish: the range of the quantised tensor cuts off what they would.

    Args:
        graph: the float graph.
        calibration: of it.
        kept_float: nodes that stay as they are.
    """
    writer = _Writer(graph, calibration)
    layers = {layer.node: layer for layer in graph.layers if layer.node not in kept_float}
    absorbed = {layer.result for layer in layers.values()}
    for node in graph.model.graph.node:
        if node.name in layers:
            writer.nodes.append(_integer_convolution(writer, layers[node.name], node))
        elif node.output[0] not in absorbed:
            writer.nodes.append(_other_node(writer, node))
    return feed_bytes(take_shortcuts(writer.finish()))


def _integer_convolution(writer: _Writer, layer: ConvLayer, node: onnx.NodeProto) -> onnx.NodeProto:
    """A convolution between uint8 tensors, its activation function left out."""
    copy, rounded = _copy(node), writer.calibration.weights[layer.node]
    copy.input[0] = writer.activation(layer.source, unsigned_scale)
    copy.input[1] = writer.weight(layer)
    step = unsigned_scale(writer.calibration.ranges[layer.source]).step * rounded.scale
    _set_bias(copy, writer.bias(layer, layer.bias + rounded.shift, step))
    copy.output[0] = writer.made(layer.result)
    return copy


def _other_node(writer: _Writer, node: onnx.NodeProto) -> onnx.NodeProto:
    """Any other node: it reads the quantised form of every tensor that has one."""
    copy = _copy(node)
    quantised = [name in writer.quantised for name in node.input]
    for index, is_quantised in enumerate(quantised):
        if is_quantised:
            copy.input[index] = writer.activation(node.input[index], unsigned_scale)
    if node.op_type == "Conv" and quantised[0] and node.input[1] in writer.shapes:
        groups = attributes_of(node).get("group", 1)
        channels = writer.shapes[node.input[1]][1] * groups
        copy.input[0] = writer.channelwise(node.input[0], channels)
    if node.op_type == "Add" and all(quantised):
        copy.output[0] = writer.made(node.output[0])
    elif node.op_type in SAME_RANGE and quantised[0]:
        writer.share(node.output[0], node.input[0])
        copy.output[0] = writer.made(node.output[0])
    return copy


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    """A copy of a node."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def _set_bias(node: onnx.NodeProto, name: str) -> None:
    """Give a convolution a bias, whether or not it had one."""
    del node.input[2:]
    node.input.append(name)


class _Writer:
    """Collects the nodes and constants of a Q/DQ graph."""

    def __init__(self, graph: FloatGraph, calibration: Calibration) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(graph.model)
        self.calibration = calibration
        self.nodes: list[onnx.NodeProto] = []
        self.quantised: set[str] = set()
        self.shapes = {name: tuple(c.dims) for name, c in graph.constants.items()}
        self._ranges = dict(calibration.ranges)
        self._done: dict[str, str] = {}
        self._outputs = graph.outputs

    def constant(self, name: str, value: Any) -> str:
        """Add a constant."""
        array = np.asarray(value)
        self.model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def share(self, tensor: str, source: str) -> None:
        """Give a tensor the range of another."""
        self._ranges[tensor] = self._ranges[source]

    def made(self, tensor: str) -> str:
        """Say that a tensor is to be quantised where it is made; the name it has before that."""
        self.quantised.add(tensor)
        return f"{tensor}_raw" if tensor in self._outputs else tensor

    def activation(self, tensor: str, scale_of: Any) -> str:
        """The name of a tensor after quantising and dequantising it."""
        if tensor not in self._done:
            scale = scale_of(self._ranges[tensor])
            step = self.constant(f"{tensor}_scale", scale.step)
            zero = self.constant(f"{tensor}_zero", scale.zero)
            is_output = tensor in self.quantised and tensor in self._outputs
            raw = f"{tensor}_raw" if is_output else tensor
            real = tensor if is_output else f"{tensor}_dequantised"
            integer = f"{tensor}_quantised"
            self._add("QuantizeLinear", [raw, step, zero], integer)
            self._add("DequantizeLinear", [integer, step, zero], real)
            self._done[tensor] = real
        return self._done[tensor]

    def channelwise(self, tensor: str, channels: int) -> str:
        """The name of a tensor dequantised channel by channel, all with the same scale.

        ONNX Runtime quantises the weights of a convolution between quantised tensors, with one
        scale for all of them, unless its input is dequantised like this: what has to stay in float
        would be ruined after all.
        """
        real = f"{tensor}_channelwise"
        if real not in self._done:
            self.activation(tensor, unsigned_scale)
            scale = unsigned_scale(self._ranges[tensor])
            inputs = [
                f"{tensor}_quantised",
                self.constant(f"{real}_scale", np.full(channels, scale.step)),
                self.constant(f"{real}_zero", np.full(channels, scale.zero)),
            ]
            self._add("DequantizeLinear", inputs, real, axis=1)
            self._done[real] = real
        return real

    def weight(self, layer: ConvLayer) -> str:
        """The name of the dequantised weights, one scale for each output channel."""
        rounded, name = self.calibration.weights[layer.node], layer.weight_name
        zeros = np.zeros(len(rounded.scale), np.int8)
        return self._constant_dequantised(name, rounded.values, rounded.scale, zeros)

    def bias(self, layer: ConvLayer, bias: Array, step: Array) -> str:
        """The name of a dequantised int32 bias, in steps of input times weight."""
        limit = np.iinfo(np.int32).max
        values = np.clip(np.round(bias.astype(np.float64) / step), -limit, limit).astype(np.int32)
        name = f"{layer.weight_name}_bias"
        return self._constant_dequantised(name, values, step, np.zeros(len(step), np.int32))

    def _constant_dequantised(self, name: str, values: Array, step: Array, zeros: Array) -> str:
        """Add an integer constant and the node that dequantises it by its first axis."""
        real = f"{name}_dequantised"
        inputs = [
            self.constant(f"{name}_quantised", values),
            self.constant(f"{name}_scale", step.astype(np.float32)),
            self.constant(f"{name}_zero", zeros),
        ]
        self._add("DequantizeLinear", inputs, real, axis=0)
        return real

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        """Append a node named after what it makes."""
        node = helper.make_node(kind, inputs, [output], name=f"make_{output}", **attributes)
        self.nodes.append(node)

    def finish(self) -> onnx.ModelProto:
        """The finished model, whatever nothing reads dropped."""
        for tensor in sorted(self.quantised & self._outputs):
            self.activation(tensor, unsigned_scale)
        replace_nodes(self.model, self.nodes)
        return self.model
