from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from eval_pairs import qatm, records, refused, write_three

from qatm.runtime.boxes import Box
from qatm.tools.baselines.poses import NO_POSES, PoseSpan
from qatm.tools.evaluation.match.frame_pairs import holds_pairs, usable_pairs
from qatm.tools.evaluation.pose.pose_runs import PoseOutcome, PoseTimes
from qatm.tools.evaluation.pose.posed_pictures import PosedPicture
from qatm.tools.evaluation.presence import presence_figures as figures
from qatm.tools.evaluation.presence.presence_domains import (
    PresencePlan,
    pair_tasks,
    photograph_tasks,
    read_domains,
)
from qatm.tools.evaluation.presence.scene_tasks import SceneTask
from qatm.tools.scenes.generate import DOMAINS, scene

SPAN = PoseSpan((-90, 90), (0.7, 1.5))
GENERATED = ("screen", "letters")


@pytest.fixture(scope="module")
def three(tmp_path_factory, photographs) -> Path:
    """Three tiny pairs of three videos."""
    return write_three(tmp_path_factory.mktemp("three"), photographs)


@pytest.fixture(scope="module")
def photos(tmp_path_factory, photographs) -> Path:
    """Three photographs and one of a single colour."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "chelsea"):
        cv2.imwrite(str(folder / f"{name}.jpg"), photographs[name])
    cv2.imwrite(str(folder / "grey.png"), np.full((200, 300, 3), 128, np.uint8))
    return folder


class Shown:
    """A task without pictures."""

    name, domain = "t", "video"

    def __init__(self, group):
        self.group = group

    def load(self):
        blank = np.zeros((8, 8, 3), np.uint8)
        return PosedPicture(blank, Box(0, 0, 8, 8), blank, (), NO_POSES)


def outcome(score, right, present=True, found=None, group="g", error=None):
    return PoseOutcome(
        "m",
        Shown(group),
        present,
        None,
        score,
        score >= 0.5 if found is None else found,
        0.9 if right else 0.1 * present,
        None,
        PoseTimes(3, 4),
        error,
    )


# --- figures


def test_figures_are_those_worked_out_by_hand():
    outcomes = [
        outcome(0.95, True, group="a"),
        outcome(0.85, True, group="a"),
        outcome(0.85, False, group="b"),
        outcome(0.25, True, group="b"),
        outcome(0.65, False, present=False, group="c"),
        outcome(0.05, False, present=False, group="c"),
    ]
    record = figures.presence_record("m", "video", outcomes)
    assert record["precision"] == pytest.approx(2 / 4)
    assert record["recall"] == pytest.approx(2 / 4)
    assert record["right"] == pytest.approx(3 / 4)
    assert record["false_alarm_rate"] == pytest.approx(1 / 2)
    # Of 3 x 3 pairs of a right and a wrong one: .95 wins 3, .85 wins 2 and ties 1, .25 wins 1.
    assert record["roc_auc"] == pytest.approx(6.5 / 9, abs=1e-4)
    gaps = [0.05, 2 * abs(0.85 - 0.5), 0.75, 0.65, 0.05]
    assert record["calibration_error"] == pytest.approx(sum(gaps) / 6, abs=1e-4)
    assert [one["answers"] for one in record["bins"]] == [1, 0, 1, 0, 0, 0, 1, 0, 2, 1]
    assert record["bins"][8] == {"answers": 2, "score": 0.85, "right": 0.5}
    assert record["bins"][1] == {"answers": 0, "score": None, "right": None}
    assert (record["searches"], record["present"], record["failed"]) == (6, 4, 0)
    assert record["ms_per_pair"] == 7
    line = figures.presence_line(record)
    assert len(line) == len(figures.presence_head())


def test_what_is_there_but_elsewhere_is_no_hit_and_no_alarm():
    record = figures.presence_record("m", "video", [outcome(0.9, False), outcome(0.9, True)])
    assert record["precision"] == 0.5
    assert record["false_alarm_rate"] is None, "nothing was absent"
    assert record["calibration_error"] == pytest.approx(0.4)


def test_failures_count_as_wrong_answers():
    failed = [
        outcome(0.0, False, error="no", found=False),
        outcome(0.0, False, present=False, error="no", found=False),
    ]
    record = figures.presence_record("m", "video", failed)
    assert record["failed"] == 2
    assert (record["recall"], record["false_alarm_rate"], record["precision"]) == (0, 1, 0)
    assert record["calibration_error"] == 0.5
    assert record["roc_auc"] is None


def test_a_score_may_be_asked_for_instead_of_the_methods_own_answer():
    outcomes = [
        outcome(0.95, True),
        outcome(0.6, True),
        outcome(0.8, False, present=False),
        outcome(0.3, False, present=False),
        outcome(0.0, False, error="no", found=False),
        outcome(0.0, False, present=False, error="no", found=False),
    ]
    by_score = {
        score: figures.presence_record("m", "video", outcomes, score)
        for score in (None, 0.0, 0.8, 0.9)
    }
    found = {
        score: (record["recall"], record["false_alarm_rate"]) for score, record in by_score.items()
    }
    third = pytest.approx(1 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4)
    assert found[None] == (third[1], third[1]), "what failed where nothing is counts as an alarm"
    assert found[0.0] == (third[1], 1)
    assert found[0.8] == (third[0], third[1]), "from the score on"
    assert found[0.9] == (third[0], third[0])
    assert len({record["roc_auc"] for record in by_score.values()}) == 1


def test_the_mean_counts_domains_alike():
    first = figures.presence_record("m", "a", [outcome(0.9, True)] * 4)
    second = figures.presence_record("m", "b", [outcome(0.6, False, present=False)])
    mean = figures.presence_mean([first, second])
    assert mean["domain"] == "mean"
    assert mean["calibration_error"] == pytest.approx((0.1 + 0.6) / 2)
    assert mean["worst_calibration_error"] == pytest.approx(0.6)
    assert mean["recall"] == 1, "where nothing is there, nothing is recalled"
    assert (mean["searches"], mean["present"]) == (5, 4)


# --- domains


def test_domains_follow_from_the_folders(three, photos):
    assert holds_pairs(three)
    assert not holds_pairs(photos)
    assert not holds_pairs(photos / "none")
    assert read_domains([], []) == DOMAINS
    assert read_domains([], [three]) == ("video", "turned", *DOMAINS)
    assert read_domains([], [photos]) == ("photographs", *DOMAINS)
    assert read_domains(["screen,turned"], [three]) == ("turned", "screen")


def test_pairs_are_searched_for_their_own_object_and_for_a_stranger(three):
    found = usable_pairs(three, print).pairs
    plan = PresencePlan(("video",), SPAN)
    for domain in ("video", "turned"):
        tasks = pair_tasks(found, domain, plan)
        assert [task.present for task in tasks] == [True, False] * 3
        for own, stranger in zip(tasks[::2], tasks[1::2], strict=True):
            assert own.search == stranger.search
            assert own.turn == stranger.turn, "the picture is the same for both"
            assert own.template.path != stranger.template.path
            assert len(own.load().truths) == 1
            assert stranger.load().truths == ()
            assert (own.turn is None) == (domain == "video")
            assert own.load().poses == (NO_POSES if domain == "video" else SPAN)
    few = pair_tasks(found, "video", PresencePlan(("video",), SPAN, every=2))
    assert [task.name for task in few] == [
        "pair0001",
        "pair0001-absent",
        "pair0003",
        "pair0003-absent",
    ]


def test_photographs_are_searched_for_a_part_of_their_own_and_of_another(photos):
    problems = []
    files = sorted(photos.iterdir())
    tasks = photograph_tasks(files, PresencePlan(("photographs",), SPAN), problems.append)
    assert len(problems) == 1
    assert "grey.png: it shows no place that could be recognised" in problems[0]
    assert [task.present for task in tasks] == [True, False] * 3
    for own, stranger in zip(tasks[::2], tasks[1::2], strict=True):
        assert own.template == own.search == stranger.search
        assert stranger.template.path != stranger.search.path
        assert own.turn is not None
        assert stranger.turn is None
    again = photograph_tasks(files, PresencePlan(("photographs",), SPAN), problems.append)
    other = photograph_tasks(files, PresencePlan(("photographs",), SPAN, 1), problems.append)
    assert again == tasks != other


@pytest.mark.parametrize("domain", GENERATED)
def test_scenes_are_drawn_when_they_are_needed(domain):
    task = SceneTask(domain, 3)
    picture, drawn = task.load(), scene(domain, 3)
    assert (picture.frame == drawn.frame).all()
    assert (picture.image == drawn.image).all()
    assert picture.box == tuple(drawn.box)
    assert len(picture.truths) == len(drawn.truths)
    assert picture.poses == PoseSpan(drawn.rotation, drawn.scale)
    assert task.name == task.group == f"{domain}-3"


# --- the command


def test_the_command_prints_one_object_for_each_domain_and_their_mean(three, photos):
    options = ["--domain", "video,photographs,screen", "--scenes", 2, "--method", "orb"]
    got = records(qatm("presence", three, photos, *options, "--json", "--processes", 1))
    assert [one["domain"] for one in got] == ["video", "photographs", "screen", "mean"]
    assert [one["searches"] for one in got] == [6, 6, 2, 14]
    for one in got[:3]:
        assert len(one["bins"]) == 10
        assert sum(each["answers"] for each in one["bins"]) == one["searches"]
        assert set(one["ci"]) == {"roc_auc", "precision", "recall", "calibration_error"}
    known = [one["calibration_error"] for one in got[:3]]
    assert got[3]["worst_calibration_error"] == max(known)


def test_ours_knows_the_videos(three):
    options = ["--domain", "video", "--json", "--processes", 1]
    (record,) = records(qatm("presence", three, *options))
    assert (record["method"], record["recall"], record["precision"]) == ("qatm", 1, 1)
    assert record["calibration_error"] < 0.3


def test_details_and_diagrams_are_written(three, tmp_path):
    folder, plot = tmp_path / "details", tmp_path / "new" / "reliability.png"
    options = ["--domain", "video", "--method", "sift,orb", "--processes", 1]
    result = qatm("presence", three, *options, "--save", folder, "--plot", plot)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith("6 searches a method in ")
    names = {
        "presence-searches.csv",
        "presence-reliability.png",
        "presence-worst-sift-video.jpg",
        "presence-worst-orb-video.jpg",
    }
    assert {path.name for path in folder.iterdir()} == names
    assert cv2.imread(str(plot)) is not None
    with (folder / "presence-searches.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["present"] for row in rows] == ["1", "0"] * 6
    assert all((row["iou"] == "") == (row["present"] == "0") for row in rows)


WRONG = {
    "--domain x": "domain 'x' is unknown; choose from video, turned, photographs, screen",
    "--domain video": "domain video needs a folder of pairs of frames",
    "--domain photographs": "domain photographs needs a folder of photographs",
    "--domain screen --rotation 20": "--rotation is for domains turned and photographs",
    "PAIRS --domain video --scale 3": "--scale is for domains turned and photographs",
    "PAIRS --domain screen": "none of the domains screen uses",
    "PAIRS --domain video --scenes 3": "--scenes is for generated domains",
    "PAIRS --domain turned --rotation x": "--rotation 'x' is not one or two numbers",
    "PAIRS/none": "is no folder",
    "--domain screen --plot x.jpg": "--plot x.jpg must name a .png file",
    "--domain screen --method y": "method 'y' is unknown",
}


@pytest.mark.parametrize("options", WRONG)
def test_wrong_usage_is_refused_before_any_work(options, three):
    parts = [part.replace("PAIRS", str(three)) for part in options.split()]
    refused(qatm("presence", *parts), WRONG[options])


def test_one_photograph_is_not_enough(tmp_path, photographs):
    cv2.imwrite(str(tmp_path / "a.png"), photographs["coffee"])
    result = qatm("presence", tmp_path, "--domain", "photographs")
    refused(result, "needs two photographs or more that show enough, has 1")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(qatm("presence", empty, "--domain", "photographs"), "holds no image")
