"""Trackers on frames of more than 8 bits."""

from __future__ import annotations

import numpy as np
import pytest
from moving_scene import moving
from thermal import counts

from qatm.runtime import Box, InputError, MultiTracker, Tracker, box_iou

Shots = list[tuple[np.ndarray, Box]]


@pytest.fixture(scope="module")
def shots(photographs: dict[str, np.ndarray]) -> Shots:
    """Thermal frames of an object that moves while everything becomes warmer, and where it is."""
    return [
        (counts(image.mean(2), 29000 + 60 * number, 30000 + 60 * number, number), box)
        for number, (image, box) in enumerate(moving(photographs, 10))
    ]


def test_an_object_is_followed_in_the_range_of_its_first_frame(shots: Shots) -> None:
    with Tracker(threads=1) as tracker:
        assert tracker.value_range is None
        tracker.init(*shots[0])
        kept = tracker.value_range
        assert kept is not None
        assert kept.low == pytest.approx(29000, abs=60)
        for frame, box in shots[1:]:
            track = tracker.track(frame)
            assert track.found
            assert box_iou(track.box, box) > 0.8
        assert tracker.value_range == kept
        tracker.init(shots[0][0].astype(np.uint8), shots[0][1])
        assert tracker.value_range is None


def test_a_named_range_is_kept(shots: Shots) -> None:
    with Tracker(threads=1) as tracker:
        tracker.init(*shots[0], value_range=(28000, 32000))
        kept = tracker.value_range
        assert kept is not None
        assert (kept.low, kept.high, kept.kind) == (28000, 32000, "fixed")
        assert tracker.track(shots[1][0]).found
        with pytest.raises(InputError, match="value_range"):
            tracker.init(*shots[0], value_range=(1, 1))
        tracker.reset()
        assert tracker.value_range is None


def test_floats_are_followed_as_8_bits_are(photographs: dict[str, np.ndarray]) -> None:
    frames = moving(photographs, 4)
    with Tracker(threads=1) as plain, Tracker(threads=1) as deep:
        plain.init(*frames[0])
        deep.init(frames[0][0] / 255, frames[0][1])
        for frame, _ in frames[1:]:
            assert deep.track(frame / 255) == plain.track(frame)


def test_several_objects_share_a_range(shots: Shots) -> None:
    frame, box = shots[0]
    frame = frame.copy()
    frame[150:210, 220:290] += 12000
    glowing = Box(220, 150, 70, 60)
    with MultiTracker(threads=1) as tracker:
        tracker.add(frame, box)
        first = tracker.value_range
        tracker.add(frame, glowing)
        both = tracker.value_range
        assert first is not None
        assert both is not None
        assert both.high > 41000 > first.most
        assert all(track.found for track in tracker.track(frame).values())
        with pytest.raises(InputError, match="give all of them the same"):
            tracker.add(frame, glowing, value_range=(0, 1))
        assert len(tracker.ids) == 2
        tracker.reset()
        tracker.add(*shots[0], value_range=(28000, 32000))
        kept = tracker.value_range
        assert kept is not None
        assert kept.kind == "fixed"
