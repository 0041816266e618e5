"""Weights stored in eight bits: what is rounded, what a file holds, what it computes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from qatm.export.bundle import ALIGN_TAPS, ExportOptions, export_bundle, taps_of
from qatm.export.weight_storage import store_compactly
from qatm.model.compact import channel_factors, round_weights
from qatm.runtime.backends.onnx import OnnxGraph
from qatm.runtime.bundle.folder import Bundle, default_align_path
from qatm.runtime.errors import ExportError


def convolution() -> nn.Conv2d:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Conv2d(8, 16, 3, padding=1, bias=False)


def as_model(layer: nn.Conv2d) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "g",
        [value("x", TensorProto.FLOAT, [1, 8, 5, 6])],
        [value("y", TensorProto.FLOAT, [1, 16, 5, 6])],
        [numpy_helper.from_array(layer.weight.detach().numpy(), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_rounding_moves_weights_by_half_a_step_and_once() -> None:
    layer = convolution()
    before = layer.weight.detach().clone()
    factor = channel_factors(before)
    after = round_weights(layer).weight.detach().clone()
    assert ((after - before).abs() <= 0.5001 * factor).all()
    assert (after != before).any()
    torch.testing.assert_close(round_weights(layer).weight.detach(), after, rtol=1e-6, atol=0)


def test_rounded_weights_are_stored_small_and_compute_the_same(tmp_path) -> None:
    layer = round_weights(convolution())
    model = store_compactly(as_model(layer))
    onnx.checker.check_model(model, full_check=True)
    stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert stored == {"w.int8": TensorProto.INT8, "w.factor": TensorProto.FLOAT}
    path = tmp_path / "compact.onnx"
    onnx.save(model, str(path))
    x = torch.linspace(-1, 1, 240).reshape(1, 8, 5, 6)
    (ours,) = OnnxGraph(path, "cpu").run({"x": x.numpy()}, ["y"])
    np.testing.assert_allclose(ours, layer(x).detach(), atol=1e-5)


def test_other_weights_are_left_alone() -> None:
    model = as_model(convolution())
    before = model.SerializeToString()
    assert store_compactly(model).SerializeToString() == before


def test_the_bundle_for_alignment_is_what_the_command_writes() -> None:
    bundle = Bundle.load(default_align_path())
    assert bundle.spec.backbone.taps == ALIGN_TAPS[bundle.spec.backbone.name]
    assert bundle.spec.backbone.weights["storage"] == "int8"
    assert sum(info.bytes for info in bundle.spec.files.values()) < 2.3e6


def test_layers_of_a_task() -> None:
    assert taps_of("match", "efficientnet-lite0", None) is None
    assert taps_of("align", "efficientnet-lite0", None) == ["10", "13"]
    assert taps_of("align", "vgg19", "conv3_4, conv1_2") == ["conv3_4", "conv1_2"]
    with pytest.raises(ExportError, match="task 'sing' is unknown"):
        taps_of("sing", "efficientnet-lite0", None)
    with pytest.raises(ExportError, match="name some with --taps"):
        taps_of("align", "vgg19", None)


def test_compact_and_int8_exclude_each_other(tmp_path) -> None:
    from qatm.calib.calibration import CalibrationOptions

    options = ExportOptions(compact=True, int8=CalibrationOptions())
    with pytest.raises(ExportError, match="--compact or --int8"):
        export_bundle(tmp_path / "b", options)
    assert not (tmp_path / "b").exists()
