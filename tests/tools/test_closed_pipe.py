"""A reader that has seen enough: commands stop quietly, with the status of what is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from eval_pairs import write_three

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")

QATM = [sys.executable, "-m", "qatm.tools.cli"]


def read_one_line(*arguments: object, lines: int = 1) -> tuple[int, list[str], str]:
    """Run a command whose reader closes the pipe after some lines: status, lines, stderr."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*QATM, *map(str, arguments)], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        seen = [pipe.readline() for _ in range(lines)]
    _, errors = process.communicate(timeout=300)
    return process.returncode, seen, errors


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, np.ndarray]) -> Path:
    """Many pictures with a spoon, and many without."""
    folder = tmp_path_factory.mktemp("scenes")
    coffee, rocket = photographs["coffee"], photographs["rocket"][:300, :400]
    for name, image in (("with", coffee[:, 100:500]), ("without", rocket)):
        (folder / name).mkdir()
        for number in range(4):
            cv2.imwrite(str(folder / name / f"{number}.png"), image)
    cv2.imwrite(str(folder / "frame.png"), coffee)
    return folder


SPOON = ("--box", "322,228,88,102", "--min-score", "0.3", "--json")


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["with"], 0),
        (["with", "without"], 0),
        (["without"], 1),
        (["nothing.png", "with"], 2),
    ],
)
def test_match_has_the_status_of_what_is_known(scenes: Path, names: list[str], status: int) -> None:
    images = [scenes / name for name in names]
    got, seen, errors = read_one_line("match", *images, "--frame", scenes / "frame.png", *SPOON)
    assert got == status
    assert json.loads(seen[0])["found"] is (names[0] != "without")
    assert [line for line in errors.splitlines() if "nothing.png" not in line] == []


def test_a_table_that_is_not_complete_is_not_written(scenes: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    options = ("--frame", scenes / "frame.png", *SPOON, "--csv", table)
    got, _, errors = read_one_line("match", scenes / "with", *options)
    assert got == 0
    assert errors.splitlines() == [
        f"warning: --csv {table} is not written: not all images were searched"
    ]
    assert not table.exists()


def test_verify_stops_quietly(scenes: Path) -> None:
    got, seen, errors = read_one_line(
        "verify", scenes / "with", scenes / "with" / "0.png", "--json"
    )
    assert (got, errors) == (0, "")
    assert json.loads(seen[0])["same_place"] is True


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, scenes: Path) -> Path:
    """A folder of frames, more than a pipe holds records of before its reader closes it."""
    folder = tmp_path_factory.mktemp("film")
    image = (scenes / "with" / "0.png").read_bytes()
    for number in range(30):
        (folder / f"{number:02d}.png").write_bytes(image)
    return folder


def test_track_stops_and_completes_its_files(film: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    got, seen, errors = read_one_line(
        "track", film, "--box", "222,228,88,102", "--json", "-", "--csv", table, lines=3
    )
    assert (got, errors) == (0, "")
    assert [json.loads(line)["frame"] for line in seen] == [0, 1, 2]
    rows = table.read_text(encoding="utf-8").splitlines()
    assert 3 <= len(rows) - 1 < 30, "it stopped"
    assert all(len(row.split(",")) == 10 for row in rows)


def test_nothing_known_is_not_not_found(film: Path) -> None:
    got, seen, errors = read_one_line(
        "track", film, "--box", "222,228,88,102", "--json", "-", lines=0
    )
    assert (got, seen, errors) == (0, [], "")


def test_eval_stops_quietly(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    write_three(tmp_path, photographs)
    options = ("--method", "ssd,ncc,zncc", "--processes", "2", "--json")
    got, seen, errors = read_one_line("eval", "otb", tmp_path, *options)
    assert (got, errors) == (0, "")
    assert json.loads(seen[0])["method"] == "ssd"


@pytest.mark.parametrize("arguments", [["--help"], ["match", "--help"], ["--version"], ["doctor"]])
def test_nobody_reads_at_all(arguments: list[str]) -> None:
    got, _, errors = read_one_line(*arguments, lines=0)
    assert (got, errors) == (0, "")


def test_nobody_reads_the_errors() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*QATM, "match", "nothing.png", "--template", "nothing.png"]
    done = subprocess.run(command, stderr=writer, stdout=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stdout) == (2, b"")


def run_closed(closed: str, *arguments: object) -> tuple[int, bytes]:
    """Run a command without some of its standard streams: its status and what it said."""
    command = [sys.executable, "-m", "qatm", *map(str, arguments)]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        capture_output=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("arguments", "status"), [(["--help"], 0), (["--version"], 0), (["doctor"], 0), (["match"], 2)]
)
def test_closed_streams_do_not_change_the_status(
    closed: str, arguments: list[str], status: int
) -> None:
    got, said = run_closed(closed, *arguments)
    assert got == status
    assert said.startswith(b"error: ") if status and "2>" not in closed else said == b""


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("name", "status"), [("with", 0), ("without", 1)])
def test_without_streams_the_work_is_done(
    scenes: Path, tmp_path: Path, closed: str, name: str, status: int
) -> None:
    image, picture = scenes / name / "0.png", tmp_path / "out.png"
    options = ("--frame", scenes / "frame.png", *SPOON, "--save", picture)
    assert run_closed(closed, "match", image, *options) == (status, b"")
    assert cv2.imread(str(picture)) is not None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    ("images", "box", "status", "lines"),
    [
        (["with/0.png"], "322,228,88,102", 0, 1),
        (["without/0.png"], "322,228,88,102", 1, 1),
        (["nothing.png", "with/0.png"], "322,228,88,102", 2, 1),
        (["with/0.png"], "9999,9,88,102", 2, 0),
        (["with/0.png"], "none", 2, 0),
    ],
)
def test_messages_that_cannot_be_written_change_nothing(
    scenes: Path, images: list[str], box: str, status: int, lines: int
) -> None:
    names = [scenes / name for name in images]
    options = ("--frame", scenes / "frame.png", "--box", box, "--min-score", "0.3", "--json")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [*QATM, "match", *map(str, names), *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            timeout=300,
            check=False,
        )
    assert (done.returncode, len(done.stdout.splitlines())) == (status, lines)
