"""The first convolution of an INT8 graph for CPUs reads the image's bytes as they are.

Where one whole number is subtracted from all of an image, the bytes are the quantised tensor
already: step 1, and that number is zero. ONNX Runtime's convolutions are slow on three channels, so
four neighbouring pixels are taken as one with twelve, which moves nothing, and one convolution
makes two of its columns: products with zeros are cheaper than gathering bytes by threes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .float_graph import attributes_of, consumers_of, producers_of, replace_nodes

Array = NDArray[Any]

PIXELS = 4
"""Neighbours taken together: a row is a multiple of this long where something has stride 4."""

COLUMNS = 2
STRIDE = PIXELS // COLUMNS
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


class _Stem(NamedTuple):
    """The first convolution and what surrounds it."""

    before: onnx.NodeProto
    conv: onnx.NodeProto
    weight: onnx.NodeProto
    bias: onnx.NodeProto
    after: onnx.NodeProto


def feed_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let the first convolution read bytes, where that gives the same; the model is changed."""
    nodes = list(model.graph.node)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    first = next((n for n in nodes if _quantises_image(n, model, constants)), None)
    if first is None:
        return model
    image, result = model.graph.input[0].name, first.output[0]
    moved = helper.make_node(
        "Transpose", [image], [result], name=f"make_{result}", perm=TO_CHANNELS_FIRST
    )
    nodes[nodes.index(first)] = moved
    stem = _stem_of(moved, nodes)
    if stem is not None and _fits(stem, constants):
        nodes = _by_blocks(model, stem, nodes, constants)
    replace_nodes(model, nodes)
    return model


def _quantises_image(
    node: onnx.NodeProto, model: onnx.ModelProto, constants: Mapping[str, Array]
) -> bool:
    """Whether a node gives back the bytes that a float tensor was made of."""
    if node.op_type != "QuantizeLinear":
        return False
    producers = producers_of(model.graph.node)
    mean = np.float32(0)
    source = producers.get(node.input[0])
    if source is not None and source.op_type == "Sub" and source.input[1] in constants:
        values = np.unique(constants[source.input[1]])
        mean = values[0] if len(values) == 1 else np.float32(np.nan)
        source = producers.get(source.input[0])
    moved, cast = False, False
    while source is not None and source.op_type in ("Transpose", "Cast"):
        to_first = attributes_of(source).get("perm") == TO_CHANNELS_FIRST
        moved, cast = moved or to_first, cast or source.op_type == "Cast"
        image = source.input[0]
        source = producers.get(image)
        if image == model.graph.input[0].name and source is None and moved and cast:
            step, zero = (constants[name] for name in node.input[1:])
            is_byte = model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
            return is_byte and float(step) == 1.0 and float(zero) == float(mean)
    return False


def _stem_of(moved: onnx.NodeProto, nodes: list[onnx.NodeProto]) -> _Stem | None:
    """The one convolution that reads a tensor, if it lies between quantised ones."""
    producers, readers = producers_of(nodes), consumers_of(nodes)

    def only_reader(name: str, kind: str) -> onnx.NodeProto | None:
        found = readers.get(name, [])
        return found[0] if len(found) == 1 and found[0].op_type == kind else None

    before = only_reader(moved.output[0], "DequantizeLinear")
    conv = None if before is None else only_reader(before.output[0], "Conv")
    after = None if conv is None else only_reader(conv.output[0], "QuantizeLinear")
    if before is None or conv is None or after is None or len(conv.input) < 3:  # noqa: PLR2004
        return None
    made = [producers.get(name) for name in conv.input[1:]]
    weight, bias = (m if m is not None and m.op_type == "DequantizeLinear" else None for m in made)
    return None if weight is None or bias is None else _Stem(before, conv, weight, bias, after)


def _fits(stem: _Stem, constants: Mapping[str, Array]) -> bool:
    """Whether a convolution has stride 2 along rows, and as many columns as half an image."""
    found = attributes_of(stem.conv)
    weight = constants[stem.weight.input[0]]
    plain = found.get("group", 1) == 1 and set(found.get("dilations", (1, 1))) == {1}
    _, left, _, right = found.get("pads", (0, 0, 0, 0))
    halves = (left + right - weight.shape[3]) // STRIDE + 1 == 0
    return plain and found.get("strides", (1, 1))[1] == STRIDE and halves


def _by_blocks(
    model: onnx.ModelProto,
    stem: _Stem,
    nodes: list[onnx.NodeProto],
    constants: Mapping[str, Array],
) -> list[onnx.NodeProto]:
    """The nodes with a convolution that reads blocks of pixels and makes pairs of columns."""
    weight = constants[stem.weight.input[0]]
    outputs, channels, rows, _ = weight.shape
    found = attributes_of(stem.conv)
    top, left, bottom, _ = found.get("pads", (0, 0, 0, 0))
    blocks, first = block_weights(weight, left)

    def add(name: str, values: Array) -> str:
        model.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    for node in (stem.weight, stem.bias):
        for index, name in enumerate(node.input):
            twice = np.concatenate([constants[name]] * COLUMNS)
            is_weight = node is stem.weight and index == 0
            node.input[index] = add(f"{name}_pairs", blocks if is_weight else twice)
    kept = [a for a in stem.conv.attribute if a.name not in ("kernel_shape", "strides", "pads")]
    del stem.conv.attribute[:]
    stem.conv.attribute.extend(kept)
    width = blocks.shape[3]
    pads = [top, -first, bottom, width - 1 + first]
    new = {"kernel_shape": [rows, width], "strides": [found["strides"][0], 1], "pads": pads}
    stem.conv.attribute.extend(helper.make_attribute(name, v) for name, v in new.items())
    moved = next(n for n in nodes if stem.before.input[0] in n.output)
    by_blocks, result = f"{moved.output[0]}_blocks", stem.after.output[0]
    pairs = [f"{result}_{part}" for part in ("pairs", "last", "columns")]
    shapes = [
        add(f"{by_blocks}_shape", np.array([0, 0, -1, PIXELS * channels])),
        add(f"{pairs[2]}_shape", np.array([0, 0, -1, outputs])),
    ]
    node = helper.make_node
    before = node("Reshape", [moved.input[0], shapes[0]], [by_blocks], f"make_{by_blocks}")
    moved.input[0] = by_blocks
    stem.after.output[0] = pairs[0]
    after = [
        node("Transpose", pairs[:1], pairs[1:2], f"make_{pairs[1]}", perm=TO_CHANNELS_LAST),
        node("Reshape", [pairs[1], shapes[1]], pairs[2:], f"make_{pairs[2]}"),
        node("Transpose", pairs[2:], [result], f"split_{result}", perm=TO_CHANNELS_FIRST),
    ]
    place = nodes.index(moved)
    nodes = [*nodes[:place], before, *nodes[place:]]
    place = nodes.index(stem.after) + 1
    return [*nodes[:place], *after, *nodes[place:]]


def block_weights(weight: Array, left: int) -> tuple[Array, int]:
    """Weights of stride 2 along rows as weights on blocks of four pixels.

    Args:
        weight: ``(O, C, h, w)``.
        left: padding before the first pixel of a row.

    Returns:
        ``(2 O, 4 C, h, blocks)``, the even columns of the output first; and the first block that
        they read, 0 or less.
    """
    outputs, channels, rows, columns = weight.shape
    first = -left // PIXELS
    last = (STRIDE * (COLUMNS - 1) + columns - 1 - left) // PIXELS
    shape = (COLUMNS, outputs, PIXELS, channels, rows, last - first + 1)
    blocks = np.zeros(shape, weight.dtype)
    for column in range(COLUMNS):
        for x in range(columns):
            block, pixel = divmod(STRIDE * column + x - left, PIXELS)
            blocks[column, :, pixel, :, :, block - first] = weight[:, :, :, x]
    return blocks.reshape(COLUMNS * outputs, PIXELS * channels, rows, -1), first
