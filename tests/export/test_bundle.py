"""Exported bundles: what is in them, at which sizes they run; half a bundle never loads."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from qatm.export import bundle as bundle_writer
from qatm.export.bundle import ExportOptions, export_bundle
from qatm.export.graphs import GraphExport, clearly_ranked, match_export, strip_metadata, write_onnx
from qatm.export.staging import staging_folder
from qatm.model import QATM, build_backbone, standardise
from qatm.runtime import Bundle, BundleError, ExportError, InputError, Matcher
from qatm.runtime.backends.onnx import OnnxGraph
from qatm.runtime.bundle.folder import MANIFEST, sha256_of
from qatm.runtime.bundle.recipes import TASKS, Recipes

TAPS = ("3", "6")
GRAPHS = {"features.onnx", "match.onnx", "place.onnx", "joint.onnx", "compare.onnx"}
FILES = {"bundle.json", "compare.npz", *GRAPHS}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def copied(tiny_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copied"))


def quick_options(**changes) -> ExportOptions:
    return ExportOptions("mobilenet-v2", "random", TAPS, **changes)


# --- what is in a bundle


def test_bundle_holds_its_files_and_nothing_else(tiny_bundle):
    assert names(tiny_bundle) == FILES
    assert names(tiny_bundle.parent) == {"bundle"}
    spec = Bundle.load(tiny_bundle).spec
    assert set(spec.files) == FILES - {MANIFEST}
    for name, info in spec.files.items():
        assert info.sha256 == sha256_of(tiny_bundle / name)
        assert info.bytes == (tiny_bundle / name).stat().st_size
        role = "compare-weights" if name == "compare.npz" else Path(name).stem
        assert (info.role, info.precision) == (role, "fp32")


def test_manifest_describes_the_network(tiny_bundle):
    spec = Bundle.load(tiny_bundle).spec
    backbone = build_backbone("mobilenet-v2", "random", TAPS).spec
    assert spec.backbone.name == "mobilenet-v2"
    assert spec.backbone.taps == TAPS
    assert spec.backbone.channels == backbone.channels == 24 + 32
    assert (spec.backbone.stride, spec.backbone.coarse_stride, spec.backbone.align) == (4, 8, 8)
    assert spec.backbone.weights["source"] == "random"
    assert "sha256" not in spec.backbone.weights
    assert spec.preprocessing["order"] == backbone.preprocessing.order
    assert tuple(spec.preprocessing["mean"]) == backbone.preprocessing.mean
    assert spec.tools["torch"] == torch.__version__
    assert spec.recipes == Recipes()
    assert spec.fits == ()
    assert not any(spec.calibrated(task) for task in TASKS)


def test_manifest_describes_inputs_and_outputs(tiny_bundle):
    files = Bundle.load(tiny_bundle).spec.files
    features = files["features.onnx"]
    assert [(t.name, t.dtype) for t in features.inputs] == [("image", "uint8")]
    assert features.inputs[0].shape == ("batch", "height", "width", 3)
    assert [t.name for t in features.outputs] == ["tap0", "tap1", "coarse"]
    match = files["match.onnx"]
    assert [t.name for t in match.inputs] == ["template", "target", "search"]
    assert [t.name for t in match.outputs] == ["contested", "alone"]
    place = files["place.onnx"]
    assert (place.role, place.precision) == ("place", "fp32")
    assert [t.name for t in place.inputs] == ["template", "target", "search", "cells"]
    assert [t.name for t in place.outputs] == ["likelihood", "similarity", "likeness", "pairs"]
    assert [t.name for t in files["joint.onnx"].inputs] == ["template", "image"]
    for info in files.values():
        for tensor in (*info.inputs, *info.outputs):
            assert all(tensor.shape), f"{tensor.name} has a side without a name"


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_files_carry_no_trace_of_the_exporting_machine(tiny_bundle, name):
    model = onnx.load(str(tiny_bundle / name))
    assert {e.domain: e.version for e in model.opset_import}[""] == 20
    assert all(not node.doc_string and not node.metadata_props for node in model.graph.node)
    data = (tiny_bundle / name).read_bytes()
    for trace in (b"pkg.torch", b"stack_trace", b".py", b"site-packages", os.getcwd().encode()):
        assert trace not in data


def test_batch_normalisation_is_folded(tiny_bundle):
    graph = onnx.load(str(tiny_bundle / "features.onnx")).graph
    kinds = {node.op_type for node in graph.node}
    assert "Conv" in kinds
    assert "BatchNormalization" not in kinds


def test_strip_metadata_leaves_the_graph(tiny_bundle):
    model = onnx.load(str(tiny_bundle / "match.onnx"))
    count = len(model.graph.node)
    model.doc_string = model.graph.node[0].doc_string = model.graph.input[0].doc_string = "secret"
    model.metadata_props.add(key="path", value="/secret")
    model.graph.node[1].metadata_props.add(key="stack", value="secret")
    stripped = strip_metadata(model)
    assert b"secret" not in stripped.SerializeToString()
    assert len(stripped.graph.node) == count


# --- dynamic shapes


@pytest.mark.parametrize("size", [(8, 8), (8, 64), (72, 40), (136, 200)])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_features_run_at_any_size(tiny_bundle, size, batch):
    backbone = build_backbone("mobilenet-v2", "random", TAPS)
    image = np.random.default_rng(1).integers(0, 256, (batch, *size, 3), dtype=np.uint8)
    session = OnnxGraph(tiny_bundle / "features.onnx", "cpu")
    *taps, coarse = session.run({"image": image}, ["tap0", "tap1", "coarse"])
    pixels = torch.from_numpy(image).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        expected, joined = backbone.taps(pixels), backbone(pixels)
    means = torch.nn.functional.avg_pool2d(joined, 2)
    assert coarse.shape == (batch, joined.shape[1], size[0] // 8, size[1] // 8)
    for found, wanted in zip([*taps, coarse], [*expected, means], strict=True):
        assert found.shape == wanted.shape
        assert np.abs(found - wanted.numpy()).max() <= 5e-5 * float(wanted.abs().max())


@pytest.mark.parametrize("rows", [1, 2, 300])
@pytest.mark.parametrize("size", [(1, 1), (2, 31), (50, 3)])
def test_matching_runs_at_any_size(tiny_bundle, rows, size):
    channels = Bundle.load(tiny_bundle).spec.backbone.channels
    generator = np.random.default_rng(2)
    template = generator.standard_normal((rows, channels), dtype=np.float32)
    search = generator.standard_normal((channels, *size), dtype=np.float32)
    inputs = {
        "template": template,
        "target": np.ones(rows, np.float32),
        "search": search,
    }
    session = OnnxGraph(tiny_bundle / "match.onnx", "cpu")
    contested, alone = session.run(inputs, ["contested", "alone"])
    flat = torch.from_numpy(search).flatten(1).T
    with torch.no_grad():
        expected = QATM(25)(*standardise(torch.from_numpy(template), flat)).exp()
    np.testing.assert_allclose(contested, expected.reshape(size).numpy(), atol=2e-5)
    np.testing.assert_allclose(alone, contested, atol=1e-6)


@pytest.mark.parametrize(("crop", "size"), [((8, 8), (64, 96)), ((40, 24), (104, 88))])
def test_joint_graph_runs_at_any_size(tiny_bundle, crop, size):
    image = np.random.default_rng(3).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    template = np.ascontiguousarray(image[:, 16 : 16 + crop[0], 32 : 32 + crop[1]])
    session = OnnxGraph(tiny_bundle / "joint.onnx", "cpu")
    outputs = ["quality", "scores", "boxes"]
    quality, scores, boxes = session.run({"template": template, "image": image}, outputs)
    assert quality.shape == (size[0] // 8, size[1] // 8)
    assert scores.shape == (16,)
    assert boxes.shape == (16, 4)
    assert boxes[0, 2:].tolist() == [crop[1], crop[0]]


def test_matcher_runs_on_an_exported_bundle(tiny_bundle, photographs):
    with Matcher(tiny_bundle) as matcher:
        matcher.set_template(photographs["coffee"], box=(322, 228, 88, 102))
        assert matcher.info.backbone.startswith("mobilenet-v2")
        best = matcher.match(photographs["coffee"])[0]
    np.testing.assert_allclose(best.box, (322, 228, 88, 102), atol=2)


# --- refused


@pytest.mark.parametrize("alpha", [0.0, -3.0, float("nan"), float("inf")])
def test_alpha_must_be_positive(tmp_path, alpha):
    with pytest.raises(InputError, match="alpha is"):
        export_bundle(tmp_path / "out", quick_options(alpha=alpha))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("opset", [7, 17, 24])
def test_unusable_opsets_are_refused_before_anything_is_written(tmp_path, opset):
    with pytest.raises(ExportError, match=f"opset {opset}.*18 to 23"):
        export_bundle(tmp_path / "out", quick_options(opset=opset))
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("backbone", "weights", "taps", "words"),
    [
        ("resnet50", None, None, "unknown backbone"),
        ("vgg19", None, None, "--weights"),
        ("vgg19", "nowhere.npz", None, "not found"),
        ("mobilenet-v2", "random", ("99",), "99"),
        ("mobilenet-v2", "random", (), "taps"),
        ("mobilenet-v2", "random", ("3", "3"), "twice"),
    ],
)
def test_unusable_networks_are_refused(tmp_path, backbone, weights, taps, words):
    with pytest.raises(ExportError, match=words):
        export_bundle(tmp_path / "out", ExportOptions(backbone, weights, taps))
    assert names(tmp_path) == set()


def test_weights_of_another_network_are_refused(tmp_path):
    state = build_backbone("mobilenet-v2", "random").network.state_dict()
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ExportError, match=r"other\.pth"):
        export_bundle(tmp_path / "out", ExportOptions(weights=str(tmp_path / "other.pth")))
    assert names(tmp_path) == {"other.pth"}


def test_output_that_is_a_file_is_refused(tmp_path, quick_graphs):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ExportError, match="is a file"):
        export_bundle(tmp_path / "file", quick_options())
    with pytest.raises(OSError, match="Not a directory"):
        export_bundle(tmp_path / "file" / "below", quick_options())
    assert (tmp_path / "file").read_text() == "kept"


def test_a_graph_that_differs_from_pytorch_is_refused(tiny_bundle, tmp_path, monkeypatch):
    channels = Bundle.load(tiny_bundle).spec.backbone.channels
    model = onnx.load(str(tiny_bundle / "match.onnx"))
    monkeypatch.setattr("qatm.export.graphs._trace", lambda export, opset: model)
    write_onnx(match_export(channels, 25.0), tmp_path / "match.onnx", 20)
    with pytest.raises(ExportError, match=r"match\.onnx: contested differs from PyTorch by"):
        write_onnx(match_export(channels, 20.0), tmp_path / "match.onnx", 20)


def test_a_graph_of_another_opset_is_refused(tmp_path, monkeypatch):
    model = onnx.helper.make_model(
        onnx.helper.make_graph([], "empty", [], []),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
    )
    monkeypatch.setattr("qatm.export.graphs._trace", lambda export, opset: model)
    with pytest.raises(ExportError, match="opset 18 for match, not 20"):
        write_onnx(match_export(4, 25.0), tmp_path / "match.onnx", 20)
    assert names(tmp_path) == set()


def test_close_candidates_are_not_ranked():
    scores = np.array([0.9, 0.8, 0.80001, 0.5, 0.0, -1, -1])
    assert clearly_ranked(scores).tolist() == [True, False, False, True, False, False, False]


# --- whole or not at all


def test_failed_graph_leaves_the_old_bundle(copied, monkeypatch, quick_graphs):
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    copy = bundle_writer.write_onnx

    def fail(export: GraphExport, path: Path, opset: int) -> None:
        copy(export, path, opset)
        if export.role == "match":
            raise ExportError("no")

    monkeypatch.setattr(bundle_writer, "write_onnx", fail)
    with pytest.raises(ExportError, match="no"):
        export_bundle(copied, quick_options())
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before
    Bundle.load(copied)


def test_failed_graph_leaves_no_folder(tmp_path, monkeypatch):
    def full(export: GraphExport, path: Path, opset: int) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(bundle_writer, "write_onnx", full)
    with pytest.raises(ExportError, match="No space left"):
        export_bundle(tmp_path / "new" / "deep", quick_options())
    assert names(tmp_path) == set()


@pytest.mark.parametrize("survivors", [0, 1, 2, 3])
def test_what_was_moved_in_part_is_moved_when_it_is_loaded(
    copied, monkeypatch, quick_graphs, survivors
):
    moved: list[str] = []
    replace = os.replace

    def fail(source: Path, destination: Path) -> None:
        if len(moved) == survivors:
            raise OSError(errno.EIO, "Input/output error", str(destination))
        moved.append(Path(destination).name)
        replace(source, destination)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output"):
        export_bundle(copied, quick_options(alpha=12))
    with pytest.raises(BundleError, match="load it once where the folder can be written"):
        Bundle.load(copied)
    monkeypatch.undo()
    assert MANIFEST not in moved
    assert Bundle.load(copied).spec.recipes.match.alpha == 12
    assert names(copied) == FILES - {"joint.onnx"}


def test_export_over_an_old_bundle_replaces_all_of_it(copied, quick_graphs):
    (copied / "notes.txt").write_text("the user's own")
    bundle = export_bundle(copied, quick_options(alpha=12)).bundle
    assert bundle.spec.recipes.match.alpha == 12
    assert names(copied) == {*FILES, "notes.txt"} - {"joint.onnx"}


def test_export_over_a_damaged_bundle(copied, quick_graphs):
    (copied / MANIFEST).write_text("{ half")
    export_bundle(copied, quick_options())
    Bundle.load(copied)


def test_manifest_is_plain_json(tiny_bundle):
    data = json.loads((tiny_bundle / MANIFEST).read_text())
    assert data["schema"] == 2
    assert str(tiny_bundle.parent) not in json.dumps(data)


def test_staging_folder_is_removed_whatever_happens(tmp_path):
    def interrupted() -> None:
        with staging_folder(tmp_path / "a" / "b") as stage:
            assert stage.parent == tmp_path / "a" / "b"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == set()


# --- the bundle in the package


@pytest.mark.slow
def test_default_bundle_equals_a_fresh_export(tmp_path, photographs):
    shipped, fresh = Bundle.load(), export_bundle(tmp_path / "fresh", ExportOptions()).bundle
    assert fresh.spec.backbone == shipped.spec.backbone
    assert fresh.spec.preprocessing == shipped.spec.preprocessing
    image = np.ascontiguousarray(photographs["coffee"][None, :384, :592])
    outputs = {}
    for bundle in (shipped, fresh):
        session = OnnxGraph(bundle.file("features", "fp32"), "cpu")
        maps = session.run({"image": image}, bundle.output_names("features"))
        coarse = maps[-1][0]
        inputs = {
            "template": np.ascontiguousarray(coarse[:, 30:40, 40:50].reshape(176, -1).T),
            "target": (np.arange(100) < 60).astype(np.float32),
            "search": coarse,
        }
        session = OnnxGraph(bundle.file("match", "fp32"), "cpu")
        matched = session.run(inputs, ["contested", "alone"])
        inputs |= {"cells": np.arange(60 * 7).reshape(60, 7)}
        session = OnnxGraph(bundle.file("place", "fp32"), "cpu")
        placed = session.run(inputs, ["likelihood", "similarity", "likeness", "pairs"])
        outputs[bundle.path] = (*maps, *matched, *placed)
    for old, new in zip(*outputs.values(), strict=True):
        np.testing.assert_allclose(new, old, rtol=0, atol=1e-4 * np.abs(old).max())
