"""A bundle as the package's own, with features of a few random layers that cost nearly nothing.

Everything else, recipes and other graphs among it, is the package's: what is tried with it goes the
same ways in a fraction of the time.
"""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bundle_copies import seal
from onnx import TensorProto, helper, numpy_helper

from qatm.runtime import Bundle
from qatm.runtime.bundle.folder import default_bundle_path

FEATURES = "features.onnx"


def small_bundle(folder: Path) -> Path:
    """Copy the package's bundle, with small features; the folder must not be there yet."""
    shutil.copytree(default_bundle_path(), folder)
    _write_features(folder / FEATURES)
    seal(folder, FEATURES)
    return folder


def _write_features(path: Path) -> None:
    spec = Bundle.load(default_bundle_path(), check=False).spec
    layers = [3, *(tap.channels for tap in spec.backbone.layers)]
    opset = helper.make_opsetid("", spec.opset)
    made = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["planes", "grey"], ["last"]),
    ]
    weights: list[Any] = [numpy_helper.from_array(np.array(128, np.float32), "grey")]
    before = "last"
    for number, (taken, given) in enumerate(pairwise(layers)):
        # From stride 1 to that of the first tap, and to twice the stride from there on.
        side = 2 if number else spec.backbone.stride
        kernel = made.normal(0, (taken * side * side) ** -0.5, (given, taken, side, side))
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"kernel{number}"))
        nodes += [
            helper.make_node(
                "Conv", [before, f"kernel{number}"], [f"layer{number}"], strides=[side, side]
            ),
            helper.make_node("LeakyRelu", [f"layer{number}"], [f"tap{number}"]),
        ]
        before = f"tap{number}"
    nodes += [
        helper.make_node("AveragePool", ["tap0"], ["fine"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Shape", ["tap2"], ["batch"], end=2),
        helper.make_node("Shape", ["tap1"], ["sides"], start=2),
        helper.make_node("Concat", ["batch", "sides"], ["size"], axis=0),
        helper.make_node("Resize", ["tap2", "", "", "size"], ["deep"], mode="linear"),
        helper.make_node("Concat", ["fine", "tap1", "deep"], ["coarse"], axis=1),
    ]
    described = spec.files[FEATURES]
    inputs = [
        helper.make_tensor_value_info(t.name, TensorProto.UINT8, t.shape) for t in described.inputs
    ]
    outputs = [
        helper.make_tensor_value_info(t.name, TensorProto.FLOAT, t.shape) for t in described.outputs
    ]
    graph = helper.make_graph(nodes, "small", inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), str(path))
