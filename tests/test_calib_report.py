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
from qatm.calib.report import moved, promoted, quantisation_report, textured_box
from qatm.runtime import Bundle, BundleError, Matcher
from qatm.runtime.bundle import default_bundle_path
from qatm.tools.cli import app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory, photographs) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, image in photographs.items():
        cv2.imwrite(str(folder / f"{name}.png"), cv2.resize(image, (208, 160)))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, photos) -> Bundle:
    """The default bundle with both INT8 graphs."""
    import shutil

    folder, stage = (tmp_path_factory.mktemp(name) for name in ("bundle", "stage"))
    for name in ("bundle.json", "features.onnx", "match.onnx"):
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
    arguments = ["calib", "report", str(bundle.path), "--calib", str(photos), "--images", "7"]
    done = CliRunner().invoke(app, arguments)
    (photos / "broken.png").unlink()
    assert done.exit_code == 0, done.output
    assert "int8-trt" in done.stdout
    assert "SQNR" in done.stdout
    assert "skipped" in done.stderr
    assert "broken.png" in done.stderr
    done = CliRunner().invoke(app, [*arguments[:-1], "4", "--json"])
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["precision"] for record in records] == ["int8-trt", "int8-cpu"]
    assert records[0]["source"] == str(photos)


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


def test_the_searched_copy_and_the_box_are_sensible():
    image = np.zeros((96, 128, 3), np.uint8)
    image[48:, 64:] = np.random.default_rng(0).integers(0, 256, (48, 64, 3))
    box = textured_box(image)
    assert box.x >= 48
    assert box.y >= 36
    assert moved(image).shape == image.shape
