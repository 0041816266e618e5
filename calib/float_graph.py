"""A float ONNX graph seen as convolutions: what can be quantised, and running it with taps."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ..runtime.backends.onnx import OnnxGraph
from ..runtime.errors import CalibrationError

Array = NDArray[Any]

ACTIVATIONS = ("Clip", "Relu")
"""Operators that quantisation absorbs: their range is the range of the quantised output."""

KERNEL_RANK = 4
FIRST_OPSET = 13
"""Scales for each channel came with this opset."""


@dataclass(frozen=True)
class ConvLayer:
    """One convolution with constant weights.

    Attributes:
        node: its name in the graph.
        label: its name for people, from its weights.
        source: the tensor that it reads.
        result: the tensor that leaves it, after its activation function if it has one.
        weight_name: of its weights.
        bias_name: of its bias, or empty.
        weight: ``(O, I/groups, h, w)`` float32.
        bias: ``(O,)`` float32; zeros where it has none.
        groups: number of groups.
        pads: top, left, bottom, right.
        strides: vertical, horizontal.
        dilations: vertical, horizontal.
    """

    node: str
    label: str
    source: str
    result: str
    weight_name: str
    bias_name: str
    weight: Array
    bias: Array
    groups: int
    pads: tuple[int, int, int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]


class FloatGraph:
    """A float graph and its convolutions.

    Args:
        model: the graph; it is copied.

    Raises:
        CalibrationError: it has no convolution with constant weights, or its opset is too old.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        graph = self.model.graph
        versions = [entry.version for entry in model.opset_import if entry.domain == ""]
        if not versions or versions[0] < FIRST_OPSET:
            raise CalibrationError(
                f"the features graph has opset {versions}; export it with {FIRST_OPSET} or later"
            )
        for index, node in enumerate(graph.node):
            node.name = node.name or f"node_{index}"
        self.constants = {init.name: init for init in graph.initializer}
        self.consumers = consumers_of(graph.node)
        self.outputs = {value.name for value in graph.output}
        self.layers = tuple(self._layers())
        if not self.layers:
            raise CalibrationError(
                "the features graph has no convolution with constant weights, so INT8 has nothing "
                "to speed up; export it without --int8"
            )

    def _layers(self) -> Iterator[ConvLayer]:
        """The convolutions that can be quantised, in the graph's order."""
        for node in self.model.graph.node:
            if node.op_type == "Conv" and node.input[1] in self.constants:
                attributes = attributes_of(node)
                weight = numpy_helper.to_array(self.constants[node.input[1]])
                padded = attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
                float_bias = len(node.input) < 3 or node.input[2] in self.constants  # noqa: PLR2004
                usable = weight.ndim == KERNEL_RANK and weight.dtype == np.float32
                if usable and padded and float_bias:
                    yield self._layer(node, weight, attributes)

    def _layer(self, node: onnx.NodeProto, weight: Array, attributes: dict[str, Any]) -> ConvLayer:
        """Describe one convolution."""
        bias_name = node.input[2] if len(node.input) > 2 else ""  # noqa: PLR2004
        bias = np.zeros(len(weight), np.float32)
        if bias_name:
            bias = numpy_helper.to_array(self.constants[bias_name])
        return ConvLayer(
            node=node.name,
            label=node.input[1]
            .removesuffix("_folded")
            .removesuffix(".weight")
            .removeprefix("backbone.network."),
            source=node.input[0],
            result=self._after_activation(node.output[0]),
            weight_name=node.input[1],
            bias_name=bias_name,
            weight=weight,
            bias=bias,
            groups=attributes.get("group", 1),
            pads=tuple(attributes.get("pads", (0, 0, 0, 0))),
            strides=tuple(attributes.get("strides", (1, 1))),
            dilations=tuple(attributes.get("dilations", (1, 1))),
        )

    def _after_activation(self, tensor: str) -> str:
        """The output of the activation function that alone reads a tensor, or the tensor."""
        readers = self.consumers.get(tensor, [])
        if len(readers) == 1 and readers[0].op_type in ACTIVATIONS and tensor not in self.outputs:
            return readers[0].output[0]
        return tensor

    @property
    def tensors(self) -> list[str]:
        """The activations whose range is needed: around convolutions, and sums."""
        names = [name for layer in self.layers for name in (layer.source, layer.result)]
        names += [node.output[0] for node in self.model.graph.node if node.op_type == "Add"]
        return list(dict.fromkeys(names))


def consumers_of(nodes: Iterable[onnx.NodeProto]) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that read each tensor."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(node)
    return readers


def producers_of(nodes: Iterable[onnx.NodeProto]) -> dict[str, onnx.NodeProto]:
    """The node that makes each tensor."""
    return {name: node for node in nodes for name in node.output}


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes by name."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def with_taps(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """A copy of a model that also puts out inner tensors."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    known = {value.name for value in tapped.graph.output}
    known |= {value.name for value in tapped.graph.input}
    for name in tensors:
        if name not in known:
            tapped.graph.output.append(helper.make_empty_tensor_value_info(name))
    return tapped


def open_model(model: onnx.ModelProto) -> OnnxGraph:
    """A model that is only in memory, ready to run on the CPU."""
    with tempfile.TemporaryDirectory(prefix="qatm-calib-") as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, str(path))
        return OnnxGraph(path, "cpu")


def replace_nodes(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Put other nodes, in order, into a graph; what nothing reads is left out, constants too."""
    kept: list[onnx.NodeProto] = []
    read = {value.name for value in model.graph.output}
    for node in reversed(list(nodes)):
        if read.intersection(node.output):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            kept.insert(0, copy)
            read.update(node.input)
    graph = model.graph
    del graph.node[:]
    graph.node.extend(kept)
    for constant in [c for c in graph.initializer if c.name not in read]:
        graph.initializer.remove(constant)
