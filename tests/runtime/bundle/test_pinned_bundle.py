"""A bundle that is pinned by the hash of its manifest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from bundle_copies import seal

from qatm.runtime import (
    Aligner,
    Bundle,
    BundleError,
    InputError,
    Matcher,
    MultiTracker,
    Session,
    Tracker,
    Verifier,
)
from qatm.runtime.bundle.folder import MANIFEST, default_align_path, default_bundle_path
from qatm.runtime.session_task import SessionTask


def manifest_hash(folder: Path) -> str:
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


TASKS: dict[str, Callable[..., SessionTask]] = {
    "Matcher": Matcher,
    "Tracker": Tracker,
    "MultiTracker": MultiTracker,
    "Aligner": Aligner,
    "Verifier": partial(Verifier, np.arange(96 * 96 * 3, dtype=np.uint8).reshape(96, 96, 3)),
}


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


@pytest.mark.parametrize("task", TASKS)
def test_each_task_opens_the_pinned_bundle_and_no_other(bundle: Path, task: str) -> None:
    pinned = manifest_hash(bundle)
    with TASKS[task](bundle, "cpu", threads=1, sha256=pinned) as opened:
        assert opened.bundle.sha256 == pinned
    with pytest.raises(BundleError, match=f"{pinned} and not {'0' * 64}"):
        TASKS[task](bundle, "cpu", sha256="0" * 64)
    with pytest.raises(InputError, match="sha256 is 'abc'; give 64"):
        TASKS[task](bundle, "cpu", sha256="abc")


@pytest.mark.parametrize("task", TASKS)
def test_a_session_was_pinned_when_it_was_opened(task: str) -> None:
    with Session(device="cpu", threads=1) as session:
        with pytest.raises(InputError, match=r"sha256 is '000.*give sha256 to the Session"):
            TASKS[task](session, sha256="0" * 64)
        with pytest.raises(InputError, match=r"give it to Bundle\.load"):
            TASKS[task](session.bundle, sha256="0" * 64)
        assert session.users == 1


def test_the_packaged_bundle_of_a_task_is_the_one_that_is_pinned() -> None:
    with Aligner(device="cpu", threads=1, sha256=manifest_hash(default_align_path())) as aligner:
        assert aligner.bundle.path == default_align_path()
    with pytest.raises(BundleError, match="another bundle"):
        Aligner(device="cpu", sha256=manifest_hash(default_bundle_path()))


def test_a_bundle_says_what_pins_it(bundle: Path) -> None:
    assert Bundle.load(bundle).sha256 == manifest_hash(bundle)


def test_every_listed_file_is_hashed_again_when_asked(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    assert loaded.file_problems() == {}
    weights = bundle / "network.npz"
    state, data = weights.stat(), bytearray(weights.read_bytes())
    data[100] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(state.st_atime_ns, state.st_mtime_ns))
    (bundle / "place.onnx").unlink()
    found = loaded.file_problems()
    assert set(found) == {"network.npz", "place.onnx"}
    assert "does not have the SHA-256" in found["network.npz"]
    assert "is missing" in found["place.onnx"]


def test_a_saved_tracker_goes_on_with_the_pinned_bundle(bundle: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    with Tracker(bundle, "cpu", threads=1) as tracker:
        tracker.init(picture, (20, 20, 40, 40))
        tracker.save(tmp_path / "t.npz")
    pinned = manifest_hash(bundle)
    with Tracker.load(tmp_path / "t.npz", bundle, "cpu", threads=1, sha256=pinned) as tracker:
        assert tracker.bundle.sha256 == pinned
    with pytest.raises(BundleError, match="another bundle"):
        Tracker.load(tmp_path / "t.npz", bundle, "cpu", sha256="0" * 64)
