"""Channels of one activation brought to one range, so that INT8's common step suits all of them.

A tensor that no activation function follows may have its channels scaled: the convolutions that
make it multiply their weights, those that read it divide theirs (Nagel et al. 2019, arXiv
1906.04721, section 4.1). Tensors that are added to each other share their scales, and whatever
else reads one gets it scaled back. The network computes what it did before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .calibration import Progress, silent
from .float_graph import ConvLayer, FloatGraph, open_model, producers_of, replace_nodes, with_taps
from .image_set import CalibrationSet

Array = NDArray[Any]

MOST = 1000.0
"""A channel is enlarged by this much at most; smaller ones hold next to nothing."""

BY_SIZE = ("Shape", "Size")
"""Operators that do not look at values."""


def channel_scales(
    graph: FloatGraph, images: CalibrationSet, progress: Progress = silent
) -> dict[str, Array]:
    """The factor of each channel of each activation that can be scaled.

    Args:
        graph: the float graph.
        images: to measure ranges on.
        progress: told about every image.

    Returns:
        ``(C,)`` float32 by tensor, at least 1; tensors that are added share theirs.
    """
    groups = list(_groups(graph))
    tensors = [name for group in groups for name in group]
    if not tensors:
        return {}
    session = open_model(with_taps(graph.model, tensors))
    largest: dict[str, Array] = {}
    for done, image in enumerate(images, 1):
        for name, array in zip(tensors, session.run({"image": image[None]}, tensors), strict=True):
            peak = np.abs(array).max(axis=(0, 2, 3))
            largest[name] = np.maximum(largest[name], peak) if name in largest else peak
        progress("measuring channels", done, len(images))
    # Maps that are broadcast to each other have other numbers of channels.
    alike = [group for group in groups if len({largest[name].shape for name in group}) == 1]
    return {name: factors for group in alike for name, factors in _factors(group, largest)}


def _factors(group: list[str], largest: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """The factors of the tensors of one group; none where its range is empty or not finite."""
    peaks = np.max([largest[name] for name in group], axis=0).astype(np.float64)
    widest = float(peaks.max())
    if 0 < widest < np.inf:
        factors = (widest / np.maximum(peaks, widest / MOST)).astype(np.float32)
        yield from ((name, factors) for name in group)


def _groups(graph: FloatGraph) -> Iterator[list[str]]:
    """Sets of tensors that must be scaled alike, and can be."""
    names = [
        name for layer in graph.layers for name in (layer.weight_name, layer.bias_name) if name
    ]
    if len(set(names)) < len(names):
        return  # what two layers share cannot be scaled for one of them
    producers = producers_of(graph.model.graph.node)
    # No activation function comes between such a convolution and its result.
    made = {layer.result for layer in graph.layers if producers[layer.result].name == layer.node}
    sums = [node for node in graph.model.graph.node if node.op_type == "Add"]
    belongs = {name: {name} for name in made}
    for node in sums:
        together = {node.output[0], *node.input}
        merged = together.union(*(belongs.get(name, set()) for name in together))
        belongs.update(dict.fromkeys(merged, merged))
    scalable = made | {node.output[0] for node in sums}
    seen: set[str] = set()
    for name, group in belongs.items():
        if name in seen:
            continue
        seen |= group
        if group <= scalable:
            yield sorted(group)


def equalised(graph: FloatGraph, scales: Mapping[str, Array]) -> FloatGraph:
    """The graph with the channels of some tensors scaled.

    Args:
        graph: the float graph; it is not changed.
        scales: of :func:`channel_scales`.

    Returns:
        A graph with the same inputs, outputs and names of layers.
    """
    changed = FloatGraph(graph.model)
    layers = {layer.node: layer for layer in changed.layers}
    for layer in layers.values():
        _scale_layer(changed, layer, scales)
    # An output keeps its name and its values; what is scaled has another name inside.
    inner = {name: f"{name}_scaled" if name in graph.outputs else name for name in scales}
    back = {name: name if name in graph.outputs else f"{name}_unscaled" for name in scales}
    nodes: list[onnx.NodeProto] = []
    done: set[str] = set()

    def scale_back(name: str) -> None:
        if name not in done:
            done.add(name)
            nodes.append(_scale_back(changed, inner[name], back[name], scales[name]))

    for node in changed.model.graph.node:
        inside = node.name in layers or node.op_type == "Add" or node.op_type in BY_SIZE
        for index, name in enumerate(node.input):
            if name in scales:
                if not inside:
                    scale_back(name)
                node.input[index] = inner[name] if inside else back[name]
        for index, name in enumerate(node.output):
            node.output[index] = inner.get(name, name)
        nodes.append(node)
    for name in sorted(graph.outputs.intersection(scales)):
        scale_back(name)
    replace_nodes(changed.model, nodes)
    return FloatGraph(changed.model)


def _scale_layer(graph: FloatGraph, layer: ConvLayer, scales: Mapping[str, Array]) -> None:
    """Scale the weights of a convolution by what it makes and what it reads."""
    made = scales.get(layer.result, np.ones(len(layer.weight), np.float32))
    weight = layer.weight * made.reshape(-1, 1, 1, 1)
    if layer.source in scales:
        read = scales[layer.source].reshape(layer.groups, 1, -1, 1, 1)
        grouped = weight.reshape(layer.groups, -1, *weight.shape[1:])
        weight = (grouped / read).reshape(weight.shape)
    _set(graph, layer.weight_name, weight)
    if layer.bias_name:
        _set(graph, layer.bias_name, layer.bias * made)


def _set(graph: FloatGraph, name: str, values: Array) -> None:
    """Replace a float constant."""
    array = np.ascontiguousarray(values, np.float32)
    graph.constants[name].CopyFrom(numpy_helper.from_array(array, name))


def _scale_back(graph: FloatGraph, tensor: str, result: str, factors: Array) -> onnx.NodeProto:
    """A node that undoes the scaling of a tensor."""
    inverse = (1 / factors).astype(np.float32).reshape(1, -1, 1, 1)
    constant = numpy_helper.from_array(inverse, f"{result}_factors")
    graph.model.graph.initializer.append(constant)
    return helper.make_node("Mul", [tensor, constant.name], [result], name=f"make_{result}")
