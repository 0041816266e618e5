"""``qatm match`` for turned and resized objects, for several objects, and its table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from qatm.runtime import DeviceError, read_image
from qatm.runtime.drawing.labels import FOUND_COLOUR
from qatm.runtime.match.pose import Pose, outline_overlap
from qatm.tools.cli import app
from qatm.tools.commands import match as command
from qatm.tools.scenes.stickers import posed, warp

EYE, NOSE = (132, 80, 78, 68), (178, 150, 70, 60)
POSE = Pose(230.0, 150.0, 100.0, 0.8)

SIDE = np.array([[1.25, 0.15, -15.0], [0.0, 0.85, 20.0]])
"""The cat stretched and slanted."""


def qatm(*args: object) -> Any:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def mark(box: tuple[int, ...]) -> str:
    return ",".join(map(str, box))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, np.ndarray]) -> Path:
    """A cat, the cat turned and resized about its eye, a picture without it, two cut-outs."""
    place = tmp_path_factory.mktemp("turned")
    cat = photographs["chelsea"]
    x, y, w, h = EYE
    matrix = posed((2 * x + w, 2 * y + h), (POSE.x, POSE.y), POSE.angle, POSE.scale)
    pictures = {
        "cat.png": cat,
        "turned.png": warp(cat, matrix, (460, 320)),
        "aside.png": warp(cat, SIDE, (460, 320)),
        "moved.png": cat[5:, 10:],
        "eye.png": cat[y : y + h, x : x + w],
        "nose.png": cat[NOSE[1] : NOSE[1] + NOSE[3], NOSE[0] : NOSE[0] + NOSE[2]],
    }
    for name, picture in pictures.items():
        assert cv2.imwrite(str(place / name), picture)
    return place


def one_match(result: Any) -> dict[str, Any]:
    (line,) = result.stdout.splitlines()
    (match,) = json.loads(line)["matches"]
    return match


def test_a_turned_object_is_found_with_its_pose(folder: Path, tmp_path: Path) -> None:
    saved, table = tmp_path / "found.png", tmp_path / "new" / "found.csv"
    result = qatm(
        "match", folder / "turned.png", "--frame", folder / "cat.png", "--box", mark(EYE),
        "--rotation", 180, "--scale", 2, "--json", "--save", saved, "--csv", table,
    )  # fmt: skip
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    match = one_match(result)
    assert match["found"]
    assert match["template"] == "cat"
    assert match["angle"] == pytest.approx(POSE.angle, abs=1)
    assert match["scale"] == pytest.approx(POSE.scale, rel=0.02)
    assert match["corners"] == pytest.approx(POSE.corners((78, 68)), abs=1.5)
    corners = np.array(match["corners"])
    assert match["box"][:2] == pytest.approx(corners.min(axis=0), abs=0.02)
    assert match["box"][2:] == pytest.approx(np.ptp(corners, axis=0), abs=0.02)
    with table.open(encoding="utf-8", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert float(row["angle"]) == match["angle"]
    assert [float(row[f"x{i}"]) for i in range(1, 5)] == corners[:, 0].tolist()
    picture = read_image(saved)
    assert (picture == FOUND_COLOUR).all(axis=2).sum() > 200


def test_an_object_seen_from_the_side_is_followed(folder: Path, tmp_path: Path) -> None:
    options = ["--frame", folder / "cat.png", "--box", mark(EYE), "--json", "--fit"]
    x, y, w, h = EYE
    own = np.array([[x, y, 1], [x + w, y, 1], [x + w, y + h, 1], [x, y + h, 1]])
    away = {}
    for fit in ("similarity", "affine", "homography"):
        saved = tmp_path / f"{fit}.png"
        result = qatm("match", folder / "aside.png", *options, fit, "--save", saved)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        match = one_match(result)
        away[fit] = np.abs(np.array(match["corners"]) - own @ SIDE.T).max()
        first = np.array(match["transform"]) @ (0, 0, 1)
        assert first[:2] == pytest.approx(match["corners"][0], abs=0.01)
        assert (read_image(saved) == FOUND_COLOUR).all(axis=2).sum() > 200
    assert away["similarity"] > 5
    assert max(away["affine"], away["homography"]) < 0.5
    result = qatm("match", folder / "aside.png", *options[:-2], "--fit", "affine")
    assert ", angle " in result.stdout


def test_a_range_of_angles_is_kept_to(folder: Path) -> None:
    options = ["--frame", folder / "cat.png", "--box", mark(EYE), "--json", "--min-score", 0]
    for span, inside in (("80,120", True), ("-60,-20", False)):
        result = qatm("match", folder / "turned.png", *options, "--rotation", span, "--scale", 1.3)
        match = one_match(result)
        close = outline_overlap(np.array(match["corners"]), POSE.corners((78, 68))) > 0.8
        assert close is inside, span


def test_people_read_angle_and_scale(folder: Path) -> None:
    options = ["--frame", folder / "cat.png", "--box", mark(EYE)]
    (plain,) = qatm("match", folder / "moved.png", *options).stdout.splitlines()
    assert "angle" not in plain
    (turned,) = qatm("match", folder / "moved.png", *options, "--rotation", 5).stdout.splitlines()
    assert ", angle " in turned
    assert ", scale 1.0" in turned


def test_several_pictures_of_objects_in_one_call(folder: Path, tmp_path: Path) -> None:
    options = ["--template", folder / "eye.png", "--template", folder / "nose.png"]
    saved = tmp_path / "found.png"
    result = qatm("match", folder / "moved.png", *options, "--json", "--save", saved)
    assert result.exit_code == 0, result.output
    matches = {match["template"]: match for match in json.loads(result.stdout)["matches"]}
    for name, (x, y, *_) in (("eye", EYE), ("nose", NOSE)):
        assert matches[name]["box"][:2] == pytest.approx((x - 10, y - 5), abs=4), name
    lines = qatm("match", folder / "moved.png", *options).stdout.splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == ["eye", "nose"]
    assert read_image(saved).shape[0] > 280


def test_several_boxes_of_one_frame(folder: Path, tmp_path: Path) -> None:
    boxes = ["--box", mark(EYE), "--box", f"the nose={mark(NOSE)}"]
    table = tmp_path / "out.csv"
    result = qatm(
        "match", folder / "moved.png", folder / "cat.png", "--frame", folder / "cat.png", *boxes,
        "--csv", table,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 4
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert sorted(row["template"] for row in rows) == ["cat", "cat", "the nose", "the nose"]
    for row in rows:
        x, y, *_ = EYE if row["template"] == "cat" else NOSE
        shift = (10, 5) if row["image"].endswith("moved.png") else (0, 0)
        place = float(row["x"]), float(row["y"])
        assert place == pytest.approx((x - shift[0], y - shift[1]), abs=4)


def test_an_object_that_cannot_be_encoded_is_named(folder: Path) -> None:
    boxes = ["--box", mark(EYE), "--box", "far=900,1,20,20"]
    result = qatm("match", folder / "moved.png", "--frame", folder / "cat.png", *boxes)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: far of {folder / 'cat.png'}: ")
    assert "451x300" in line


def test_unreadable_images_leave_the_rest_of_the_table(folder: Path, tmp_path: Path) -> None:
    (folder / "text.png").write_text("no picture")
    table = tmp_path / "out.csv"
    result = qatm(
        "match", folder / "text.png", folder / "moved.png", "--template", folder / "eye.png",
        "--csv", table,
    )  # fmt: skip
    assert result.exit_code == 2
    assert len(table.read_text().splitlines()) == 2


def test_a_table_is_written_whole_or_not_at_all(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "out.csv"
    table.write_text("what was there")
    calls = []

    def broken(*_: object, **__: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    images = [folder / "moved.png"] * 3
    monkeypatch.setattr(command.MatchLine, "lines", lambda _: broken() or [])
    result = qatm("match", *images, "--template", folder / "eye.png", "--csv", table)
    assert result.exit_code == 130
    assert table.read_text() == "what was there"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--rotation", "", "R or LO,HI"),
        ("--rotation", "many", "--rotation 180"),
        ("--rotation", "1,2,3", "R or LO,HI"),
        ("--rotation", "200", "0 to 180 degrees"),
        ("--rotation", "-10", "0 to 180 degrees"),
        ("--rotation", "20,10", "lo <= hi"),
        ("--rotation", "-190,0", "-180 <="),
        ("--rotation", "nan", "rotation is nan"),
        ("--scale", "big", "S or LO,HI"),
        ("--scale", "0", "scale is 0"),
        ("--scale", "0.5", "(lo, hi)"),
        ("--scale", "2,1", "lo <= hi"),
        ("--scale", "0,2", "lo <= hi"),
        ("--scale", "inf", "scale is inf"),
        ("--fit", "plane", "'similarity', 'affine', 'homography'"),
        ("--csv", "table.txt", ".csv file"),
    ],
)
def test_values_that_cannot_be(folder: Path, option: str, value: str, words: str) -> None:
    result = qatm("match", folder / "cat.png", "--template", folder / "eye.png", option, value)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_device_gpu_is_a_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--frame", folder / "cat.png", "--box", mark(EYE), "--device"]
    tried: list[str] = []

    def none_works(_: object, device: str, *_more: object) -> None:
        tried.append(device)
        raise DeviceError(f"no {device} here")

    monkeypatch.setattr("qatm.runtime.backends.devices._open", none_works)
    result = qatm("match", folder / "moved.png", *options, "gpu")
    assert result.exit_code == 2
    assert "error: no GPU works: no tensorrt here; no tensorrt-rtx here; no cuda here" in (
        result.stderr
    )
    assert "cpu" not in tried
    result = qatm("match", folder / "moved.png", *options, "npu")
    assert result.exit_code == 2
    assert "'npu' is not one of" in result.stderr


def test_two_corners_in_the_place_of_a_box_are_guessed(folder: Path) -> None:
    options = ["--frame", folder / "cat.png", "--json", "--box"]
    result = qatm("match", folder / "moved.png", *options, "260,160,340,240")
    assert "warning: box (260.0, 160.0, 340.0, 240.0) sticks out" in result.stderr
    assert "the box is (260, 160, 80, 80)" in result.stderr
    assert len(result.stdout.splitlines()) == 1
    result = qatm("match", folder / "moved.png", *options, mark(EYE), "--region", "300,150,420,250")
    assert result.exit_code == 2
    assert "(x1, y1, x2, y2), the box is (300, 150, 120, 100)" in result.stderr


@pytest.mark.parametrize(("display", "word"), [("", "DISPLAY"), (":77", "opencv-python-headless")])
def test_select_needs_a_display_and_an_opencv_with_windows(
    folder: Path, monkeypatch: pytest.MonkeyPatch, display: str, word: str
) -> None:
    def without_windows(*_: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(cv2, "namedWindow", without_windows)
    result = qatm("match", folder / "moved.png", "--frame", folder / "cat.png", "--select")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--select needs" in result.stderr
    assert word in result.stderr


def test_the_box_that_is_drawn_is_searched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, ...]] = [EYE, (0, 0, 0, 0)]
    shown: list[tuple[int, ...]] = []

    def draw(_: str, image: np.ndarray, **_more: object) -> tuple[int, ...]:
        shown.append(image.shape)
        return drawn.pop(0)

    monkeypatch.setenv("DISPLAY", ":77")
    for name in ("namedWindow", "resizeWindow", "destroyWindow", "waitKey"):
        monkeypatch.setattr(cv2, name, lambda *_: 0)
    monkeypatch.setattr(cv2, "selectROI", draw)
    command = ("match", folder / "moved.png", "--frame", folder / "cat.png", "--select")
    result = qatm(*command, "--json")
    assert result.exit_code == 0, result.output
    assert shown == [(300, 451, 3)]
    assert f"--box {mark(EYE)} is the box that was drawn" in result.stderr
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("{")]
    x, y, w, h = json.loads(line)["matches"][0]["box"]
    assert (x + 10, y + 5, w, h) == pytest.approx(EYE, abs=0.5)
    result = qatm(*command)
    assert result.exit_code == 2
    assert "no box was drawn" in result.stderr
    result = qatm("match", folder / "moved.png", "--template", folder / "eye.png", "--select")
    assert result.exit_code == 2
    assert "--select draws the box on a --frame" in result.stderr
