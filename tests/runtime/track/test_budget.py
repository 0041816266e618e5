"""The time of a frame is shared among the searches, by a clock that the tests drive."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from moving_scene import moving

from qatm.runtime import Box, InputError, MultiTracker, Tracker, TrackerOptions, box_iou
from qatm.runtime.images import Image
from qatm.runtime.patches.taps import Taps
from qatm.runtime.track.budget import LEAST, SearchBudget

LARGE = (1920, 1080)
SIDE = 48
Images = dict[str, np.ndarray]


class PixelClock:
    """A clock that an encoder drives: a working pixel takes a microsecond."""

    def __init__(self, tracker: Tracker | MultiTracker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pixels = 0
        encoder = tracker._encoder
        encode = encoder.encode_crops

        def counted(crops: Sequence[Image]) -> list[tuple[Taps, np.ndarray]]:
            self.pixels += sum(crop.shape[0] * crop.shape[1] for crop in crops)
            return encode(crops)

        monkeypatch.setattr(encoder, "encode_crops", counted)
        tracker._budget._clock = lambda: self.pixels * 1e-6


def budget_at(milliseconds: float) -> tuple[SearchBudget, list[float]]:
    """A budget, and the time in seconds that its clock shows."""
    now = [0.0]
    return SearchBudget(milliseconds, lambda: now[0]), now


def frame_of(budget: SearchBudget, now: list[float], spent: float, pixels: int) -> None:
    """A frame whose ordinary looks take so many milliseconds."""
    budget.begin()
    now[0] += spent / 1e3
    budget.looked(pixels)


def test_a_search_gets_what_the_frame_has_left() -> None:
    budget, now = budget_at(10)
    frame_of(budget, now, 4, 20_000)
    budget.share(1)
    # 6 ms at 5000 pixels a millisecond.
    assert budget.left == pytest.approx(30_000)
    assert budget.take(20_000)
    assert not budget.take(20_000)
    assert budget.take(10_000)
    frame_of(budget, now, 4, 20_000)
    budget.share(1)
    assert budget.left == pytest.approx(30_000), "nothing is saved where a piece fits a frame"


def test_what_is_too_short_for_a_piece_is_saved() -> None:
    budget, now = budget_at(5)
    granted = []
    for _ in range(8):
        frame_of(budget, now, 4, 20_000)
        budget.share(1)
        granted.append(budget.take(20_000))
    assert granted == [False, False, False, True] * 2


def test_a_budget_that_ordinary_looks_take_whole_still_leaves_a_little() -> None:
    budget, now = budget_at(1)
    granted = []
    for _ in range(22):
        frame_of(budget, now, 4, 20_000)
        budget.share(1)
        granted.append(budget.take(20_000))
    assert sum(granted) == pytest.approx(22 * LEAST, abs=1)


def test_searches_share_and_the_first_may_take_a_whole_piece() -> None:
    budget, now = budget_at(10)
    frame_of(budget, now, 4, 20_000)
    budget.share(3)
    assert budget.left == pytest.approx(10_000)
    assert budget.take(20_000), "the shares are all smaller than the piece"
    budget.share(2)
    assert not budget.take(20_000)
    assert budget.take(5_000)


@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf, "5", True])
def test_a_budget_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="budget_ms"):
        TrackerOptions(budget_ms=wrong)  # pyright: ignore[reportArgumentType]


def scene(photographs: Images, place: tuple[int, int] | None) -> np.ndarray:
    """A large frame with a cat's eye at a place."""
    frame = np.asarray(cv2.resize(photographs["motorcycle_left"], LARGE), np.uint8)
    if place is not None:
        x, y = place
        frame[y : y + SIDE, x : x + SIDE] = cv2.resize(
            photographs["chelsea"][60:150, 110:210], (SIDE, SIDE), interpolation=cv2.INTER_AREA
        )
    return frame


@pytest.mark.parametrize("looks", [2.0, 1.5])
def test_no_frame_takes_more_than_the_budget_and_one_piece(
    photographs: Images, monkeypatch: pytest.MonkeyPatch, looks: float
) -> None:
    """A lost object in 1920x1080: nothing is searched at once, and it is found again."""
    with Tracker(threads=1, options=TrackerOptions(budget_ms=1)) as tracker:
        tracker.init(scene(photographs, (900, 500)), (900, 500, SIDE, SIDE))
        assert tracker._follower is not None
        clock, look = (
            PixelClock(tracker, monkeypatch),
            math.prod(tracker._follower.model.region_size),
        )
        tracker._budget.milliseconds = looks * look * 1e-3
        spent, tracks = [], []
        away, back = scene(photographs, None), scene(photographs, (930, 480))
        for frame in [away] * 30 + [back] * 10:
            before = clock.pixels
            tracks.append(tracker.track(frame))
            spent.append((clock.pixels - before) / look)
        assert tracks[29].state == "lost"
        # Parts are filled up to whole strides; the first search encodes the target for it.
        assert sorted(spent)[-2] <= max(looks, 2) + 0.3
        assert np.mean(spent[10:30]) == pytest.approx(looks, abs=0.25)
        assert tracks[-1].state == "tracking"
        assert box_iou(tracks[-1].box, (930, 480, SIDE, SIDE)) > 0.7


def test_an_object_elsewhere_is_found_within_a_round(
    photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tracker(threads=1, options=TrackerOptions(budget_ms=1)) as tracker:
        tracker.init(scene(photographs, (900, 500)), (900, 500, SIDE, SIDE))
        assert tracker._follower is not None
        PixelClock(tracker, monkeypatch)
        look = math.prod(tracker._follower.model.region_size)
        tracker._budget.milliseconds = 3 * look * 1e-3
        away, back = scene(photographs, None), scene(photographs, (200, 900))
        assert [tracker.track(away).state for _ in range(10)][-1] == "lost"
        tracks = [tracker.track(back) for _ in range(60)]
        assert tracks[-1].state == "tracking"
        assert box_iou(tracks[-1].box, (200, 900, SIDE, SIDE)) > 0.7


def test_several_lost_objects_share_and_each_is_found(
    photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    shots = moving(photographs, 30, range(3, 18))
    frame, box = shots[0]
    with MultiTracker(threads=1, options=TrackerOptions(budget_ms=1)) as tracker:
        first = tracker.add(frame, box)
        other = tracker.add(frame, Box(200, 40, 60, 60))
        third = tracker.add(frame, Box(230, 150, 60, 60))
        clock = PixelClock(tracker, monkeypatch)
        looks = [math.prod(f.model.region_size) for f in tracker._followers.values()]
        tracker._budget.milliseconds = 2 * sum(looks) * 1e-3
        blank = np.zeros_like(frame)
        spent, tracks = [], {}
        for number, (shot, _) in enumerate(shots[1:], 1):
            before = clock.pixels
            tracks = tracker.track(blank if 3 <= number < 18 else shot)
            spent.append((clock.pixels - before) / sum(looks))
        assert sorted(spent)[-2] < 2.6
        assert {tracks[number].state for number in (first, other, third)} == {"tracking"}
        assert box_iou(tracks[first].box, shots[-1][1]) > 0.7


def test_without_a_budget_nothing_is_spread(photographs: Images) -> None:
    with Tracker(threads=1) as tracker:
        assert not tracker._budget.limited
        tracker.init(scene(photographs, (900, 500)), (900, 500, SIDE, SIDE))
        away, back = scene(photographs, None), scene(photographs, (200, 900))
        assert [tracker.track(away).state for _ in range(8)][-1] == "lost"
        assert [tracker.track(back).state for _ in range(2)][-1] == "tracking"


def test_a_budget_beyond_need_does_no_more_than_none(
    photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = []
    for budget in (0.0, 3_600_000.0):
        with Tracker(threads=1, options=TrackerOptions(budget_ms=budget)) as tracker:
            tracker.init(scene(photographs, (900, 500)), (900, 500, SIDE, SIDE))
            clock = PixelClock(tracker, monkeypatch)
            away = scene(photographs, None)
            assert [tracker.track(away).state for _ in range(8)][-1] == "lost"
            before = clock.pixels
            tracker.track(away)
            spent.append(clock.pixels - before)
    assert spent[1] <= 1.1 * spent[0]
