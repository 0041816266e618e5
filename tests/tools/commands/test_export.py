"""``qatm-export``: what it writes, its help, and one line and status 2 for expected problems."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest

from qatm.export import bundle as bundle_writer
from qatm.export.engines.engine_options import EngineOptions, parse_shapes
from qatm.runtime import Bundle
from qatm.tools.commands import export as cli

COMMAND = [sys.executable, "-m", "qatm.tools.commands.export"]
TINY = ["--backbone", "mobilenet-v2", "--weights", "random", "--taps", "3"]


def shell(*args, cwd=None):
    command = [*COMMAND, *map(str, args)]
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env=environment,
    )


def refused(monkeypatch, capsys, *args) -> str:
    """Run the command here; the one line that it ends with."""
    monkeypatch.setattr(sys, "argv", ["qatm-export", *map(str, args)])
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", "-8")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert len(lines) == 1, output.err
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.slow
def test_export_from_a_shell(tmp_path):
    out = tmp_path / "new" / "bundle"
    result = shell(out, *TINY, "--alpha", "28.4", "--opset", "18", "--verbose")
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert "exporting features.onnx" in result.stderr
    assert "match.onnx: " in result.stderr
    assert "Warning" not in result.stderr
    spec = Bundle.load(out).spec
    assert (spec.opset, spec.recipes.match.alpha, spec.backbone.taps) == (18, 28.4, ("3",))
    assert {path.name for path in out.iterdir()} == {"bundle.json", *spec.files}
    for name in set(spec.files) - {"compare.npz"}:
        imports = {e.domain: e.version for e in onnx.load(str(out / name)).opset_import}
        assert imports[""] == 18


def test_help_says_what_the_options_mean():
    result = shell("--help")
    assert result.returncode == 0
    for word in ("--backbone", "--weights", "--taps", "--alpha", "--joint", "--opset", "runtime"):
        assert word in result.stdout


def test_wrong_usage_is_status_2_and_one_line():
    result = shell("--alpha", "much")
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: Invalid value for '--alpha': 'much' ")
    assert line.endswith("(see 'qatm-export --help')")


def test_errors_from_a_shell_have_no_traceback(tmp_path):
    result = shell(tmp_path / "out", *TINY, "--opset", "7")
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert "opset 7" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--backbone", "resnet50"], "resnet50"),
        (["--backbone", "vgg19"], "--weights"),
        (["--weights", "nowhere.pth"], "nowhere.pth"),
        (["--weights", "text.pth"], "text.pth"),
        (["--weights", "other.npz"], "Keras VGG"),
        (["--taps", "77"], "77"),
        (["--taps", "2,2"], "2, 2"),
        (["--taps", ""], "taps"),
        (["--alpha", "0"], "alpha is 0"),
        (["--alpha", "-25"], "alpha is -25"),
        (["--alpha", "nan"], "alpha is nan"),
        (["--opset", "7"], "opset 7"),
        (["--opset", "99"], "opset 99"),
    ],
)
def test_unusable_options(tmp_path, monkeypatch, capsys, options, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pth").write_text("not weights")
    kernel = np.zeros((3, 3, 3, 64), np.float32)
    np.savez(tmp_path / "other.npz", **{"block1_conv1/kernel": kernel})  # pyright: ignore[reportArgumentType]
    before = sorted(tmp_path.iterdir())
    line = refused(monkeypatch, capsys, "out", *options)
    assert word in line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--calib", "dark"], "add --int8"),
        (["--shapes", "480x640"], "--shapes is for engines"),
        (["--int8", "--engine", "none", "--sm", "75"], "--sm is for engines"),
        (["--int8", "--calib", "empty"], "holds no image"),
        (["--int8", "--calib", "junk.mp4"], "cannot be opened by OpenCV"),
        (["--int8", "--calib", "dark"], "is black or of one colour"),
        (["--int8", "--calib-method", "guess"], "'guess' is unknown"),
        (["--engine", "tensorrt-rtx", "--sm", "75,87"], "cannot build for SM 87; it has SM 75"),
        (["--engine", "tensorrt-rtx", "--shapes", "480x640:64x64:960x960"], "do not grow"),
        (["--engine", "tensorrt-rtx", "--shapes", "250x320"], "250 px is not a multiple"),
        (["--engine", "tensorrt-rtx", "--timing-cache", "times"], "has no timing cache"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_slow(
    tmp_path, monkeypatch, capsys, options, words
):
    if {"--sm", "--timing-cache"} & set(options) and "tensorrt-rtx" in options:
        pytest.importorskip("tensorrt_rtx")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "dark").mkdir()
    for name in "abcd":
        cv2.imwrite(str(tmp_path / "dark" / f"{name}.png"), np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "junk.mp4").write_bytes(b"junk")
    monkeypatch.setattr(bundle_writer, "write_onnx", None)
    assert words in refused(monkeypatch, capsys, "out", *TINY, *options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("below", [False, True])
def test_output_that_cannot_be_a_folder(tmp_path, monkeypatch, capsys, below):
    file = tmp_path / "file"
    file.write_text("kept")
    out = file / "out" if below else file
    assert str(file) in refused(monkeypatch, capsys, out, *TINY)
    assert file.read_text() == "kept"


def test_a_full_disk_is_named(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(bundle_writer, "write_onnx", full)
    line = refused(monkeypatch, capsys, tmp_path / "out", *TINY)
    assert f"{tmp_path / 'out'} cannot be written: No space left" in line
    assert list(tmp_path.iterdir()) == []


def test_missing_package_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [name for name in sys.modules if name.startswith("qatm.export.bundle")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("qatm.export.bundle", raising=False)
    line = refused(monkeypatch, capsys, tmp_path / "out")
    assert "onnx" in line
    assert 'pip install "qatm[export]"' in line


@pytest.mark.parametrize(
    ("shapes", "warned"),
    [
        ("480x640", ["480x640"]),
        ("16x16:480x640:480x640", []),
        ("96x96,128x128", ["96x96", "128x128"]),
    ],
)
def test_engines_for_a_single_size_are_warned_of(capsys, shapes, warned):
    cli.warn_of_single_sizes(EngineOptions(image_shapes=parse_shapes(shapes)))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(warned)
    for line, size in zip(lines, warned, strict=True):
        assert line.startswith(f"warning: --shapes {size} is one size")
        assert f"16x16:{size}:{size}" in line


def test_single_sizes_cost_nothing_without_turing(capsys):
    shapes = parse_shapes("480x640")
    cli.warn_of_single_sizes(EngineOptions(image_shapes=shapes, sm=(86, 89)))
    cli.warn_of_single_sizes(EngineOptions(image_shapes=shapes, engine="tensorrt"))
    assert capsys.readouterr().err == ""
