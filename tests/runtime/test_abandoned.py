"""What killed processes leave is removed by the next writer, what living ones hold is not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qatm.runtime.files import (
    STAGE,
    held_folder,
    part_name,
    remove_abandoned,
    whole,
    write_text,
    writing,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the system has no locks of this kind")

KILLED = """
import sys, tempfile, time
from pathlib import Path
from qatm.runtime.files import STAGE, held_folder, whole
folder = Path(sys.argv[1])
stage = Path(tempfile.mkdtemp(prefix=STAGE, dir=folder))
with held_folder(stage), whole(folder / "a.json") as part:
    part.write_text("half")
    (stage / "features.onnx").write_text("half")
    print("ready", flush=True)
    time.sleep(100)
"""


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def killed_writer(folder: Path) -> subprocess.Popen[str]:
    """A process that writes a file and a folder; it waits to be killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with killed_writer(tmp_path) as process:
        assert len(hidden(tmp_path)) == 2
        write_text(tmp_path / "b.txt", "while it lives")
        assert len(hidden(tmp_path)) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(hidden(tmp_path)) == 2
    write_text(tmp_path / "b.txt", "when it is dead")
    assert hidden(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    names = [".a.part", ".hidden", ".a.0123456789ab.port.txt", ".a.0123456789AB.part.txt", "x.part"]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / "target").write_text("linked")
    link = part_name(tmp_path / "a.txt")
    link.symlink_to(tmp_path / "target")
    (tmp_path / f"{STAGE}notes").write_text("a file, not a folder")
    folder = part_name(tmp_path / "b.txt")
    folder.mkdir()
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *names,
        "target",
        link.name,
        folder.name,
        f"{STAGE}notes",
    }


def test_what_was_just_made_is_not_held_yet(tmp_path: Path) -> None:
    made = part_name(tmp_path / "a.txt")
    made.touch()
    stage = tmp_path / f"{STAGE}abc"
    stage.mkdir()
    remove_abandoned(tmp_path)
    assert made.exists()
    assert stage.exists()
    before = time.time() - 60
    for path in (made, stage):
        os.utime(path, (before, before))
    with writing(part_name(tmp_path / "c.txt")), held_folder(stage):
        remove_abandoned(tmp_path)
        assert not made.exists()
        assert stage.exists()
    remove_abandoned(tmp_path)
    assert not stage.exists()


def test_a_writer_in_a_folder_of_many_files_looks_at_few(tmp_path: Path) -> None:
    for number in range(1100):
        (tmp_path / f"{number}.txt").touch()
    with whole(tmp_path / "last.txt") as part:
        part.write_text("x")
    assert (tmp_path / "last.txt").read_text() == "x"
    shutil.rmtree(tmp_path)
    remove_abandoned(tmp_path)


def test_an_export_cleans_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from qatm.export.staging import staging_folder

    with killed_writer(tmp_path) as process:
        process.kill()
        process.wait()
    with staging_folder(tmp_path) as stage:
        assert hidden(tmp_path) == [stage.name]
    assert hidden(tmp_path) == []
