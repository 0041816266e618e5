"""The program in C++ is built and finds the same boxes as the one in Python.

``QATM_REQUIRE_CPP=1`` turns a test that is skipped for want of a compiler or of a library into a
failure. ``QATM_ORT_HEADERS`` names a folder with the headers of ONNX Runtime where the system has
none; the library is then that of the Python package.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BOX = "30,24,72,66"
PLACES = [(30, 24), (52, 30), (75, 41), None, (200, 150), (222, 139)]
LONGEST = 200
"""Lines of the program."""


def problem(reason: str) -> None:
    """Skip the test, or fail where it has to run."""
    if os.environ.get("QATM_REQUIRE_CPP") == "1":
        pytest.fail(f"QATM_REQUIRE_CPP=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def onnxruntime_root(tmp_path_factory) -> list[str]:
    """What tells CMake where ONNX Runtime is; nothing where the system has it."""
    headers = os.environ.get("QATM_ORT_HEADERS")
    if headers is None:
        return []
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "capi"
    (library,) = folder.glob("libonnxruntime.so.*")
    root = tmp_path_factory.mktemp("onnxruntime")
    (root / "lib").mkdir()
    (root / "include").symlink_to(headers)
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (root / "lib" / name).symlink_to(library)
    return [f"-DONNXRUNTIME_ROOT={root}"]


@pytest.fixture(scope="module")
def program(tmp_path_factory, onnxruntime_root) -> Path:
    """The program, built."""
    cmake = shutil.which("cmake")
    if cmake is None:
        problem("cmake is not installed")
    folder = tmp_path_factory.mktemp("cpp")
    made = [cmake, "-S", EXAMPLES / "cpp", "-B", folder, *onnxruntime_root]
    done = subprocess.run(list(map(str, made)), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        problem(f"CMake does not find what the program needs: {' '.join(lines[:3])}")
    built = subprocess.run(
        [str(cmake), "--build", str(folder)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "warning" not in built.stdout + built.stderr
    return folder / "find_and_follow"


@pytest.fixture(scope="module")
def frames(tmp_path_factory, photographs) -> Path:
    """Pictures of a film, without any loss: an object moves, is gone, and comes back elsewhere."""
    folder = tmp_path_factory.mktemp("frames")
    still = np.ascontiguousarray(photographs["coffee"][:260, :340])
    thing = photographs["astronaut"][30:96, 180:252]
    for number, place in enumerate(PLACES):
        frame = still.copy()
        if place is not None:
            x, y = place
            frame[y : y + 66, x : x + 72] = thing
        cv2.imwrite(str(folder / f"{number:02d}.png"), frame)
    return folder


def run(command: list[object]) -> tuple[int, list[list[float]], str]:
    """Exit status, the numbers of each line, and what was said on standard error."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=200
    )
    lines = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    return done.returncode, lines, done.stderr


def script(*arguments: object) -> tuple[int, list[list[float]], str]:
    return run([sys.executable, "-W", "error", EXAMPLES / "find_and_follow.py", *arguments])


def test_the_program_is_short():
    assert len((EXAMPLES / "cpp" / "find_and_follow.cpp").read_text().splitlines()) < LONGEST


def test_the_script_follows(find_bundle, frames):
    status, lines, error = script(find_bundle, frames / "%02d.png", BOX)
    assert (status, error) == (0, "")
    for number, (line, place) in enumerate(zip(lines, PLACES, strict=True)):
        assert line[:2] == [number, float(place is not None)]
        if place is not None:
            assert line[2] > 0.9
            assert line[3:] == pytest.approx([*place, 72, 66], abs=0.5)


def test_the_script_finds(find_bundle, frames):
    status, lines, _ = script(find_bundle, frames / "00.png", BOX, frames / "02.png")
    assert status == 0
    assert lines[0][3:] == pytest.approx([*PLACES[2], 72, 66], abs=0.5)
    status, lines, _ = script(find_bundle, frames / "00.png", BOX, frames / "03.png")
    assert (status, lines[0][1]) == (1, 0)


REFUSED = {
    "no arguments": ([], "usage"),
    "three numbers": (["00.png", "1,2,3"], "usage"),
    "five numbers": (["00.png", "1,2,3,4,5"], "usage"),
    "no numbers": (["00.png", "a,b,c,d"], "usage"),
    "no file": (["nothing.png", BOX], "nothing.png cannot be read"),
    "an empty file": (["empty.png", BOX], "empty.png cannot be read"),
    "no picture": (["00.png", BOX, "empty.png"], "empty.png cannot be read"),
    "a box elsewhere": (["00.png", "340,24,72,66"], "does not lie in the frame of 340x260"),
    "an empty box": (["00.png", "30,24,0,66"], "does not lie in the frame"),
    "a box without end": (["00.png", "30,24,1e9,66"], "does not lie in the frame"),
    "no box": (["00.png", "30,24,nan,66"], "does not lie in the frame"),
    "a small picture": (["00.png", BOX, "small.png"], "the picture is smaller than the object"),
}


def assert_refuses(command, bundle, frames, why):
    arguments, message = REFUSED[why]
    (frames / "empty.png").touch()
    cv2.imwrite(str(frames / "small.png"), np.zeros((30, 40, 3), np.uint8))
    places = [frames / each if each.endswith(".png") else each for each in arguments]
    status, lines, error = run([*command, bundle, *places])
    assert (status, lines) == (2, [])
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.parametrize("why", REFUSED)
def test_the_script_refuses(find_bundle, frames, why):
    command = [sys.executable, "-W", "error", EXAMPLES / "find_and_follow.py"]
    assert_refuses(command, find_bundle, frames, why)


@pytest.mark.parametrize("why", REFUSED)
def test_the_program_refuses(program, find_bundle, frames, why):
    assert_refuses([program], find_bundle, frames, why)


@pytest.mark.parametrize("bundle", ["nowhere", "damaged"])
def test_a_bundle_that_cannot_be_opened_is_one_line(program, frames, tmp_path, bundle):
    folder = tmp_path / bundle
    if bundle == "damaged":
        folder.mkdir()
        for role in ("encode", "find"):
            (folder / f"{role}.onnx").write_bytes(b"no graph")
    for command in ([sys.executable, EXAMPLES / "find_and_follow.py"], [program]):
        status, lines, error = run([*command, folder, frames / "00.png", BOX])
        assert (status, lines) == (2, [])
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert str(folder) in error


@pytest.mark.parametrize("source", ["%02d.png", "00.png"])
def test_both_programs_print_the_same(program, find_bundle, frames, source):
    more = [] if "%" in source else [frames / "02.png"]
    arguments = [find_bundle, frames / source, BOX, *more]
    expected = script(*arguments)
    found = run([program, *arguments])
    assert found[0] == expected[0]
    assert len(found[1]) == len(expected[1]) > 0
    for ours, theirs in zip(found[1], expected[1], strict=True):
        # The system may have another version of ONNX Runtime than Python.
        assert ours == pytest.approx(theirs, abs=0.01)
