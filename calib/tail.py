"""The end of the features graph, rewritten for ONNX Runtime on a CPU; results stay the same.

There the convolutions of an INT8 graph are so fast that interpolating the taps and pooling them
takes half the time. Both are linear along each axis: two products with small matrices do the same
in a third of the time. The pooled map is made from each tap by itself before it is enlarged, also
by products, which are twice as fast as a pool of a map that is not blocked by channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .float_graph import attributes_of, producers_of, replace_nodes

INTERPOLATION = b"linear"
HALF_PIXEL = (b"half_pixel", b"pytorch_half_pixel")
POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
SIZES_INPUT = 3
AXES = (("rows", 2), ("columns", 3))


def speed_up_tail(model: onnx.ModelProto) -> onnx.ModelProto:
    """Rewrite bilinear resizes by size, and the 2x2 means of what they are concatenated into.

    A graph that has no such nodes is returned as it is. The model is changed in place.
    """
    tail = _Tail(model)
    nodes: list[onnx.NodeProto] = []
    producers = producers_of(model.graph.node)
    for node in model.graph.node:
        if is_bilinear(node):
            nodes += tail.resize(node)
        elif _pools_resized(node, producers):
            nodes += tail.pool(node, producers[node.input[0]], producers)
        else:
            nodes.append(node)
    replace_nodes(model, nodes)
    return model


def is_bilinear(node: onnx.NodeProto) -> bool:
    """Whether a node is a bilinear resize of an NCHW tensor to a size, pixel centres aligned."""
    if node.op_type != "Resize" or len(node.input) <= SIZES_INPUT or not node.input[SIZES_INPUT]:
        return False
    found = attributes_of(node)
    return (
        found.get("mode") == INTERPOLATION
        and found.get("coordinate_transformation_mode", b"half_pixel") in HALF_PIXEL
        and not found.get("antialias", 0)
        and "axes" not in found
        and not node.input[1]
    )


def _pools_resized(node: onnx.NodeProto, producers: dict[str, onnx.NodeProto]) -> bool:
    """Whether a node is a 2x2 mean of concatenated maps of which some were resized."""
    before = producers.get(node.input[0]) if node.input else None
    if node.op_type != "AveragePool" or before is None or before.op_type != "Concat":
        return False
    found = attributes_of(node)
    plain = all(found.get(name) == value for name, value in POOL.items())
    plain = plain and not any(found.get("pads", [0])) and not found.get("ceil_mode", 0)
    plain = plain and found.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    made = [producers.get(name) for name in before.input]
    return plain and any(part is not None and is_bilinear(part) for part in made)


class _Tail:
    """Makes the nodes that replace resizes and pools."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self._constants: set[str] = set()

    def constant(self, name: str, values: Sequence[int]) -> str:
        """Add an int64 constant once."""
        name = f"tail_{name}"
        if name not in self._constants:
            self._constants.add(name)
            array = np.array(values, np.int64)
            self.model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def resize(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """A bilinear resize: a matrix for each axis, made by resizing an identity, and products."""
        result = node.output[0]
        nodes = self._identities(node.input[0], result)
        one = self.constant("one", [1])
        for axis, position in AXES:
            start, end = (self.constant(f"at_{p}", [p]) for p in (position, position + 1))
            stem = f"{result}_{axis}"
            sizes = [one, one, f"{stem}_new", f"{stem}_old"]
            made = [f"{stem}_identity4", "", "", f"{stem}_sizes"]
            nodes += [
                _node("Slice", [node.input[SIZES_INPUT], start, end], f"{stem}_new"),
                _node("Concat", sizes, f"{stem}_sizes", axis=0),
                _node("Resize", made, f"{stem}_matrix4", **attributes_of(node)),
            ]
            nodes += self._matrix(axis, f"{stem}_matrix4", f"{result}_matrix_{axis}")
        return nodes + self._apply(node.input[0], result, f"{result}_matrix")

    def _identities(self, source: str, name: str) -> list[onnx.NodeProto]:
        """An identity matrix for each axis of a map, with two leading axes."""
        nodes = [_node("Shape", [source], f"{name}_shape")]
        first_two = self.constant("axes", [0, 1])
        for axis, position in AXES:
            start, end = (self.constant(f"at_{p}", [p]) for p in (position, position + 1))
            stem = f"{name}_{axis}"
            nodes += [
                _node("Slice", [f"{name}_shape", start, end], f"{stem}_old"),
                _node("Concat", [f"{stem}_old", f"{stem}_old"], f"{stem}_square", axis=0),
                _node("ConstantOfShape", [f"{stem}_square"], f"{stem}_zeros"),
                _node("EyeLike", [f"{stem}_zeros"], f"{stem}_eye"),
                _node("Unsqueeze", [f"{stem}_eye", first_two], f"{stem}_identity4"),
            ]
        return nodes

    def _matrix(self, axis: str, source: str, result: str) -> list[onnx.NodeProto]:
        """Drop the two leading axes; the matrix of columns multiplies from the right."""
        axes = self.constant("axes", [0, 1])
        if axis == "rows":
            return [_node("Squeeze", [source, axes], result)]
        return [
            _node("Squeeze", [source, axes], f"{result}_flat"),
            _node("Transpose", [f"{result}_flat"], result, perm=[1, 0]),
        ]

    def _apply(self, source: str, result: str, matrix: str) -> list[onnx.NodeProto]:
        """Multiply with the matrix of columns, then with that of rows."""
        return [
            _node("MatMul", [source, f"{matrix}_columns"], f"{result}_wide"),
            _node("MatMul", [f"{matrix}_rows", f"{result}_wide"], result),
        ]

    def pool(
        self, node: onnx.NodeProto, joined: onnx.NodeProto, producers: dict[str, onnx.NodeProto]
    ) -> list[onnx.NodeProto]:
        """The 2x2 means of each part by itself, then joined."""
        result, parts = node.output[0], []
        nodes: list[onnx.NodeProto] = []
        for index, name in enumerate(joined.input):
            part = f"{result}_part{index}"
            made = producers.get(name)
            if made is not None and is_bilinear(made):
                nodes += self._pool(made.input[0], part, name, "matrix4")
            else:
                nodes += self._identities(name, part)
                nodes += self._pool(name, part, part, "identity4")
            parts.append(part)
        return [*nodes, _node("Concat", parts, result, axis=attributes_of(joined)["axis"])]

    def _pool(self, source: str, result: str, name: str, kind: str) -> list[onnx.NodeProto]:
        """A map times the means of pairs of rows of its two matrices."""
        nodes: list[onnx.NodeProto] = []
        for axis, _ in AXES:
            stem = f"{name}_{axis}"
            options = {"kernel_shape": [2, 1], "strides": [2, 1]}
            nodes.append(_node("AveragePool", [f"{stem}_{kind}"], f"{stem}_pooled4", **options))
            nodes += self._matrix(axis, f"{stem}_pooled4", f"{name}_pooled_{axis}")
        return nodes + self._apply(source, result, f"{name}_pooled")


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node named after what it makes."""
    return helper.make_node(kind, inputs, [output], name=f"make_{output}", **attributes)
