"""Public calls with arguments of a wrong kind: one line that names what was wrong, nothing raw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatm import runtime
from qatm.runtime import Box, InputError, Match, QatmError, Track, TrackRecord, TrackWriter
from qatm.runtime.align.alignment import Alignment, Parameters
from qatm.runtime.boxes import as_box
from qatm.runtime.errors import SHOWN, seen
from qatm.runtime.match.pose import PoseRange
from qatm.runtime.patches.quality import QualityMap
from qatm.runtime.value_range import ValueRange

PICTURE = np.zeros((40, 60, 3), np.uint8)
RECORD = TrackRecord(1, 0.1, Box(1, 2, 3, 4), 0.5, "tracking")
MAP = QualityMap(np.zeros((4, 6), np.float32), (10, 10), (60, 40))


class Endless:
    """A sequence that says nothing of its end."""

    def __getitem__(self, place: int) -> float:
        return 1.0


ODD: dict[str, Callable[[], Any]] = {
    "box without end": lambda: as_box(Endless()),  # pyright: ignore[reportArgumentType]
    "box in several dimensions": lambda: as_box(memoryview(PICTURE)),  # pyright: ignore[reportArgumentType]
    "box of rows": lambda: as_box(PICTURE),
    "range of values": lambda: ValueRange.fixed(PICTURE),  # pyright: ignore[reportArgumentType]
    "rotation that is complex": lambda: PoseRange.of(np.complex64(1j), None),  # pyright: ignore[reportArgumentType]
    "rotation that is a picture": lambda: PoseRange.of(np.broadcast_to(1.0, (1 << 20,) * 2), None),  # pyright: ignore[reportArgumentType]
    "shape of one number": lambda: MAP.resized(5),  # pyright: ignore[reportArgumentType]
    "shape of nothing": lambda: MAP.resized((0, 5)),
    "shape beyond memory": lambda: MAP.resized((1 << 30, 1 << 30)),
    "matches": lambda: runtime.draw_matches(PICTURE, [None]),  # pyright: ignore[reportArgumentType]
    "scale of matches": lambda: runtime.draw_matches(PICTURE, [], "x"),  # pyright: ignore[reportArgumentType]
    "quality": lambda: runtime.draw_quality(None),  # pyright: ignore[reportArgumentType]
    "tracks": lambda: runtime.draw_tracks(PICTURE, {1: None}),  # pyright: ignore[reportArgumentType]
    "trails": lambda: runtime.draw_tracks(PICTURE, {}, 5),  # pyright: ignore[reportArgumentType]
    "length of trails": lambda: runtime.Trails(2.5),  # pyright: ignore[reportArgumentType]
    "tracks of trails": lambda: runtime.Trails().add([]),  # pyright: ignore[reportArgumentType]
    "sources": lambda: runtime.expand_sources(5),  # pyright: ignore[reportArgumentType]
    "tracker": lambda: next(runtime.track_video([PICTURE], (1, 1, 9, 9), tracker=5)),  # pyright: ignore[reportArgumentType]
    "name of a bundle": lambda: runtime.Bundle.load("x" * 5000),
    "hash": lambda: runtime.Bundle.load(sha256=PICTURE),  # pyright: ignore[reportArgumentType]
    "path": lambda: runtime.read_image(PICTURE),  # pyright: ignore[reportArgumentType]
    "corners": lambda: Box.from_xyxy("a", 1, 2, 3),  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("what", ODD)
def test_odd_argument_is_refused_in_one_line(what: str) -> None:
    with pytest.raises(QatmError) as caught:
        ODD[what]()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "points",
    [
        *(None, "x", [[1, 2, 3]], 10**400, np.complex64(1j)),
        np.ma.masked_array([[1.0, 2.0]], [[True, False]]),
    ],
)
def test_points_that_are_none_are_refused(points: Any) -> None:
    affine = np.asarray([[1.0, 0, 0], [0, 1, 0]])
    none = np.zeros((0, 2))
    alignment = Alignment(Parameters(affine, none, none), 1.0, True, (60, 40), (60, 40))
    with pytest.raises(InputError, match="points"):
        alignment.transfer(points)


@pytest.mark.parametrize(
    "odd",
    [
        *({"frame": -1}, {"frame": 1.5}, {"time": float("nan")}, {"time": "x"}, {"id": -1}),
        *({"score": None}, {"score": float("nan")}, {"score": 1.5}, {"state": "x"}),
        *({"box": None}, {"box": Box(1, 2, 0, 4)}, {"name": None}, {"name": "\udcff"}),
        *({"calibrated": np.array([1, 2])}, {"calibrated": "no"}, {"calibrated": None}),
        *({"corners": 5, "angle": 0.0, "scale": 1.0}, {"angle": "x"}, {"scale": float("inf")}),
    ],
)
@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_record_that_could_not_be_read_again_is_not_written(
    tmp_path: Path, odd: dict[str, Any], ending: str
) -> None:
    path = tmp_path / f"tracks{ending}"
    with TrackWriter(path) as writer:
        writer.write(RECORD)
        with pytest.raises(InputError) as caught:
            writer.write(replace(RECORD, **odd))
        writer.write(RECORD)
    assert "\n" not in str(caught.value)
    assert len(runtime.read_tracks(path)) == 2


ODD_TRACKS: list[dict[str, Any]] = [
    *({"box": (1, 2, 3)}, {"box": Box(1, 2, float("nan"), 4)}, {"box": Box(1, 2, 3, float("inf"))}),
    *({"box": None}, {"box": "abcd"}, {"score": None}, {"score": "x"}, {"state": "x"}),
    *({"state": None}, {"state": PICTURE}, {"name": None}, {"name": 5}),
]
ODD_MATCHES: list[dict[str, Any]] = [
    *({"box": (1, 2)}, {"box": Box(1, 2, float("nan"), 4)}, {"box": None}, {"score": None}),
    *({"score": PICTURE}, {"found": PICTURE}, {"name": None}, {"template": []}),
    *({"rows": ((1, 2),)}, {"rows": ((0, 0, 0),) * 3}, {"rows": "x"}, {"size": (1,)}),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", ODD_TRACKS, ids=str)
def test_a_track_of_what_no_tracker_gives_is_not_drawn(odd: dict[str, Any]) -> None:
    track = replace(Track(Box(1, 2, 30, 20), 0.5, "lost"), **odd)
    for drawn in (track, {1: track}):
        with pytest.raises(InputError) as caught:
            runtime.draw_tracks(PICTURE, drawn, runtime.Trails())
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", ODD_MATCHES, ids=str)
def test_a_match_of_what_no_matcher_gives_is_not_drawn(odd: dict[str, Any]) -> None:
    match = replace(Match(Box(1, 2, 30, 20), 0.5, True), **odd)
    with pytest.raises(InputError) as caught:
        runtime.draw_matches(PICTURE, [match])
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", [{"score": float("nan")}, {"score": None}, {"box": None}])
def test_an_answer_made_by_hand_is_refused_where_it_cannot_be_written(odd: dict[str, Any]) -> None:
    box = Box(1, 2, 30, 20)
    for answer in (Track(box, 0.5, "lost"), Match(box, 0.5, True), RECORD):
        with pytest.raises(InputError, match=f"a {type(answer).__name__} cannot be written"):
            replace(answer, **odd).to_json()
    with pytest.raises(InputError, match="a Track cannot be written"):
        runtime.to_rows(Track(box, None, "lost"))  # pyright: ignore[reportArgumentType]


def test_what_is_no_record_is_not_written(tmp_path: Path) -> None:
    track: Any = Track(Box(1, 2, 3, 4), 0.5, "tracking")
    with TrackWriter(tmp_path / "x.csv") as writer, pytest.raises(InputError, match="TrackRecord"):
        writer.write(track)


def test_value_in_a_message_is_short_and_of_one_line() -> None:
    for value in (PICTURE, "a\nb" * 1000, list(range(10**6)), {"a": PICTURE}):
        text = seen(value)
        assert "\n" not in text
        assert len(text) <= SHOWN + 1
