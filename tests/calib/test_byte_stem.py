"""The first convolution on bytes, by blocks of four pixels, gives exactly what it gave."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from qatm.calib.byte_stem import block_weights, feed_bytes
from qatm.calib.float_graph import open_model


def stem(pads, *, mean=127, zero=127, step=1.0, strides=(2, 2), readers=1):
    """A quantised convolution of an image from which a mean was subtracted."""
    random = np.random.default_rng(7)
    constants = {
        "mean": np.asarray(mean, np.float32),
        "step": np.float32(step),
        "zero": np.uint8(zero),
        "weight_q": random.integers(-127, 128, (4, 3, 3, 3), np.int8),
        "weight_s": random.uniform(0.001, 0.01, 4).astype(np.float32),
        "weight_z": np.zeros(4, np.int8),
        "bias_q": random.integers(-900, 900, 4, np.int32),
        "bias_z": np.zeros(4, np.int32),
        "out_step": np.float32(0.05),
        "out_zero": np.uint8(3),
    }
    constants["bias_s"] = constants["weight_s"] * np.float32(step)
    node, out = helper.make_node, ["out_step", "out_zero"]
    nodes = [
        node("Transpose", ["image"], ["chw"], perm=[0, 3, 1, 2]),
        node("Cast", ["chw"], ["cast"], to=TensorProto.FLOAT),
        node("Sub", ["cast", "mean"], ["sub"]),
        node("QuantizeLinear", ["sub", "step", "zero"], ["sub_q"], "q"),
        node("DequantizeLinear", ["sub_q", "step", "zero"], ["real"], "d"),
        node("DequantizeLinear", ["weight_q", "weight_s", "weight_z"], ["weight"], "w", axis=0),
        node("DequantizeLinear", ["bias_q", "bias_s", "bias_z"], ["bias"], "b", axis=0),
        node("Conv", ["real", "weight", "bias"], ["conv"], "c", pads=pads, strides=strides),
        node("QuantizeLinear", ["conv", *out], ["conv_q"], "cq"),
        node("DequantizeLinear", ["conv_q", *out], ["features"], "cd"),
    ]
    names = ["features"]
    if readers > 1:
        nodes.append(node("Neg", ["conv"], ["other"]))
        names.append("other")
    graph = helper.make_graph(
        nodes,
        "stem",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["b", "h", "w", 3])],
        [helper.make_empty_tensor_value_info(name) for name in names],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def changed_and_truth(model, size=(2, 16, 24)):
    """Operators after the change, and the results of both."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    truth = open_model(model).run({"image": image}, ["features"])[0]
    feed_bytes(model)
    kinds = Counter(node.op_type for node in model.graph.node)
    return kinds, truth, open_model(model).run({"image": image}, ["features"])[0]


@pytest.mark.parametrize("pads", [[0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1]])
@pytest.mark.parametrize("stride", [1, 2])
def test_blocks_give_exactly_what_pixels_gave(pads, stride):
    kinds, truth, found = changed_and_truth(stem(pads, strides=(stride, 2)))
    assert kinds["Reshape"] == 2
    assert not kinds["Cast"] + kinds["Sub"]
    assert kinds["QuantizeLinear"] == 1
    np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize(
    ("pads", "options"),
    [([1, 1, 1, 1], {"strides": (1, 1)}), ([0, 2, 0, 2], {}), ([0, 0, 1, 1], {"readers": 2})],
)
def test_what_has_no_blocks_reads_bytes_all_the_same(pads, options):
    kinds, truth, found = changed_and_truth(stem(pads, **options))
    assert not kinds["Reshape"] + kinds["Cast"]
    np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize(
    "options",
    [
        {"mean": 103.9},
        {"mean": np.reshape([127, 127, 100], (3, 1, 1))},
        {"step": 0.99},
        {"zero": 120},
    ],
)
def test_an_image_whose_bytes_are_not_the_quantised_tensor_stays(options):
    model = stem([0, 0, 1, 1], **options)
    before = model.SerializeToString()
    assert feed_bytes(model).SerializeToString() == before


def test_no_mean_at_all_is_a_zero_of_nothing():
    model = stem([0, 0, 1, 1], zero=0)
    subtract = next(n for n in model.graph.node if n.op_type == "Sub")
    model.graph.node.remove(subtract)
    next(n for n in model.graph.node if n.name == "q").input[0] = "cast"
    kinds, truth, found = changed_and_truth(model)
    assert not kinds["Cast"]
    np.testing.assert_array_equal(found, truth)


def test_weights_of_blocks_have_every_weight_twice():
    weight = np.arange(1, 2 * 3 * 5 * 3 + 1, dtype=np.int16).reshape(2, 3, 5, 3)
    for left, first, blocks in ((0, 0, 2), (1, -1, 2)):
        found, start = block_weights(weight, left)
        assert found.shape == (4, 12, 5, blocks)
        assert start == first
        kept = np.sort(found[found != 0])
        np.testing.assert_array_equal(kept, np.sort(np.repeat(weight.ravel(), 2)))
