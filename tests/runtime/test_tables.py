"""Matches and tracks in other programs: rows of a table, and detections of ``supervision``."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from qatm.runtime import Box, InputError, Match, Track, to_detections, to_rows
from qatm.runtime.match.pose import Pose

EYE = Match.at(Pose(60, 70, 90.0, 2.0), (20, 10), 0.9, True, 1, margin=0.5, name="eye")
PLAIN = Match(Box(1.0, 2.0, 3.0, 4.0), 0.2, False)
TRACKS = {
    4: Track(Box(1.0, 2.0, 3.0, 4.0), 0.8, "tracking", name="cup"),
    7: Track(Box(5.0, 6.0, 7.0, 8.0), 0.1, "lost"),
}


def test_matches_are_flat_rows() -> None:
    first, second = to_rows([EYE, PLAIN], image="a.jpg")
    assert first == {
        "image": "a.jpg",
        "template": "eye",
        "index": 1,
        "found": True,
        "score": 0.9,
        "margin": 0.5,
        "x": 50.0,
        "y": 50.0,
        "w": 20.0,
        "h": 40.0,
        "angle": 90.0,
        "scale": 2.0,
        "x1": 50.0,
        "y1": 90.0,
        "x2": 50.0,
        "y2": 50.0,
        "x3": 70.0,
        "y3": 50.0,
        "x4": 70.0,
        "y4": 90.0,
    }
    assert list(first) == list(second)
    assert json.loads(json.dumps([first, second])) == [first, second]
    assert to_rows(EYE) == to_rows([EYE])
    assert to_rows([]) == []


def test_tracks_are_flat_rows() -> None:
    first, second = to_rows(TRACKS, frame=9)
    assert first == {
        "frame": 9,
        "id": 4,
        "template": "cup",
        "state": "tracking",
        "found": True,
        "score": 0.8,
        "x": 1.0,
        "y": 2.0,
        "w": 3.0,
        "h": 4.0,
    }
    assert (second["id"], second["template"], second["found"]) == (7, "", False)
    assert to_rows(TRACKS[4])[0]["id"] is None


def test_pandas_takes_the_rows() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(to_rows([EYE, PLAIN]))
    assert table.found.tolist() == [True, False]
    assert table.x.dtype == np.float64


@pytest.mark.parametrize("wrong", [[EYE, TRACKS[4]], [(1, 2, 3, 4)], 7, "eye", {1: EYE, 2: 3}])
def test_something_else_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="give a list of matches, a track, or tracks"):
        to_rows(wrong)


def test_without_the_package_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(InputError, match="pip install supervision"):
        to_detections([EYE])


@pytest.fixture
def supervision() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("supervision", reason="supervision is not installed")


def test_matches_are_detections(supervision: Any) -> None:
    found: Any = to_detections([EYE, PLAIN])
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == [[50.0, 50.0, 70.0, 90.0]]
    assert found.confidence == pytest.approx([0.9])
    assert found.class_id.tolist() == [1]
    assert found.tracker_id is None
    assert found["class_name"].tolist() == ["eye"]
    assert found["corners"][0] == pytest.approx(EYE.corners)
    every: Any = to_detections([EYE, PLAIN], every=True)
    assert every["class_name"].tolist() == ["eye", "0"]
    assert len(every[every.confidence > 0.5]) == 1, "it can be filtered as detections are"
    empty: list[Any] = [to_detections([]), to_detections([PLAIN])]
    assert [len(nothing) for nothing in empty] == [0, 0]


def test_tracks_are_detections_with_their_numbers(supervision: Any) -> None:
    found: Any = to_detections(TRACKS)
    assert found.tracker_id.tolist() == [4]
    assert found.xyxy.tolist() == [[1.0, 2.0, 4.0, 6.0]]
    every: Any = to_detections(TRACKS, every=True)
    assert every.tracker_id.tolist() == [4, 7]
    assert every.data["class_name"].tolist() == ["cup", ""]
    nameless: Any = to_detections({7: TRACKS[7]}, every=True)
    assert "class_name" not in nameless.data
    alone: Any = to_detections(TRACKS[4])
    assert alone.tracker_id is None
    drawn = supervision.BoxAnnotator().annotate(np.zeros((20, 20, 3), np.uint8), found)
    assert drawn.any()
