"""An object that is surely there and hardly changes is followed without looks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from moving_scene import moving, warped

from qatm.runtime import MultiTracker, Tracker, TrackerOptions, box_iou
from qatm.runtime.track.calm import Calm

SURE = 0.99
NOTHING = (0.0, 0.0, 0.0)
STEP = 1 + TrackerOptions().still_frames
"""Frames from one look at a still object to the next."""


def calm(**options):
    return Calm(TrackerOptions(**options))


def counted_looks(encoder, monkeypatch):
    """Sizes of what is encoded from now on, as it goes."""
    sizes = []
    encode = encoder.encode_crops

    def noted(crops):
        sizes.extend(crop.shape[1::-1] for crop in crops)
        return encode(crops)

    monkeypatch.setattr(encoder, "encode_crops", noted)
    return sizes


def test_after_a_frame_that_changed_nothing_some_do_without():
    ease = calm(still_frames=2)
    assert not ease.still
    ease.read((0.001, 0.0, 0.0), 0.001)
    for still in (True, True, False):
        assert ease.still is still
        ease.passed()
    ease.read((0.0, 0.0, 0.1), 0.0)
    assert not ease.still


def test_what_goes_on_is_no_noise():
    ease = calm(still_change=0.02)
    for change in (0.015, -0.015):
        ease.read((change, 0.0, 0.0), 0.0)
        assert ease.still
    for _ in range(2):
        ease.read((-0.015, 0.0, 0.0), 0.0)
    assert not ease.still


def test_what_was_corrected_by_much_is_not_still():
    ease = calm()
    ease.read(NOTHING, 0.1)
    assert not ease.still


def test_what_is_found_elsewhere_is_looked_at():
    ease = calm()
    ease.read(NOTHING, 0.0)
    ease.begin_again()
    assert not ease.still


@pytest.mark.parametrize(
    ("options", "score", "moved"),
    [({}, 0.6, 0.0), ({}, SURE, 0.5), ({"sure_score": 1.0}, 1.0, 0.0)],
)
def test_what_is_not_surely_seen_or_moves_is_not_sure(options, score, moved):
    assert calm().surely(SURE, 0.0)
    assert not calm(**options).surely(score, moved)


def test_a_still_object_is_looked_at_now_and_then(photographs, monkeypatch):
    """And in the frame in which it is gone, which is noticed as soon as by looks alone."""
    scene, box = moving(photographs, 1)[0]
    gone, _ = moving(photographs, 2, [0])[0]
    states = {}
    for still_frames in (0, STEP - 1):
        with Tracker(threads=1, options=TrackerOptions(still_frames=still_frames)) as tracker:
            tracker.init(scene, box)
            sizes = counted_looks(tracker._encoder, monkeypatch)
            for _ in range(3 * STEP):
                track = tracker.track(scene)
                assert box_iou(track.box, box) > 0.9
                assert track.score > 0.9
            assert len(sizes) == 3 * (STEP if still_frames == 0 else 1)
            tracker.track(scene)
            sizes.clear()
            states[still_frames] = [tracker.track(gone).state for _ in range(6)]
            assert sizes
    assert states[0] == states[STEP - 1]
    assert states[0][-1] == "lost"


def test_of_several_objects_the_still_ones_are_not_looked_at(photographs, monkeypatch):
    """The other one jumps farther than a glance reaches."""
    scene, box = moving(photographs, 1)[0]
    frames = []
    for number in range(STEP + 1):
        frame, x = scene.copy(), 150 + 16 * (number % 2)
        frame[160:218, x : x + 64] = scene[70:128, 30:94][:, ::-1]
        frames.append(frame)
    with MultiTracker(threads=1) as tracker:
        still, jumping = (tracker.add(frames[0], each) for each in (box, (150, 160, 64, 58)))
        tracker.track(frames[1])
        sizes = counted_looks(tracker._encoder, monkeypatch)
        for frame in frames[2:]:
            tracks = tracker.track(frame)
            assert box_iou(tracks[still].box, box) > 0.9
            assert tracks[jumping].found
        assert len(sizes) == STEP - 1


def test_what_changes_slowly_is_followed_all_the_same(photographs, monkeypatch):
    """A steady change below what counts as none."""
    scene, box = moving(photographs, 1)[0]
    for growth in (1.01, 0.985):
        with Tracker(threads=1) as tracker:
            tracker.init(scene, box)
            sizes = counted_looks(tracker._encoder, monkeypatch)
            for step in range(1, 25):
                matrix = cv2.getRotationMatrix2D(box.centre, 0.0, growth**step)
                frame, truth = warped(scene, matrix, box)
                assert box_iou(tracker.track(frame).box, truth) > 0.85
        assert 8 <= len(sizes) <= 24


@pytest.mark.parametrize("options", [{"still_frames": 0}, {"sure_score": 1.0}])
def test_on_request_every_frame_is_looked_at(photographs, monkeypatch, options):
    scene, box = moving(photographs, 1)[0]
    with Tracker(threads=1, options=TrackerOptions(**options)) as tracker:
        tracker.init(scene, box)
        sizes = counted_looks(tracker._encoder, monkeypatch)
        assert {tracker.track(scene).state for _ in range(4)} == {"tracking"}
        assert len(sizes) == 4


def test_an_object_of_one_colour_is_looked_at(monkeypatch):
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    frame[80:140, 100:160] = 128
    with Tracker(threads=1) as tracker:
        tracker.init(frame, (100, 80, 60, 60))
        sizes = counted_looks(tracker._encoder, monkeypatch)
        for _ in range(4):
            tracker.track(frame)
        assert len(sizes) >= 4
