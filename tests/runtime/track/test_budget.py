"""The time of a frame is shared among the searches, by a clock that the tests drive."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
from moving_scene import moving

from qatm.runtime import Box, InputError, MultiTracker, Tracker, TrackerOptions, box_iou
from qatm.runtime.images import Image
from qatm.runtime.patches.region import RegionFeatures
from qatm.runtime.patches.taps import Taps
from qatm.runtime.track.budget import LEAST, REMEMBERED, Piece, SearchBudget, Work
from qatm.runtime.track.presence import Point
from qatm.runtime.track.redetect import BESIDE_LOOKS, FramePart, WholeFrameSearch

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
        # A thousandth on top of the budget: what fits exactly shall not depend on rounding.
        tracker._budget._clock = lambda: self.pixels * 0.999e-6


def budget_at(milliseconds: float) -> tuple[SearchBudget, list[float]]:
    """A budget, and the time in seconds that its clock shows."""
    now = [0.0]
    return SearchBudget(milliseconds, lambda: now[0]), now


def frame_of(budget: SearchBudget, now: list[float], spent: float, pixels: int) -> None:
    """A frame whose ordinary looks take so many milliseconds."""
    budget.begin()
    now[0] += spent / 1e3
    budget.looked(pixels)


def work(budget: SearchBudget, now: list[float], piece: Piece, milliseconds: float) -> bool:
    """Ask for a piece of work, and do it in so many milliseconds if it is granted."""
    granted = budget.take(piece)
    if granted:
        now[0] += milliseconds / 1e3
        budget.done()
    return granted


def test_a_search_gets_what_the_frame_has_left() -> None:
    budget, now = budget_at(10)
    for _ in range(2):
        frame_of(budget, now, 4, 20_000)
        budget.share(1)
        # 6 ms at 5000 pixels a millisecond.
        assert budget.whole == pytest.approx(6)
        assert work(budget, now, Piece(20_000), 4)
        assert not work(budget, now, Piece(20_000), 4)
        assert work(budget, now, Piece(9_000), 1.8), "nothing is saved where a piece fits a frame"


def test_pieces_are_estimated_by_what_their_kind_took() -> None:
    """A pixel of a part takes twice as long as one of a look: half of them fit."""
    budget, now = budget_at(10)
    part, look = Piece(20_000, Work.PART), Piece(20_000)
    frame_of(budget, now, 4, 20_000)
    budget.share(1)
    assert budget.cost(part) == budget.cost(look) == pytest.approx(4)
    assert work(budget, now, part, 8), "nothing is known of parts yet"
    frame_of(budget, now, 4, 20_000)
    budget.share(1)
    assert budget.cost(part) == pytest.approx(8)
    assert budget.cost(look) == pytest.approx(4)
    assert not work(budget, now, part, 8)
    assert work(budget, now, look, 4)
    # The machine is twice as fast as before: so are parts.
    for _ in range(2 * REMEMBERED):
        frame_of(budget, now, 2, 20_000)
    assert budget.cost(part) == pytest.approx(4)


def test_a_larger_part_takes_no_longer_a_pixel_than_a_smaller_one() -> None:
    budget, now = budget_at(100)
    small, large, larger = (Piece(size, Work.PART) for size in (10_000, 40_000, 160_000))
    frame_of(budget, now, 4, 20_000)
    budget.share(1)
    work(budget, now, small, 3)
    work(budget, now, large, 80)
    assert budget.cost(large) == pytest.approx(12), "it was disturbed"
    for _ in range(2):
        work(budget, now, large, 8)
    assert budget.cost(large) == pytest.approx(8)
    assert budget.cost(larger) == pytest.approx(32)
    assert budget.cost(small) == pytest.approx(3)


def test_single_disturbed_pieces_change_no_estimate() -> None:
    budget, now = budget_at(100)
    look = Piece(20_000)
    for number in range(7):
        frame_of(budget, now, 40 if number == 4 else 4, 20_000)
        budget.share(1)
        work(budget, now, look, 30 if number == 5 else 3)
    assert budget.cost(look) == pytest.approx(3)


def test_time_that_a_piece_took_too_long_is_missing_in_its_frame() -> None:
    budget, now = budget_at(10)
    frame_of(budget, now, 2, 20_000)
    budget.share(1)
    assert work(budget, now, Piece(20_000), 7)
    assert not work(budget, now, Piece(20_000), 2)


def test_what_is_too_short_for_a_piece_is_saved() -> None:
    budget, now = budget_at(5)
    granted = []
    for _ in range(8):
        frame_of(budget, now, 4, 20_000)
        budget.share(1)
        granted.append(work(budget, now, Piece(20_000), 4))
    assert granted == [False, False, False, True] * 2


def test_a_budget_that_ordinary_looks_take_whole_still_leaves_a_little() -> None:
    budget, now = budget_at(1)
    granted = []
    for _ in range(22):
        frame_of(budget, now, 4, 20_000)
        budget.share(1)
        granted.append(work(budget, now, Piece(20_000), 4))
    assert sum(granted) == pytest.approx(22 * LEAST, abs=1)


def test_searches_share_and_the_first_may_take_a_whole_piece() -> None:
    budget, now = budget_at(10)
    frame_of(budget, now, 4, 20_000)
    budget.share(3)
    assert budget.whole == pytest.approx(2)
    assert work(budget, now, Piece(20_000), 4), "the shares are all smaller than the piece"
    budget.share(2)
    assert not work(budget, now, Piece(20_000), 4)
    assert work(budget, now, Piece(4_900), 0.98)


def test_whose_look_was_left_out_may_do_one_piece_whatever_is_left() -> None:
    budget, now = budget_at(3)
    frame_of(budget, now, 4, 20_000)
    frame_of(budget, now, 0, 0)
    budget.share(1, owed=True)
    assert work(budget, now, Piece(20_000), 4)
    assert not work(budget, now, Piece(2_000), 0.4)
    frame_of(budget, now, 0, 0)
    budget.share(1)
    assert not work(budget, now, Piece(20_000), 4), "frames without looks say nothing of the pace"


@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf, "5", True])
def test_a_budget_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="budget_ms"):
        TrackerOptions(budget_ms=wrong)  # pyright: ignore[reportArgumentType]


def driven(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, looks: float
) -> tuple[PixelClock, int]:
    """The clock of a tracker with a budget of so many looks, and the pixels of a look."""
    assert tracker._follower is not None
    look = math.prod(tracker._follower.model.region_size)
    tracker._budget.milliseconds = looks * look * 1e-3
    return PixelClock(tracker, monkeypatch), look


def searched(tracker: Tracker) -> WholeFrameSearch:
    """The search that a tracker's budget spreads over frames."""
    assert tracker._follower is not None
    return tracker._follower.search


def scene(photographs: Images, place: tuple[int, int] | None) -> np.ndarray:
    """A large frame with a cat's eye at a place."""
    frame = np.asarray(cv2.resize(photographs["motorcycle_left"], LARGE), np.uint8)
    if place is not None:
        x, y = place
        frame[y : y + SIDE, x : x + SIDE] = cv2.resize(
            photographs["chelsea"][60:150, 110:210], (SIDE, SIDE), interpolation=cv2.INTER_AREA
        )
    return frame


@pytest.mark.parametrize("looks", [3.0, 2.0, 1.5, 1.0])
def test_no_frame_takes_more_than_the_budget(
    photographs: Images, monkeypatch: pytest.MonkeyPatch, looks: float
) -> None:
    """A lost object in 1920x1080: nothing is searched at once, and it is found again."""
    with Tracker(threads=1, options=TrackerOptions(budget_ms=1)) as tracker:
        tracker.init(scene(photographs, (900, 500)), (900, 500, SIDE, SIDE))
        clock, look = driven(tracker, monkeypatch, looks)
        spent, tracks = [], []
        away, back = scene(photographs, None), scene(photographs, (930, 480))
        for frame in [away] * 30 + [back] * 10:
            before = clock.pixels
            tracks.append(tracker.track(frame))
            spent.append((clock.pixels - before) / look)
        assert tracks[29].state == "lost"
        assert max(spent[:30]) <= looks + 0.01
        assert np.mean(spent[10:30]) >= 0.7 * looks, "the time is used"
        # What was found again is compared with other places beside its own look.
        assert max(spent[30:]) <= max(looks, 2) + 0.01
        assert tracks[-1].state == "tracking"
        assert box_iou(tracks[-1].box, (930, 480, SIDE, SIDE)) > 0.7


def test_the_ordinary_look_and_the_search_take_turns_where_both_do_not_fit(
    photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tracker(threads=1, options=TrackerOptions(budget_ms=1)) as tracker:
        tracker.init(scene(photographs, (900, 500)), (900, 500, SIDE, SIDE))
        driven(tracker, monkeypatch, 1.0)
        follower = tracker._follower
        assert follower is not None
        looked: list[bool] = []
        look = follower.look

        def noted(frame: Image, seen: RegionFeatures, moved: Callable[[], Point | None]) -> int:
            looked.append(True)
            return look(frame, seen, moved)

        monkeypatch.setattr(follower, "look", noted)
        usual = []
        for _ in range(20):
            looked.clear()
            track = tracker.track(scene(photographs, None))
            usual.append((track.state, bool(looked)))
        assert usual[-1][0] == "lost"
        assert [looks for _, looks in usual[-8:]] in ([True, False] * 4, [False, True] * 4)
        assert all(looks for state, looks in usual if state != "lost"), "only lost objects rest"


def test_parts_that_take_longer_than_their_pixels_are_smaller(
    photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are compared with the target for twice as long as it takes to encode them."""
    with Tracker(threads=1, options=TrackerOptions(budget_ms=1)) as tracker:
        tracker.init(scene(photographs, (900, 500)), (900, 500, SIDE, SIDE))
        clock, look = driven(tracker, monkeypatch, 5.0)
        search = searched(tracker)
        inside, pixels = search.inside, []

        def slow(frame: Image, part: FramePart, size: float) -> list[tuple[float, float]]:
            clock.pixels += int(2 * part.pixels)
            pixels.append(part.pixels / look)
            return inside(frame, part, size)

        monkeypatch.setattr(search, "inside", slow)
        spent, states = [], []
        for _ in range(40):
            before = clock.pixels
            states.append(tracker.track(scene(photographs, None)).state)
            spent.append((clock.pixels - before) / look)
        assert states[-1] == "lost"
        assert pixels[0] < 0.5, "what is not known yet is tried with the smallest part"
        assert 0.8 < min(pixels[3:]) <= max(pixels[3:]) < 1.34
        assert max(spent) <= 5.01


@pytest.mark.parametrize("looks", [2.0, 1.2])
def test_no_part_of_a_frame_is_passed_over(
    photographs: Images, monkeypatch: pytest.MonkeyPatch, looks: float
) -> None:
    """A part that the budget refused is the first of the next frame."""
    with Tracker(threads=1, options=TrackerOptions(budget_ms=1)) as tracker:
        away, box = scene(photographs, None), (900, 500, SIDE, SIDE)
        tracker.init(scene(photographs, (900, 500)), box)
        driven(tracker, monkeypatch, looks)
        search = searched(tracker)
        inside, parts, tried_sizes = search.inside, [], []
        sizes = tracker.options.search_sizes

        def noted(frame: Image, part: FramePart, size: float) -> list[tuple[float, float]]:
            parts.append(part)
            tried_sizes.append(size)
            return inside(frame, part, size)

        monkeypatch.setattr(search, "inside", noted)
        assert [tracker.track(away).state for _ in range(60)][-1] == "lost"
        assert len(set(tried_sizes)) > 1
        follower = tracker._follower
        assert follower is not None
        due = WholeFrameSearch(follower.model)
        look = math.prod(follower.model.region_size)
        last = parts[0].left + parts[0].width / 2, parts[0].top + parts[0].height / 2
        for part, tried in zip(parts, tried_sizes, strict=True):
            most = int(look * 2.0 ** round(math.log2(part.pixels / look)))
            size = follower.size * due.in_turn(away, follower.size, sizes, BESIDE_LOOKS)
            assert tried == size
            wanted = due.next_part(away, last, size, most)
            assert part[2:4] == wanted[2:4]
            assert part[:2] == pytest.approx(wanted[:2], abs=2)
            due.go_on()


def test_an_object_elsewhere_is_found_within_a_round(
    photographs: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tracker(threads=1, options=TrackerOptions(budget_ms=1)) as tracker:
        tracker.init(scene(photographs, (900, 500)), (900, 500, SIDE, SIDE))
        driven(tracker, monkeypatch, 3)
        away, back = scene(photographs, None), scene(photographs, (200, 900))
        assert [tracker.track(away).state for _ in range(10)][-1] == "lost"
        tracks = [tracker.track(back) for _ in range(60)]
        assert tracks[-1].state == "tracking"
        assert box_iou(tracks[-1].box, (200, 900, SIDE, SIDE)) > 0.7


@pytest.mark.parametrize("looks", [2.0, 1.0])
def test_several_lost_objects_share_and_each_is_found(
    photographs: Images, monkeypatch: pytest.MonkeyPatch, looks: float
) -> None:
    shots = moving(photographs, 30, range(3, 18))
    frame, box = shots[0]
    # Every frame is looked at: what a glance leaves over would go to the search.
    with MultiTracker(threads=1, options=TrackerOptions(budget_ms=1, sure_score=1)) as tracker:
        first = tracker.add(frame, box)
        other = tracker.add(frame, Box(200, 40, 60, 60))
        third = tracker.add(frame, Box(230, 150, 60, 60))
        clock = PixelClock(tracker, monkeypatch)
        usual = sum(math.prod(f.model.region_size) for f in tracker._followers.values())
        tracker._budget.milliseconds = looks * usual * 1e-3
        blank = np.zeros_like(frame)
        spent, tracks = [], {}
        for number, (shot, _) in enumerate(shots[1:], 1):
            before = clock.pixels
            tracks = tracker.track(blank if 3 <= number < 18 else shot)
            spent.append((clock.pixels - before) / usual)
        # A frame that is too short for any piece saves its time, of three equal looks one here.
        assert max(spent) <= (looks if looks > 1 else 1 + 1 / 3) + 0.01
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
