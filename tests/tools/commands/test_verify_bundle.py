"""``qatm bundle verify``: the hash that pins a bundle, and what it says of damaged ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from bundle_copies import seal
from typer.testing import CliRunner

from qatm.runtime.bundle.folder import MANIFEST, default_bundle_path
from qatm.tools.cli import app


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))


def manifest_hash(folder: Path) -> str:
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def verify(*words: str | Path) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    done = CliRunner().invoke(app, ["bundle", "verify", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def damage(path: Path) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_whole_bundle_and_what_pins_it(bundle: Path) -> None:
    digest = manifest_hash(bundle)
    assert verify(bundle) == (0, f"{digest}  {bundle / MANIFEST}\n", "")
    assert verify(bundle, "--sha256", digest.upper())[0] == 0
    assert verify()[1].startswith(manifest_hash(default_bundle_path()))


def test_another_bundle_although_it_is_whole(bundle: Path) -> None:
    pinned = manifest_hash(bundle)
    damaged = bundle / "network.npz"
    damaged.write_bytes(damaged.read_bytes() + b"x")
    seal(bundle, "network.npz")
    assert verify(bundle)[0] == 0
    status, said, told = verify(bundle, "--sha256", pinned)
    assert (status, said) == (1, f"{manifest_hash(bundle)}  {bundle / MANIFEST}\n")
    assert f"{MANIFEST} does not have the SHA-256 {pinned}; it is another bundle" in told


def test_each_damaged_or_missing_file_is_named(bundle: Path) -> None:
    damage(bundle / "features.onnx")
    (bundle / "place.onnx").unlink()
    status, said, told = verify(bundle, "--json")
    record = json.loads(said)
    assert (status, record["passed"], record["sha256"]) == (1, False, manifest_hash(bundle))
    assert [Path(line.split()[0]).name for line in record["problems"]] == [
        "features.onnx",
        "place.onnx",
    ]
    assert told.count("failed: ") == 2


def test_a_damaged_sidecar_is_a_problem_and_engines_are_not_pinned(bundle: Path) -> None:
    (bundle / "match.fp32.tensorrt.sm86.engine.json").write_text("{")
    status, _, told = verify(bundle)
    assert status == 1
    assert "note: engines are not in bundle.json, so its hash does not pin them: 1" in told
    assert "failed: " in told


def test_what_cannot_be_read_is_no_verdict(tmp_path: Path, bundle: Path) -> None:
    (bundle / MANIFEST).write_text("{")
    for words in ((tmp_path / "none",), (bundle,), ("--sha256", "abc"), (bundle, "--sha256", "")):
        status, said, told = verify(*words)
        assert (status, said, told.count("\n")) == (2, "", 1)
        assert told.startswith("error: ")
