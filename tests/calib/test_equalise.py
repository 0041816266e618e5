"""Equalising channels: the same function, channels of one range, and what cannot be scaled."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qatm.calib import CalibrationOptions
from qatm.calib.equalise import channel_scales, equalised
from qatm.calib.float_graph import FloatGraph, open_model, with_taps
from qatm.calib.image_set import open_set
from qatm.calib.shortcuts import take_shortcuts

WIDTH = 8


def network(*, activation=False, shared=False, constant=False, output=False) -> onnx.ModelProto:
    """Two linear convolutions that are added, read by a depthwise one, by a pool and by a shape.

    Args:
        activation: ReLU on one summand.
        shared: two layers have the same weights.
        constant: a constant is added to the sum.
        output: the sum is an output of the network.
    """
    random = np.random.default_rng(1)
    spread = np.geomspace(0.02, 3, WIDTH, dtype=np.float32)
    constants: dict[str, np.ndarray] = {
        "first.weight": random.normal(size=(WIDTH, 3, 1, 1)) * spread.reshape(-1, 1, 1, 1),
        "first.bias": random.normal(size=WIDTH) * spread,
        "second.weight": random.normal(size=(WIDTH, WIDTH, 1, 1)) / spread.reshape(1, -1, 1, 1),
        "deep.weight": random.normal(size=(WIDTH, 1, 3, 3)),
        "deep.bias": random.normal(size=WIDTH),
        "last.weight": random.normal(size=(4, WIDTH, 3, 3)),
        "ones": np.ones((1, WIDTH, 1, 1)),
    }
    third = "first.weight" if shared else "third.weight"
    constants["third.weight"] = constants["first.weight"] * random.uniform(0.5, 2, (WIDTH, 1, 1, 1))
    node, pads = helper.make_node, [1, 1, 1, 1]
    nodes = [
        node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        node("Transpose", ["cast"], ["chw"], perm=[0, 3, 1, 2]),
        node("Conv", ["chw", "first.weight", "first.bias"], ["first"], "first"),
        node("Relu", ["first"], ["first_relu"]),
        node("Conv", ["chw", third], ["third"], "third"),
        node("Conv", ["first_relu" if activation else "first", "second.weight"], ["second"], "2"),
        node("Add", ["first_relu" if activation else "third", "second"], ["sum"]),
        node("Add", ["sum", "ones" if constant else "third"], ["total"]),
        node("Conv", ["total", "deep.weight", "deep.bias"], ["deep"], "deep", pads=pads, group=8),
        node("Conv", ["total", "last.weight"], ["last"], "last", pads=pads),
        node("AveragePool", ["total"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["total"], ["shape"]),
    ]
    results = ["deep", "last", "pooled", "shape", *(["total"] if output else [])]
    read = {name for n in nodes for name in n.input}
    graph = helper.make_graph(
        [n for n in nodes if n.op_type != "Relu" or activation],
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["b", "h", "w", 3])],
        [helper.make_empty_tensor_value_info(name) for name in results],
        [
            numpy_helper.from_array(values.astype(np.float32), name)
            for name, values in constants.items()
            if name in read
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.fixture
def images(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), np.uint8)
    np.save(tmp_path / "set.npy", pictures)
    return open_set(CalibrationOptions((str(tmp_path / "set.npy"),), images=5), 16)


def run(model, image, names):
    return open_model(with_taps(model, names)).run({"image": image[None]}, names)


def test_the_network_stays_the_same_and_channels_get_one_range(images):
    graph = FloatGraph(network())
    scales = channel_scales(graph, images)
    # The first convolution is read by the second alone; the others meet in sums, or are outputs.
    assert set(scales) == {"first", "second", "third", "sum", "total", "deep", "last"}
    assert scales["second"] is scales["third"] is scales["sum"] is scales["total"]
    changed = equalised(graph, scales)
    assert [layer.node for layer in changed.layers] == [layer.node for layer in graph.layers]
    image = next(iter(images))
    outputs = ["deep", "last", "pooled", "shape"]
    before, after = (run(g.model, image, outputs) for g in (graph, changed))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4 * np.abs(a).max())
    inner = ["first", "total"]
    for name, a, b in zip(
        inner, *(run(g.model, image, inner) for g in (graph, changed)), strict=True
    ):
        np.testing.assert_allclose(b, a * scales[name].reshape(1, -1, 1, 1), rtol=1e-4, atol=1e-2)
    peaks = np.max([np.abs(run(changed.model, i, ["first"])[0]).max((0, 2, 3)) for i in images], 0)
    np.testing.assert_allclose(peaks, peaks[0], rtol=1e-3)
    kinds = Counter(node.op_type for node in changed.model.graph.node)
    assert kinds["Mul"] == 3, "the pool and two outputs need values that are scaled back"


def test_an_output_is_scaled_inside_only(images):
    graph = FloatGraph(network(output=True))
    scales = channel_scales(graph, images)
    changed = equalised(graph, scales)
    assert [v.name for v in changed.model.graph.output] == [
        v.name for v in graph.model.graph.output
    ]
    image = next(iter(images))
    (truth,), (outside, inside) = (
        run(graph.model, image, ["total"]),
        run(changed.model, image, ["total", "total_scaled"]),
    )
    np.testing.assert_allclose(outside, truth, rtol=1e-4, atol=1e-4 * np.abs(truth).max())
    factors = scales["total"].reshape(1, -1, 1, 1)
    assert factors.max() > 2 * factors.min()
    np.testing.assert_allclose(inside, truth * factors, rtol=1e-3, atol=1e-2)
    readers = [n for n in changed.model.graph.node if "total_scaled" in n.input]
    assert sorted(n.op_type for n in readers) == ["Conv", "Conv", "Mul", "Shape"]
    pool = next(n for n in changed.model.graph.node if n.op_type == "AveragePool")
    assert pool.input[0] == "total"


@pytest.mark.parametrize("kind", ["activation", "shared", "constant"])
def test_what_cannot_be_scaled_stays(images, kind):
    graph = FloatGraph(network(**{kind: True}))
    scales = channel_scales(graph, images)
    assert not {"sum", "total", "second", "third"} & set(scales)
    assert (
        set(scales)
        == {
            "activation": {"deep", "last"},
            "shared": set(),
            "constant": {"first", "deep", "last"},
        }[kind]
    )
    image = next(iter(images))
    before, after = (
        run(g.model, image, ["deep", "pooled"]) for g in (graph, equalised(graph, scales))
    )
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4 * np.abs(a).max())


def test_scaling_back_is_done_by_dequantising():
    factors = np.array([1, 0.5, 0.1], np.float32).reshape(1, 3, 1, 1)
    consts = {"step": np.float32(0.25), "zero": np.uint8(7), "factors": factors}
    node = helper.make_node
    nodes = [
        node("Transpose", ["image"], ["chw"], perm=[0, 3, 1, 2]),
        node("DequantizeLinear", ["chw", "step", "zero"], ["real"]),
        node("Mul", ["real", "factors"], ["features"], "back"),
    ]
    graph = helper.make_graph(
        nodes,
        "scaled",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "h", "w", 3])],
        [helper.make_empty_tensor_value_info("features")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in consts.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    (before,) = run(model, image, ["features"])
    take_shortcuts(model)
    assert [n.op_type for n in model.graph.node] == ["Transpose", "DequantizeLinear"]
    np.testing.assert_allclose(run(model, image, ["features"])[0], before, rtol=1e-6)
