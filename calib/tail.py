"""The end of the features graph, rewritten for ONNX Runtime on a CPU; results stay the same.

There the convolutions of an INT8 graph are so fast that interpolating the taps and pooling them
takes half the time. Both are linear along each axis: two products with small matrices do the same
in a third of the time, and the pooled map is made from each tap by itself before it is enlarged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .graph import consumers_of, replace_nodes

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
    producers = {name: node for node in model.graph.node for name in node.output}
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
    found = _attributes(node)
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
    found = _attributes(node)
    plain = all(found.get(name) == value for name, value in POOL.items())
    plain = plain and not any(found.get("pads", [0])) and not found.get("ceil_mode", 0)
    plain = plain and found.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    made = [producers.get(name) for name in before.input]
    return plain and any(part is not None and is_bilinear(part) for part in made)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes by name."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


class _Tail:
    """Makes the nodes that replace resizes and pools."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self._readers = consumers_of(model.graph.node)
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
        nodes = self._matrices(node, result)
        return nodes + self._apply(node.input[0], result, f"{result}_matrix")

    def _matrices(self, node: onnx.NodeProto, name: str) -> list[onnx.NodeProto]:
        """The interpolation matrices of both axes and their 2x2-pooled forms."""
        nodes = [_node("Shape", [node.input[0]], f"{name}_shape")]
        one, first_two = self.constant("one", [1]), self.constant("axes", [0, 1])
        for axis, position in AXES:
            start, end = (self.constant(f"at_{p}", [p]) for p in (position, position + 1))
            stem = f"{name}_{axis}"
            size = f"{stem}_new"
            nodes += [
                _node("Slice", [f"{name}_shape", start, end], f"{stem}_old"),
                _node("Slice", [node.input[SIZES_INPUT], start, end], size),
                _node("Concat", [f"{stem}_old", f"{stem}_old"], f"{stem}_square", axis=0),
                _node("ConstantOfShape", [f"{stem}_square"], f"{stem}_zeros"),
                _node("EyeLike", [f"{stem}_zeros"], f"{stem}_eye"),
                _node("Unsqueeze", [f"{stem}_eye", first_two], f"{stem}_eye4"),
                _node("Concat", [one, one, size, f"{stem}_old"], f"{stem}_sizes", axis=0),
                _node(
                    "Resize",
                    [f"{stem}_eye4", "", "", f"{stem}_sizes"],
                    f"{stem}_matrix4",
                    **_attributes(node),
                ),
            ]
            nodes += self._matrix(stem, axis, f"{stem}_matrix4", f"{name}_matrix_{axis}")
        return nodes

    def _matrix(self, stem: str, axis: str, source: str, result: str) -> list[onnx.NodeProto]:
        """Drop the two leading axes; the matrix of columns multiplies from the right."""
        axes = self.constant("axes", [0, 1])
        if axis == "rows":
            return [_node("Squeeze", [source, axes], result)]
        flat = f"{result}_flat" if stem else result
        return [
            _node("Squeeze", [source, axes], flat),
            _node("Transpose", [flat], result, perm=[1, 0]),
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
                nodes += self._pooled_matrices(name)
                nodes += self._apply(made.input[0], part, f"{name}_pooled")
            else:
                nodes.append(_node("AveragePool", [name], part, **_attributes(node)))
            parts.append(part)
        return [*nodes, _node("Concat", parts, result, axis=_attributes(joined)["axis"])]

    def _pooled_matrices(self, name: str) -> list[onnx.NodeProto]:
        """Means of pairs of rows of the interpolation matrices."""
        nodes: list[onnx.NodeProto] = []
        for axis, _ in AXES:
            source = f"{name}_{axis}_matrix4"
            pooled = f"{name}_{axis}_pooled4"
            options = {"kernel_shape": [2, 1], "strides": [2, 1]}
            nodes.append(_node("AveragePool", [source], pooled, **options))
            nodes += self._matrix(f"{name}_{axis}", axis, pooled, f"{name}_pooled_{axis}")
        return nodes


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node named after what it makes."""
    return helper.make_node(kind, inputs, [output], name=f"make_{output}", **attributes)
