"""Small graphs and bundles to quantise."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from qatm.export.file_entries import describe
from qatm.runtime import Bundle
from qatm.runtime.bundle.folder import default_bundle_path
from qatm.runtime.bundle.manifest import FileInfo

CHANNELS = 16


def features_graph(ruined: bool = False, convolutions: bool = True) -> onnx.ModelProto:
    """A random network with stride 4: uint8 image to ``features`` and ``coarse``.

    With ``ruined`` the layer ``project`` has one huge weight in each channel, on an input that is
    always zero, so that the small weights which carry the signal round to zero.
    """
    random = np.random.default_rng(3)
    constants: list[onnx.TensorProto] = []

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def conv(name, source, inputs, outputs, size, **attributes):
        groups = attributes.get("group", 1)
        fan = inputs // groups * size * size
        weight = random.normal(0, fan**-0.5, (outputs, inputs // groups, size, size))
        bias = random.normal(0, 0.1, outputs)
        if ruined and name == "depth":
            weight[0], bias[0] = 0.0, -1.0
        if ruined and name == "project":
            weight[:, 0] = 300.0
        names = [
            constant(f"{name}.weight", weight.astype(np.float32)),
            constant(f"{name}.bias", bias.astype(np.float32)),
        ]
        pads = [size // 2] * 4
        return helper.make_node("Conv", [source, *names], [name], name, pads=pads, **attributes)

    node = helper.make_node
    constant("mean", np.float32(127))
    constant("std", np.float32(128))
    constant("zero", np.float32(0))
    constant("six", np.float32(6))
    nodes = [
        node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        node("Transpose", ["cast"], ["chw"], perm=[0, 3, 1, 2]),
        node("Sub", ["chw", "mean"], ["sub"]),
        node("Div", ["sub", "std"], ["div"]),
    ]
    if convolutions:
        nodes += [
            conv("stem", "div", 3, CHANNELS, 3, strides=[2, 2]),
            node("Clip", ["stem", "zero", "six"], ["stem6"]),
            conv("depth", "stem6", CHANNELS, CHANNELS, 3, group=CHANNELS, strides=[2, 2]),
            node("Relu", ["depth"], ["depth_relu"]),
            conv("project", "depth_relu", CHANNELS, CHANNELS, 1),
            conv("mix", "project", CHANNELS, CHANNELS, 3),
            node("Add", ["project", "mix"], ["features"]),
        ]
    else:
        constant("four", np.array([1, 1, 4, 4], np.int64))
        nodes += [node("AveragePool", ["div"], ["features"], kernel_shape=[4, 4], strides=[4, 4])]
    nodes.append(node("AveragePool", ["features"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]))
    channels = CHANNELS if convolutions else 3
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["b", "h", "w", 3])
    outputs = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["b", channels, f"{name}h", f"{name}w"]
        )
        for name in ("features", "coarse")
    ]
    used = {name for n in nodes for name in n.input}
    kept = [c for c in constants if c.name in used]
    graph = helper.make_graph(nodes, "features", [image], outputs, kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def make_bundle(folder: Path, model: onnx.ModelProto) -> Bundle:
    """A bundle whose features graph is ``model``."""
    default = Bundle.load()
    folder.mkdir()
    for name in ("match.onnx", "place.onnx", "compare.onnx"):
        shutil.copyfile(default_bundle_path() / name, folder / name)
    onnx.save(model, str(folder / "features.onnx"))
    files = dict(default.spec.files)
    files["features.onnx"] = entry(folder / "features.onnx", "fp32")
    write_manifest(folder, replace(default.spec, files=files))
    return Bundle.load(folder)


def add_features(bundle: Bundle, stage: Path, files: dict[str, str]) -> Bundle:
    """Put quantised graphs into a bundle."""
    entries = dict(bundle.spec.files)
    for name, precision in files.items():
        shutil.copyfile(stage / name, bundle.path / name)
        entries[name] = entry(bundle.path / name, precision)
    write_manifest(bundle.path, replace(bundle.spec, files=entries))
    return Bundle.load(bundle.path)


def entry(path: Path, precision: str) -> FileInfo:
    """Manifest entry of a features graph."""
    return describe(path, "features", precision)


def write_manifest(folder, spec):
    (folder / "bundle.json").write_text(json.dumps(spec.to_json()), encoding="utf-8")
