from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import absent_packages
import cv2
import numpy as np
import pytest
from eval_pairs import qatm, records, refused, write_frame

from qatm.runtime.boxes import Box
from qatm.tools.baselines.poses import Posed, PoseMethod, PoseSpan
from qatm.tools.evaluation.pose import pose_figures, pose_runs, pose_sheet
from qatm.tools.evaluation.pose.pose_errors import PoseErrors
from qatm.tools.evaluation.pose.pose_runs import PoseOutcome, PoseTimes, run_pose_task
from qatm.tools.evaluation.pose.posed_pictures import PosedPicture

KEYS = {"method", "auc", "right", "found", "wrong_among_found", "centre_px", "angle_deg"}
KEYS |= {"scale_pct", "ms_encode", "ms_search", "ms_per_pair", "pairs", "failed", "skipped", "ci"}
BOXES = {"astronaut": (150, 40, 90, 80), "coffee": (210, 140, 80, 80), "chelsea": (110, 40, 96, 80)}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, photographs) -> Path:
    """Pairs of three videos; the second frame is the first, brighter and moved a little."""
    folder = tmp_path_factory.mktemp("pairs")
    for number, (name, box) in enumerate(BOXES.items(), 1):
        image = np.ascontiguousarray(photographs[name][:300, :400])
        moved = cv2.convertScaleAbs(np.roll(image, (4, -6), (0, 1)), alpha=1.05, beta=3)
        x, y, w, h = box
        write_frame(folder, number, 2, name, 40, moved, (x - 6, y + 4, w, h))
        write_frame(folder, number, 1, name, 20, image, box)
    return folder


class Task:
    """A task without pictures."""

    def __init__(self, name="t", group="g", truths=(), domain="turned"):
        self.name, self.group, self.domain = name, group, domain
        self.truths = truths

    def load(self):
        blank = np.zeros((40, 40, 3), np.uint8)
        return PosedPicture(blank, Box(5, 5, 10, 10), blank, self.truths, PoseSpan())


class Answers(PoseMethod):
    """Says what it is told to."""

    name = "told"

    def __init__(self, posed):
        self.posed = posed

    def encode(self, frame, box, poses):
        return None

    def find(self, encoded, image):
        if isinstance(self.posed, Exception):
            raise self.posed
        return self.posed


SQUARE = np.array([[5.0, 5], [15, 5], [15, 15], [5, 15]])


# --- one search


def test_an_answer_is_held_against_the_nearest_truth():
    task = Task(truths=(SQUARE + 22, SQUARE))
    outcome = run_pose_task(Answers(Posed(SQUARE + np.array([1, 0]), 0.8, True)), task)
    assert outcome.overlap == pytest.approx(90 / 110)
    assert outcome.right
    assert outcome.errors == pytest.approx((1, 0, 0))
    assert outcome.outline is not None
    assert outcome.outline.tolist() == (SQUARE + np.array([1, 0])).tolist()
    assert (outcome.score, outcome.found, outcome.present, outcome.error) == (0.8, True, True, None)


def test_an_upside_down_answer_overlaps_but_is_turned():
    outcome = run_pose_task(Answers(Posed(SQUARE[[2, 3, 0, 1]], 0.8, True)), Task(truths=(SQUARE,)))
    assert outcome.right
    assert outcome.errors is not None
    assert outcome.errors.angle == pytest.approx(180)


def test_nothing_is_right_where_the_object_is_absent():
    outcome = run_pose_task(Answers(Posed(SQUARE, 0.9, True)), Task())
    assert not outcome.right
    assert not outcome.present
    assert outcome.errors is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Posed(SQUARE * np.nan, 0.5, True), "answered with corners"),
        (Posed(SQUARE, float("nan"), True), "answered with score nan"),
        (RuntimeError("no\nluck"), "RuntimeError: no luck"),
    ],
)
def test_failures_are_told_and_count_as_misses(said, words):
    outcome = run_pose_task(Answers(said), Task(truths=(SQUARE,)))
    assert words in outcome.error
    assert (outcome.overlap, outcome.found, outcome.right) == (0, False, False)
    record = pose_figures.pose_record("told", [outcome])
    assert (record["failed"], record["auc"], record["found"]) == (1, 0, 0)


def test_no_answer_is_no_failure():
    outcome = run_pose_task(Answers(Posed(None, 0.0, False)), Task(truths=(SQUARE,)))
    assert outcome.error is None
    assert outcome.outline is None
    assert pose_figures.pose_record("told", [outcome])["failed"] == 0


# --- figures


def outcome(overlap, found=True, errors=None, score=0.9, group="g"):
    return PoseOutcome(
        "m", Task(group=group), True, None, score, found, overlap, errors, PoseTimes(10, 2)
    )


def test_figures_are_those_worked_out_by_hand():
    outcomes = [
        outcome(0.92, errors=PoseErrors(1, 2, 3), group="a"),
        outcome(0.72, errors=PoseErrors(3, 4, 1), group="b"),
        outcome(0.6, found=False, errors=PoseErrors(2, 9, 2), group="b"),
        outcome(0.31, errors=PoseErrors(50, 90, 60), group="c"),
        outcome(0.0, found=False, group="c"),
    ]
    record = pose_figures.pose_record("m", outcomes, 2)
    # Thresholds 0, .05 ... .95 that lie below: 19, 15, 12, 7 and 0 of 20.
    assert record["auc"] == pytest.approx((19 + 15 + 12 + 7) / 100)
    assert record["right"] == 0.6
    assert record["found"] == 0.6
    assert record["wrong_among_found"] == pytest.approx(1 / 3, abs=1e-4)
    assert (record["centre_px"], record["angle_deg"], record["scale_pct"]) == (2, 4, 2)
    assert (record["ms_encode"], record["ms_search"], record["ms_per_pair"]) == (10, 2, 12)
    assert (record["pairs"], record["skipped"]) == (5, 2)
    low, high = record["ci"]["auc"]
    assert low < record["auc"] < high
    line = pose_figures.pose_line(record)
    assert len(pose_figures.pose_head()) == len(line)


def test_what_cannot_be_counted_is_null():
    record = pose_figures.pose_record("m", [outcome(0, found=False)])
    assert record["wrong_among_found"] is None
    assert record["centre_px"] is None
    assert record["ci"]["wrong_among_found"] == [None, None]
    assert " - " in pose_figures.pose_line(record)


def test_the_worst_are_the_surest_of_the_wrong():
    def made(name, overlap, found, score, present=True):
        return PoseOutcome("m", Task(name), present, None, score, found, overlap)

    outcomes = [
        made("right", 0.9, True, 0.95),
        made("doubted", 0.9, False, 0.1),
        made("wrong", 0.0, True, 0.8),
        made("missed", 0.0, False, 0.2),
        made("absent", 0.0, False, 0.3, present=False),
        made("alarm", 0.0, True, 0.99, present=False),
    ]
    worst = [one.task.name for one in pose_sheet.worst_poses(outcomes)]
    assert worst == ["alarm", "wrong", "missed", "doubted", "absent", "right"]
    assert len(pose_sheet.worst_poses(outcomes, 2)) == 2


def test_outlines_are_drawn_where_they_are():
    canvas = np.zeros((40, 40, 3), np.uint8)
    pose_sheet.draw_outline(canvas, SQUARE + 10, (0, 255, 0))
    # Edges lie between pixels 14 and 15, and between 24 and 25.
    assert canvas[20, 14:16, 1].max() > 100
    assert canvas[20, 24:26, 1].max() > 100
    assert canvas[20, 18:22].max() == 0
    assert canvas[:11].max() == 0
    assert (canvas[15, 15] == (0, 255, 0)).all(), "a dot on the top left"


# --- the command


def test_the_command_prints_one_object_for_each_method(pairs):
    got = records(
        qatm("pose", pairs, "--method", "sift,orb", "--rigid", "--json", "--processes", 1)
    )
    assert [record["method"] for record in got] == ["sift", "orb"]
    sift = got[0]
    assert sift.keys() == KEYS
    assert (sift["pairs"], sift["failed"], sift["skipped"]) == (3, 0, 0)
    assert sift["right"] >= 0.66, "two of three at least"
    assert sift["wrong_among_found"] == 0
    assert sift["centre_px"] < 0.7
    assert sift["angle_deg"] < 1
    assert sift["scale_pct"] < 2


def test_ours_is_evaluated_as_it_is_without_poses(pairs):
    (record,) = records(
        qatm("pose", pairs, "--rotation", 0, "--scale", 1, "--json", "--processes", 1)
    )
    assert record["method"] == "qatm"
    assert record["auc"] > 0.8
    assert record["found"] == 1
    assert record["ms_search"] > record["ms_encode"] / 100 > 0


def test_the_table_has_a_line_for_each_method(pairs):
    result = qatm("pose", pairs, "--method", "sift", "--every", 2, "--processes", 1)
    assert result.exit_code == 0, result.stderr
    head, line, note, seconds = result.stdout.splitlines()
    assert head.split()[:2] == ["method", "AUC"]
    assert line.split()[0] == "sift"
    assert line.split()[-2:] == ["2", "0"], "every second of three pairs"
    assert note.startswith("wrong: of those found")
    assert seconds.startswith("2 searches a method in ")


def test_details_are_saved(pairs, tmp_path):
    folder = tmp_path / "new" / "details"
    options = ["--method", "sift", "--processes", 1, "--save", folder, "--json"]
    (record,) = records(qatm("pose", pairs, *options))
    names = {"pose-pairs.csv", "pose-curves.png", "pose-worst-sift.jpg"}
    assert {path.name for path in folder.iterdir()} == names
    with (folder / "pose-pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["task"] for row in rows] == ["pair0001", "pair0002", "pair0003"]
    right = np.mean([float(row["iou"]) > 0.5 for row in rows])
    assert right == pytest.approx(record["right"], abs=1e-4)
    errors = [float(row["centre_px"]) for row in rows if float(row["iou"]) > 0.5]
    assert np.median(errors) == pytest.approx(record["centre_px"], abs=1e-3)
    assert cv2.imread(str(folder / "pose-worst-sift.jpg")) is not None


def test_seeds_and_processes(pairs):
    one, two, other = (
        records(qatm("pose", pairs, "--method", "sift", "--json", *options))[0]
        for options in (
            ["--processes", 1],
            ["--processes", 2],
            ["--processes", 1, "--seed", 5],
        )
    )
    exact = ("auc", "right", "centre_px", "angle_deg")
    assert [one[key] for key in exact] == [two[key] for key in exact]
    assert [one[key] for key in exact] != [other[key] for key in exact]


def test_failures_are_named_and_counted(pairs, monkeypatch):
    monkeypatch.setattr(pose_runs, "open_pose_method", lambda *_: Answers(ValueError("no")))
    result = qatm("pose", pairs, "--method", "sift", "--json", "--processes", 1)
    (record,) = records(result)
    assert record["failed"] == 3
    assert "error: sift failed with pair0001: ValueError: no" in result.stderr


WRONG = {
    "--rotation x": "--rotation 'x' is not one or two numbers",
    "--rotation 1,2,3": "--rotation '1,2,3' is not one or two numbers",
    "--rotation 200": "no range within ±180",
    "--rotation 30,-30": "no range within ±180",
    "--rotation nan": "no range within ±180",
    "--scale 0": "--scale 0 is below 1",
    "--scale .5": "--scale LO,HI",
    "--scale 2,.5": "scale 2 to 0.5 is no range above 0",
    "--scale 0,1": "no range above 0",
    "--method x": "method 'x' is unknown; choose from qatm",
    "--method ,": "--method names no method",
    "--method sift --set alpha=3": "--set changes the recipe of qatm",
    "--method sift --model x": "--model is for qatm",
    "--method sift --device cpu": "--device is for qatm",
    "--boxes 3": "--boxes is for series with homographies",
}


@pytest.mark.parametrize("options", WRONG)
def test_wrong_usage_is_refused_before_any_work(options, pairs):
    refused(qatm("pose", pairs, *options.split()), WRONG[options])


def test_folders_without_anything_are_refused(tmp_path):
    refused(qatm("pose", tmp_path / "none"), "is no folder")
    refused(qatm("pose", tmp_path), "holds no pairs")


def test_a_negative_turn_alone_is_no_range(pairs):
    refused(qatm("pose", pairs, "--rotation=-30"), "--rotation -30 is negative")


@pytest.mark.parametrize("name", ["corrmatch", "mtm"])
def test_all_methods_leave_out_what_is_not_installed(name, pairs, tmp_path):
    module = {"corrmatch": "corrmatch", "mtm": "MTM"}[name]
    path = absent_packages.without([module], tmp_path)
    command = [sys.executable, "-m", "qatm.tools.cli", "eval", "pose", str(pairs), "--method", name]
    done = subprocess.run(
        command, env={"PYTHONPATH": path, "PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: method {name} needs {module}, which is not installed")
    assert 'pip install "qatm[eval]"' in line
