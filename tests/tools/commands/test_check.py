"""``qatm check``: exit statuses, the table, JSON lines, and the worst place on failure."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qatm.export.parity import proof as parity
from qatm.export.parity.parity_scenes import ParityScene
from qatm.runtime import Bundle
from qatm.runtime.bundle.folder import MANIFEST, default_align_path, default_bundle_path
from qatm.runtime.bundle.sidecar import SIDECAR_SCHEMA
from qatm.tools.cli import app

SMALL = (ParityScene(40, 56, (16, 12)),)


def check(*args, columns=160):
    environment = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["check", *map(str, args)], env=environment)


def refused(result, *words):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


@pytest.fixture(autouse=True)
def few_cases(monkeypatch) -> None:
    """One small case instead of all."""
    monkeypatch.setattr(parity.compare_bundle, "__defaults__", (SMALL,))


@pytest.fixture
def wrong(tiny_bundle, tmp_path) -> Path:
    """A bundle whose manifest names another alpha than its graphs have."""
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "wrong"))
    data = json.loads((folder / MANIFEST).read_text())
    data["recipes"]["match"]["alpha"] = 5.0
    (folder / MANIFEST).write_text(json.dumps(data))
    return folder


@pytest.mark.parametrize("columns", [80, 160])
def test_passed(tiny_bundle, columns):
    result = check(tiny_bundle, columns=columns)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "passed" in result.stdout
    assert "FAIL" not in result.stdout
    for word in ("features", "match.onnx", "joint.onnx", "quality", "box", "px"):
        assert word in result.stdout


def test_json_is_one_object_per_comparison(tiny_bundle):
    result = check(tiny_bundle, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    # Features twice, by our judge and by polygraphy; the joined map; the chain, three ways of
    # matching and two of placing; the joint graph; the network that compares pixels.
    assert len(records) == 3 + 3 + 1 + 4 + 3 * 4 + 2 * 4 + 3 + 3
    assert all(record["passed"] for record in records)
    assert all(0 <= record["error"] <= record["tolerance"] for record in records)


def test_failed_names_the_worst_place(wrong):
    result = check(wrong)
    assert result.exit_code == 1
    assert "FAIL" in result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("failed: ")
    assert any(name in line for name in ("match.onnx", "place.onnx", "joint.onnx"))
    assert "40x56" in line


def test_failed_in_json(wrong):
    result = check(wrong, "--json")
    assert result.exit_code == 1
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert any(not record["passed"] for record in records)
    assert result.stderr.startswith("failed: ")


def test_damaged_and_foreign_engines_fail_without_a_gpu(tiny_bundle, tmp_path):
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "engines"))
    spec = Bundle.load(folder).spec
    sound = {
        "flavour": "tensorrt",
        "version": "10.3.0",
        "sm": [87],
        "role": "match",
        "precision": "fp32",
        "layers": {},
        "profiles": [],
        "source": "match.onnx",
        "source_sha256": spec.files["match.onnx"].sha256,
        "sha256": hashlib.sha256(b"engine").hexdigest(),
        "bytes": len(b"engine"),
        "build_seconds": 1.0,
        "options": {},
        "key": "",
    }
    for name, data, change in (
        ("sound", b"engine", {}),
        ("damaged", b"Engine", {}),
        ("foreign", b"engine", {"source_sha256": "0" * 64}),
    ):
        (folder / f"{name}.engine").write_bytes(data)
        record = {"schema": SIDECAR_SCHEMA, **sound, "file": f"{name}.engine", **change}
        (folder / f"{name}.engine.json").write_text(json.dumps(record))
    result = check(folder, "--json")
    assert result.exit_code == 1
    damaged, foreign = result.stderr.splitlines()
    assert "damaged.engine does not have the SHA-256 of its sidecar" in damaged
    assert "foreign.engine was built from another match.onnx" in foreign


def test_default_is_the_bundle_in_the_package():
    result = check("--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {json.loads(line)["artefact"] for line in result.stdout.splitlines()} == {
        "features.onnx",
        "features.onnx, poses",
        "features.onnx + match.onnx",
        "match.onnx",
        "place.onnx",
        "network.onnx",
        "follow.onnx",
        "compare.onnx",
    }


def test_other_weights_are_said(tiny_bundle, tmp_path):
    import torch

    from qatm.model import build_backbone

    file = tmp_path / "mine.pth"
    network = build_backbone("mobilenet-v2", "random", ("18",), seed=1).network
    torch.save(network.state_dict(), file)
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "copied"))
    data = json.loads((folder / MANIFEST).read_text())
    data["backbone"]["weights"]["sha256"] = "00"
    (folder / MANIFEST).write_text(json.dumps(data))
    result = check(folder, "--weights", file)
    assert result.exit_code == 1
    warning, failure = result.stderr.splitlines()
    assert warning.startswith("warning: ")
    assert "mine.pth" in warning
    assert failure.startswith("failed: features.onnx")


def test_refused(tiny_bundle, tmp_path):
    refused(check(tmp_path / "nowhere"), "nowhere")
    refused(check(tmp_path), MANIFEST)
    refused(check(tiny_bundle, "--weights", tmp_path / "no.pth"), "no.pth", "not found")
    refused(check(tiny_bundle, "--size"), "--size")
    refused(check(tiny_bundle, tiny_bundle))


@pytest.fixture
def no_pytorch(monkeypatch) -> None:
    """A machine that has what a device installs."""
    for package in ("torch", "onnx", "onnxscript", "polygraphy"):
        monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith(("qatm.export.", "qatm.model"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("qatm.export.parity", raising=False)
    from qatm.export.parity import device_proof

    monkeypatch.setattr(device_proof.compare_on_device, "__defaults__", (SMALL,))


@pytest.mark.usefixtures("no_pytorch")
def test_without_pytorch_everything_is_held_against_fp32_and_numpy(tiny_bundle):
    result = check(tiny_bundle, "--json")
    assert result.exit_code == 0, result.output
    notes = result.stderr.splitlines()
    assert all(note.startswith("note: ") for note in notes)
    assert len(notes) == 3
    assert any("compared with FP32 on this CPU" in note for note in notes)
    for name in ("compare.onnx", "compare.npz"):
        assert any(f"of {name} only the hash is checked" in note for note in notes)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert {record["artefact"] for record in records} == {
        *("features.onnx", "match.onnx", "place.onnx", "joint.onnx")
    }
    assert all(record["passed"] for record in records)
    assert {record["reference"] for record in records} == {"numpy"}


@pytest.mark.usefixtures("no_pytorch")
def test_without_pytorch_wrong_arithmetic_is_found(wrong):
    result = check(wrong)
    assert result.exit_code == 1
    assert "FAIL" in result.stdout
    line = result.stderr.splitlines()[-1]
    assert line.startswith(("failed: match.onnx", "failed: place.onnx", "failed: joint.onnx"))


@pytest.mark.usefixtures("no_pytorch")
def test_without_pytorch_no_weights_can_be_compared(tiny_bundle, tmp_path):
    refused(check(tiny_bundle, "--weights", tmp_path / "w"), "--weights", '"qatm[export]"')


@pytest.mark.usefixtures("no_pytorch")
def test_without_any_library_there_is_nothing_to_check_with(tiny_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = check(tiny_bundle)
    assert result.exit_code == 2
    assert 'pip install "qatm[cpu]"' in result.stderr


def test_the_self_test_is_asked_where_it_is_packed_for(tiny_bundle, tmp_path):
    pack = tmp_path / "pack"
    arguments = ["bundle", "pack", str(tiny_bundle), str(pack), "--for", "cpu"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    result = check(pack, "--json")
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in result.stdout.splitlines()]
    answers = [record for record in records if "selftest" in record]
    assert {(one["device"], one["precision"]) for one in answers} == {("cpu", "fp32")}
    assert {one["selftest"] for one in answers} >= {"box", "score", "found"}
    assert "self-test" in check(pack).stdout
    result = check(pack, "--device", "tensorrt")
    assert result.exit_code == 1
    assert "failed: self-test on tensorrt does not run: " in result.stderr


@pytest.mark.parametrize("default", [default_bundle_path, default_align_path])
def test_a_pack_without_the_weights_of_its_networks_passes(default, tmp_path):
    pack = tmp_path / "pack"
    arguments = ["bundle", "pack", str(default()), str(pack), "--for", "cpu"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    result = check(pack, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "passed" in result.stdout
    notes = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    networks = ("network.onnx", "follow.onnx", "compare.onnx")
    files = [name for name in networks if (pack / name).is_file()]
    assert len(notes) == len(files)
    for name in files:
        assert any(f"of {name} only the hash is checked: its weights" in note for note in notes)
    assert not list(pack.glob("*.npz"))


def test_a_wrong_answer_fails(tiny_bundle, tmp_path):
    pack = tmp_path / "pack"
    arguments = ["bundle", "pack", str(tiny_bundle), str(pack), "--for", "cpu"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    file = pack / "selftest" / "selftest.json"
    data = json.loads(file.read_text())
    data["answer"]["box"][0] += 3.0
    file.write_text(json.dumps(data))
    result = check(pack)
    assert result.exit_code == 1
    assert "failed: self-test on cpu fp32: box " in result.stderr
    file.write_text("{}")
    refused(check(pack), "selftest.json", "pack the bundle again")


def test_a_device_is_for_packed_bundles(tiny_bundle):
    refused(check(tiny_bundle, "--device", "cpu"), "has none", "qatm bundle pack")
    refused(check(tiny_bundle, "--device", "tpu"), "'tpu' is unknown")


def test_help():
    result = check("--help")
    assert result.exit_code == 0
    for word in ("--weights", "--json", "numpy", "Exit status"):
        assert word in result.stdout
