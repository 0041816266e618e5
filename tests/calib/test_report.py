from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from calib_graphs import add_features
from typer.testing import CliRunner

from qatm.calib import CalibrationOptions
from qatm.calib.quantise import quantise_features
from qatm.calib.report import (
    corner_shift,
    moved,
    promoted,
    quantisation_report,
    textured_box,
)
from qatm.runtime import Bundle, BundleError, Matcher
from qatm.runtime.boxes import Box
from qatm.runtime.bundle.folder import default_bundle_path
from qatm.tools.cli import app
from qatm.tools.evaluation.match.frame_pairs import FrameView
from qatm.tools.evaluation.match.match_runs import (
    GT_SIZE,
    TEMPLATE_SIZE,
    Answer,
    MatchTask,
    Outcome,
)
from qatm.tools.evaluation.match.precisions import compare_outcomes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory, photographs) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, image in list(photographs.items())[:4]:
        cv2.imwrite(str(folder / f"{name}.png"), cv2.resize(image, (208, 160)))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, photos) -> Bundle:
    """The default bundle with both INT8 graphs."""
    import shutil

    folder, stage = (tmp_path_factory.mktemp(name) for name in ("bundle", "stage"))
    for name in ("bundle.json", "features.onnx", "match.onnx", "place.onnx", "compare.onnx"):
        shutil.copyfile(default_bundle_path() / name, folder / name)
    copy = Bundle.load(folder)
    options = CalibrationOptions(sources=(str(photos),), images=6, cache=False)
    return add_features(copy, stage, quantise_features(copy, options, stage).files)


def test_the_report_says_what_int8_costs(bundle, photos):
    options = CalibrationOptions(sources=(str(photos),), images=4, seed=1)
    costs, used = quantisation_report(bundle, options)
    assert [cost.precision for cost in costs] == ["int8-trt", "int8-cpu"]
    assert len(used) == 4
    for cost in costs:
        assert 15 < cost.sqnr_worst <= cost.sqnr < 60
        assert 0 < cost.quality_mean < cost.quality_max <= 1
        assert cost.boxes_agree >= 0.75
        assert cost.megabytes < 0.5 * cost.float_megabytes


def test_qatm_calib_report_prints_a_table_or_json(bundle, photos):
    (photos / "broken.png").write_bytes(b"")
    arguments = ["calib", "report", str(bundle.path), "--calib", str(photos), "--images", "5"]
    done = CliRunner().invoke(app, arguments)
    (photos / "broken.png").unlink()
    assert done.exit_code == 0, done.output
    assert "int8-trt" in done.stdout
    assert "SQNR" in done.stdout
    assert "times as fast" not in done.stdout
    assert "skipped" in done.stderr
    assert "broken.png" in done.stderr
    done = CliRunner().invoke(app, [*arguments[:-1], "4", "--timings", "1", "--json"])
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["precision"] for record in records] == ["int8-trt", "int8-cpu"]
    assert records[0]["source"] == str(photos)
    assert records[0]["features_speed"] is records[0]["match_speed"] is None
    assert records[1]["features_speed"] > 0
    assert records[1]["match_speed"] > 0


@pytest.fixture(scope="module")
def frames(tmp_path_factory, photographs) -> Path:
    """Three pairs of frames, the second one moved by (-10, 6), and one without boxes."""
    folder = tmp_path_factory.mktemp("frames")
    for number, name in enumerate(("coffee", "chelsea", "rocket", "astronaut")):
        first = np.ascontiguousarray(photographs[name][60:220, 60:260])
        moved_frame = np.roll(first, (6, -10), (0, 1))
        for frame, image, x, y in ((20, first, 80, 60), (40, moved_frame, 70, 66)):
            stem = f"pair{number:04d}_frm1_{name}_{frame:04d}"
            cv2.imwrite(str(folder / f"{stem}.png"), image)
            if name != "astronaut":
                (folder / f"{stem}.txt").write_text(f"{x},{y},40,36")
    return folder


def test_pairs_of_frames_compare_every_precision_with_fp32(bundle, frames):
    arguments = ["calib", "report", str(bundle.path), "--pairs", str(frames)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "3 pairs of frames" in done.stdout
    assert "AUC, template-size" in done.stdout
    assert "pair0003" in done.stderr
    done = CliRunner().invoke(app, [*arguments, "--json"])
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["precision"] for record in records] == ["fp32", "int8-trt", "int8-cpu"]
    for record in records:
        assert record["pairs"] == 3
        assert record["failed"] == 0
        # Nothing changes its size here, and an estimated size is off by next to nothing.
        assert record["auc_gt_size"] == pytest.approx(record["auc_template_size"], abs=0.05)
        assert record["auc_template_size"] > 0.8
        assert record["boxes_agree"] == 1
        exact = record["precision"] == "fp32"
        assert (record["box_shift"] == record["score_max"] == 0) == exact
        assert record["found_agree"] == 1 if exact else record["found_agree"] > 0.5


def test_a_pair_that_only_one_precision_can_search_is_disagreement():
    view = FrameView(Path(), Box(0, 0, 20, 20), (40, 40))
    task = MatchTask("pair0001", "video", view, view)

    def answers(x):
        answer = Answer(Box(x, 0, 20, 20), 0.9, True, 0.7)
        return {GT_SIZE: answer, TEMPLATE_SIZE: answer}

    truth = [Outcome("qatm", task, each) for each in (answers(0), answers(0), {})]
    found = [Outcome("qatm", task, each) for each in (answers(1.5), {}, {})]
    cost = compare_outcomes("int8-cpu", found, truth)
    assert (cost.pairs, cost.failed) == (3, 2)
    assert cost.boxes_within_pixel == 0
    assert cost.boxes_agree == cost.found_agree == 0.5
    assert cost.box_shift == 1.5


def test_pairs_need_something_to_compare_and_no_other_images(bundle, frames, tmp_path):
    for arguments, word in (
        ([str(default_bundle_path()), "--pairs", str(frames)], "FP32 only"),
        ([str(bundle.path), "--pairs", str(frames), "--calib", "x"], "--calib"),
        ([str(bundle.path), "--pairs", str(frames), "--timings", "2"], "--timings"),
        ([str(bundle.path), "--pairs", str(tmp_path)], "no pairs"),
    ):
        done = CliRunner().invoke(app, ["calib", "report", *arguments])
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        assert word in done.stderr.splitlines()[-1]


def test_a_bundle_without_int8_is_refused(photos):
    with pytest.raises(BundleError, match="--int8"):
        quantisation_report(Bundle.load(), CalibrationOptions(sources=(str(photos),)))
    done = CliRunner().invoke(app, ["calib", "report", str(default_bundle_path())])
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "--int8" in done.stderr


def test_a_promoted_graph_runs_in_an_ordinary_matcher(bundle, photographs):
    image = photographs["coffee"]
    with promoted(bundle, "int8-cpu") as folder, Matcher(folder, "cpu") as matcher:
        matcher.set_template(image, (322, 228, 88, 102))
        assert matcher.match(image)[0].found
    assert not folder.exists()


@pytest.mark.parametrize(
    ("other", "shift"),
    [
        ((10, 20, 40, 30), 0),
        ((13, 24, 40, 30), 5),  # moved as a whole
        ((10, 20, 43, 34), 5),  # only the corner at the bottom right
        ((7, 16, 43, 34), 5),  # only the one at the top left
        ((7, 20, 43, 34), 5),  # only the one at the bottom left
        ((10, 16, 43, 34), 5),  # only the one at the top right
    ],
)
def test_a_shift_is_that_of_the_corner_that_moved_most(other, shift):
    assert corner_shift(Box(10, 20, 40, 30), Box(*other)) == pytest.approx(shift)
    assert corner_shift(Box(*other), Box(10, 20, 40, 30)) == pytest.approx(shift)


def test_the_searched_copy_and_the_box_are_sensible():
    image = np.zeros((96, 128, 3), np.uint8)
    image[48:, 64:] = np.random.default_rng(0).integers(0, 256, (48, 64, 3))
    box = textured_box(image)
    assert box.x >= 48
    assert box.y >= 36
    assert moved(image).shape == image.shape
