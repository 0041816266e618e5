"""What is found in ONNX files without any package for them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from protocol_buffers import part, varint

from qatm.runtime import Bundle, BundleError, Matcher
from qatm.runtime.bundle.folder import default_align_path, default_bundle_path
from qatm.runtime.bundle.onnx_file import onnx_contents
from qatm.runtime.bundle.onnx_operators import LABORIOUS
from qatm.runtime.limits import GRAPH_NODES

REAL = sorted([*default_bundle_path().glob("*.onnx"), *default_align_path().glob("*.onnx")])


def model_of(
    *nodes: onnx.NodeProto, constants: dict[str, list[int]] | None = None, **more: Any
) -> onnx.ModelProto:
    """A model of some nodes and constants, as far as it matters here."""
    weights = [
        helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
        for name, values in (constants or {}).items()
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(list(nodes), "g", [], [output], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], **more)


def problems(model: onnx.ModelProto) -> str:
    return "; ".join(onnx_contents(model.SerializeToString()).problems)


@pytest.mark.parametrize("file", REAL, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_nothing_is_wrong_with_ours(file: Path) -> None:
    found = onnx_contents(file.read_bytes())
    assert (found.external, found.problems) == ([], [])


@pytest.mark.parametrize("kind", ["Loop", "Scan", "If", "SequenceMap"])
def test_graphs_inside_graphs(kind: str) -> None:
    assert f"operator {kind}, which may have no end" in problems(
        model_of(helper.make_node(kind, [], ["y"]))
    )


def looping(*inside: onnx.NodeProto, depth: int = 1) -> bytes:
    """A file with graphs inside one another, the innermost with these nodes."""
    nodes = list(inside)
    for level in range(depth):
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
        body = helper.make_graph(nodes, "body", [], [output])
        nodes = [helper.make_node("Loop", [], [f"y{level}"], body=body)]
    return model_of(*nodes).SerializeToString()


def test_graphs_that_may_loop_are_looked_through() -> None:
    assert onnx_contents(looping(), loops=True).problems == []
    evil = helper.make_node("Add", ["a", "b"], ["y"], domain="com.evil")
    for depth in (1, 3):
        (problem,) = onnx_contents(looping(evil, depth=depth), loops=True).problems
        assert "com.evil" in problem
    secret = helper.make_tensor("w", TensorProto.INT64, [1], [1])
    secret.ClearField("int64_data")
    secret.data_location = TensorProto.EXTERNAL
    secret.external_data.add(key="location", value="../secret")
    inside = helper.make_node("Constant", [], ["c"], value=secret)
    assert onnx_contents(looping(inside), loops=True).external == ["../secret"]
    with pytest.raises(ValueError, match="inside one another"):
        onnx_contents(looping(depth=20), loops=True)


def test_operators_of_others() -> None:
    node = helper.make_node("Add", ["a", "b"], ["y"], domain="com.evil")
    assert "uses operators of 'com.evil'" in problems(model_of(node))
    model = model_of(helper.make_node("Add", ["a", "b"], ["y"]))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert "uses operators of 'com.microsoft'" in problems(model)
    assert problems(model_of(helper.make_node("Add", ["a", "b"], ["y"], domain="ai.onnx"))) == ""


def test_functions_and_sparse_weights() -> None:
    function = helper.make_function(
        "own", "f", [], ["y"], [helper.make_node("Relu", ["x"], ["y"])], []
    )
    assert "functions" in problems(model_of(functions=[function]))
    model = model_of()
    model.graph.sparse_initializer.add()
    assert "sparse" in problems(model)


@pytest.mark.parametrize("kind", sorted(LABORIOUS))
def test_work_with_constants_alone(kind: str) -> None:
    sums = helper.make_node("Add", ["a", "a"], ["b"])
    constants = {"a": [1, 2]}
    assert f"has operator {kind} with constants alone" in problems(
        model_of(sums, helper.make_node(kind, ["a", "", "b"], ["y"]), constants=constants)
    )
    for inputs in (["a", "x"], ["x", "b"], ["", ""]):
        node = helper.make_node(kind, inputs, ["y"])
        assert not problems(model_of(sums, node, constants=constants))


def test_many_sums_of_constants() -> None:
    chain = [helper.make_node("Add", [f"a{i}", "a0"], [f"a{i + 1}"]) for i in range(1025)]
    said = problems(model_of(*chain, constants={"a0": [1]}))
    assert said == "computes with constants alone in more than 1024 operators"
    assert not problems(model_of(*chain[:-1], constants={"a0": [1]}))
    assert not problems(model_of(*chain, helper.make_node("Add", ["a1", "x"], ["y"])))


def test_operators_in_no_order() -> None:
    later = (
        helper.make_node("Add", ["a", "a"], ["b"]),
        helper.make_node("MatMul", ["c", "b"], ["y"]),
    )
    assert not problems(model_of(*later, constants={"a": [1]}))
    assert "before what it needs" in problems(model_of(*later[::-1], constants={"a": [1]}))
    assert "before what it needs" in problems(model_of(helper.make_node("Add", ["y", "x"], ["y"])))
    spared = (
        helper.make_node("Clip", ["x", "", "x"], ["z"]),
        helper.make_node("TopK", ["z"], ["", "y"]),
    )
    assert not problems(model_of(*spared))


@pytest.mark.parametrize("name", ["kernel_shape", "strides", "pads"])
def test_windows_without_end(name: str) -> None:
    for kind in ("AveragePool", "Conv"):
        wide: dict[str, Any] = {name: [3, 1 << 14]}
        node = helper.make_node(kind, ["x", "w"], ["y"], **wide)
        assert "a window, a step or a margin of more than 8192" in problems(model_of(node))
        narrow: dict[str, Any] = {name: [3, 1 << 13]}
        node = helper.make_node(kind, ["x", "w"], ["y"], **narrow)
        assert not problems(model_of(node))


@pytest.mark.parametrize("name", ["match.bin", "match.ONNX", "match", "~"])
def test_graphs_are_looked_through_whatever_their_name(tmp_path: Path, name: str) -> None:
    import json
    import shutil

    from bundle_copies import seal

    folder = Path(shutil.copytree(default_bundle_path(), tmp_path / "b"))
    model = onnx.load(str(folder / "match.onnx"))
    model.graph.node.insert(0, helper.make_node("Add", ["target", "target"], ["z"], domain="evil"))
    (folder / name).write_bytes(model.SerializeToString())
    manifest = folder / "bundle.json"
    data = json.loads(manifest.read_text())
    data["files"][name] = data["files"].pop("match.onnx")
    manifest.write_text(json.dumps(data))
    seal(folder, name)
    with pytest.raises(BundleError, match="uses operators of 'evil'"):
        Bundle.load(folder)


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile"])
@pytest.mark.parametrize("packing", ["raw", "packed", "one by one", "attribute", "tensor"])
def test_constants_that_become_enormous(kind: str, packing: str) -> None:
    shape = [1 << 12, 1 << 13]
    tensor = helper.make_tensor("s", TensorProto.INT64, [2], shape)
    nodes = [helper.make_node(kind, ["s"], ["y"])]
    model = model_of(*nodes)
    if packing == "raw":
        raw = np.array(shape, np.int64).tobytes()
        tensor = helper.make_tensor("s", TensorProto.INT64, [2], raw, raw=True)
    if packing == "attribute":
        model.graph.node.insert(0, helper.make_node("Constant", [], ["s"], value_ints=shape))
    elif packing == "tensor":
        model.graph.node.insert(0, helper.make_node("Constant", [], ["s"], value=tensor))
    elif packing != "one by one":
        model.graph.initializer.append(tensor)
    data = model.SerializeToString()
    if packing == "one by one":
        # What the format also allows: each number with its own key; field 5 of the graph.
        numbers = b"\x38" + varint(shape[0]) + b"\x38" + varint(shape[1])
        body = b"\x08\x02\x10\x07" + numbers + b"\x42\x01s"
        weights = part(5, body)
        model.graph.ClearField("output")
        graph = model.graph.SerializeToString() + weights
        data = part(7, graph)
        assert list(onnx.load_from_string(data).graph.initializer[0].int64_data) == shape
    assert onnx_contents(data).problems == [
        f"makes 33,554,432 values out of a constant in operator {kind}"
    ]


@pytest.mark.parametrize("kind", ["weights", "tensor", "value", "values", "cast"])
def test_tensors_of_texts(kind: str) -> None:
    texts = TensorProto(name="t", data_type=TensorProto.STRING, dims=[1], string_data=[b"x"])
    nodes = {
        "weights": [],
        "tensor": [helper.make_node("Constant", [], ["t"], value=texts)],
        "value": [helper.make_node("Constant", [], ["t"], value_string="x")],
        "values": [helper.make_node("Constant", [], ["t"], value_strings=["x"])],
        "cast": [helper.make_node("Cast", ["x"], ["t"], to=TensorProto.STRING)],
    }[kind]
    model = model_of(*nodes)
    if kind == "weights":
        model.graph.initializer.append(texts)
    assert onnx_contents(model.SerializeToString()).problems == ["has tensors of texts"]
    harmless = model_of(helper.make_node("Cast", ["x"], ["t"], to=TensorProto.FLOAT))
    assert onnx_contents(harmless.SerializeToString()).problems == []


def test_weights_elsewhere() -> None:
    model = model_of(constants={"w": [1, 2]})
    tensor = model.graph.initializer[0]
    tensor.ClearField("int64_data")
    tensor.data_location = TensorProto.EXTERNAL
    assert "does not say where" in problems(model)
    tensor.external_data.add(key="location", value="../secret")
    found = onnx_contents(model.SerializeToString())
    assert found.external == ["../secret"]
    inside = helper.make_node("Constant", [], ["c"], value=tensor)
    assert onnx_contents(model_of(inside).SerializeToString()).external == ["../secret"]


@pytest.mark.parametrize(
    "kind", ["TfIdfVectorizer", "RoiAlign", "SplitToSequence", "NonMaxSuppression", "Multinomial"]
)
def test_operators_that_no_bundle_needs(kind: str) -> None:
    # They run without end, take memory that no limit counts, or give numbers of unknown types.
    assert problems(model_of(helper.make_node(kind, ["x"], ["y"]))) == (
        f"has operator {kind!r}, which bundles may not have"
    )


def test_what_only_graphs_for_other_programs_may_have() -> None:
    data = model_of(helper.make_node("NonZero", ["x"], ["y"])).SerializeToString()
    assert "operator 'NonZero'" in onnx_contents(data).problems[0]
    assert onnx_contents(data, loops=True).problems == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Conv", "strides"),
        ("Conv", "group"),
        ("DepthToSpace", "blocksize"),
        ("Split", "num_outputs"),
    ],
)
def test_attributes_by_which_libraries_divide(kind: str, name: str) -> None:
    for value in (0, -1):
        attribute: dict[str, Any] = {name: [1, value] if name == "strides" else value}
        node = helper.make_node(kind, ["x", "w"], ["y"], **attribute)
        assert problems(model_of(node)) == f"has {name} below 1 in operator {kind}"


def test_a_graph_of_too_many_operators() -> None:
    names = [f"v{number}" for number in range(GRAPH_NODES + 2)]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)]
    assert problems(model_of(*nodes)) == f"has more than {GRAPH_NODES:,} operators"
    assert not problems(model_of(*nodes[1:]))


def test_a_file_that_is_not_made_of_weights() -> None:
    model = model_of(helper.make_node("Relu", ["x"], ["y"]), doc_string="x" * (1 << 25))
    assert problems(model) == "has more than 33,554,432 bytes besides its weights"
    weights = np.zeros(1 << 23, np.float32)
    model = model_of(helper.make_node("Relu", ["x"], ["y"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    assert not problems(model)


def test_two_values_of_one_name() -> None:
    twice = [helper.make_node(kind, ["x"], ["y"]) for kind in ("Relu", "Neg")]
    with pytest.raises(ValueError, match="two values are named 'y'"):
        problems(model_of(*twice))
    with pytest.raises(ValueError, match="two values are named 'w'"):
        problems(model_of(helper.make_node("Relu", ["x"], ["w"]), constants={"w": [1]}))
    model = model_of(constants={"w": [1]})
    model.graph.initializer.append(model.graph.initializer[0])
    with pytest.raises(ValueError, match="two values are named 'w'"):
        problems(model)


def test_damaged_files_are_none() -> None:
    real = (default_bundle_path() / "match.onnx").read_bytes()
    for data in (b"", b"not a graph", real[:1000], bytes(100), b"\xff" * 100, real[7:]):
        with pytest.raises(ValueError, match=r"no graph|protocol buffer|cut off"):
            onnx_contents(data)
    random = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(real)
        for place in random.integers(0, len(data), 5):
            data[place] = random.integers(0, 256)
        try:
            onnx_contents(bytes(data))
        except ValueError:
            continue


def test_a_bundle_with_weights_that_nobody_hashes(tmp_path: Path) -> None:
    import shutil

    from bundle_copies import seal

    folder = Path(shutil.copytree(default_bundle_path(), tmp_path / "b"))
    model = onnx.load(str(folder / "features.onnx"))
    onnx.save(model, str(folder / "features.onnx"), save_as_external_data=True, location="w.bin")
    seal(folder, "features.onnx")
    with pytest.raises(BundleError, match=r"features\.onnx has weights in 'w\.bin', whose SHA-256"):
        Bundle.load(folder)


def test_a_bundle_whose_weights_are_listed(tmp_path: Path) -> None:
    import json
    import shutil

    from bundle_copies import seal

    folder = Path(shutil.copytree(default_bundle_path(), tmp_path / "b"))
    model = onnx.load(str(folder / "features.onnx"))
    onnx.save(model, str(folder / "features.onnx"), save_as_external_data=True, location="w.bin")
    manifest = folder / "bundle.json"
    data = json.loads(manifest.read_text())
    data["files"]["w.bin"] = {
        "role": "weights",
        "precision": "fp32",
        "sha256": "",
        "bytes": 0,
        "inputs": [],
        "outputs": [],
    }
    manifest.write_text(json.dumps(data))
    for name in ("features.onnx", "w.bin"):
        seal(folder, name)
    Matcher(folder, "cpu", threads=1).close()
    (folder / "w.bin").write_bytes(bytes((folder / "w.bin").stat().st_size))
    with pytest.raises(BundleError, match=r"w\.bin does not have the SHA-256"):
        Matcher(folder, "cpu", threads=1)
