"""Files that are written whole or not at all, their permissions, and folders that take them."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.runtime.files import (
    check_folder,
    move_over,
    part_name,
    whole,
    write_bytes,
    write_text,
)

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("runtime", "model", "calib", "export", "tools")
BY_HAND = re.compile(r"mkstemp|NamedTemporaryFile|os\.(replace|rename)\b|\.rename\(")

Umask = Callable[[int], None]


@pytest.fixture
def umask() -> Iterator[Umask]:
    """Sets the umask of the process until the test ends."""
    before = os.umask(0o022)
    os.umask(before)

    def give(bits: int) -> None:
        os.umask(bits)

    yield give
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_there_when_the_block_is_done_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with whole(path) as part:
        assert part.parent == tmp_path
        assert part.suffix == ".csv"
        assert part.name.startswith(".rows.")
        assert not path.exists()
        part.write_text("a,b\n")
    assert path.read_text() == "a,b\n"
    write_bytes(str(path), memoryview(b"\0\1"))
    assert path.read_bytes() == b"\0\1"
    write_text(path, "ü\r\n")
    assert path.read_bytes() == "ü\r\n".encode()
    assert os.listdir(tmp_path) == ["rows.csv"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(28, "full")])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_failure_leaves_what_was_there(
    tmp_path: Path, error: BaseException, old: str | None
) -> None:
    path = tmp_path / "a.txt"
    if old is not None:
        path.write_text(old)

    def fail() -> None:
        with whole(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert os.listdir(tmp_path) == ([] if old is None else ["a.txt"])
    assert old is None or path.read_text() == old


@pytest.mark.parametrize(("bits", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_of_any_new_file(
    tmp_path: Path, umask: Umask, bits: int, mode: int
) -> None:
    umask(bits)
    write_text(tmp_path / "ours", "")
    (tmp_path / "plain").touch()
    assert mode_of(tmp_path / "ours") == mode_of(tmp_path / "plain") == mode


@pytest.mark.parametrize("mode", [0o600, 0o604, 0o666, 0o444, 0o755])
def test_a_file_that_is_replaced_passes_on_its_permissions(
    tmp_path: Path, umask: Umask, mode: int
) -> None:
    umask(0o022)
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert path.read_text() == "new"
    assert mode_of(path) == mode


def test_only_permissions_are_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o4755)
    write_text(path, "new")
    assert mode_of(path) == 0o755


def test_libraries_that_go_by_the_ending_write_to_the_same_file(tmp_path: Path) -> None:
    with whole(tmp_path / "a.npz") as part:
        np.savez(part, rows=np.arange(3))
    assert os.listdir(tmp_path) == ["a.npz"]
    with np.load(tmp_path / "a.npz") as data:
        assert data["rows"].tolist() == [0, 1, 2]


def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with whole(path) as first, whole(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first", "the last to be done"
    assert os.listdir(tmp_path) == ["a"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    for name in ("n" * 251 + ".npz", "ü" * 125 + ".npz"):
        write_text(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("shared")
    (tmp_path / "a").symlink_to("shared")
    write_text(tmp_path / "a", "own")
    assert (tmp_path / "shared").read_text() == "shared"
    assert not (tmp_path / "a").is_symlink()


def refusal(path: Path) -> OSError:
    with pytest.raises(OSError, match="cannot be written: ") as caught:
        write_text(path, "x")
    assert caught.value.filename == str(path)
    return caught.value


def test_errors_name_the_file_and_keep_their_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(refusal(tmp_path / "gone" / "a"), FileNotFoundError)
    (tmp_path / "file").write_text("")
    assert isinstance(refusal(tmp_path / "file" / "a"), NotADirectoryError)
    assert isinstance(refusal(tmp_path), IsADirectoryError)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    error = refusal(tmp_path / "file")
    assert (error.errno, error.strerror) == (
        errno.ENOSPC,
        "cannot be written: No space left on device",
    )
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_about_another_file_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, whole(tmp_path / "out") as part:
        part.write_bytes((tmp_path / "source").read_bytes())
    assert str(caught.value.filename) == str(tmp_path / "source")
    assert not os.listdir(tmp_path)


def test_a_device_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "device or pipe" in str(refusal(pipe))
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(OSError, match="device or pipe"):
        move_over(tmp_path / "part", pipe)


def test_a_finished_file_gets_its_name(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("old")
    path.chmod(0o640)
    part = part_name(path)
    assert part != part_name(path)
    part.write_text("new")
    move_over(part, path)
    assert path.read_text() == "new"
    assert mode_of(path) == 0o640
    with pytest.raises(FileNotFoundError, match=r"cannot be written.*film\.mp4"):
        move_over(part, path)


def test_a_folder_that_takes_files_is_left_as_it_was(tmp_path: Path) -> None:
    check_folder(tmp_path, "--save x")
    check_folder(tmp_path / "new" / "deep", "--save x", make=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "deep"]


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_that_takes_no_files_is_refused(tmp_path: Path, make: bool) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "below" if make else tmp_path / "gone"
    words = f"^--save x: folder {folder} cannot be written to .*; choose another$"
    with pytest.raises(InputError, match=words):
        check_folder(folder, "--save x", make=make)


def test_no_other_module_renames_files_or_makes_temporary_ones() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if BY_HAND.search(path.read_text(encoding="utf-8"))
    }
    # Standard input is spooled to a temporary file, which never gets another name; what grows under
    # its own name moves aside what it replaces.
    assert found == {
        "runtime/files.py",
        "runtime/growing_file.py",
        "runtime/whole_folder.py",
        "runtime/bundle/publishing.py",
        "runtime/video/stdin.py",
    }
