from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from qatm.runtime import Matcher, __version__, read_image
from qatm.tools.cli import app
from qatm.tools.evaluation.device import diagnosis, probes

HEAVY = ("torch", "onnx", "onnxruntime", "matplotlib", "scipy", "skimage", "tensorrt")
BOX = (322, 228, 88, 102)
MARK = ",".join(str(value) for value in BOX)
SURE, IMPOSSIBLE = ["--min-score", "0.3"], ["--min-score", "1"]


def qatm(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def shell(*args, code="from qatm.tools.cli import main; main()"):
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def refused(result, *words):
    """Wrong input: status 2, one line on stderr with these words, nothing on stdout."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("error: ")
    for word in words:
        assert word in result.stderr


@pytest.fixture(scope="session")
def pictures(tmp_path_factory, photographs) -> Path:
    """A folder with a frame, scenes with and without the spoon, and files that are no images."""
    folder = tmp_path_factory.mktemp("pictures")
    coffee = photographs["coffee"]
    x, y, w, h = BOX
    cv2.imwrite(str(folder / "frame.png"), coffee)
    cv2.imwrite(str(folder / "spoon.png"), coffee[y : y + h, x : x + w])
    mask = np.zeros(coffee.shape[:2], np.uint8)
    cv2.ellipse(mask, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, 255, cv2.FILLED)
    cv2.imwrite(str(folder / "mask.png"), mask)
    scenes = folder / "scenes"
    scenes.mkdir()
    moved = np.roll(coffee, (-24, -40), (0, 1))
    cv2.imwrite(str(scenes / "with.jpg"), moved[:340, :520])
    cv2.imwrite(str(scenes / "without.jpg"), photographs["rocket"][:300, :400])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image")
    (folder / "cut.png").write_bytes((folder / "frame.png").read_bytes()[:5000])
    (folder / "none").mkdir()
    return folder


@pytest.fixture
def spoon(pictures) -> list[str]:
    """The options that show the object in its frame."""
    return ["--frame", str(pictures / "frame.png"), "--box", MARK]


# --- the program as a whole


def test_help_is_light_and_names_the_commands():
    code = (
        "import sys\nfrom qatm.tools.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    status = stop.code\n"
        f"print('HEAVY', [m for m in {HEAVY} if m in sys.modules])\nsys.exit(status)"
    )
    result = shell("--help", code=code)
    assert result.returncode == 0
    assert "HEAVY []" in result.stdout
    for command in ("match", "check", "bench", "doctor"):
        assert command in result.stdout


def commands_of(group, *above):
    """The words of every command, also of those in groups."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, *above, name)
        else:
            yield (*above, name)


@pytest.mark.parametrize("command", list(commands_of(typer.main.get_command(app))), ids=" ".join)
def test_every_command_has_help(command):
    result = qatm(*command, "--help")
    assert not re.search(r"<\w[^=>]*>|list\[|\bPath\b", result.output), "a type of Python"
    assert result.exit_code == 0
    assert "Usage" in result.stdout
    assert "Exit status: 0" in result.stdout
    assert "completion" not in result.stdout, "that is an option of qatm itself"


def test_doctor_by_itself_has_the_same_help():
    lines = shell(
        "doctor", "--help", code="from qatm.tools.start import qatm; qatm()"
    ).stdout.split()
    assert lines == qatm("doctor", "--help").stdout.split()


def test_version():
    result = qatm("--version")
    assert (result.exit_code, result.stdout) == (0, f"qatm {__version__}\n")


def test_no_command_shows_help_and_is_wrong_usage():
    assert qatm().exit_code == 2


@pytest.mark.parametrize("args", [["bogus"], ["--bogus"], ["match", "a.png", "--bogus"], ["match"]])
def test_wrong_usage_is_one_line(args):
    refused(qatm(*args), "--help")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_shell_completion_script(name, monkeypatch):
    monkeypatch.setenv("_QATM_COMPLETE", f"source_{name}")
    result = CliRunner().invoke(app, [], prog_name="qatm")
    assert result.exit_code == 0
    assert "_QATM_COMPLETE" in result.stdout


def test_shell_completion_completes(monkeypatch):
    monkeypatch.setenv("_QATM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "qatm match --device te")
    monkeypatch.setenv("COMP_CWORD", "3")
    result = CliRunner().invoke(app, [], prog_name="qatm")
    assert result.stdout.split() == ["tensorrt", "tensorrt-rtx"]


def test_as_a_program(pictures, spoon):
    module = [sys.executable, "-m", "qatm.tools.cli", "match", str(pictures / "scenes")]
    run = subprocess.run(
        [*module, *spoon, "--json", *SURE], capture_output=True, text=True, check=False, timeout=60
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert [json.loads(line)["found"] for line in run.stdout.splitlines()] == [True, False]
    run = subprocess.run(
        [*module, *spoon[:3], "1,2"], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


# --- match: what it prints


def test_scores_of_another_backbone_are_not_called_calibrated(tiny_bundle, pictures, spoon):
    scene = pictures / "scenes" / "with.jpg"
    result = qatm("match", scene, *spoon, "--json", "--model", tiny_bundle)
    (line,) = result.stdout.splitlines()
    assert json.loads(line)["calibrated"] is False
    (note,) = result.stderr.splitlines()
    assert note.startswith("note: no score was fitted for mobilenet-v2:3+6: scores rank, ")
    other = qatm("verify", scene, scene, "--json", "--model", tiny_bundle)
    assert json.loads(other.stdout)["calibrated"] is False
    aligned = qatm("align", scene, scene, "--json", "--model", tiny_bundle)
    assert json.loads(aligned.stdout)["calibrated"] is False
    tracks = qatm(
        "track", pictures / "scenes", "--box", "8,8,60,60", "--json", "-", "--model", tiny_bundle
    )
    assert [json.loads(line)["calibrated"] for line in tracks.stdout.splitlines()] == [False, False]
    assert "no score was fitted" in tracks.stderr


def test_json_is_exactly_this(pictures, spoon):
    scene = pictures / "scenes" / "with.jpg"
    result = qatm("match", scene, *spoon, "--json", *SURE)
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    record = json.loads(line)
    assert list(record) == ["image", "found", "matches", "calibrated", "ms"]
    assert record["calibrated"] is True
    assert record["image"] == str(scene)
    assert record["found"] is True
    assert record["ms"] > 0
    (match,) = record["matches"]
    assert list(match) == [
        "box",
        "score",
        "found",
        "template",
        "index",
        "angle",
        "scale",
        "corners",
        "margin",
        "transform",
    ]
    assert match["found"] is True
    assert 0 <= match["score"] <= 1
    assert match["score"] == round(match["score"], 4)
    assert match["box"] == [round(value, 2) for value in match["box"]]
    assert match["box"] == pytest.approx((BOX[0] - 40, BOX[1] - 24, BOX[2], BOX[3]), abs=3)


def test_absent_object_has_its_best_candidate_and_status_1(pictures, spoon):
    result = qatm("match", pictures / "scenes" / "without.jpg", *spoon, "--json", *SURE)
    assert (result.exit_code, result.stderr) == (1, "")
    record = json.loads(result.stdout)
    assert record["found"] is False
    assert [match["found"] for match in record["matches"]] == [False]


def test_min_score_decides(pictures, spoon):
    scene = pictures / "scenes" / "with.jpg"
    assert qatm("match", scene, *spoon, *IMPOSSIBLE).exit_code == 1
    assert qatm("match", scene, *spoon, "--min-score", "0").exit_code == 0


def test_top_lists_more(pictures, spoon):
    scene = pictures / "scenes" / "with.jpg"
    result = qatm("match", scene, *spoon, "--json", "--top", "3", "--min-score", "0")
    scores = [match["score"] for match in json.loads(result.stdout)["matches"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_lines_for_people(pictures, spoon):
    result = qatm("match", pictures / "scenes", *spoon, *SURE)
    first, second = result.stdout.splitlines()
    assert "with.jpg: found, score " in first
    assert "without.jpg: not found, best candidate, score 0." in second
    assert " ms)" in first


def test_template_alone_and_mask(pictures, spoon):
    scene = pictures / "scenes" / "with.jpg"
    alone = qatm("match", scene, "--template", pictures / "spoon.png", "--json", "--min-score", "0")
    masked = qatm("match", scene, *spoon, "--mask", pictures / "mask.png", "--json", *SURE)
    for result in (alone, masked):
        assert result.exit_code == 0, result.output
        box = json.loads(result.stdout)["matches"][0]["box"]
        assert box[:2] == pytest.approx((BOX[0] - 40, BOX[1] - 24), abs=12)


def test_files_folders_and_patterns_in_the_order_given(pictures, spoon, monkeypatch):
    monkeypatch.chdir(pictures)
    result = qatm("match", "frame.png", "scenes", "scenes/*out.jpg", *spoon, "--json")
    names = [json.loads(line)["image"] for line in result.stdout.splitlines()]
    scenes = ["scenes/with.jpg", "scenes/without.jpg", "scenes/without.jpg"]
    assert names == ["frame.png", *(str(Path(name)) for name in scenes)]


def test_names_that_a_terminal_cannot_show(pictures, spoon, tmp_path):
    odd = tmp_path / "szene-\N{SNOWMAN}.jpg"
    odd.write_bytes((pictures / "scenes" / "with.jpg").read_bytes())
    ascii_only = CliRunner(charset="ascii")
    result = ascii_only.invoke(app, ["match", str(odd), *spoon, "--json"])
    assert json.loads(result.stdout)["image"] == str(odd)
    result = ascii_only.invoke(app, ["match", str(odd), *spoon, *SURE])
    assert result.exit_code == 0
    assert r"szene-\u2603.jpg" in result.stdout


# --- match: --save


@pytest.mark.parametrize("name", ["found.png", "found.jpg", "new/found.png"])
def test_save_one_picture(pictures, spoon, tmp_path, name):
    target = tmp_path / name
    result = qatm("match", pictures / "scenes" / "with.jpg", *spoon, "--save", target, *SURE)
    assert result.exit_code == 0, result.output
    picture = read_image(target)
    assert picture.shape[0] > 340
    assert picture.shape[1] > 2 * 520
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_save_several_pictures_in_a_folder(pictures, spoon, tmp_path):
    folder = tmp_path / "out"
    result = qatm("match", pictures / "scenes", *spoon, "--save", folder, "--json", *SURE)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "with-match.png",
        "without-match.png",
    ]


def test_save_refuses_what_cannot_be_written(pictures, spoon, tmp_path):
    scenes = pictures / "scenes"
    blocked = pictures / "text.jpg" / "out"
    refused(qatm("match", scenes, *spoon, "--save", blocked), "cannot be written to", str(blocked))
    refused(qatm("match", scenes, *spoon, "--save", tmp_path / "a.png"), "name a folder")
    one = scenes / "with.jpg"
    refused(qatm("match", one, *spoon, "--save", tmp_path / "a.gif"), ".png")
    before = one.read_bytes()
    refused(qatm("match", one, *spoon, "--save", one), "overwrite")
    refused(qatm("match", one, *spoon, "--save", pictures / "frame.png"), "overwrite")
    assert one.read_bytes() == before
    assert not list(tmp_path.iterdir())


def test_full_disk_while_saving(pictures, spoon, tmp_path, monkeypatch):
    def full(path, data):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    target = tmp_path / "out.png"
    result = qatm("match", pictures / "scenes" / "with.jpg", *spoon, "--save", target)
    assert result.exit_code == 2
    assert result.stderr == f"error: {target}: cannot be written: No space left on device\n"
    assert len(result.stdout.splitlines()) == 1, "the result is not lost"
    assert not list(tmp_path.iterdir())


# --- match: bad input


@pytest.mark.parametrize("name", ["nowhere.png", "empty.png", "text.jpg", "cut.png", "none"])
def test_unreadable_image(pictures, spoon, name):
    refused(qatm("match", pictures / name, *spoon, "--json"), name)


@pytest.mark.parametrize("name", ["nowhere.png", "empty.png", "text.jpg", "cut.png", "none"])
@pytest.mark.parametrize("option", ["--template", "--frame"])
def test_unreadable_template(pictures, name, option):
    box = ["--box", MARK] if option == "--frame" else []
    refused(qatm("match", pictures / "frame.png", option, pictures / name, *box), name)


@pytest.mark.parametrize("bad", ["nowhere.png", "empty.png", "none", "no*.png", "tiny.png"])
def test_bad_image_among_good_ones_loses_nothing(pictures, spoon, tmp_path, bad):
    cv2.imwrite(str(tmp_path / "tiny.png"), np.zeros((9, 9, 3), np.uint8))
    bad_path = (tmp_path if bad == "tiny.png" else pictures) / bad
    scenes = pictures / "scenes"
    result = qatm(
        "match", scenes / "with.jpg", bad_path, scenes / "without.jpg", *spoon, "--json", *SURE
    )
    assert result.exit_code == 2
    names = [Path(json.loads(line)["image"]).name for line in result.stdout.splitlines()]
    assert names == ["with.jpg", "without.jpg"]
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert str(bad_path) in line


@pytest.mark.parametrize(
    "box", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1;2;3;4", "10,10,0,5", "10,10,5,-5", "1,2,nan,4"]
)
def test_bad_box(pictures, box):
    args = ["match", pictures / "frame.png", "--frame", pictures / "frame.png", "--box", box]
    refused(qatm(*args), "--box")


@pytest.mark.parametrize("box", ["600,0,50,50", "-80,10,50,50", "0,400.5,10,10"])
def test_box_outside_the_frame(pictures, box):
    args = ["match", pictures / "frame.png", "--frame", pictures / "frame.png", "--box", box]
    refused(qatm(*args), "600x400")


def test_bad_box_says_what_is_expected(pictures):
    args = ["match", pictures / "frame.png", "--frame", pictures / "frame.png", "--box", "1 2 3 4"]
    refused(qatm(*args), "X,Y,W,H", "120,80,64,64")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--box", MARK],
        ["--frame", "frame.png"],
        ["--template", "spoon.png", "--box", MARK],
        ["--template", "spoon.png", "--frame", "frame.png"],
        ["--template", "spoon.png", "--frame", "frame.png", "--box", MARK],
    ],
)
def test_options_that_do_not_go_together(pictures, monkeypatch, options):
    monkeypatch.chdir(pictures)
    refused(qatm("match", "scenes/with.jpg", *options), "--")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--top", "0"),
        ("--top", "-1"),
        ("--top", "many"),
        ("--min-score", "1.1"),
        ("--min-score", "-0.1"),
        ("--min-score", "nan"),
        ("--device", "tpu"),
        ("--precision", "fp8"),
        ("--model", "nowhere"),
        ("--mask", "nowhere.png"),
        ("--mask", "spoon.png"),
        ("--precision", "int8"),
        ("--device", "tensorrt"),
    ],
)
def test_option_values_that_cannot_be(pictures, spoon, monkeypatch, option, value):
    monkeypatch.chdir(pictures)
    mask = ["--box", "1,1,50,50"] if value == "spoon.png" else []
    refused(qatm("match", "scenes/with.jpg", *spoon, *mask, option, value))


def test_template_larger_than_the_image(pictures):
    args = ["match", pictures / "spoon.png", "--template", pictures / "frame.png"]
    refused(qatm(*args), "spoon.png", "larger")


# --- doctor


def test_doctor_says_what_works():
    result = qatm("doctor", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    report = json.loads(line)
    assert report["ok"] is True
    assert report["versions"]["qatm"] == __version__
    assert report["versions"]["numpy"] == np.__version__
    assert report["devices"]["cpu"] == {"works": True, "detail": "CPUExecutionProvider, fp32"}
    assert report["providers"]["CPUExecutionProvider"]["works"] is True
    assert report["bundle"]["valid"] is True
    with Matcher() as matcher:
        assert report["matcher"] == matcher.info.as_dict()
        assert report["bundle"]["path"] == matcher.info.bundle
    assert report["bundle"]["calibrated"] == {
        "match": True,
        "track": True,
        "align": False,
        "verify": True,
    }
    assert "calibrated: true for match, track, verify; calibrated: false for align" in (
        qatm("doctor").stdout
    )


def test_doctor_for_people():
    result = qatm("doctor")
    assert result.exit_code == 0
    for word in ("numpy", "onnxruntime", "NVIDIA", "Matcher() works here: "):
        assert word in result.stdout


def test_doctor_without_a_usable_model(monkeypatch, tmp_path):
    monkeypatch.setattr("qatm.runtime.bundle.folder.default_bundle_path", lambda: tmp_path)
    result = qatm("doctor", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert report["matcher"] is None
    assert "bundle.json" in report["problems"][0]
    assert "pip install" in report["advice"][0]
    assert "does not work here" in qatm("doctor").stdout


def test_doctor_without_onnxruntime(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(probes, "wheel_version", lambda *_: None)
    monkeypatch.setattr(probes, "_has_module", lambda *_: False)
    report = diagnosis.examine()
    assert report["ok"] is False
    assert report["providers"] == {}
    assert 'pip install "qatm[cpu]"' in report["problems"][0]
    assert "qatm[cpu]" in report["advice"][0]
    assert any("qatm[export]" in line for line in report["advice"])


def test_doctor_names_clashing_packages(monkeypatch):
    monkeypatch.setattr(probes, "wheel_version", lambda *_: "1.0")
    both = {"opencv-python-headless": "4.8.0.76", "opencv-python": "4.9.0.80"}
    monkeypatch.setattr(probes, "opencv_wheels", lambda: both)
    report = diagnosis.examine()
    assert any("onnxruntime and onnxruntime-gpu" in line for line in report["problems"])
    assert any("opencv-python-headless and opencv-python" in line for line in report["problems"])
    assert report["advice"][0] == (
        "one OpenCV: pip uninstall -y opencv-python-headless opencv-python, then pip install "
        "--force-reinstall --no-deps opencv-python"
    )
    assert "uninstall -y onnxruntime onnxruntime-gpu" in report["advice"][1]


def test_doctor_names_an_opencv_that_is_hidden(monkeypatch, tmp_path):
    (tmp_path / "cv2").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(probes, "opencv_wheels", lambda: {"opencv-python-headless": "4.8.0.76"})
    report = diagnosis.examine()
    assert report["ok"]
    assert report["opencv"]["hidden"] == [str(tmp_path / "cv2")]
    (problem,) = report["problems"]
    assert f"the OpenCV in {tmp_path / 'cv2'} is hidden by" in problem
    assert "pip uninstall opencv-python-headless" in report["advice"][0]


def test_doctor_tries_a_bundle_of_yours(tiny_bundle, tmp_path):
    result = qatm("doctor", "--model", str(tiny_bundle), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["bundle"]["path"] == report["matcher"]["bundle"] == str(tiny_bundle)
    assert report["bundle"]["backbone"].startswith("mobilenet-v2")
    result = qatm("doctor", "--model", str(tmp_path / "none"), "--json")
    assert result.exit_code == 1
    assert "none does not exist" in json.loads(result.stdout)["problems"][0]


def test_doctor_sees_damage_in_files_that_it_does_not_run(tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "joint.onnx").write_bytes(b"cut short")
    result = qatm("doctor", "--model", str(tmp_path / "bundle"))
    assert "joint.onnx has 9 bytes instead of" in result.stdout


def test_doctor_sees_a_provider_that_falls_back(monkeypatch):
    import onnxruntime

    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    if probes.cuda_driver()["works"]:
        pytest.skip("CUDA may work here")
    # Without a driver it is not tried, as ONNX Runtime would log to stderr.
    assert "NVIDIA driver" in probes.providers()["CUDAExecutionProvider"]["detail"]
    monkeypatch.setattr(probes, "driver_problem", lambda: None)
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        tried = probes.providers()
    assert tried["CUDAExecutionProvider"]["works"] is False
    assert tried["CPUExecutionProvider"]["works"] is True


def test_doctor_advises_the_gpu_wheel_where_there_is_a_gpu():
    report = {
        "versions": dict.fromkeys(
            ("onnxruntime", "torch", "onnx", "onnxscript", "scikit-image"), "1"
        )
        | {"onnxruntime-gpu": None},
        "gpu": {"works": True, "cuda": "13.1"},
        "devices": {"cuda": {"works": False}, "cpu": {"works": True}},
        "bundle": {"valid": True},
        "opencv": {"works": True, "wheels": {"opencv-python": "4.9.0.80"}, "hidden": []},
    }
    (line,) = diagnosis.advice(report)
    assert "qatm[gpu]" in line
    report["gpu"]["cuda"] = "12.4"
    (line,) = diagnosis.advice(report)
    assert "qatm[gpu-cu12]" in line
    report["versions"] |= {"onnxruntime": None, "onnxruntime-gpu": "1"}
    (line,) = diagnosis.advice(report)
    assert "cuDNN" in line
    report["devices"]["cuda"]["works"] = True
    assert diagnosis.advice(report) == []


def test_folder_of_stubs_is_not_a_package(monkeypatch, tmp_path):
    (tmp_path / "stubs_only").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not probes._has_module("stubs_only")


def test_a_package_that_fails_to_load_is_not_there(monkeypatch, tmp_path):
    (tmp_path / "fails").mkdir()
    (tmp_path / "fails" / "__init__.py").write_text("raise RuntimeError('another version')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert not probes._has_module("fails.inside")
    assert not probes._has_module("nothing.at.all")
    assert probes._has_module("json")


@pytest.mark.gpu
def test_doctor_names_the_gpu():
    gpu = probes.cuda_driver()
    assert gpu["works"] is True
    assert "compute capability" in gpu["gpus"][0]
    assert float(gpu["cuda"]) >= 11
