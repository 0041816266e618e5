from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qatm.calib.float_graph import open_model
from qatm.calib.shortcuts import take_shortcuts


def normalised_convolution(order, mean, std, groups=1):
    """An image that is normalised and convolved; ``None`` leaves a step out."""
    random = np.random.default_rng(5)
    weight = random.normal(size=(6, 3 // groups, 3, 3)).astype(np.float32)
    consts = [numpy_helper.from_array(weight, "weight")]
    nodes = [
        helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["cast"], ["chw"], perm=[0, 3, 1, 2]),
    ]
    for kind, value in (("Gather", order), ("Sub", mean), ("Div", std)):
        if value is not None:
            consts.append(numpy_helper.from_array(np.asarray(value), kind))
            nodes.append(helper.make_node(kind, [nodes[-1].output[0], kind], [f"{kind}_out"]))
            if kind == "Gather":
                nodes[-1].attribute.append(helper.make_attribute("axis", 1))
    source, pads = nodes[-1].output[0], [0, 0, 1, 1]
    nodes.append(
        helper.make_node("Conv", [source, "weight"], ["features"], pads=pads, group=groups)
    )
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["b", "h", "w", 3])
    output = helper.make_empty_tensor_value_info("features")
    graph = helper.make_graph(nodes, "normalised", [image], [output], consts)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


CHANNELWISE = np.array([[[104.0]], [[117.0]], [[123.0]]], np.float32)


@pytest.mark.parametrize(
    ("order", "mean", "std", "left"),
    [
        ([2, 1, 0], CHANNELWISE, CHANNELWISE / 2, {"Sub": 1}),
        ([1, 2, 0], CHANNELWISE[None], None, {"Sub": 1}),
        (None, np.float32(127), np.float32(128), {"Sub": 1}),
        ([2, 0, 1], None, np.float32(255), {}),
        (None, CHANNELWISE, None, {"Sub": 1}),
        ([0, 0, 1], np.float32(127), np.float32(128), {"Gather": 1, "Sub": 1}),
    ],
)
def test_normalisation_goes_into_the_weights(order, mean, std, left):
    model = normalised_convolution(order, mean, std)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    take_shortcuts(changed)
    kinds = Counter(node.op_type for node in changed.graph.node)
    assert kinds == {"Transpose": 1, "Cast": 1, "Conv": 1, **left}
    assert changed.graph.node[0].op_type == "Transpose", "bytes are moved, not floats"
    image = np.random.default_rng(0).integers(0, 256, (2, 11, 14, 3), np.uint8)
    truth, other = (open_model(m).run({"image": image}, ["features"])[0] for m in (model, changed))
    np.testing.assert_allclose(other, truth, rtol=1e-5, atol=1e-4 * np.abs(truth).max())


def test_a_convolution_by_groups_keeps_its_normalisation():
    model = normalised_convolution([2, 1, 0], np.float32(127), np.float32(128), groups=3)
    kinds = [node.op_type for node in take_shortcuts(model).graph.node]
    assert kinds == ["Transpose", "Cast", "Gather", "Sub", "Div", "Conv"]


@pytest.mark.parametrize(
    ("scales", "options", "kind"),
    [
        (np.array([0.5, 0.25, 2], np.float32), {}, "Conv"),
        (np.float32(0.5), {}, "AveragePool"),
        (
            np.ones(3, np.float32),
            {"ceil_mode": 1},
            "AveragePool",
        ),
    ],
)
def test_means_of_what_is_dequantised_by_channels_are_a_filter(scales, options, kind):
    zeros = np.full(scales.shape, 9, np.uint8)
    node, pool = helper.make_node, {"kernel_shape": [2, 2], "strides": [2, 2], **options}
    nodes = [
        node("Transpose", ["image"], ["chw"], perm=[0, 3, 1, 2]),
        node("DequantizeLinear", ["chw", "step", "zero"], ["real"], axis=1),
        node("AveragePool", ["real"], ["coarse"], "pool", **pool),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["b", "h", "w", 3])
    consts = [numpy_helper.from_array(v, name) for name, v in (("step", scales), ("zero", zeros))]
    output = helper.make_empty_tensor_value_info("coarse")
    graph = helper.make_graph(nodes, "pooled", [image], [output], consts)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    picture = np.random.default_rng(0).integers(0, 256, (2, 6, 9, 3), np.uint8)
    (truth,) = open_model(model).run({"image": picture}, ["coarse"])
    take_shortcuts(model)
    assert [n.op_type for n in model.graph.node] == ["Transpose", "DequantizeLinear", kind]
    (found,) = open_model(model).run({"image": picture}, ["coarse"])
    np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-5)
