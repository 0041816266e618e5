"""Streams that change their size, repeat, drop and break frames while an object is followed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from moving_scene import moving

from qatm.runtime import Box, ImageError, MultiTracker, Tracker, box_iou, track_video
from qatm.runtime.track.frame_stream import FrameChange, FrameStream

CHANGES = {
    "half": (0.5, 0.5),
    "twice": (2.0, 2.0),
    "three quarters": (0.75, 0.75),
    "stretched": (1.5, 0.75),
    "hardly": (1.05, 1.05),
}


@pytest.fixture(scope="module")
def tracker():
    """One tracker for all tests; each begins with its own init."""
    with Tracker(threads=1) as opened:
        yield opened


def resized(shot, across, down):
    """A frame and its box in another resolution."""
    frame, box = shot
    size = round(frame.shape[1] * across), round(frame.shape[0] * down)
    shrinks = across * down < 1
    frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return frame, Box(*box).scaled(across, down)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_stream_that_changes_its_size_is_followed_on(tracker, photographs, change):
    shots = moving(photographs, 14)
    shots[5:10] = [resized(shot, *change) for shot in shots[5:10]]
    tracker.init(*shots[0])
    for frame, truth in shots[1:]:
        track = tracker.track(frame)
        assert track.state == "tracking"
        assert track.score > 0.9
        assert box_iou(track.box, truth) > 0.85


def test_the_last_box_of_a_lost_object_is_in_pixels_of_the_frame_at_hand(tracker, photographs):
    shots = moving(photographs, 22, range(5, 17))
    shots[12:] = [resized(shot, 2, 1.5) for shot in shots[12:]]
    tracker.init(*shots[0])
    tracks = [tracker.track(frame) for frame, _ in shots[1:]]
    assert [track.state for track in tracks[10:13]] == ["lost"] * 3
    assert tracks[11].box == pytest.approx(tracks[10].box.scaled(2, 1.5))
    assert tracks[-1].state == "tracking"
    assert box_iou(tracks[-1].box, shots[-1][1]) > 0.7


def test_a_tiny_object_of_a_smaller_stream_is_followed_on(tracker, photographs):
    shots = [resized(shot, 0.5, 0.5) for shot in moving(photographs, 14)]
    shots[5:] = [resized(shot, 1 / 3, 1 / 3) for shot in shots[5:]]
    tracker.init(*shots[0])
    tracks = [tracker.track(frame) for frame, _ in shots[1:]]
    assert {track.state for track in tracks} == {"tracking"}
    assert 9 < tracks[-1].box.h < 11
    assert min(box_iou(t.box, truth) for t, (_, truth) in zip(tracks, shots[1:], strict=True)) > 0.6


def test_several_objects_are_followed_on_and_others_added_in_the_new_size(photographs):
    shots = [resized(shot, 2, 2) for shot in moving(photographs, 12)]
    other = Box(400.0, 60.0, 120.0, 100.0)
    shots[4:] = [resized(shot, 0.5, 0.4) for shot in shots[4:]]
    with MultiTracker(threads=1) as tracker:
        first, still = tracker.add(*shots[0]), tracker.add(shots[0][0], other)
        for frame, truth in shots[1:6]:
            tracks = tracker.track(frame)
            assert box_iou(tracks[first].box, truth) > 0.85
        frame, place = shots[5][0], other.scaled(0.5, 0.4)
        added = tracker.add(frame, place)
        for frame, truth in shots[6:]:
            tracks = tracker.track(frame)
            assert list(tracks) == [first, still, added]
            assert {track.state for track in tracks.values()} == {"tracking"}
            assert box_iou(tracks[first].box, truth) > 0.85
            assert box_iou(tracks[still].box, place) > 0.85
            assert box_iou(tracks[added].box, place) > 0.85


def changed(before, now, box=(10.0, 10.0, 20.0, 20.0)):
    """What a stream says of two frames."""
    stream = FrameStream()
    stream.keep(before, Box(*box))
    return stream.change(now)


def test_other_sizes_are_told_from_other_parts(photographs):
    frame = photographs["coffee"]
    rows, columns = frame.shape[:2]
    part = np.ascontiguousarray(frame[: rows - 60, : columns - 90])
    whole = np.asarray(cv2.resize(frame, part.shape[1::-1], interpolation=cv2.INTER_AREA))
    assert changed(frame, part) == FrameChange(resized=True, cut=True)
    assert changed(part, frame) == FrameChange(resized=True, cut=True)
    assert changed(frame, whole) == FrameChange(resized=True)
    assert changed(whole, frame) == FrameChange(resized=True)
    other = np.asarray(cv2.resize(photographs["astronaut"], (300, 200)))
    assert changed(frame, other) == FrameChange(resized=True)
    assert changed(frame[:1], frame[:1, :50]) == FrameChange(resized=True)


def test_a_repeated_frame_is_known_by_the_object(photographs):
    frame = cv2.resize(photographs["coffee"], (3840, 2160))
    assert FrameStream().change(frame) == FrameChange()
    assert changed(frame, frame.copy()) == FrameChange(repeated=True)
    moved = frame.copy()
    moved[1000:1012, 2000:2012] = frame[1000:1012, 2001:2013]
    assert changed(frame, moved, (2000.0, 1000.0, 12.0, 12.0)) == FrameChange()
    assert changed(frame, np.clip(frame, 1, 254), (0.0, 0.0, 9.0, 9.0)) == FrameChange()


def test_a_buffer_that_is_written_over_is_not_taken_for_a_repeated_frame(tracker, photographs):
    shots = moving(photographs, 6)
    buffer = shots[0][0].copy()
    tracker.init(buffer, shots[0][1])
    for frame, truth in shots[1:]:
        buffer[:] = frame
        assert box_iou(tracker.track(buffer).box, truth) > 0.85
    assert tracker._follower._move == pytest.approx((5, 3), abs=0.5)


@pytest.mark.parametrize("copies", [2, 4])
def test_no_motion_is_learned_from_repeated_frames(tracker, photographs, copies):
    shots = moving(photographs, 8)
    tracker.init(*shots[0])
    follower, move = tracker._follower, None
    for frame, truth in shots[1:]:
        track = tracker.track(frame)
        move = follower._move
        for _ in range(copies - 1):
            again = tracker.track(frame)
            assert box_iou(again.box, track.box) > 0.9
            assert follower._move == move
        assert box_iou(track.box, truth) > 0.85
    assert move == pytest.approx((5, 3), abs=0.5)


def test_dropped_frames_are_survived(tracker, photographs):
    shots = moving(photographs, 30)
    tracker.init(*shots[0])
    for number in (1, 2, 3, 8, 9, 14, 15, 20, 26, 27):
        track = tracker.track(shots[number][0])
        assert track.state == "tracking"
        assert box_iou(track.box, shots[number][1]) > 0.85


def test_after_a_long_gap_the_object_is_found_wherever_it_is(tracker, photographs):
    """Beyond the search region it is lost first, and found in the sixth frame after the gap."""
    shots = [resized(shot, 2, 2) for shot in moving(photographs, 37)]
    tracker.init(*shots[0])
    tracker.track(shots[1][0])
    tracks = [tracker.track(frame) for frame, _ in shots[25:35]]
    assert [track.state for track in tracks[2:5]] == ["lost"] * 3
    assert max(track.score for track in tracks[:5]) < 0.1
    for track, (_, truth) in zip(tracks[5:], shots[30:35], strict=True):
        assert track.state == "tracking"
        assert box_iou(track.box, truth) > 0.85


def test_after_a_cut_and_back_the_object_is_found(tracker, photographs):
    shots = moving(photographs, 20)
    other = np.asarray(cv2.resize(photographs["rocket"], (320, 240)))
    rng = np.random.default_rng(0)
    tracker.init(*shots[0])
    for frame, _ in shots[1:5]:
        tracker.track(frame)
    away = [
        tracker.track(cv2.add(other, rng.integers(0, 9, other.shape, np.uint8))) for _ in range(8)
    ]
    assert away[-1].state == "lost"
    back = [tracker.track(frame) for frame, _ in shots[14:18]]
    assert back[-1].state == "tracking"
    assert box_iou(back[-1].box, shots[17][1]) > 0.7


KINDS = {
    "grey": lambda frame: cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY),
    "one channel": lambda frame: cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[..., None],
    "bgra": lambda frame: cv2.cvtColor(frame, cv2.COLOR_BGR2BGRA),
    "16 bits": lambda frame: frame.astype(np.uint16) * 257,
    "12 bits in 16": lambda frame: frame.astype(np.uint16) * 16,
    "floats": lambda frame: frame.astype(np.float32) / 255,
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_frames_of_another_kind_are_converted(tracker, photographs, kind):
    shots = moving(photographs, 10)
    tracker.init(*shots[0])
    for number, (frame, truth) in enumerate(shots[1:]):
        track = tracker.track(kind(frame) if number % 3 == 1 else frame)
        assert track.state == "tracking"
        assert box_iou(track.box, truth) > 0.85


BROKEN = {
    "missing": None,
    "truth values": np.zeros((240, 320, 3), bool),
    "empty": np.zeros((0, 320, 3), np.uint8),
    "two channels": np.zeros((240, 320, 2), np.uint8),
    "no number": np.full((240, 320, 3), np.nan, np.float32),
    "complex": np.zeros((240, 320, 3), complex),
}


@pytest.mark.parametrize("several", [False, True])
def test_a_broken_frame_is_an_error_that_changes_nothing(photographs, several):
    shots = moving(photographs, 8)
    runs = []
    for breaks in (False, True):
        with MultiTracker(threads=1) if several else Tracker(threads=1) as tracker:
            begin = tracker.add if isinstance(tracker, MultiTracker) else tracker.init
            begin(*shots[0])
            run = []
            for frame, _ in shots[1:]:
                for broken in BROKEN.values() if breaks else ():
                    with pytest.raises(ImageError, match="frame"):
                        tracker.track(broken)
                run.append(tracker.track(frame))
            runs.append(run)
    assert runs[0] == runs[1]


def test_a_picture_that_cannot_be_decoded_is_named_and_the_tracker_goes_on(
    tracker, photographs, tmp_path
):
    shots = moving(photographs, 7)
    for number, (frame, _) in enumerate(shots):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame)
    (tmp_path / "4.png").write_bytes(b"\x89PNG\r\n\x1a\n broken IEND")
    following = track_video(tmp_path, shots[0][1], tracker=tracker)
    for number in range(4):
        assert next(following)[0].index == number
    with pytest.raises(ImageError, match=r"4\.png"):
        next(following)
    for frame, truth in shots[5:]:
        assert box_iou(tracker.track(frame).box, truth) > 0.85
