"""What is not INT8 in the file for TensorRT is FP16, and computes what it did in FP32."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from calib_graphs import features_graph
from onnx import TensorProto, numpy_helper

from qatm.calib.float_graph import FloatGraph, open_model
from qatm.calib.half import rounded_like_half
from qatm.calib.half_remainder import with_half_remainder
from qatm.calib.noise import sqnr

LAYERS = ("stem", "depth", "project", "mix")


def types_of(model):
    """The element type of every tensor, by name."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*graph.value_info, *graph.input, *graph.output]
    known = {value.name: value.type.tensor_type.elem_type for value in values}
    return known | {c.name: c.data_type for c in graph.initializer}


@pytest.fixture(scope="module")
def halved():
    model = with_half_remainder(features_graph(), LAYERS)
    onnx.checker.check_model(model, full_check=True)
    return model


def test_the_network_is_half_and_what_surrounds_it_is_not(halved):
    types = types_of(halved)
    half, full = TensorProto.FLOAT16, TensorProto.FLOAT
    for node in halved.graph.node:
        found = {types[name] for name in (*node.input, *node.output)}
        if node.op_type in ("Conv", "Clip", "Relu", "Add"):
            assert found == {half}, node.name
        elif node.op_type in ("Sub", "Div", "AveragePool"):
            assert found == {full}, node.op_type
    casts = [n for n in halved.graph.node if n.op_type == "Cast"]
    ends = [(types[n.input[0]], types[n.output[0]]) for n in casts]
    assert sorted(ends) == sorted([(TensorProto.UINT8, full), (full, half), (half, full)])
    assert [types[value.name] for value in halved.graph.output] == [full, full]
    names = {c.name for c in halved.graph.initializer}
    assert "stem.weight_half" in names
    assert "stem.weight" not in names, "what nothing reads is left out"


def test_it_computes_what_it_did_up_to_rounding_to_half(halved):
    image = np.random.default_rng(1).integers(0, 256, (2, 48, 64, 3), np.uint8)
    truth, found = (
        open_model(model).run({"image": image}, ["features", "coarse"])
        for model in (features_graph(), rounded_like_half(halved))
    )
    assert 55 < sqnr(truth, found) < 75


def test_layers_that_are_not_the_networks_stay_as_they_are():
    model = with_half_remainder(features_graph(), [])
    assert not [c for c in model.graph.initializer if c.data_type == TensorProto.FLOAT16]
    assert len(model.graph.node) == len(features_graph().graph.node)


def test_a_shape_is_taken_without_a_cast():
    model = features_graph()
    shape = onnx.helper.make_node("Shape", ["mix"], ["size"])
    model.graph.node.insert(len(model.graph.node) - 2, shape)
    model.graph.output.append(onnx.helper.make_tensor_value_info("size", TensorProto.INT64, [4]))
    halved = with_half_remainder(model, [layer.node for layer in FloatGraph(model).layers])
    onnx.checker.check_model(halved, full_check=True)
    assert next(n for n in halved.graph.node if n.op_type == "Shape").input[0] == "mix_half"
    assert sum(n.op_type == "Cast" for n in halved.graph.node) == 3
    weights = [c for c in halved.graph.initializer if c.name == "mix.weight_half"]
    assert numpy_helper.to_array(weights[0]).dtype == np.float16
