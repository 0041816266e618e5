"""Graphs that fit their hash but not what their bundle says of them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from bundle_copies import seal
from onnx import TensorProto, helper, numpy_helper
from peak_memory import counted, output_of

from qatm.runtime import Aligner, BundleError, Matcher, Session
from qatm.runtime.bundle.folder import default_align_path, default_bundle_path

Change = Callable[[onnx.ModelProto], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))


def change(folder: Path, name: str, edit: Change) -> None:
    """Change a graph, and let the manifest have its new hash."""
    model = onnx.load(str(folder / name))
    edit(model)
    onnx.save(model, str(folder / name))
    seal(folder, name)


def change_manifest(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads((folder / "bundle.json").read_text())
    edit(data)
    (folder / "bundle.json").write_text(json.dumps(data))


def use(folder: Path) -> None:
    """Open a bundle and find something with it."""
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    with Matcher(folder, "cpu", threads=1) as matcher:
        matcher.set_template(image, (30, 30, 40, 40))
        matcher.match(image)


def refused(folder: Path, words: str) -> None:
    with pytest.raises(BundleError, match=words) as caught:
        use(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_name_that_is_no_text_is_refused(folder: Path) -> None:
    path = folder / "features.onnx"
    data = path.read_bytes()
    # A letter of the name of the picture's height.
    assert b"height" in data
    path.write_bytes(data.replace(b"height", b"h\x91ight"))
    seal(folder, "features.onnx")
    refused(folder, "name is no text")


def drop_output(model: onnx.ModelProto) -> None:
    del model.graph.output[0]


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == "image":
                node.input[place] = "picture"


def other_type(model: onnx.ModelProto) -> None:
    output = model.graph.output[-1]
    model.graph.node.append(
        helper.make_node("Cast", [output.name], ["halves"], to=TensorProto.FLOAT16)
    )
    renamed = helper.make_node("Identity", ["halves"], ["out"])
    model.graph.node.append(renamed)
    output.name = "out"
    output.type.tensor_type.elem_type = TensorProto.FLOAT16


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (drop_output, "has outputs tap1, tap2, coarse, and its manifest says tap0"),
        (rename_input, "has inputs picture, and its manifest says image"),
        (other_type, "has outputs tap0, tap1, tap2, out"),
    ],
)
def test_other_inputs_and_outputs(folder: Path, edit: Change, words: str) -> None:
    change(folder, "features.onnx", edit)
    refused(folder, rf"features\.onnx {words}")


def test_a_manifest_that_describes_another_graph_as_well(folder: Path) -> None:
    change(folder, "features.onnx", drop_output)
    change_manifest(folder, lambda data: data["files"]["features.onnx"]["outputs"].pop(0))
    refused(folder, "the features graph has no output tap0")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_weights_that_cannot_be_computed_with(folder: Path, value: float) -> None:
    def ruin(model: onnx.ModelProto) -> None:
        weights = [w for w in model.graph.initializer if len(w.dims) == 1 and w.dims[0] == 112]
        last = weights[-1]
        ruined = np.full_like(numpy_helper.to_array(last), value)
        last.CopyFrom(numpy_helper.from_array(ruined, last.name))

    change(folder, "features.onnx", ruin)
    refused(folder, r"features\.onnx gave numbers that are not finite or not from")


def wrong_shape(model: onnx.ModelProto) -> None:
    first = model.graph.output[0].name
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == first:
                node.output[place] = "inner"
        for place, name in enumerate(node.input):
            if name == first:
                node.input[place] = "inner"
    model.graph.initializer.append(numpy_helper.from_array(np.array([2]), "at"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "from"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 30]), "to"))
    model.graph.node.append(helper.make_node("Slice", ["inner", "from", "to", "at"], [first]))


def test_answers_of_another_shape(folder: Path) -> None:
    change(folder, "features.onnx", wrong_shape)
    refused(folder, r"features\.onnx gave an array of shape \(1, 24, \d+, \d+\) where its bundle")


@pytest.mark.parametrize("factor", [np.nan, -1e6])
@pytest.mark.parametrize(
    ("name", "output"),
    [("match.onnx", 0), ("match.onnx", 1), *[("place.onnx", output) for output in range(4)]],
)
def test_the_small_graphs_too(folder: Path, name: str, output: int, factor: float) -> None:
    # Qualities are from 0 to 1, logarithms at most 0: powers of 1e6 have no end.
    change(folder, name, lambda model: multiply(model, output, factor))
    refused(folder, rf"{re.escape(name)} gave numbers that are not finite or not from -\d")


def multiply(model: onnx.ModelProto, output: int, factor: float) -> None:
    first = model.graph.output[output].name
    number = next(at for at, node in enumerate(model.graph.node) if first in node.output)
    names = model.graph.node[number].output
    names[list(names).index(first)] = "inner"
    model.graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    model.graph.node.insert(number + 1, helper.make_node("Mul", ["inner", "factor"], [first]))


def test_a_bundle_of_very_many_channels(folder: Path) -> None:
    change_manifest(folder, lambda data: data["backbone"].update(channels=8193))
    with pytest.raises(BundleError, match="from 1 to 8192"):
        use(folder)


@pytest.mark.parametrize(
    "kind",
    [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL, TensorProto.UINT8],
)
@pytest.mark.parametrize(
    ("name", "output"), [("features.onnx", -1), ("match.onnx", 0), ("place.onnx", 0)]
)
def test_answers_of_another_type(folder: Path, name: str, output: int, kind: int) -> None:
    said: list[str] = []

    def cast(model: onnx.ModelProto) -> None:
        value = model.graph.output[output]
        for node in model.graph.node:
            for names in (node.input, node.output):
                for place, each in enumerate(names):
                    names[place] = "inner" if each == value.name else each
        model.graph.node.append(helper.make_node("Cast", ["inner"], [value.name], to=kind))
        value.type.tensor_type.elem_type = kind
        said.append(value.name)

    change(folder, name, cast)
    dtype = str(helper.tensor_dtype_to_np_dtype(kind))

    def edit(data: dict[str, Any]) -> None:
        for each in data["files"][name]["outputs"]:
            if each["name"] in said:
                each["dtype"] = dtype

    change_manifest(folder, edit)
    refused(folder, rf"{re.escape(name)} gave numbers of type {dtype}, not float32")


@pytest.mark.parametrize("count", [15, 17])
def test_a_network_of_another_number_of_control_points(tmp_path: Path, count: int) -> None:
    folder = Path(shutil.copytree(default_align_path(), tmp_path / "b"))

    def repeat(model: onnx.ModelProto) -> None:
        (value,) = [each for each in model.graph.output if each.name == "placed"]
        (node,) = [each for each in model.graph.node if "placed" in each.output]
        node.output[list(node.output).index("placed")] = "inner"
        shape = numpy_helper.from_array(np.array([1, count, 2]), "wanted")
        model.graph.initializer.append(shape)
        first = helper.make_node("ReduceMax", ["inner"], ["most"], keepdims=1)
        model.graph.node.extend([first, helper.make_node("Expand", ["most", "wanted"], ["placed"])])
        value.type.tensor_type.shape.dim[1].dim_value = count

    change(folder, "network.onnx", repeat)

    def edit(data: dict[str, Any]) -> None:
        for each in data["files"]["network.onnx"]["outputs"]:
            if each["name"] == "placed":
                each["shape"] = [1, count, 2]

    change_manifest(folder, edit)
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    said = rf"gave an array of shape \(1, {count}, 2\)"
    with (
        Aligner(folder, "cpu", method="network", threads=1) as aligner,
        pytest.raises(BundleError, match=said),
    ):
        aligner.align(image, image)


def test_a_graph_that_fails(folder: Path) -> None:
    def fail(model: onnx.ModelProto) -> None:
        wrong_shape(model)
        del model.graph.node[-1]
        model.graph.node.extend(
            [
                helper.make_node("Shape", ["inner"], ["shape"]),
                helper.make_node("Add", ["shape", "at"], ["larger"]),
                helper.make_node("Reshape", ["inner", "larger"], [model.graph.output[0].name]),
            ]
        )

    change(folder, "features.onnx", fail)
    refused(folder, r"features\.onnx fails: .*Reshape")


@pytest.mark.parametrize(
    ("field", "value"), [("stride", 8), ("align", 512), ("align", 8), ("stride", 2)]
)
def test_a_stride_or_align_that_does_not_fit(folder: Path, field: str, value: int) -> None:
    def edit(data: dict[str, Any]) -> None:
        data["backbone"][field] = value
        if field == "stride":
            data["backbone"]["coarse_stride"] = 2 * value

    change_manifest(folder, edit)
    if (field, value) == ("align", 512):
        use(folder)
    else:
        with pytest.raises(BundleError):
            use(folder)


BOMB = """
import sys
from qatm.runtime import QatmError, Session
try:
    Session(sys.argv[1], "cpu", threads=1).features(__import__("numpy").zeros((64, 64, 3), "B"))
except QatmError as error:
    print(type(error).__name__, error)
print(peak())
"""


@counted
def test_memory_of_graphs_follows_its_limit(folder: Path) -> None:
    def swell(model: onnx.ModelProto) -> None:
        """Make 550 MiB out of a size that is no constant."""
        coarse = model.graph.output[-1].name
        model.graph.initializer.append(numpy_helper.from_array(np.array([4]), "four"))
        model.graph.initializer.append(numpy_helper.from_array(np.array([8, 8, 20, 10]), "times"))
        nodes = [
            helper.make_node("Shape", [coarse], ["shape"]),
            helper.make_node("Mul", ["shape", "times"], ["large"]),
            helper.make_node("ConstantOfShape", ["large"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Add", [coarse, "sum"], ["swollen"]),
        ]
        model.graph.node.extend(nodes)
        model.graph.output[-1].name = "swollen"

    change_last_output(folder, swell)
    said = {
        limit: output_of(BOMB, str(folder), QATM_MAX_GRAPH_BYTES=str(limit))
        for limit in (1 << 28, 1 << 32)
    }
    assert len(said[1 << 32]) == 1
    assert "DeviceError" in said[1 << 28][0]
    assert "set QATM_MAX_GRAPH_BYTES" in said[1 << 28][0]
    taken = [int(lines[-1]) for lines in said.values()]
    assert taken[0] < 400 < taken[1]


@counted
def test_what_a_library_computes_when_it_opens_a_file_is_bounded_too(folder: Path) -> None:
    def swell(model: onnx.ModelProto) -> None:
        """Make 512 MiB out of one number, doubled again and again."""
        coarse = model.graph.output[-1].name
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, "f4"), "q0"))
        nodes = [
            helper.make_node("Concat", [f"q{k}", f"q{k}"], [f"q{k + 1}"], axis=0) for k in range(27)
        ]
        nodes.append(helper.make_node("ReduceMax", ["q27"], ["most"], keepdims=0))
        nodes.append(helper.make_node("Add", [coarse, "most"], ["swollen"]))
        model.graph.node.extend(nodes)
        model.graph.output[-1].name = "swollen"

    change_last_output(folder, swell)
    for limit in (1, 1 << 28):
        said = output_of(BOMB, str(folder), QATM_MAX_GRAPH_BYTES=str(limit))
        assert said[0].startswith("DeviceError")
        assert "set QATM_MAX_GRAPH_BYTES" in said[0]
        assert int(said[-1]) < 400


def change_last_output(folder: Path, edit: Callable[[onnx.ModelProto], None]) -> None:
    """Change a graph so that its last output is another one, ``swollen``, of the same name."""
    change(folder, "features.onnx", edit)
    change_manifest(
        folder,
        lambda data: data["files"]["features.onnx"]["outputs"][-1].update(name="swollen"),
    )
    change(folder, "features.onnx", lambda model: _swap(model, "coarse", "swollen"))
    change_manifest(
        folder, lambda data: data["files"]["features.onnx"]["outputs"][-1].update(name="coarse")
    )


def _swap(model: onnx.ModelProto, one: str, other: str) -> None:
    """Exchange two names in a graph."""
    names = {one: other, other: one}
    for node in model.graph.node:
        for side in (node.input, node.output):
            for place, name in enumerate(side):
                side[place] = names.get(name, name)
    for value in model.graph.output:
        value.name = names.get(value.name, value.name)


def test_sessions_of_good_bundles_are_as_before() -> None:
    with Session(device="cpu", threads=1) as session:
        features = session.features(np.zeros((64, 80, 3), np.uint8))
    assert features.coarse.shape == (176, 8, 10)
