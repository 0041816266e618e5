"""Folders are written whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qatm.runtime import whole_folder as folders
from qatm.runtime.whole_folder import whole_folder


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    with whole_folder(out) as part:
        (part / "one").write_text("1")
        assert not out.exists()
    with pytest.raises(FileNotFoundError), whole_folder(out) as part:
        shutil.copyfile(tmp_path / "nothing", part / "two")
    assert [path.name for path in out.iterdir()] == ["one"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_folder_that_is_there_is_replaced_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("kept until the end")
    with whole_folder(out) as part:
        (part / "new").write_text("new")
        assert (out / "old").is_file()
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="cannot be written"), whole_folder(tmp_path / "file" / "out"):
        pass


@pytest.mark.parametrize("exchanged", [True, False])
def test_systems_that_exchange_names_and_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanged: bool
) -> None:
    if not exchanged:
        monkeypatch.setattr(folders, "_swap", lambda *_: False)
    for number in range(3):
        with whole_folder(tmp_path / "out") as part:
            (part / "number").write_text(str(number))
        assert (tmp_path / "out" / "number").read_text() == str(number)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
