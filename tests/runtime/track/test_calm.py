"""Less is looked at of an object that is surely there and hardly changes."""

from __future__ import annotations

import math

import cv2
import pytest
from moving_scene import moving, warped

from qatm.runtime import Tracker, TrackerOptions, box_iou
from qatm.runtime.track import target
from qatm.runtime.track.calm import Calm

SURE = 0.99
NOTHING = (0.0, 0.0, 0.0)


def calm(**options):
    return Calm(TrackerOptions(**options))


def encoded_sizes(tracker, monkeypatch):
    """Sizes of what a tracker encodes from now on, as it goes."""
    sizes = []
    encode = tracker._encoder.encode_crops

    def noted(crops):
        sizes.extend(crop.shape[1::-1] for crop in crops)
        return encode(crops)

    monkeypatch.setattr(tracker._encoder, "encode_crops", noted)
    return sizes


def counted_readings(tracker, monkeypatch):
    """Frames in which size, shape and turn are read from now on, as they come."""
    readings = []
    read = target.TargetModel.read_motion

    def noted(model, seen, centre):
        readings.append(centre)
        return read(model, seen, centre)

    monkeypatch.setattr(target.TargetModel, "read_motion", noted)
    return readings


def test_after_a_frame_that_changed_nothing_two_are_not_read():
    ease = calm()
    assert ease.reads(SURE, 0.0)
    ease.read((0.001, 0.0, 0.0), 0.001)
    assert [ease.reads(SURE, 0.0) for _ in range(3)] == [False, False, True]
    ease.read((0.0, 0.0, 0.1), 0.0)
    assert ease.reads(SURE, 0.0)


@pytest.mark.parametrize(("score", "off"), [(0.6, 0.0), (SURE, 0.5)])
def test_what_is_less_sure_or_has_moved_is_read(score, off):
    ease = calm()
    ease.read(NOTHING, 0.0)
    assert ease.reads(score, off)
    assert ease.reads(SURE, 0.0)


def test_what_goes_on_is_no_noise():
    ease = calm(still_change=0.02)
    ease.read((0.015, 0.0, 0.0), 0.0)
    assert not ease.reads(SURE, 0.0)
    ease.read((-0.015, 0.0, 0.0), 0.0)
    assert not ease.reads(SURE, 0.0)
    for _ in range(2):
        ease.read((-0.015, 0.0, 0.0), 0.0)
    assert ease.reads(SURE, 0.0)


@pytest.mark.parametrize("options", [{"still_frames": 0}, {"sure_score": 1.0}])
def test_on_request_each_frame_is_read(options):
    ease = calm(**options)
    ease.read(NOTHING, 0.0)
    assert all(ease.reads(SURE, 0.0) for _ in range(3))


def test_what_is_found_elsewhere_is_read():
    ease = calm()
    ease.read(NOTHING, 0.0)
    ease.begin_again()
    assert ease.reads(SURE, 0.0)


def test_a_still_object_is_looked_at_in_a_smaller_region(photographs, monkeypatch):
    """All frames but those that are read or kept; one in which it is gone is looked at again."""
    scene, box = moving(photographs, 1)[0]
    gone, _ = moving(photographs, 2, [0])[0]
    with Tracker(threads=1) as tracker:
        tracker.init(scene, box)
        assert tracker._follower is not None
        model = tracker._follower.model
        assert math.prod(model.sure_size) < 0.7 * math.prod(model.region_size)
        sizes = encoded_sizes(tracker, monkeypatch)
        readings = counted_readings(tracker, monkeypatch)
        read = []
        for _ in range(12):
            readings.clear()
            assert box_iou(tracker.track(scene).box, box) > 0.9
            read.append(bool(readings))
        assert len(sizes) == 12
        large = [size == model.region_size for size in sizes]
        assert all(seen for seen, needed in zip(large, read, strict=True) if needed)
        assert sum(large) <= sum(read) + 12 // tracker.options.recent_after
        while not tracker._follower._calm.near:
            tracker.track(scene)
        sizes.clear()
        tracker.track(gone)
        assert sizes == [model.sure_size, model.region_size]


def test_on_request_every_frame_has_the_large_region(photographs, monkeypatch):
    scene, box = moving(photographs, 1)[0]
    with Tracker(threads=1, options=TrackerOptions(sure_score=1.0)) as tracker:
        tracker.init(scene, box)
        sizes = encoded_sizes(tracker, monkeypatch)
        tracks = [tracker.track(scene) for _ in range(4)]
        assert {track.state for track in tracks} == {"tracking"}
        assert tracker._follower is not None
        assert set(sizes) == {tracker._follower.model.region_size}


def test_a_still_object_is_read_in_every_third_frame(photographs, monkeypatch):
    scene, box = moving(photographs, 1)[0]
    with Tracker(threads=1) as tracker:
        tracker.init(scene, box)
        readings = counted_readings(tracker, monkeypatch)
        for _ in range(12):
            assert box_iou(tracker.track(scene).box, box) > 0.9
    assert len(readings) == 12 // 3


@pytest.mark.parametrize("growth", [1.01, 0.985])
def test_what_changes_slowly_is_read_often_enough(photographs, monkeypatch, growth):
    """A steady change below what counts as none is followed all the same."""
    scene, box = moving(photographs, 1)[0]
    with Tracker(threads=1) as tracker:
        tracker.init(scene, box)
        readings = counted_readings(tracker, monkeypatch)
        for step in range(1, 25):
            matrix = cv2.getRotationMatrix2D(box.centre, 0.0, growth**step)
            frame, truth = warped(scene, matrix, box)
            assert box_iou(tracker.track(frame).box, truth) > 0.85
    assert 8 <= len(readings) <= 24
