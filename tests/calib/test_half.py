"""FP16 graphs on a CPU are rounded as numpy rounds half numbers."""

from __future__ import annotations

import numpy as np
import onnx
from calib_graphs import add_features, features_graph, make_bundle
from onnx import TensorProto, helper, numpy_helper

from qatm.calib.float_graph import open_model
from qatm.calib.half import rounded_like_half
from qatm.calib.report import promoted
from qatm.runtime import Bundle

HALF = np.float16


def network() -> onnx.ModelProto:
    """A uint8 image, in half: times a constant, a 1x1 convolution, plus a constant, ReLU."""
    random = np.random.default_rng(0)
    weight = random.normal(size=(4, 3, 1, 1)).astype(HALF)
    constants = [numpy_helper.from_array(weight, "weight")]
    node = helper.make_node
    third = numpy_helper.from_array(np.asarray(1 / 3, HALF), "third")
    nodes = [
        node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT16),
        node("Transpose", ["cast"], ["chw"], perm=[0, 3, 1, 2]),
        node("Constant", [], ["third"], value=third),
        node("Mul", ["chw", "third"], ["scaled"]),
        node("Conv", ["scaled", "weight"], ["conv"]),
        node("Add", ["conv", "third"], ["sum"]),
        node("Relu", ["sum"], ["relu"]),
        node("Cast", ["relu"], ["features"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "half",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "h", "w", 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 4, "h", "w"])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_every_step_is_rounded_to_half():
    model = network()
    before = model.SerializeToString()
    rounded = rounded_like_half(model)
    assert model.SerializeToString() == before
    onnx.checker.check_model(rounded, full_check=True)
    image = np.random.default_rng(1).integers(0, 256, (1, 9, 7, 3), np.uint8)
    (found,) = open_model(rounded).run({"image": image}, ["features"])

    weight = numpy_helper.to_array(model.graph.initializer[0])[:, :, 0, 0].astype(np.float32)
    scaled = image[0].transpose(2, 0, 1).astype(HALF) * HALF(1 / 3)
    conv = np.tensordot(weight, scaled.astype(np.float32), 1).astype(HALF)
    expected = np.maximum(conv + HALF(1 / 3), HALF(0)).astype(np.float32)
    np.testing.assert_array_equal(found[0].astype(HALF), found[0], "a half number each")
    # Sums of three products in another order may round to the neighbouring half number.
    assert np.mean(found[0] == expected) > 0.98
    np.testing.assert_allclose(found[0], expected, rtol=2e-3)


def test_rounding_twice_changes_nothing():
    model = rounded_like_half(network())
    again = rounded_like_half(model)
    image = np.random.default_rng(2).integers(0, 256, (1, 4, 4, 3), np.uint8)
    first, second = (open_model(m).run({"image": image}, ["features"])[0] for m in (model, again))
    np.testing.assert_array_equal(first, second)


def test_the_report_rounds_fp16_as_a_gpu_does(tmp_path):
    bundle = make_bundle(tmp_path / "bundle", features_graph())
    onnx.save(network(), str(tmp_path / "features.fp16.onnx"))
    bundle = add_features(bundle, tmp_path, {"features.fp16.onnx": "fp16"})
    with promoted(bundle, "fp16") as folder:
        made = onnx.load(str(Bundle.load(folder).file("features", "fp32")))
    assert made == rounded_like_half(network())
