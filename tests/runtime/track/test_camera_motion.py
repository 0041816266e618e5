"""A camera that jerks, and frames that are missing while it turns."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from moving_scene import PIECE, SIZE

from qatm.runtime import Box, MultiTracker, Tracker, box_iou
from qatm.runtime.track.frame_stream import POINTS, FrameStream

JUMP = 6
"""Frame before which the camera jerks."""


@pytest.fixture(scope="module")
def tracker():
    """One tracker for all tests; each begins with its own init."""
    with Tracker(threads=1) as opened:
        yield opened


def shot_at(photographs, left, top):
    """What a camera sees that looks at a part of a place with a cat's eye, and where that is."""
    place = cv2.resize(photographs["motorcycle_left"], (960, 720), interpolation=cv2.INTER_AREA)
    x, y = 400, 330
    place[y : y + PIECE[1], x : x + PIECE[0]] = cv2.resize(
        photographs["chelsea"][60:150, 110:210], PIECE
    )
    frame = place[top : top + SIZE[1], left : left + SIZE[0]].copy()
    return frame, Box(float(x - left), float(y - top), *map(float, PIECE))


def jerking(photographs, across=130, down=-75, count=12):
    """A camera that turns slowly and jerks once, by more than twice the object's side."""
    return [
        shot_at(
            photographs,
            220 + 3 * number + across * (number >= JUMP),
            260 + number + down * (number >= JUMP),
        )
        for number in range(count)
    ]


def never(_stream, _frame):
    """As if nothing were known of the camera."""
    return


@pytest.mark.parametrize(("across", "down"), [(60, 0), (-40, 25), (0, -90), (7, 5)])
def test_how_far_the_picture_has_moved_is_told(photographs, across, down):
    before, _ = shot_at(photographs, 300, 300)
    after, _ = shot_at(photographs, 300 - across, 300 - down)
    stream = FrameStream()
    stream.keep(before, Box(10, 10, 30, 30))
    moved = stream.moved(after)
    assert moved is not None
    within = max(SIZE) / POINTS
    assert moved == pytest.approx((across, down), abs=within)


def test_frames_that_show_something_else_have_not_moved(photographs):
    before, _ = shot_at(photographs, 300, 300)
    stream = FrameStream()
    assert stream.moved(before) is None, "nothing was kept"
    stream.keep(before, Box(10, 10, 30, 30))
    assert stream.moved(before[:, :300]) is None
    assert stream.moved(np.full_like(before, 90)) is None
    generator = np.random.default_rng(0)
    assert stream.moved(generator.integers(0, 256, before.shape, np.uint8)) is None


@pytest.mark.parametrize("size", [(320, 1), (1, 240), (7, 7), (8, 8), (9000, 9)])
def test_small_frames_do_no_harm(size):
    frame = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = FrameStream()
    stream.keep(frame, Box(0, 0, 1, 1))
    assert stream.moved(frame) in (None, pytest.approx((0, 0), abs=1))


@pytest.mark.parametrize("factor", [1, 0.5], ids=["as it was", "in a smaller stream"])
def test_an_object_is_where_the_jerk_takes_it(tracker, photographs, monkeypatch, factor):
    shots = jerking(photographs)
    if factor != 1:
        size = round(SIZE[0] * factor), round(SIZE[1] * factor)
        shots[3:] = [
            (cv2.resize(frame, size, interpolation=cv2.INTER_AREA), box.scaled(factor, factor))
            for frame, box in shots[3:]
        ]

    def followed():
        tracker.init(*shots[0])
        tracks = [tracker.track(frame) for frame, _ in shots[1:]]
        return tracks, [box_iou(t.box, box) for t, (_, box) in zip(tracks, shots[1:], strict=True)]

    tracks, overlaps = followed()
    assert {track.state for track in tracks} == {"tracking"}
    assert min(track.score for track in tracks) > 0.8
    assert min(overlaps) > 0.7
    monkeypatch.setattr(FrameStream, "moved", never)
    assert followed()[1][JUMP - 1] < 0.1, "it is out of reach otherwise"


def test_several_objects_go_along(photographs):
    shots = jerking(photographs)
    frame, box = shots[0]
    other = Box(box.x + 75, box.y - 20, 50, 60)
    with MultiTracker(threads=1) as several:
        several.add(frame, box)
        several.add(frame, other)
        for frame, truth in shots[1:]:
            tracks = list(several.track(frame).values())
            beside = Box(truth.x + 75, truth.y - 20, 50, 60)
            assert box_iou(tracks[0].box, truth) > 0.7
            assert box_iou(tracks[1].box, beside) > 0.7


def test_the_camera_is_not_asked_for_while_the_object_is_surely_seen(
    tracker, photographs, monkeypatch
):
    shots = jerking(photographs, 0, 0)
    monkeypatch.setattr(FrameStream, "moved", lambda *_: pytest.fail("asked"))
    tracker.init(*shots[0])
    assert all(tracker.track(frame).found for frame, _ in shots[1:])


def test_an_object_that_stays_in_the_middle_is_not_left(tracker, photographs):
    """The camera follows it, and frames are missing: only what is behind it jumps."""
    moved = []
    for number in range(12):
        frame, _ = shot_at(photographs, 20 + 3 * number + 130 * (number >= JUMP), 20)
        piece = shot_at(photographs, 400, 330)[0][: PIECE[1], : PIECE[0]]
        frame[90 : 90 + PIECE[1], 128 : 128 + PIECE[0]] = piece
        moved.append(frame)
    box = Box(128.0, 90.0, *map(float, PIECE))
    tracker.init(moved[0], box)
    for frame in moved[1:]:
        track = tracker.track(frame)
        assert track.state == "tracking"
        assert box_iou(track.box, box) > 0.8
