"""Command lines that nobody means: one line that says so, before any work."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a picture, and two links that lead to each other."""
    image = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    (tmp_path / "one.csv").symlink_to("other.csv")
    (tmp_path / "other.csv").symlink_to("one.csv")
    (tmp_path / "one.png").symlink_to("one.png")
    return tmp_path


def run(folder: Path, module: str, *arguments: str) -> tuple[int, str, float]:
    """Exit status, what stderr says and the seconds of a command."""
    began = time.perf_counter()
    program = f"from qatm.tools.{module} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    return done.returncode, done.stderr, time.perf_counter() - began


SHOW = ("match", "--frame", "a.png", "--box", "20,20,40,40", "a.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("match", ""), "an argument is empty; give one, '.' for the current folder"),
        ((*SHOW, "--csv="), "--csv has no value; give one"),
        ((*SHOW, "--top", "2", "--top=3"), "--top is given twice, and takes one value"),
        ((*SHOW, "--csv", "a", "--csv", "b"), "--csv is given twice, and takes one value"),
        ((*SHOW, "--csv", ""), "--csv has no value; give one"),
        ((*SHOW, ""), "an argument is empty; give one"),
        ((*SHOW, "--min-score", "nan"), "nan"),
        ((*SHOW, "--top", "9" * 23), "error: --top is a number of 77 bits; give a whole number"),
        (("track", "a.png", "--multi", "0,0,1e6,1"), "1,000,000 times as long as wide"),
        (("track", "a.png", "--box", "0,0,1e6,1"), "1,000,000 times as long as wide"),
        (("match", "--frame", "one.png", "--box", "20,20,40,40", "a.png"), "one.png"),
        ((*SHOW, "--model", "/dev/null"), "bundle /dev/null is a file"),
    ],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    status, said, _ = run(folder, "cli", *arguments)
    assert status == 2, said
    assert words in said
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_standard_input_that_cannot_be_read(folder: Path) -> None:
    program = "from qatm.tools.cli import main; main()"
    line = f"'{sys.executable}' -c '{program}' track - --box 20,20,40,40 --json - 0>written.txt"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=folder, check=False)
    words = "error: standard input cannot be read: Bad file descriptor\n"
    assert (done.returncode, done.stderr) == (2, words)


@pytest.mark.skipif(sys.platform == "win32", reason="keeps folders that are in use")
def test_a_folder_that_is_gone_is_named(folder: Path) -> None:
    gone = folder / "gone"
    gone.mkdir()
    program = (
        "import os; os.rmdir(os.getcwd()); import sys; sys.argv[1:] = "
        "['match', '--template', sys.argv[1], sys.argv[1], '--save', 'c.png']; "
        "from qatm.tools.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder / "a.png")],
        capture_output=True,
        text=True,
        cwd=gone,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: current folder: No such file or directory"), done.stderr


@pytest.mark.parametrize("option", ["--csv", "--save"])
def test_outputs_that_are_loops_of_links(folder: Path, option: str) -> None:
    target = {"--csv": "one.csv", "--save": "one.png"}[option]
    status, said, _ = run(folder, "cli", *SHOW, option, target)
    assert "Traceback" not in said
    # A link is replaced, wherever it leads.
    assert status in (0, 1)
    assert (folder / target).is_file()


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "0", "-1"])
def test_factors_that_cannot_be_computed_with(folder: Path, value: str) -> None:
    pytest.importorskip("torch")
    status, said, _ = run(folder, "commands.export", "--alpha", value, "out")
    assert status == 2
    assert "alpha is" in said
    assert len(said.splitlines()) == 1
    assert not (folder / "out").exists()
