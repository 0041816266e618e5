"""Matches as JSON, as text and as rows of a table."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatm.runtime import Box, InputError, Match
from qatm.runtime.match.pose import Pose
from qatm.tools.drawing.saving import plan_pictures
from qatm.tools.match_lines import COLUMNS, MatchLine, check_table, write_table
from qatm.tools.shown_files import ShownFile

SHOWN = ShownFile(np.zeros((9, 9, 3), np.uint8), None)
TURNED = Match.at(Pose(100, 50, 90.0, 0.5), (40, 20), 0.98765, True, 0, margin=0.25, name="a, b")
PLAIN = Match(Box(1, 2, 3, 4), 0.1, False, 1, name="other")


def answer(*matches: Match, several: bool = True, posed: bool = True) -> MatchLine:
    return MatchLine("scene.jpg", SHOWN, matches, 12.34, True, several, posed)


def test_json_says_where_how_turned_and_how_large() -> None:
    first, second = answer(TURNED, PLAIN).record()["matches"]
    assert first == {
        "box": [95.0, 40.0, 10.0, 20.0],
        "score": 0.9877,
        "found": True,
        "template": "a, b",
        "index": 0,
        "angle": 90.0,
        "scale": 0.5,
        # A quarter turn counter-clockwise: its top left corner is now at the bottom left.
        "corners": [[95.0, 60.0], [95.0, 40.0], [105.0, 40.0], [105.0, 60.0]],
        "margin": 0.25,
        "transform": [[0.0, 0.5, 95.0], [-0.5, 0.0, 60.0], [0.0, 0.0, 1.0]],
    }
    assert second["corners"] == [[1, 2], [4, 2], [4, 6], [1, 6]]
    assert (second["angle"], second["scale"], second["found"]) == (0.0, 1.0, False)


def test_the_transform_of_a_homography_keeps_its_small_numbers() -> None:
    matrix = np.array([[0.9, 0.1, 12.3456789], [-0.1, 1.1, 7.0], [0.000123456789, -2e-5, 1.0]])
    said = answer(TURNED.bent(matrix)).record()["matches"][0]
    assert said["transform"][0] == [0.9, 0.1, 12.34568]
    assert said["transform"][2] == [0.0001234568, -2e-5, 1.0]
    corners = TURNED.bent(matrix).corners
    assert said["corners"] == [[round(value, 2) for value in corner] for corner in corners]
    x, y, w, h = said["box"]
    assert (x, y) == pytest.approx(corners.min(0), abs=0.01)
    assert (w, h) == pytest.approx(np.ptp(corners, axis=0), abs=0.01)


def test_zero_has_no_sign() -> None:
    said = answer(Match.at(Pose(20, 10, -0.0001), (40, 20), 1.0, True, 0))
    record = said.record()["matches"][0]
    assert "-0.0" not in str(record)
    assert ", angle 0.00," in said.lines()[0]


def test_people_read_what_was_asked_for() -> None:
    first, second = answer(TURNED, PLAIN).lines()
    assert first == (
        "scene.jpg: a, b: found, score 0.9877, box 95.00,40.00,10.00,20.00, angle 90.00, "
        "scale 0.500 (12.3 ms)"
    )
    assert second.startswith("scene.jpg: other: not found, best candidate, score 0.1000, box 1.00")
    (plain,) = answer(PLAIN, several=False, posed=False).lines()
    assert plain == (
        "scene.jpg: not found, best candidate, score 0.1000, box 1.00,2.00,3.00,4.00 (12.3 ms)"
    )


def test_the_table_has_what_json_has(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    said = answer(TURNED, PLAIN)
    write_table(file, [*said.rows(), *answer(PLAIN).rows()])
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == COLUMNS
    assert [row["template"] for row in rows] == ["a, b", "other", "other"]
    assert [row["found"] for row in rows] == ["true", "false", "false"]
    for row, match in zip(rows, said.record()["matches"], strict=False):
        assert [float(row[name]) for name in "xywh"] == match["box"]
        for name in ("score", "margin", "angle", "scale"):
            assert float(row[name]) == match[name]
        corners = [[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(1, 5)]
        assert corners == match["corners"]
        assert (row["image"], row["calibrated"]) == ("scene.jpg", "true")


@pytest.mark.parametrize(
    ("name", "words"), [("out.txt", ".csv file"), ("in.csv", "overwrite"), ("in.csv/a.csv", "")]
)
def test_a_table_that_cannot_be_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "in.csv").write_text("kept")
    with pytest.raises(InputError, match=f"--csv .*{words}"):
        check_table(tmp_path / name, [tmp_path / "in.csv"])
    assert (tmp_path / "in.csv").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_names_cannot_steer_a_terminal() -> None:
    match = Match(Box(1, 2, 3, 4), 0.1, False, 1, name="\x1b[2Ja\nb")
    (line,) = MatchLine("x\x07\n.jpg", SHOWN, [match], 12.34, True, True).lines()
    assert line.startswith(r"x\x07 .jpg: \x1b[2Ja b: not found")


def test_a_name_that_is_no_text_is_written_out(tmp_path: Path) -> None:
    match = Match(Box(1, 2, 3, 4), 0.1, False, 1, name="cup")
    line = MatchLine("odd\udcff.png", SHOWN, [match], 12.34, True)
    write_table(tmp_path / "out.csv", line.rows())
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines())
    assert row["image"] == r"odd\udcff.png"


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_table_that_is_an_input_by_another_name_is_refused(tmp_path: Path, link: Any) -> None:
    (tmp_path / "in.png").write_text("kept")
    link(tmp_path / "in.png", tmp_path / "out.csv")
    with pytest.raises(InputError, match="would overwrite an input"):
        check_table(tmp_path / "out.csv", [tmp_path / "in.png"])
    link(tmp_path / "in.png", tmp_path / "out.png")
    with pytest.raises(InputError, match="would overwrite an input"):
        plan_pictures(tmp_path / "out.png", [tmp_path / "in.png"], [])
