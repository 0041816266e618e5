"""The parity check: what it is run on, what it compares, and that it notices every difference."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import oracle
import pytest
import torch
from onnx import numpy_helper

from qatm.calib import photographs
from qatm.calib.photographs import PARITY
from qatm.export.graphs import PLACE_OUTPUTS
from qatm.export.parity.judge import TOLERANCES, Deviation, Judge, attempt, kind_of
from qatm.export.parity.literal import literal_cosine, literal_fit, literal_quality
from qatm.export.parity.parity_scenes import (
    CASES,
    ParityScene,
    make_pictures,
    match_inputs,
    place_inputs,
)
from qatm.export.parity.proof import compare_bundle, load_reference
from qatm.export.parity.runners import (
    Runner,
    numpy_match,
    numpy_place,
    runtime_place,
    with_windows,
)
from qatm.export.parity.torch_runners import torch_match
from qatm.model import Backbone, build_backbone
from qatm.model.exported import CANDIDATES
from qatm.runtime import Bundle, BundleError, ExportError
from qatm.runtime.bundle.folder import MANIFEST, sha256_of
from qatm.runtime.bundle.manifest import TapInfo

SMALL = (ParityScene(40, 56, (16, 12)), ParityScene(72, 64, (24, 24), batch=2, competitors=20))


@pytest.fixture(scope="module")
def bundle(tiny_bundle) -> Bundle:
    return Bundle.load(tiny_bundle)


def edit_manifest(folder: Path, **files: dict[str, object]) -> None:
    """Change entries of files in a manifest, with the hashes that the files have now."""
    data = json.loads((folder / MANIFEST).read_text())
    for name, entry in data["files"].items():
        entry["sha256"], entry["bytes"] = sha256_of(folder / name), (folder / name).stat().st_size
        entry.update(files.get(entry["role"], {}))
    (folder / MANIFEST).write_text(json.dumps(data))


def compare(bundle: Bundle, cases=SMALL) -> list[Deviation]:
    return list(compare_bundle(bundle, load_reference(bundle).backbone, cases))


# --- a bundle that is right


def test_every_file_agrees_at_every_size(bundle, monkeypatch):
    # A bundle without an FP16 file needs no model in half precision.
    monkeypatch.setattr(Backbone, "half_network", None)
    results = compare(bundle)
    assert all(result.passed for result in results), max(results, key=lambda r: r.badness)
    assert {result.artefact for result in results} == {
        "features.onnx",
        "features.onnx + match.onnx",
        "match.onnx",
        "place.onnx",
        "joint.onnx",
        "compare.onnx",
    }
    assert {result.what for result in results} == {
        *("tap0", "tap1", "coarse", "joined"),
        *("contested", "alone", "quality", "score", "box"),
        *("likelihood", "similarity", "likeness", "pairs"),
        "odds",
    }
    sizes = {result.size for result in results if result.artefact != "compare.onnx"}
    assert len(sizes) == len(SMALL)
    candidates = {result.candidate for result in results if result.artefact == "match.onnx"}
    assert candidates == {"PyTorch", "numpy, streamed", "ONNX Runtime"}
    candidates = {result.candidate for result in results if result.what == "likelihood"}
    assert candidates == {"numpy, runtime", "ONNX Runtime"}
    candidates = {result.candidate for result in results if result.what == "joined"}
    assert candidates == {"ONNX Runtime + numpy"}


def test_records_are_plain_json(bundle):
    record = json.loads(json.dumps(compare(bundle, SMALL[:1])[0].as_dict(), allow_nan=False))
    assert set(record) == {
        "artefact",
        "precision",
        "what",
        "reference",
        "candidate",
        "size",
        "error",
        "tolerance",
        "unit",
        "where",
        "passed",
    }
    assert record["passed"] is True


# --- bundles that are wrong


@pytest.fixture
def copied(tiny_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copied"))


def change_weight(path: Path, factor: float) -> None:
    """Scale the first convolution's weights in a graph."""
    model = onnx.load(str(path))
    first = next(t for t in model.graph.initializer if len(t.dims) == 4)
    first.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(first) * factor, first.name))
    onnx.save(model, str(path))


def test_changed_weights_are_noticed(copied):
    change_weight(copied / "features.onnx", 1.001)
    edit_manifest(copied)
    failed = [result for result in compare(Bundle.load(copied)) if not result.passed]
    assert {result.artefact for result in failed} >= {"features.onnx"}
    assert "joint.onnx" not in {result.artefact for result in failed}
    assert all("channel" in result.where for result in failed if result.what == "tap0")
    assert {"tap0", "tap1", "coarse", "joined"} <= {result.what for result in failed}


def test_another_alpha_than_the_manifest_says_is_noticed(copied):
    data = json.loads((copied / MANIFEST).read_text())
    data["recipes"]["match"]["alpha"] = 24.5
    (copied / MANIFEST).write_text(json.dumps(data))
    failed = {r.artefact for r in compare(Bundle.load(copied), SMALL[:1]) if not r.passed}
    assert failed == {"features.onnx + match.onnx", "match.onnx", "place.onnx", "joint.onnx"}


def test_a_graph_that_runs_at_one_size_only_is_noticed(copied):
    model = onnx.load(str(copied / "features.onnx"))
    for side, size in zip(
        model.graph.input[0].type.tensor_type.shape.dim, (1, 40, 56), strict=False
    ):
        side.dim_value = size
    onnx.save(model, str(copied / "features.onnx"))
    edit_manifest(copied)
    results = compare(Bundle.load(copied))
    failed = [result for result in results if not result.passed]
    assert {result.size for result in failed} == {"72x64, template 24x24"}
    assert {(result.what, result.error) for result in failed} == {
        (what, math.inf) for what in ("tap0", "tap1", "coarse")
    }
    assert "did not run" in failed[0].where
    assert failed[0].as_dict()["error"] is None


def test_files_it_does_not_know_are_refused(copied):
    edit_manifest(copied, joint={"precision": "fp7"})
    with pytest.raises(ExportError, match=r"joint\.onnx cannot be checked: fp7"):
        compare(Bundle.load(copied))
    edit_manifest(copied, joint={"role": "other", "precision": "fp32"})
    with pytest.raises(ExportError, match="fp32 other"):
        compare(Bundle.load(copied))


def test_files_with_outputs_of_earlier_versions_are_refused_with_the_cure(copied):
    old = [{"name": "quality", "dtype": "float32", "shape": ["h", "w"]}]
    edit_manifest(copied, match={"outputs": old})
    with pytest.raises(ExportError, match=r"match\.onnx.*quality.*contested, alone.*export the"):
        compare(Bundle.load(copied))


def test_taps_in_another_order_are_noticed(copied):
    model = onnx.load(str(copied / "features.onnx"))
    first, second = model.graph.output[:2]
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            node.output[index] = {"tap0": "tap1", "tap1": "tap0"}.get(name, name)
        for index, name in enumerate(node.input):
            node.input[index] = {"tap0": "tap1", "tap1": "tap0"}.get(name, name)
    first.type.CopyFrom(second.type)
    onnx.save(model, str(copied / "features.onnx"))
    edit_manifest(copied)
    failed = [result for result in compare(Bundle.load(copied), SMALL[:1]) if not result.passed]
    assert {result.what for result in failed} == {"tap0", "tap1"}


def test_damaged_files_are_refused(copied):
    change_weight(copied / "joint.onnx", 2)
    with pytest.raises(BundleError, match=r"joint\.onnx"):
        compare(Bundle.load(copied))


# --- the PyTorch side


def with_weights(bundle: Bundle, name: str, **weights: str) -> Bundle:
    backbone = replace(bundle.spec.backbone, name=name, weights=weights)
    return replace(bundle, spec=replace(bundle.spec, backbone=backbone))


def test_random_weights_are_built_again(bundle):
    reference = load_reference(bundle)
    expected = build_backbone("mobilenet-v2", "random", bundle.spec.backbone.taps)
    assert reference.warning == ""
    for ours, theirs in zip(reference.backbone.parameters(), expected.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_packaged_weights_are_those_of_the_default_bundle():
    assert load_reference(Bundle.load()).warning == ""


def test_other_weights_are_said(bundle, tmp_path):
    file = tmp_path / "mine.pth"
    torch.save(build_backbone("mobilenet-v2", "random", ("18",)).network.state_dict(), file)
    recorded = {"source": "theirs.pth", "sha256": "00ff"}
    reference = load_reference(with_weights(bundle, "mobilenet-v2", **recorded), file)
    for word in ("mine.pth", "theirs.pth", "00ff", "--weights"):
        assert word in reference.warning
    same = {"source": "mine.pth", "sha256": sha256_of(file)}
    assert load_reference(with_weights(bundle, "mobilenet-v2", **same), file).warning == ""


@pytest.mark.parametrize(
    ("name", "weights", "words"),
    [
        ("vgg19", None, "taps 3, 6 of vgg19"),
        ("efficientnet-lite0", Path("nowhere.npz"), "not found"),
        ("resnet50", None, "unknown backbone"),
        ("mobilenet-v2", Path("nowhere.pth"), "not found"),
    ],
)
def test_unusable_references_are_refused(bundle, name, weights, words):
    with pytest.raises(ExportError, match=words):
        load_reference(with_weights(bundle, name, source="file.npz"), weights)


# --- the numpy side


@pytest.mark.parametrize("size", [(6, 40, 24), (30, 200, 64)])
def test_literal_quality_equals_the_oracle(size):
    rows, cells, channels = size
    generator = np.random.default_rng(0)
    template, search = (
        generator.normal(3, 2, (rows, channels)),
        generator.normal(3, 2, (cells, channels)),
    )
    contested, alone = literal_quality(template, np.ones(rows), search, 25)
    np.testing.assert_allclose(contested, oracle.quality(template, search, 25), rtol=5e-3)
    np.testing.assert_array_equal(contested, alone)


def test_competitors_take_part_in_one_softmax_only():
    generator = np.random.default_rng(4)
    template, search = generator.normal(3, 2, (9, 40)), generator.normal(3, 2, (30, 40))
    target = np.r_[np.ones(6), np.zeros(3)]
    contested, alone = literal_quality(template, target, search, 25)
    powers = np.exp(25 * literal_cosine(template, search))
    over_search = powers / powers.sum(1, keepdims=True)
    for found, crowd in ((contested, powers), (alone, powers[:6])):
        expected = (powers[:6] / crowd.sum(0) * over_search[:6]).max(0)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert (alone > contested).all()


def test_literal_fit_equals_a_loop():
    generator = np.random.default_rng(5)
    template, search = generator.normal(3, 2, (5, 40)), generator.normal(3, 2, (12, 40))
    cells = generator.integers(0, 12, (4, 3))
    fit = literal_fit(template, search, cells, 25)
    cosine = literal_cosine(template, search)
    for shift in range(3):
        pairs = [(row, int(cells[row, shift])) for row in range(4)]
        logs = [25 * cosine[r, c] - np.log(np.exp(25 * cosine[:, c]).sum()) for r, c in pairs]
        assert fit.likelihood[shift] == pytest.approx(np.mean(logs))
        assert fit.similarity[shift] == pytest.approx(np.mean([25 * cosine[p] - 25 for p in pairs]))
        assert fit.likeness[shift] == pytest.approx(
            np.mean([cosine[:4, c].max() for _, c in pairs])
        )


@pytest.mark.parametrize("alpha", [25.0, 2000.0])
def test_literal_quality_of_flat_or_extreme_input_is_finite(alpha):
    for flat in literal_quality(np.full((3, 5), 7.0), np.ones(3), np.full((8, 5), 7.0), alpha):
        np.testing.assert_allclose(flat, 1 / 24)
    rows = np.eye(4)
    found = literal_quality(rows, np.ones(4), np.concatenate([rows, -rows]), alpha)
    assert np.isfinite(found).all()


# --- the cases


@pytest.mark.parametrize("align", [8, 16, 32])
@pytest.mark.parametrize("case", CASES)
def test_pictures_fit_the_bundle(bundle, case, align):
    strides = {"stride": align // 2, "coarse_stride": align}
    backbone = replace(bundle.spec.backbone, align=align, **strides)
    pictures = make_pictures(case, 0, backbone)
    _, height, width, _ = pictures.both.shape
    assert (height % align, width % align) == (0, 0)
    assert pictures.both.dtype == np.uint8
    top, left, bottom, right = pictures.cells
    assert 0 <= top < bottom <= height // backbone.coarse_stride
    assert 0 <= left < right <= width // backbone.coarse_stride
    assert pictures.window == (bottom - top, right - left)
    assert pictures.crop.shape[1] % align == pictures.crop.shape[2] % align == 0
    assert pictures.crop.size > 0


def test_pictures_are_real_ones_where_there_are_any(bundle, monkeypatch):
    backbone = bundle.spec.backbone
    assert make_pictures(CASES[0], 0, backbone).source == PARITY[0]
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    texture, again, other = (make_pictures(CASES[0], index, backbone) for index in (0, 0, 1))
    assert texture.source == "texture"
    assert texture.both.std() > 20
    np.testing.assert_array_equal(texture.both, again.both)
    assert not np.array_equal(texture.both, other.both)


def test_textures_do_for_the_check(bundle, monkeypatch):
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    assert all(result.passed for result in compare(bundle))


def test_competitors_follow_the_targets(bundle):
    pictures = make_pictures(SMALL[1], 0, bundle.spec.backbone)
    features = np.random.default_rng(0).standard_normal((2, 5, 9, 8), dtype=np.float32)
    inputs = match_inputs(pictures, features)
    assert inputs["template"].shape == (9 + 20, 5)
    assert inputs["target"].tolist() == [1] * 9 + [0] * 20
    top, left, _, _ = pictures.cells
    np.testing.assert_array_equal(inputs["template"][0], features[0, :, top, left])
    np.testing.assert_array_equal(inputs["search"], features[1])
    by_numpy, by_torch = (runner.run(inputs) for runner in (numpy_match(25), torch_match(25)))
    for what in ("contested", "alone"):
        np.testing.assert_allclose(by_torch[what], by_numpy[what], atol=1e-5)
    assert (by_numpy["alone"] > by_numpy["contested"]).any()


def test_placing_shifts_the_window_over_the_cells_around_it(bundle):
    pictures = make_pictures(SMALL[1], 0, bundle.spec.backbone)
    joined = np.random.default_rng(0).standard_normal((2, 5, 18, 16), dtype=np.float32)
    joined[1] = joined[0]
    inputs = place_inputs(pictures, joined)
    top, left, bottom, right = (2 * side for side in pictures.cells)
    assert (bottom - top, right - left) == (6, 6)
    assert inputs["template"].shape == (36 + 20, 5)
    np.testing.assert_array_equal(inputs["template"][0], joined[0, :, top, left])
    height, width = inputs["search"].shape[1:]
    assert inputs["cells"].shape == (36, (height - 5) * (width - 5))
    found, other = numpy_place(25).run(inputs), runtime_place(25).run(inputs)
    # The window fits best where it was cut out.
    shift = (top - max(0, top - 4)) * (width - 5) + left - max(0, left - 4)
    for what in ("likelihood", "similarity", "likeness"):
        assert found[what].argmax() == shift
        np.testing.assert_allclose(other[what], found[what], atol=2e-4)
    np.testing.assert_allclose(other["pairs"], found["pairs"], atol=2e-3)


def test_windows_are_those_of_the_runtime():
    contested = np.full((6, 8), 0.01, np.float32)
    contested[2:4, 5:7] = 0.81
    found = with_windows({"contested": contested}, (2, 2), CANDIDATES)
    assert found["scores"][0] == pytest.approx(0.9)
    np.testing.assert_allclose(found["boxes"][0], (5, 2, 2, 2))


# --- the judge


JUDGE = Judge("x.onnx", "fp32", "8x8", "truth")


def test_errors_are_found_where_they_are():
    truth = np.zeros((1, 3, 4, 5), np.float32)
    truth[0, 0, 0, 0] = 200
    found = truth.copy()
    found[0, 2, 3, 1] = -0.5
    result = JUDGE.array("tap1", "me", {"tap1": found}, {"tap1": truth})
    assert result.where == "picture 0, channel 2, row 3, column 1"
    assert result.error == pytest.approx(0.5 / 200)
    assert not result.passed


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_fail(value):
    truth = np.zeros((4, 5), np.float32)
    found = truth.copy()
    found[1, 2] = value
    result = JUDGE.array("quality", "me", {"quality": found}, {"quality": truth})
    assert not result.passed
    assert result.badness == math.inf
    assert result.where == "row 1, column 2"
    assert result.as_dict()["error"] is None


def test_another_shape_fails():
    found = {"quality": np.zeros((4, 6))}
    result = JUDGE.array("quality", "me", found, {"quality": np.zeros((4, 5))})
    assert (result.error, result.where) == (math.inf, "shape (4, 6) instead of (4, 5)")


def test_equally_good_windows_may_change_places():
    truth = {"scores": np.array([0.5, 0.3]), "boxes": np.array([[3.0, 4, 2, 2], [9, 9, 2, 2]])}
    found = {"scores": np.array([0.50001, 0.5]), "boxes": np.array([[8.0, 4, 2, 2], [3, 4, 2, 2]])}
    maps = {"quality": np.zeros((10, 10))}
    runner = Runner("me", lambda inputs: {})
    verdicts = list(JUDGE.windows(runner, found | maps, truth | maps, 4))
    assert [v.what for v in verdicts] == ["quality", "score", "box"]
    assert verdicts[2].error == 0
    found["scores"][1] = 0.4
    *_, score, box = JUDGE.windows(runner, found | maps, truth | maps, 4)
    assert score.passed
    assert box.error == 20
    assert not box.passed


def test_weights_that_no_package_carries_must_be_given(bundle):
    info = replace(bundle.spec.backbone, name="vgg19", layers=(TapInfo("conv1_2"),), weights={})
    spec = replace(bundle.spec, backbone=info)
    with pytest.raises(ExportError, match="--weights"):
        load_reference(replace(bundle, spec=spec))


def test_failures_of_a_runtime_are_one_line():
    def fail():
        raise RuntimeError("first\nsecond")

    assert attempt(fail) == "first"


@pytest.mark.parametrize("precision", ["int8-cpu", "int8-trt"])
def test_a_clipped_value_of_int8_is_no_failure_but_a_wrong_map_is(precision: str):
    judge = Judge("features.onnx", precision, "8x8", "PyTorch")
    truth = np.full((2, 3, 8, 8), 10.0, np.float32)
    truth[0, 1, 2, 3] = 40.0
    clipped = np.minimum(truth, 20.0)
    found = judge.array("tap0", "a", {"tap0": clipped}, {"tap0": truth})
    assert found.passed
    assert found.unit == "of the RMS"
    assert found.where == "picture 0, channel 1, row 2, column 3"
    assert found.error == pytest.approx(20 / np.sqrt(383 * 100 + 1600), rel=1e-6)
    assert not judge.array("tap0", "a", {"tap0": truth * 1.5}, {"tap0": truth}).passed
    lost = np.full_like(truth, np.nan)
    assert not judge.array("tap0", "a", {"tap0": lost}, {"tap0": truth}).passed


def test_tolerances_are_complete():
    whats = ("tap0", "coarse", "joined", "contested", "alone", "quality", "score", "box")
    kinds = {kind_of(what) for what in whats}
    for precision in {row.precision for row in TOLERANCES}:
        what = [row.what for row in TOLERANCES if row.precision == precision]
        # Templates are placed in FP32 alone.
        placed = {kind_of(name) for name in PLACE_OUTPUTS} if precision == "fp32" else set()
        assert sorted(what) == sorted(kinds | placed)
