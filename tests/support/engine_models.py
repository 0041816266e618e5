"""Small ONNX networks of each precision, with the features graph's input and outputs."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 16
LAYERS = ((CHANNELS, 3, 3, 3), (CHANNELS, CHANNELS, 3, 3))


def small_network(precision: str) -> bytes:
    """Two convolutions: ``image (batch, height, width, 3)`` uint8 to ``features``."""
    kind = TensorProto.FLOAT16 if precision == "fp16" else TensorProto.FLOAT
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["image"], ["cast"], to=kind),
        helper.make_node("Transpose", ["cast"], ["x0"], perm=[0, 3, 1, 2]),
    ]
    weights: list[onnx.TensorProto] = []
    for i, shape in enumerate(LAYERS):
        add = _quantised if precision == "int8" else _plain
        add(i, shape, rng, nodes, weights, precision)
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"x{i + 1}"]))
    nodes.append(helper.make_node("Cast", ["x2"], ["features"], to=TensorProto.FLOAT))
    return model_of(
        nodes,
        {"image": (TensorProto.UINT8, ["batch", "height", "width", 3])},
        {"features": (TensorProto.FLOAT, ["batch", CHANNELS, "height", "width"])},
        weights,
    )


def model_of(nodes, inputs, outputs, weights=()) -> bytes:
    """A serialised model of nodes, with inputs and outputs as ``name: (dtype, shape)``."""
    before, after = (
        [helper.make_tensor_value_info(name, *info) for name, info in side.items()]
        for side in (inputs, outputs)
    )
    graph = helper.make_graph(nodes, "small", before, after, list(weights))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return model.SerializeToString()


def weights_in_plan(plan: bytes) -> Counter[str]:
    """Dtypes of the convolution weights that a TensorRT-RTX plan lists, biases left out."""
    line = rb"const_payload_size=\d+ dims=\{ (\d+) \d+ \d+ \d+ \} [^\n]*?type=(\w+)"
    return Counter(dtype.decode() for count, dtype in re.findall(line, plan) if count != b"1")


def _plain(i, shape, rng, nodes, weights, precision):
    dtype = np.float16 if precision == "fp16" else np.float32
    weights.append(numpy_helper.from_array(rng.normal(size=shape).astype(dtype), f"w{i}"))
    nodes.append(helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"c{i}"], pads=[1] * 4))


def _quantised(i, shape, rng, nodes, weights, precision):
    arrays = {
        f"s{i}": np.float32(1.0),
        f"z{i}": np.int8(0),
        f"w{i}": rng.integers(-127, 128, size=shape, dtype=np.int8),
        f"ws{i}": np.full(shape[0], 0.01, np.float32),
        f"wz{i}": np.zeros(shape[0], np.int8),
    }
    weights += [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
    nodes += [
        helper.make_node("QuantizeLinear", [f"x{i}", f"s{i}", f"z{i}"], [f"q{i}"]),
        helper.make_node("DequantizeLinear", [f"q{i}", f"s{i}", f"z{i}"], [f"d{i}"]),
        helper.make_node("DequantizeLinear", [f"w{i}", f"ws{i}", f"wz{i}"], [f"dw{i}"], axis=0),
        helper.make_node("Conv", [f"d{i}", f"dw{i}"], [f"c{i}"], pads=[1] * 4),
    ]
