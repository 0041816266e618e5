"""Tracks on frames, and the trails behind them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qatm.runtime import Box, InputError, Track, Trails, draw_tracks


def track(x: float, y: float, state: str = "tracking") -> Track:
    return Track(Box.around((x, y), 20, 20), 0.9, state)


def black() -> np.ndarray:
    return np.zeros((240, 320, 3), np.uint8)


def test_a_track_alone_is_drawn_as_one_of_several_without_a_number() -> None:
    frame = black()
    assert np.array_equal(
        draw_tracks(frame, track(90, 90)), draw_tracks(frame, {None: track(90, 90)})
    )
    assert not frame.any()
    assert not np.array_equal(
        draw_tracks(frame, track(90, 90)), draw_tracks(frame, {1: track(90, 90)})
    )


def test_a_name_is_written_beside_the_score() -> None:
    plain = track(160, 120)
    named = replace(plain, name="cup")
    assert not np.array_equal(draw_tracks(black(), named), draw_tracks(black(), plain))
    long, longer = (draw_tracks(black(), replace(plain, name="a" * count)) for count in (19, 40))
    assert np.array_equal(long, longer), "cut off"


def test_no_box_goes_through_the_words_of_another() -> None:
    """The label of the lower one has no place but across the bottom edge of the upper one."""
    upper, lower = (
        Track(Box(0, 60, 320, 60), 0.9, "lost"),
        Track(Box(0, 130, 320, 110), 0.9, "lost"),
    )
    both, alone = (draw_tracks(black(), tracks) for tracks in ({0: upper, 1: lower}, {1: lower}))
    label = np.any(alone[105:130], axis=2)
    assert label[:, :39].sum() > 400
    assert np.array_equal(both[105:130][label], alone[105:130][label])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [1e5, 1e7, 1e300, 1e308])
def test_a_box_that_reaches_far_is_drawn_where_it_is_seen_and_at_once(far: float) -> None:
    began = time.perf_counter()
    trails = Trails()
    boxes = [(-far, 2, 2 * far, 40), (-far, -far, 1, 1), (far, 2, far, far), (2, 2, far, far)]
    for state in ("lost", "tracking"):
        for x, y, w, h in boxes:
            box = Box(x, y, min(w, 1.7e308), h)
            drawn = draw_tracks(black(), {1: Track(box, 1, state)}, trails)
            assert drawn.any(axis=2).any()
    assert time.perf_counter() - began < 5
    drawn = draw_tracks(black(), Track(Box(-1e5, 150, 2e5, 60), 1, "lost"))
    top = drawn[148:153, 40:].max(axis=(0, 2))
    assert 0.4 < (top > 100).mean() < 0.8, "dashed"


def test_a_trail_follows_the_middles_of_the_last_frames() -> None:
    trails, drawn = Trails(length=4), black()
    for step in range(8):
        drawn = draw_tracks(black(), {2: track(40 + 20 * step, 200)}, trails)
    alone = draw_tracks(black(), {2: track(180, 200)})
    more = (drawn != alone).any(axis=2)
    rows, columns = np.nonzero(more)
    assert trails.of(2) == [(100.0 + 20 * step, 200.0) for step in range(5)]
    assert abs(rows.mean() - 199.5) < 1
    assert abs(columns.min() - 99.5) < 3, "four frames back, no further"
    bright = [int(drawn[:, x, 1].sum()) for x in (105, 155)]
    assert 0 < bright[0] < bright[1], "thinner the longer ago"


def test_a_trail_has_a_gap_where_the_object_was_lost() -> None:
    trails, drawn = Trails(), black()
    for x, state in ((40, "tracking"), (80, "tracking"), (120, "lost"), (220, "tracking")):
        drawn = draw_tracks(black(), {0: track(x, 200, state)}, trails)
    assert trails.of(0) == [(40.0, 200.0), (80.0, 200.0), None, (220.0, 200.0)]
    assert drawn[199, 60].any()
    assert not drawn[199, 100:200].any()


def test_objects_that_are_gone_leave_no_trail() -> None:
    trails = Trails()
    trails.add({0: track(10, 10), 1: track(20, 20)})
    trails.add({1: track(30, 20)})
    assert trails.of(0) == []
    assert len(trails.of(1)) == 2


@pytest.mark.parametrize("length", [0, 10**12])
def test_a_trail_needs_some_frames(length: int) -> None:
    with pytest.raises(InputError, match=f"length {length} of trails"):
        Trails(length)


def test_tracks_are_numbered() -> None:
    odd: Any
    for odd in ("\ud800", "cup", 1.5, 10**5000):
        for call in (lambda tracks: draw_tracks(black(), tracks), Trails().add):
            with pytest.raises(InputError, match=r"the number of a track is .*whole number"):
                call({odd: track(90, 90)})
