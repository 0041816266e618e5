"""``qatm eval track`` over several sources, with settings, and what it draws."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_sequences import write_sequence
from typer.testing import CliRunner

from qatm.runtime import InputError, read_image
from qatm.tools.cli import app
from qatm.tools.evaluation.track import footage
from qatm.tools.evaluation.track.sequences import source_of, usable_in_all
from qatm.tools.evaluation.track.track_figures import state_milliseconds
from qatm.tools.evaluation.track.track_runs import Trace
from qatm.tools.evaluation.track.track_table import TrackTable


def qatm(*args):
    return CliRunner().invoke(app, ["eval", "track", *map(str, args)])


def records(result) -> list[dict]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def aerial(tmp_path, photographs) -> Path:
    """A folder with sequences of two more sources, one of them with a small object."""
    rocket = cv2.resize(photographs["rocket"], (160, 120))
    wheel = cv2.resize(photographs["motorcycle_left"][250:400, 100:250], (36, 36))
    folder = tmp_path / "aerial"
    write_sequence(folder / "uav_launch", rocket, wheel)
    write_sequence(folder / "tld2_launch", rocket, wheel[:20, :20])
    return folder


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("uav_bike1", "uav"),
        ("uav_car16_1", "uav"),
        ("got10k_x", "got10k"),
        ("Bolt", "otb"),
        ("cup", "otb"),
        ("Human4_2", "otb"),
        ("uav-cup_1", "otb"),
        ("_cup", "otb"),
        ("uav_", "otb"),
        ("2nd_cup", "otb"),
    ],
)
def test_the_source_stands_before_the_first_underscore(name, source):
    assert source_of(name) == source


def test_folders_are_put_together(two, aerial):
    told: list[str] = []
    found = usable_in_all([aerial, two, two / "cup"], told.append)
    names = [sequence.name for sequence in found.sequences]
    assert names == ["tld2_launch", "uav_launch", "cup", "launch"]
    assert told == found.problems
    assert told == [f"cup: {two / 'cup'} has one of the same name as {two / 'cup'}"]
    with pytest.raises(InputError, match="none is no folder"):
        usable_in_all([two, two / "none"], told.append)


def test_each_source_has_its_mean(two, aerial, kcf):
    found = records(qatm(two, aerial, "--tracker", kcf, "--json"))
    assert [record["sequence"] for record in found[4:]] == [
        "mean of otb",
        "mean of tld2",
        "mean of uav",
        "mean of sources",
        "mean",
    ]
    assert [record["source"] for record in found[:4]] == ["otb", "otb", "tld2", "uav"]
    assert [record.get("source") for record in found[4:]] == ["otb", "tld2", "uav", None, None]
    assert [record["sequences"] for record in found[4:]] == [2, 1, 1, 4, 4]
    assert [record["frames"] for record in found[4:]] == [17, 8, 8, 33, 33]
    assert found[7]["sources"] == 3
    otb, tld2, uav = (record["fps"] for record in found[4:7])
    assert found[7]["fps"] == pytest.approx((otb + tld2 + uav) / 3, abs=0.02)
    assert found[8]["fps"] == pytest.approx((2 * otb + tld2 + uav) / 4, abs=0.02)


def test_trackers_stand_beside_each_other_for_each_source(two, aerial, kcf):
    lines = qatm(two, aerial, "--tracker", f"mil,{kcf}").stdout.splitlines()
    shown = [(line[:11].strip(), line[13:28].strip()) for line in lines[9:19]]
    titles = [f"mean of {name}" for name in ("otb", "tld2", "uav", "sources")]
    expected = [(name, title) for title in [*titles, "mean"] for name in ("mil", kcf)]
    assert shown == expected
    assert lines[19].split("  ")[-2:] == ["steady (4)", "small (3)"]
    assert lines[21].split() == [kcf, "0.952", "0.952"]


def test_one_source_needs_no_mean_of_its_own(two, kcf):
    found = records(qatm(two, "--tracker", kcf, "--json"))
    assert [record["sequence"] for record in found] == ["cup", "launch", "mean"]


def test_a_choice_leaves_each_source_out(two, aerial, tmp_path):
    command = (two / "cup", aerial / "uav_launch", "--threads", 1, "--set", "inertia=0.5")
    result = qatm(*command, "--choose", "max_scale=1,5", "--json")
    found = records(result)
    labels = ["qatm max_scale=1", "qatm max_scale=5"]
    assert [record["tracker"] for record in found[:4]] == labels * 2
    means = [record for record in found if record.get("sequence") == "mean"]
    assert [mean["settings"] for mean in means] == [
        {"inertia": 0.5, "max_scale": 1.0},
        {"inertia": 0.5, "max_scale": 5.0},
    ]
    aucs = {
        (record["source"], record["tracker"]): record["auc"]
        for record in found
        if record.get("source") and record["sequence"] in ("cup", "uav_launch")
    }
    left_out = found[-4:]
    assert [one["left_out"] for one in left_out] == ["otb", "uav", "mean of sources", "mean"]
    for one, other in zip(left_out, ("uav", "otb"), strict=False):
        best = max(labels, key=lambda label: aucs[other, label])
        assert one["chosen"] == {"max_scale": float(best[-1])}
        assert one["auc"] == aucs[one["left_out"], best]
    result = qatm(*command, "--choose", "max_scale=1,5", "--save", tmp_path / "out")
    worst = sorted(path.name for path in (tmp_path / "out").glob("*.jpg"))
    assert worst == ["track-worst-qatm-max_scale=1.jpg", "track-worst-qatm-max_scale=5.jpg"]
    *_, head, otb, uav, _, mean, _ = result.stdout.splitlines()
    assert head.split() == ["left", "out", "max_scale", "AUC", "sequences"]
    assert otb.split() == ["otb", *f"{left_out[0]['chosen']['max_scale']:g}", otb.split()[2], "1"]
    assert uav.split()[2] == f"{left_out[1]['auc']:.3f}"
    assert mean.split() == ["mean", f"{left_out[3]['auc']:.3f}", "2"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "colour=1"], "has no field 'colour'; choose from side"),
        (["--set", "inertia=2"], "inertia is 2.0; it must lie between 0 and 0.999"),
        (["--set", "wait=1.5"], "wait is 1.5; it must be a whole number"),
        (["--set", "wait"], "--set 'wait' is not NAME=VALUE"),
        (["--set", "wait=1", "--tracker", "mil"], "--set changes the recipe of qatm"),
        (["--choose", "wait=1,2", "--tracker", "mil"], "--choose changes the recipe of qatm"),
        (["--choose", "colour=1,2", "--tracker", "all"], "has no field 'colour'"),
        (["--choose", "wait=1,2"], "--choose leaves one source out, and all sequences are of otb"),
        (["--plot", "bars.jpg"], "--plot bars.jpg must name a .png file"),
    ],
)
def test_wrong_settings_are_refused_before_any_work(two, options, words):
    result = qatm(two, *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr.splitlines()[-1]


def test_bars_are_drawn(two, aerial, kcf, tmp_path):
    files = [tmp_path / "plots" / name for name in ("few.png", "many.png")]
    for file, folder in zip(files, (aerial / "uav_launch", two), strict=True):
        result = qatm(folder, "--tracker", f"{kcf},mil", "--plot", file)
        assert result.exit_code == 0, result.stderr
    few, many = map(read_image, files)
    # An attribute more: the objects are small.
    assert many.shape[1] > few.shape[1] > 400


def trace(states: str, milliseconds: list[float]) -> Trace:
    """A trace that says no more than when the tracker was lost, and how long it took."""
    names = tuple({"t": "tracking", "u": "uncertain", "l": "lost"}[one] for one in states)
    boxes, scores = np.ones((len(names), 4)), np.ones(len(names))
    video = footage.TestVideo("v", "sequence", (), boxes)
    return Trace("qatm", video, boxes, scores, names, np.array(milliseconds))


def test_times_of_tracked_and_lost_frames_are_apart():
    first = trace("ttul", [99, 1, 2, 30])
    # Neither the first frame of a video counts nor those after a failure.
    second = trace("tlltl", [99, 10, 20, 9, float("nan")])
    assert state_milliseconds([first, second]) == (4, 20)
    assert state_milliseconds([trace("tt", [99, 4])]) == (4, None)
    assert state_milliseconds([trace("tl", [99, 4])]) == (None, 4)
    table = TrackTable(11, 4)
    means = [
        {"tracker": "qatm", "tracked_ms": 2.0, "lost_ms": 20.0},
        {"tracker": "mil", "tracked_ms": 4.0, "lost_ms": None},
    ]
    assert [line.split() for line in table.time_lines(means)] == [
        ["mean", "ms", "not", "lost", "lost"],
        ["qatm", "2.0", "20.0"],
    ]
    assert table.time_lines(means[1:]) == []
