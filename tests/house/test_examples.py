"""The examples are run as a user runs them, on generated videos."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_scene import moving, write_video

from qatm.runtime import frames

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BELT = (360, 160)
STEP = 24
GAP = 110


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / script), *map(str, arguments)],
        env={**os.environ, "OPENCV_FFMPEG_LOGLEVEL": "-8"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def products(photographs) -> dict[str, np.ndarray]:
    """Pictures of two products."""
    return {
        "eye": cv2.resize(photographs["chelsea"][60:150, 110:210], (64, 58)),
        "badge": cv2.resize(photographs["astronaut"][344:426, 132:212], (60, 62)),
    }


def belt(
    products: dict[str, np.ndarray], order: list[str], photographs: dict[str, np.ndarray]
) -> list[np.ndarray]:
    """Frames of a belt that moves to the right, with products in this order on it."""
    count = (BELT[0] + GAP * len(order)) // STEP
    wide = (BELT[0] + count * STEP, BELT[1])
    texture = np.asarray(cv2.resize(photographs["coffee"][300:400], wide) // 3 + 60, np.uint8)
    shots = []
    for number in range(count):
        moved = number * STEP
        frame = texture[:, wide[0] - BELT[0] - moved : wide[0] - moved].copy()
        for place, name in enumerate(order):
            piece = products[name]
            h, w = piece.shape[:2]
            x, y = moved - GAP * place - w, 40 + 10 * place
            if 0 <= x <= BELT[0] - w:
                frame[y : y + h, x : x + w] = piece
        shots.append(frame)
    return shots


def test_there_are_examples():
    scripts = {"conveyor.py", "find_and_follow.py", "webcam_tracker.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == scripts
    assert len((EXAMPLES / "webcam_tracker.py").read_text().splitlines()) < 40


def test_webcam_tracker(tmp_path, photographs):
    shots = moving(photographs, 6)
    film = write_video(tmp_path / "film.avi", [image for image, _ in shots])
    saved = tmp_path / "tracked.avi"
    done = run("webcam_tracker.py", film, "--box", "30,70,64,58", "--save", saved)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert [line.split(": ")[0].split()[1] for line in lines][-1] == "0.20"
    for line, (_, truth) in zip(lines, shots[1:], strict=True):
        box = [float(value) for value in line.split(": ")[1].split(",")]
        assert box == pytest.approx(truth, abs=4)
    assert len(list(frames(saved))) == 5


def test_conveyor(tmp_path, products, photographs):
    for name, picture in products.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    order = ["eye", "badge", "badge"]
    film = write_video(tmp_path / "belt.avi", belt(products, order, photographs))
    named = [f"{name}={tmp_path / name}.png" for name in products]
    done = run("conveyor.py", film, *named, "--line", 200)
    assert done.returncode == 0, done.stderr
    *events, eyes, badges = done.stdout.splitlines()
    assert [event.split(": ")[1] for event in events] == ["eye 1", "badge 1", "badge 2"]
    assert (eyes, badges) == ("eye: 1", "badge: 2")


def test_conveyor_counts_a_product_that_is_missed_for_a_moment(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from conveyor import LineCounter, Product  # pyright: ignore[reportMissingImports]

    counter = LineCounter(100, 20)
    places = {"nut": [70, 85, None, None, 130, 145], "bolt": [101, 99, 80, 60, None, None]}
    for step in range(6):
        here = {kind: seen[step] for kind, seen in places.items()}
        counter.update(Product(kind, x, 5) for kind, x in here.items() if x is not None)
    assert counter.counts == {"nut": 1, "bolt": 1}
    counter.update([Product("nut", 20, 5)])
    counter.update([Product("nut", 180, 5)])
    assert counter.counts["nut"] == 1, "too far for the same product"
