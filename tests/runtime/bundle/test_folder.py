"""Bundles on disk: found, checked, and refused with the reason."""

from __future__ import annotations

import hashlib
import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qatm.runtime import Bundle, BundleError, Matcher
from qatm.runtime.bundle import folder as folder_module
from qatm.runtime.bundle.folder import default_bundle_path, sha256_of


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the default bundle that a test may damage."""
    return Path(shutil.copytree(default_bundle_path(), tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest."""
    path = folder / "bundle.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def seal(folder: Path, name: str) -> None:
    """Make the manifest agree with a changed file."""
    data = (folder / name).read_bytes()
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    edit(folder, lambda manifest: manifest["files"][name].update(entry))


def refused(folder: Path, words: str) -> None:
    with pytest.raises(BundleError, match=words) as caught:
        Matcher(folder)
    assert len(str(caught.value).splitlines()) == 1


def test_the_default_bundle_is_whole() -> None:
    bundle = Bundle.load()
    for role in ("features", "match"):
        assert "fp32" in bundle.precisions(role)
        path = bundle.file(role, "fp32")
        assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
        assert bundle.file_hash(role, "fp32") == sha256_of(path)


def test_a_copy_is_as_good(copy: Path) -> None:
    assert Bundle.load(copy).spec == Bundle.load().spec
    assert Bundle.load(str(copy)).path == copy


def test_missing_file_and_empty_folder(tmp_path: Path) -> None:
    refused(tmp_path / "gone", "gone does not exist; give a folder")
    refused(tmp_path, r"holds no bundle\.json")
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "is a file; give a folder")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe\x00", b"null", b"[]", b'{"schema": 1}'])
def test_a_manifest_of_garbage(copy: Path, text: bytes) -> None:
    (copy / "bundle.json").write_bytes(text)
    refused(copy, r"bundle\.json (cannot be read|is not an object|is damaged)")


def test_a_truncated_manifest(copy: Path) -> None:
    text = (copy / "bundle.json").read_text()
    (copy / "bundle.json").write_text(text[: len(text) // 2])
    refused(copy, r"bundle\.json cannot be read")


def test_another_schema(copy: Path) -> None:
    edit(copy, lambda manifest: manifest.update(schema=99))
    refused(copy, "schema version 99, this runtime reads 1")


@pytest.mark.parametrize("name", ["features.onnx", "match.onnx"])
def test_a_file_is_missing_truncated_or_changed(copy: Path, name: str) -> None:
    file = copy / name
    data = file.read_bytes()
    file.write_bytes(data[:-100])
    refused(copy, f"{name} has {len(data) - 100} bytes instead of {len(data)}")
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    refused(copy, f"{name} does not have the SHA-256")
    file.unlink()
    refused(copy, f"{name} is missing")


def test_a_graph_that_the_runtime_cannot_load(copy: Path) -> None:
    (copy / "features.onnx").write_bytes(b"not a graph")
    seal(copy, "features.onnx")
    refused(copy, r"features\.onnx is no ONNX file")


def test_a_role_without_a_file(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["files"].pop("match.onnx"))
    refused(copy, r"no fp32 match graph \(it has: none\)")


def test_an_absent_precision_is_refused() -> None:
    with pytest.raises(BundleError, match=r"no int8 features graph .*it has: .*fp32"):
        Bundle.load().file("features", "int8")


def test_files_may_have_other_names(copy: Path) -> None:
    (copy / "features.onnx").rename(copy / "f.onnx")
    edit(copy, lambda m: m["files"].update({"f.onnx": m["files"].pop("features.onnx")}))
    with Matcher(copy) as matcher:
        assert "f.onnx" in matcher.info.hashes


def test_a_bundle_can_be_read_without_its_graphs(copy: Path) -> None:
    (copy / "features.onnx").write_bytes(b"")
    (copy / "match.onnx").unlink()
    bundle = Bundle.load(copy, check=False)
    assert bundle.spec == Bundle.load().spec
    assert bundle.file_hash("match", "fp32") == Bundle.load().file_hash("match", "fp32")
    with pytest.raises(BundleError, match=r"match\.onnx is missing"):
        bundle.file("match", "fp32")
    with pytest.raises(BundleError, match="has 0 bytes"):
        bundle.file("features", "fp32")
    with pytest.raises(BundleError, match="no int8 match graph"):
        bundle.file_hash("match", "int8")
    with pytest.raises(BundleError, match="has 0 bytes"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", ["é" * 200, "n" * 256])
def test_names_that_are_too_long_for_systems(copy: Path, name: str) -> None:
    edit(copy, lambda data: data["files"].update({name: data["files"].pop("features.onnx")}))
    refused(copy, "not a plain name")


def test_a_name_that_a_system_may_have(copy: Path) -> None:
    name = "é" * 127
    edit(copy, lambda data: data["files"].update({name: data["files"].pop("features.onnx")}))
    refused(copy, "is missing")


def listed(folder: Path, name: str, role: str, size: int) -> None:
    """List a file without contents that takes no place on the disk."""
    with (folder / name).open("wb") as file:
        file.truncate(size)
    entry = {"role": role, "precision": "fp32", "inputs": [], "outputs": []}
    edit(
        folder,
        lambda data: data["files"].update({name: {**entry, "sha256": "0" * 64, "bytes": size}}),
    )


def test_a_bundle_of_too_many_bytes(copy: Path) -> None:
    listed(copy, "w.bin", "x-weights", 3 << 30)
    refused(copy, "bytes in its files, and at most .*set QATM_MAX_BUNDLE_BYTES")


def test_a_graph_of_too_many_bytes(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QATM_MAX_FILE_BYTES", "1000000")
    refused(copy, "features.onnx has .* bytes, and at most 1,000,000 .*set QATM_MAX_FILE_BYTES")


def test_weights_are_hashed_in_pieces(copy: Path) -> None:
    size = 1 << 28
    listed(copy, "w.bin", "x-weights", size)
    digest = hashlib.sha256()
    for _ in range(size >> 20):
        digest.update(bytes(1 << 20))
    edit(copy, lambda data: data["files"]["w.bin"].update(sha256=digest.hexdigest()))
    bundle = Bundle.load(copy)
    tracemalloc.start()
    try:
        assert bundle.file_problems() == {}
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()
    with (copy / "w.bin").open("r+b") as file:
        file.write(b"x")
    assert "does not have the SHA-256" in bundle.file_problems()["w.bin"]


def test_too_little_memory_for_a_graph(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, most: int) -> tuple[bytes, str]:
        raise MemoryError

    monkeypatch.setattr(folder_module, "read_hashed", full)
    refused(copy, r"cannot be read \(too little memory\)")
