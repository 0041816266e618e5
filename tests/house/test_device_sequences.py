"""Each sequence of docs/deployment.md runs with exactly the packages that it installs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from device_sequences import (
    DeviceSequence,
    arguments,
    device_sequences,
    names,
    runs_without_gpu,
    shortened,
)
from exact_extras import only_extras, requirements

from qatm.runtime import Bundle
from qatm.runtime.bundle.folder import MANIFEST
from qatm.tools.packing.pack import pack
from qatm.tools.packing.targets import find_target

SEQUENCES = device_sequences()


@pytest.fixture(scope="module")
def workplace(tiny_bundle, photographs, tmp_path_factory) -> Path:
    """A folder with what the commands name."""
    folder = tmp_path_factory.mktemp("device")
    pack(_with_int8(tiny_bundle, folder / "bundle"), find_target("cpu"), folder / "packed")
    cat = photographs["chelsea"]
    cv2.imwrite(str(folder / "first.jpg"), cat)
    cv2.imwrite(str(folder / "scene.jpg"), cat[4:, 6:])
    return folder


def _with_int8(source: Path, folder: Path) -> Bundle:
    """A bundle that has its features under the name of INT8 too."""
    shutil.copytree(source, folder)
    data = json.loads((folder / MANIFEST).read_text())
    name = "features.int8-cpu.onnx"
    shutil.copyfile(folder / "features.onnx", folder / name)
    data["files"][name] = {**data["files"]["features.onnx"], "precision": "int8-cpu"}
    (folder / MANIFEST).write_text(json.dumps(data))
    return Bundle.load(folder)


def test_the_page_has_sequences_with_commands():
    assert len(SEQUENCES) >= 4
    tried = [command for one in SEQUENCES for command in one.commands if runs_without_gpu(command)]
    for words in ("doctor --model", "check", "bench", "gpu_report"):
        assert any(words in command for command in tried)


def run(command: str, folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments(shortened(command))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("sequence", SEQUENCES, ids=names(SEQUENCES))
def test_a_sequence_runs_with_what_it_installs(sequence: DeviceSequence, workplace, tmp_path):
    extras = {*sequence.extras} | ({"opencv"} if sequence.beside else set())
    path = only_extras(extras, tmp_path)
    for command in filter(runs_without_gpu, sequence.commands):
        done = run(command, workplace, path)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_what_a_device_installs_hides_the_rest(tmp_path):
    path = only_extras(["standard"], tmp_path)
    code = """
import importlib.util
for absent in ("torch", "onnx", "onnxscript", "skimage", "scipy", "matplotlib", "polygraphy"):
    assert importlib.util.find_spec(absent) is None, absent
import cv2, numpy, onnxruntime, rich, typer
print("there")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "there\n", done.stderr


def test_only_the_extra_of_opencv_brings_one():
    from exact_extras import project

    for extra in project()["optional-dependencies"]:
        brings = any("opencv" in line for line in requirements([extra]))
        assert brings == (extra in ("opencv", "standard")), extra
    assert requirements([]) == ["numpy>=1.24.2"]
