"""A bundle is replaced at one moment: before and after it, what stands there is whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from qatm.runtime import Bundle, BundleError
from qatm.runtime.bundle.folder import MANIFEST, default_bundle_path
from qatm.runtime.bundle.publishing import PENDING, finish, is_pending, publish


def renamed_copy(folder: Path, label: str) -> Path:
    """The default bundle, its source named so that it can be told from others."""
    shutil.copytree(default_bundle_path(), folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["backbone"]["weights"]["source"] = label
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def label(folder: Path) -> str:
    return Bundle.load(folder).spec.backbone.weights["source"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return renamed_copy(tmp_path / "bundle", "old")


@pytest.fixture
def stage(folder: Path) -> Path:
    return renamed_copy(folder / ".writing-1", "new")


def test_what_is_published_replaces_what_was_there(folder: Path, stage: Path) -> None:
    (folder / "notes.txt").write_text("the user's own")
    before = {path.name for path in folder.iterdir()} - {stage.name}
    publish(stage, folder)
    assert label(folder) == "new"
    assert {path.name for path in folder.iterdir()} == before


def test_files_without_a_manifest_are_added_to_the_bundle_that_is_there(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    added = {"a.engine": b"engine", "a.engine.json": b"{}"}
    stage = folder / ".writing-1"
    stage.mkdir()
    for name, data in added.items():
        (stage / name).write_bytes(data)
    publish(stage, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before | added


def test_files_without_a_manifest_need_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "a.engine").write_bytes(b"engine")
    with pytest.raises(FileNotFoundError, match=MANIFEST):
        publish(tmp_path / "stage", tmp_path)
    assert not (tmp_path / "a.engine").exists()


def test_what_only_the_bundle_before_had_is_removed(folder: Path, stage: Path) -> None:
    listed = json.loads((stage / MANIFEST).read_text())
    del listed["files"]["follow.onnx"]
    (stage / MANIFEST).write_text(json.dumps(listed))
    (stage / "follow.onnx").unlink()
    stage.rename(folder / PENDING)
    assert label(folder) == "new"
    assert not (folder / "follow.onnx").exists()


def test_files_that_only_have_the_name_of_one_of_the_bundle_stay(folder: Path, stage: Path) -> None:
    (folder / "thesis.txt").write_text("the user's own")
    before = json.loads((folder / MANIFEST).read_text())
    before["files"]["thesis.txt"] = before["files"]["match.onnx"]
    (folder / MANIFEST).write_text(json.dumps(before))
    stage.rename(folder / PENDING)
    assert label(folder) == "new"
    assert (folder / "thesis.txt").read_text() == "the user's own"


def test_what_waits_is_the_bundle_already(folder: Path, stage: Path) -> None:
    (stage / "match.onnx").rename(folder / "match.onnx")
    stage.rename(folder / PENDING)
    assert label(folder) == "new"
    assert not (folder / PENDING).exists()


def test_the_next_writer_moves_what_waits_first(folder: Path, stage: Path) -> None:
    stage.rename(folder / PENDING)
    publish(renamed_copy(folder / ".writing-2", "third"), folder)
    assert label(folder) == "third"
    assert not (folder / PENDING).exists()


def test_what_cannot_be_moved_is_refused_before_anything_changes(folder: Path, stage: Path) -> None:
    (stage / "extra.onnx").write_bytes(b"1")
    (folder / "extra.onnx").mkdir()
    with pytest.raises(OSError, match="it is a folder"):
        publish(stage, folder)
    assert label(folder) == "old"


def test_a_folder_that_leads_elsewhere_is_no_part_of_a_bundle(
    folder: Path, stage: Path, tmp_path: Path
) -> None:
    stage.rename(tmp_path / "elsewhere")
    (folder / PENDING).symlink_to(tmp_path / "elsewhere")
    assert not is_pending(folder)
    assert label(folder) == "old"
    assert (tmp_path / "elsewhere" / MANIFEST).is_file()


def test_links_that_wait_stay_where_they_are(folder: Path, stage: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("kept")
    (stage / "link").symlink_to(tmp_path / "secret")
    stage.rename(folder / PENDING)
    finish(folder)
    assert not (folder / "link").exists()
    assert label(folder) == "new"


def test_a_bundle_that_is_replaced_while_it_is_read(
    folder: Path, stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Bundle._checked_load

    def late(*arguments: Any, **options: Any) -> Bundle:
        if stage.exists():
            publish(stage, folder)
            raise BundleError("its graphs are of another one")
        return read(*arguments, **options)

    monkeypatch.setattr(Bundle, "_checked_load", late)
    assert label(folder) == "new"
