"""Tests in several processes: each has its share of the cores, and what is costly is made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shared_folders import shared_folder
from worker_threads import VARIABLES, threads_per_worker

LIMITED = """
import sys
sys.path.insert(0, sys.argv[1])
from worker_threads import limit_threads

limit_threads(1)
import cv2, onnxruntime, torch

counts = [cv2.getNumThreads(), torch.get_num_threads()]
options = onnxruntime.SessionOptions()
counts.append(options.intra_op_num_threads)
options.intra_op_num_threads = 3
onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
print(*counts, options.intra_op_num_threads)
"""


def test_libraries_take_no_more_threads_than_they_are_given(tiny_bundle):
    support = Path(__file__).parents[1] / "support"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(support), str(tiny_bundle / "match.onnx")],
        env={name: value for name, value in os.environ.items() if name not in VARIABLES},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "1 1 1 3\n", done.stderr


@pytest.mark.parametrize(
    ("worker", "count", "cores", "threads"),
    [("gw0", "2", 2, 1), ("gw1", "2", 16, 8), ("gw0", "4", 2, 1), ("gw0", "1", 8, None)],
)
def test_workers_share_the_cores(monkeypatch, worker, count, cores, threads):
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", count)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert threads_per_worker() == threads


def test_tests_in_one_process_have_all_the_cores(monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    assert threads_per_worker() is None


class Factory:
    """pytest's maker of temporary folders, in the folder of one worker."""

    def __init__(self, base: Path) -> None:
        self.base = base
        base.mkdir()

    def getbasetemp(self) -> Path:
        return self.base

    def mktemp(self, name: str) -> Path:
        folder = self.base / f"{name}{len(list(self.base.iterdir()))}"
        folder.mkdir()
        return folder


def test_a_shared_folder_is_made_by_the_first_worker_only(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    workers = [Factory(tmp_path / name) for name in ("gw0", "gw1")]
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "costly").write_text("here")

    folders = {shared_folder(worker, "thing", make) for worker in workers}  # pyright: ignore[reportArgumentType]
    assert len(made) == len(folders) == 1
    assert (folders.pop() / "costly").read_text() == "here"


def test_a_shared_folder_that_fails_is_made_again(monkeypatch, tmp_path):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    factory, tries = Factory(tmp_path / "base"), []

    def make(folder: Path) -> None:
        tries.append(folder)
        (folder / "half").touch()
        if len(tries) == 1:
            raise OSError("no space left")
        (folder / "whole").touch()

    with pytest.raises(OSError, match="no space"):
        shared_folder(factory, "thing", make)  # pyright: ignore[reportArgumentType]
    folder = shared_folder(factory, "thing", make)  # pyright: ignore[reportArgumentType]
    assert {path.name for path in folder.iterdir()} == {"half", "whole"}
    assert folder.is_relative_to(tmp_path / "base")
