"""Files that grow line by line, and what becomes of those that they replace."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qatm.runtime import growing_file
from qatm.runtime.growing_file import GrowingFile

OLD = "an old line\n" * 9


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let files have so many bytes only, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def old(folder: Path) -> Path:
    path = folder / "t.csv"
    path.write_text(OLD)
    return path


def test_what_is_replaced_stays_beside_until_the_end(tmp_path: Path) -> None:
    path = old(tmp_path)
    file = GrowingFile(path)
    assert names(tmp_path) == ["t.csv"]
    for count in (1, 2, 3):
        file.write("new\n")
        assert path.read_text() == "new\n" * count
        assert (tmp_path / "t.old.csv").read_text() == OLD
    file.close()
    file.close()
    assert names(tmp_path) == ["t.csv"]
    assert path.read_text() == "new\n" * 3


def test_a_process_that_ends_at_once_leaves_both(tmp_path: Path) -> None:
    path = old(tmp_path)
    for count in (1, 2):
        child = os.fork()
        if not child:
            GrowingFile(path).write(f"new {count}\n")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert path.read_text() == "new 2\n"
    assert (tmp_path / "t.old.csv").read_text() == OLD
    assert (tmp_path / "t.old-2.csv").read_text() == "new 1\n"
    file = GrowingFile(path)
    file.write("last\n")
    file.close()
    assert names(tmp_path) == ["t.csv", "t.old-2.csv", "t.old.csv"]


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = old(tmp_path)
    file = GrowingFile(path)
    with room_for(0), pytest.raises(OSError, match="File too large"):
        file.write("new\n")
    assert names(tmp_path) == ["t.csv"]
    assert path.read_text() == OLD
    file.write("new\n")
    with room_for(6), pytest.raises(OSError, match="File too large") as caught:
        file.write("more\n")
    assert caught.value.filename == str(path)
    file.close()
    assert path.read_text() == "new\n", "no half line"
    assert (tmp_path / "t.old.csv").read_text() == OLD


def test_links_permissions_and_other_things(tmp_path: Path) -> None:
    path = old(tmp_path)
    path.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    file = GrowingFile(link)
    file.write("new\n")
    assert (tmp_path / "t.old.csv").read_text() == OLD
    file.close()
    assert link.is_symlink()
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o640
    nowhere = GrowingFile(Path(os.devnull))
    nowhere.write("new\n")
    nowhere.close()
    assert Path(os.devnull).is_char_device()


def test_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", link)
    path = old(tmp_path)
    file = GrowingFile(path)
    file.write("new\n")
    assert (tmp_path / "t.old.csv").read_text() == OLD
    file.close()
    assert names(tmp_path) == ["t.csv"]


def test_a_folder_that_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old(tmp_path)
    monkeypatch.setattr(growing_file, "part_name", lambda path: path.parent / "none" / path.name)
    file = GrowingFile(path)
    file.write("new\n")
    assert path.read_text() == "new\n"
    file.close()
    assert names(tmp_path) == ["t.csv"]


def test_a_closed_file_says_so(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "t.csv")
    file.close()
    with pytest.raises(OSError, match="it is closed; open it anew"):
        file.write("new\n")


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_pipe_is_written_into_if_somebody_reads_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="a pipe that nobody reads"):
        GrowingFile(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    file = GrowingFile(pipe)
    file.write("new\n")
    file.close()
    assert os.read(reader, 9) == b"new\n"
    os.close(reader)
