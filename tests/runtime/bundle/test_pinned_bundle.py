"""A bundle that is pinned by the hash of its manifest."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from bundle_copies import seal

from qatm.runtime import Bundle, BundleError, InputError, Matcher, Session
from qatm.runtime.bundle.folder import MANIFEST, default_bundle_path


def manifest_hash(folder: Path) -> str:
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))


def test_the_pinned_bundle_opens(bundle: Path) -> None:
    pinned = manifest_hash(bundle)
    for sha256 in (pinned, pinned.upper()):
        with Session(bundle, "cpu", sha256=sha256) as session, Matcher(session) as matcher:
            assert matcher.info.bundle == str(bundle)
    assert Bundle.load(bundle, sha256=pinned).path == bundle


def test_another_bundle_is_refused_although_it_is_whole(bundle: Path) -> None:
    pinned = manifest_hash(bundle)
    graph = bundle / "match.onnx"
    graph.write_bytes(graph.read_bytes() + b"\x72\x01x")
    seal(bundle, "match.onnx")
    assert Bundle.load(bundle, check=False)
    with pytest.raises(BundleError, match=f"{manifest_hash(bundle)} and not {pinned}"):
        Session(bundle, "cpu", sha256=pinned)


def test_a_manifest_that_is_worded_otherwise_is_another_one(bundle: Path) -> None:
    pinned = manifest_hash(bundle)
    manifest = bundle / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text())))
    with pytest.raises(BundleError, match="another bundle than the one that was pinned"):
        Bundle.load(bundle, sha256=pinned)


def test_a_graph_that_was_changed_is_refused_under_the_pinned_manifest(bundle: Path) -> None:
    graph = bundle / "features.onnx"
    data = bytearray(graph.read_bytes())
    data[-1] ^= 1
    graph.write_bytes(data)
    with pytest.raises(BundleError, match="does not have the SHA-256"):
        Session(bundle, "cpu", sha256=manifest_hash(bundle))


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, "0" * 63, 5, b"0" * 64])
def test_what_is_no_hash_is_refused(sha256: str) -> None:
    with pytest.raises(InputError, match=r"sha256 is .*; give 64 hexadecimal digits"):
        Session(device="cpu", sha256=sha256)


def test_a_loaded_bundle_was_pinned_when_it_was_loaded() -> None:
    bundle = Bundle.load(check=False)
    with pytest.raises(InputError, match=r"give it to Bundle\.load"):
        Session(bundle, "cpu", sha256="0" * 64)
