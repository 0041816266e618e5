"""An option that would have no effect is an error that names it, before any work."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from qatm.tools.cli import app
from qatm.tools.commands import export
from qatm.tools.commands.export_flags import OF_ENGINES, CalibrationFlags, GraphFlags
from qatm.tools.commands.option_groups import names_of

CASES = {
    "eval otb DIR --method ssd --model x": "--model is for methods on features",
    "eval otb DIR --method ssd --device cpu": "--device is for methods on features",
    "eval motb DIR --method bbs,ncc --device auto": "--device is for methods on features",
    "eval otb DIR --weights x": "--weights is for paper-qatm",
    "eval otb DIR --ablation --weights x": "--weights is for paper-qatm",
    "eval otb DIR --halves 2": "--halves chooses between variants",
    "eval otb DIR --method ssd --set alpha=3": "--set changes the recipe of qatm",
    "eval pose DIR --method sift --model x": "--model is for qatm",
    "eval pose DIR --method orb,sift --device cpu": "--device is for qatm",
    "eval pose DIR --method sift --set alpha=3": "--set changes the recipe of qatm",
    "eval pose DIR --boxes 3": "--boxes is for series with homographies",
    "eval presence --domain screen --rotation 9": "--rotation is for domains turned",
    "eval presence --domain screen --method sift --model x": "--model is for qatm",
    "eval track DIR --tracker mil --model x": "--model is for qatm",
    "eval track DIR --tracker mil --device cpu": "--device is for qatm",
    "eval track DIR --tracker mil --precision fp32": "--precision is for qatm",
    "eval track DIR --nanotrack x": "--nanotrack is for nanotrack,",
    "eval track DIR --tracker nanotrack --nanotrack3 x": "--nanotrack3 is for nanotrack3,",
    "eval track DIR --vittrack x": "--vittrack is for vittrack,",
    "eval track DIR --tracker mil --set inertia=0": "--set changes the recipe of qatm",
    "eval track DIR --tracker mil --choose inertia=0,.5": "--choose changes the recipe of qatm",
    "eval track DIR --seed 0": "--seed chooses when the object goes away",
    "eval align DIR --method identity --model x": "--model has no effect on identity",
    "eval align DIR --method identity --device cpu": "--device has no effect on identity",
    "eval align DIR --method qatm --network x": "--network adds a method",
    "eval verify DIR --method sift --device cpu": "--device has no effect on sift and orb",
    "eval verify DIR --method sift,orb --model x": "--model has no effect on sift and orb",
    "calib report DIR --pairs x --calib y": "--calib is not for pairs of frames",
    "calib report DIR --pairs x --images 12": "--images is not for pairs of frames",
    "calib report DIR --pairs x --seed 1": "--seed is not for pairs of frames",
    "calib report DIR --pairs x --timings 2": "--timings is not for pairs of frames",
    "lab sizes --tracker mil --model x": "--model is for qatm",
    "lab soak --nanotrack x": "--nanotrack is for nanotrack",
    "lab sizes --nanotrack3 x": "--nanotrack3 is for nanotrack3",
}


@pytest.mark.parametrize("command", CASES)
def test_it_is_refused(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path) if w == "DIR" else w for w in command.split()])
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {CASES[command]}")


def test_a_bundle_network_needs_no_model(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "bundle.json").write_text("{}")
    options = ["--method", "network-qatm", "--network", str(bundle), "--model", "x"]
    result = CliRunner().invoke(app, ["eval", "align", str(tmp_path), *options])
    assert result.exit_code == 2
    assert "--model has no effect on a bundle's network" in result.stderr


def test_what_an_environment_variable_says_holds_for_every_command(tmp_path: Path) -> None:
    environment = {
        "QATM_VGG19": "x",
        "QATM_NANOTRACK": "y",
        "QATM_NANOTRACK3": "y",
        "QATM_VITTRACK": "y",
    }
    for command in ("otb", "track"):
        result = CliRunner().invoke(app, ["eval", command, str(tmp_path)], env=environment)
        assert "holds no" in result.stderr, result.stderr


def test_a_rate_is_for_sources_without_one(tmp_path: Path, photographs) -> None:
    from qatm.runtime import VideoWriter

    film = tmp_path / "film.avi"
    with VideoWriter(film, 25.0) as video:
        for _ in range(3):
            video.write(photographs["coffee"][:240, :320].copy())
    options = ["--box", "30,70,64,58", "--csv", str(tmp_path / "out.csv")]
    result = CliRunner().invoke(app, ["track", str(film), *options, "--fps", "10"])
    assert result.exit_code == 2
    assert "--fps 10 is for sources without a rate of their own" in result.stderr
    assert "25 frames a second" in result.stderr
    assert not (tmp_path / "out.csv").exists()
    assert CliRunner().invoke(app, ["track", str(film), *options, "--fps", "25"]).exit_code == 0


# --- qatm-export


def exporter(*arguments: object):
    return CliRunner().invoke(export.app, [str(argument) for argument in arguments])


VALUES = {
    "alpha": "25",
    "opset": "20",
    "backbone": "nonsense",
    "task": "match",
    "calib_images": "24",
    "calib_method": "percentile",
}
FLAGS = ("compact", "joint", "find", "fp16", "int8")


@pytest.mark.parametrize("name", names_of(GraphFlags, CalibrationFlags))
@pytest.mark.parametrize("engine", [[], ["--engine", "none"], ["--engine", "tensorrt"]])
def test_building_engines_only_takes_no_option_of_the_onnx_export(
    name: str, engine: list[str], tmp_path: Path
) -> None:
    option = f"--{name.replace('_', '-')}"
    value = [] if name in FLAGS else [VALUES.get(name, "x")]
    result = exporter("--engines-only", *engine, option, *value, tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {option} is for writing ONNX files")


def test_building_engines_only_and_none_is_nothing(tmp_path: Path) -> None:
    command = ["--engines-only", "--engine", "none", "--fp16", "--backbone", "nonsense"]
    result = exporter(*command, tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --backbone is for writing ONNX files")
    result = exporter("--engines-only", "--engine", "none", tmp_path)
    assert result.exit_code == 2
    assert "leave nothing to do" in result.stderr


@pytest.mark.parametrize(
    "options", [["--calib", "x"], ["--calib-images", "24"], ["--calib-method", "percentile"]]
)
def test_calibration_is_for_int8(options: list[str], tmp_path: Path) -> None:
    result = exporter(*options, "--fp16", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {options[0]} is for calibrating INT8; add --int8, or leave it out\n"
    )


@pytest.mark.parametrize("name", OF_ENGINES)
@pytest.mark.parametrize("engine", [[], ["--fp16", "--engine", "none"]])
def test_options_of_engines_are_for_engines(name: str, engine: list[str], tmp_path: Path) -> None:
    option = f"--{name.replace('_', '-')}"
    result = exporter(option, "1", *engine, tmp_path / "out")
    assert result.exit_code == 2
    assert f"error: {option} is for engines, and none are built" in result.stderr


@pytest.mark.parametrize("options", [["--engines-only"], ["--fp16", "--sm", "75"]])
def test_engines_that_nothing_here_can_build(
    options: list[str], tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "find_flavour", lambda _: None)
    out = tiny_bundle if "--engines-only" in options else tmp_path / "out"
    result = exporter(*options, out)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {options[-2] if '--sm' in options else options[0]} needs")
    assert "pip install" in line


def test_pictures_are_not_touched(tmp_path: Path) -> None:
    """``--save`` of ``qatm match`` is refused before the model is opened."""
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.zeros((64, 64, 3), np.uint8))
    options = ["--template", str(picture), "--model", str(tmp_path / "none")]
    result = CliRunner().invoke(app, ["match", str(picture), *options, "--save", str(picture)])
    assert result.exit_code == 2
    assert "would overwrite an input" in result.stderr
