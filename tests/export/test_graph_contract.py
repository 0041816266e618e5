"""The contract of the graphs: the page, the files and the graphs themselves say the same."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest

from qatm.export.graph_contract import CONTRACTS, PAGE, annotate, contract_of, page_tables
from qatm.export.graphs import DEFAULT_OPSET, write_onnx
from qatm.export.network_graphs import compare_export, follow_export
from qatm.model.box_net import BoxNet
from qatm.model.pair_net import PairNet
from qatm.runtime import ExportError
from qatm.runtime.version import __version__

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def files(tiny_bundle, find_bundle, tmp_path_factory) -> dict[str, Path]:
    """A file of every role; networks are those of the package, which are older than the text."""
    folders = {"features": tiny_bundle, "match": tiny_bundle, "place": tiny_bundle}
    folders |= {"joint": tiny_bundle, "encode": find_bundle, "find": find_bundle}
    paths = {role: folder / f"{role}.onnx" for role, folder in folders.items()}
    runtime = ROOT / "runtime"
    paths["follow"] = tmp_path_factory.mktemp("follow") / "follow.onnx"
    write_onnx(follow_export(BoxNet(6).eval(), 64), paths["follow"], DEFAULT_OPSET)
    paths["compare"] = tmp_path_factory.mktemp("compare") / "compare.onnx"
    write_onnx(compare_export(PairNet(5).eval(), 64), paths["compare"], DEFAULT_OPSET)
    paths["network, align"] = runtime / "default_align" / "network.onnx"
    paths["network, verify"] = runtime / "default_bundle" / "network.onnx"
    return paths


@pytest.mark.parametrize("role", CONTRACTS)
def test_the_page_has_the_tables(role):
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert page_tables(role) in page, f"write page_tables({role!r}) into {PAGE}"


def told(names: list[str]) -> list[str]:
    """Names as the contract has them: one for all taps."""
    return list(dict.fromkeys(re.sub(r"^tap\d+$", "tapN", name) for name in names))


@pytest.mark.parametrize("role", CONTRACTS)
def test_the_contract_is_that_of_the_graph(files, role):
    graph = onnx.load(str(files[role])).graph
    contract = contract_of(role.partition(",")[0], [tensor.name for tensor in graph.input])
    assert contract is CONTRACTS[role]
    for entries, tensors in ((contract.inputs, graph.input), (contract.outputs, graph.output)):
        names = told([tensor.name for tensor in tensors])
        assert names == [each.name for each in entries if not each.compared or each.name in names]
        known = {entry.name: entry for entry in entries}
        for tensor in tensors:
            entry = known[told([tensor.name])[0]]
            kind = tensor.type.tensor_type
            assert onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name == entry.dtype
            sides = [side.dim_param or side.dim_value for side in kind.shape.dim]
            written = [side for side in entry.shape.strip("()").split(", ") if side]
            assert len(sides) == len(written), (tensor.name, sides, written)
            for side, text in zip(sides, written, strict=True):
                if isinstance(side, int):
                    assert text == str(side) or text in ("C", "CN", "K"), (tensor.name, side, text)
                elif text.isidentifier():
                    assert side == text or side.startswith("Min(") or "map_width" in side, (
                        tensor.name,
                        side,
                        text,
                    )


@pytest.mark.parametrize("role", [role for role in CONTRACTS if "," not in role])
def test_the_file_says_it(files, role):
    model = onnx.load(str(files[role]))
    contract = CONTRACTS[role]
    assert model.doc_string == contract.purpose
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about == {"qatm": __version__, "role": role, "precision": "fp32", "page": PAGE}
    for entries, tensors in (
        (contract.inputs, model.graph.input),
        (contract.outputs, model.graph.output),
    ):
        known = {entry.name: entry for entry in entries}
        for tensor in tensors:
            entry = known[told([tensor.name])[0]]
            assert tensor.doc_string == f"{entry.shape} {entry.dtype}: {entry.text}"


def test_the_encoded_template_is_handed_on_by_its_names():
    outputs = CONTRACTS["encode"].outputs
    assert CONTRACTS["find"].inputs[1:] == outputs


def test_only_what_compares_pixels_is_left_out():
    names = [entry.name for entry in CONTRACTS["find"].inputs]
    assert names[-1] == "picture"
    assert contract_of("find", names) is contract_of("find", names[:-1]) is CONTRACTS["find"]
    with pytest.raises(ExportError, match="no contract describes a find graph"):
        contract_of("find", names[:-2])


def test_unknown_graphs_are_refused(tiny_bundle):
    with pytest.raises(ExportError, match="no contract describes a other graph with the inputs x"):
        contract_of("other", ["x"])
    model = onnx.load(str(tiny_bundle / "match.onnx"))
    model.graph.output[0].name = "strange"
    with pytest.raises(ExportError, match="no contract describes strange of the match graph"):
        annotate(model, "match", "fp32")
