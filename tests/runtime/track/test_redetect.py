"""Looking for a lost object: within its budget of pixels, whatever the object and the frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from qatm.runtime import Tracker, TrackerOptions, box_iou
from qatm.runtime.images import Image
from qatm.runtime.patches.taps import Taps
from qatm.runtime.track.redetect import WholeFrameSearch
from qatm.runtime.track.spread_search import LikelyPlace

Images = dict[str, np.ndarray]

ALIGN = 16
LARGE = (3840, 2160)
SIDE = 16


def search_for(side: float, options: TrackerOptions) -> WholeFrameSearch:
    """A search for an object of a size, of which only the choice of parts is used."""
    model = SimpleNamespace(side=side, options=options, encoder=SimpleNamespace(align=ALIGN))
    return WholeFrameSearch(model)  # pyright: ignore[reportArgumentType]


def frame_of(width: int, height: int) -> np.ndarray:
    """A frame that takes no memory."""
    return np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (height, width, 3))


@pytest.mark.parametrize("size", [LARGE, (640, 480), (1920, 1080), (200, 7000), (5000, 90)])
@pytest.mark.parametrize("side", [0.01, 1.5, 4, 16, 33, 150])
@pytest.mark.parametrize("pixels", [10_000, 300_000, 2_000_000])
def test_a_search_keeps_to_its_pixels(size: tuple[int, int], side: float, pixels: int) -> None:
    options = TrackerOptions(search_pixels=pixels)
    search, frame = search_for(side, options), frame_of(*size)
    fits = math.sqrt(pixels / math.prod(size)) * side >= TrackerOptions().search_side
    for number in range(8):
        search._searches = number
        part = search._part(frame, (0.7 * size[0], 0.9 * size[1]), 1.0, options.search_pixels)
        assert part.left >= 0
        assert part.top >= 0
        assert part.left + part.width <= size[0]
        assert part.top + part.height <= size[1]
        columns, rows = (round(length * part.scale) for length in (part.width, part.height))
        if fits:
            assert (part.width, part.height) == size
            assert part.scale == min(math.sqrt(pixels / math.prod(size)), options.side / side)
            assert columns * rows <= pixels + (columns + rows) / 2 + 1
        else:
            assert part.scale * max(1, side) == pytest.approx(TrackerOptions().search_side)
            padded = math.prod(ALIGN * math.ceil(length / ALIGN) for length in (columns, rows))
            assert pixels / 4 < padded <= pixels


def test_the_parts_cover_the_frame_and_every_second_one_the_last_place() -> None:
    search, frame = search_for(SIDE, TrackerOptions()), frame_of(*LARGE)
    last = (3000.0, 1000.0)
    corners = np.zeros((LARGE[1], LARGE[0]), bool)
    for number in range(120):
        search._searches = number
        part = search._part(frame, last, 1.0, TrackerOptions().search_pixels)
        if number % 2 == 0:
            assert abs(part.left + part.width / 2 - last[0]) <= 1
            assert abs(part.top + part.height / 2 - last[1]) <= 1
        else:
            # Where the corner of an object may be that the part shows whole.
            rows = slice(part.top, part.top + part.height - SIDE + 1)
            corners[rows, part.left : part.left + part.width - SIDE + 1] = True
    assert corners[: LARGE[1] - SIDE + 1, : LARGE[0] - SIDE + 1].all()


@pytest.fixture(scope="module")
def small_tracker() -> Iterator[Tracker]:
    with Tracker(threads=1) as opened:
        yield opened


@pytest.mark.parametrize(
    ("place", "frames"),
    [((1620, 1000), 3), ((100, 40), 4)],
    ids=["near where it was lost", "in another part of the frame"],
)
def test_a_small_object_in_a_large_frame_is_found_again(
    small_tracker: Tracker,
    photographs: Images,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[int, int],
    frames: int,
) -> None:
    """16 px in 3840x2160: what is encoded stays near the budget, and the object is found."""
    back = np.asarray(cv2.resize(photographs["motorcycle_left"], LARGE), np.uint8)
    piece = cv2.resize(
        photographs["chelsea"][60:150, 110:210], (SIDE, SIDE), interpolation=cv2.INTER_AREA
    )

    def shown(x: int, y: int) -> np.ndarray:
        frame = back.copy()
        frame[y : y + SIDE, x : x + SIDE] = piece
        return frame

    tracker, spent = small_tracker, []
    tracker.init(shown(1500, 900), (1500, 900, SIDE, SIDE))
    encode = tracker._encoder.encode_crops

    def counted(crops: Sequence[Image]) -> list[tuple[Taps, np.ndarray]]:
        spent.extend(crop.shape[0] * crop.shape[1] for crop in crops)
        return encode(crops)

    monkeypatch.setattr(tracker._encoder, "encode_crops", counted)
    most = tracker.options.search_pixels
    assert tracker._follower is not None
    usual = math.prod(tracker._follower.model.region_size)
    for number in range(5):
        assert tracker.track(shown(1500 + 2 * number, 900)).state == "tracking"
    # The place that was expected, two where it was seen, and five of the search; and what is found
    # at two more sizes, one of them perhaps twice.
    budget = most + 11 * usual
    tracks = []
    for frame in [back] * 6 + [shown(*place)] * frames:
        spent.clear()
        tracks.append(tracker.track(frame))
        assert sum(spent) <= budget
        assert max(spent) <= most
    assert tracks[5].state == "lost"
    assert tracks[-1].state == "tracking"
    # It may be found at another size that was tried, which is then followed to its own.
    tracks += [tracker.track(shown(*place)) for _ in range(2)]
    assert box_iou(tracks[-1].box, (*place, SIDE, SIDE)) > 0.7


def test_frames_of_few_pixels_show_no_large_object(
    small_tracker: Tracker, photographs: Images
) -> None:
    small_tracker.init(photographs["chelsea"], (0, 0, 300, 300))
    blank = np.zeros((2, 2, 3), np.uint8)
    assert [small_tracker.track(blank).state for _ in range(8)][-1] == "lost"


@pytest.mark.parametrize("zoom", [1.6, 0.62])
def test_what_comes_back_nearer_or_farther_is_found(
    small_tracker: Tracker, photographs: Images, zoom: float
) -> None:
    back = np.asarray(cv2.resize(photographs["motorcycle_left"], (640, 480)), np.uint8)

    def shown(x: int, y: int, side: int) -> np.ndarray:
        frame = back.copy()
        frame[y : y + side, x : x + side] = cv2.resize(
            photographs["chelsea"][60:150, 110:200], (side, side), interpolation=cv2.INTER_AREA
        )
        return frame

    small_tracker.init(shown(300, 200, 60), (300, 200, 60, 60))
    assert [small_tracker.track(back).state for _ in range(8)][-1] == "lost"
    side = round(60 * zoom)
    track = [small_tracker.track(shown(420, 300, side)) for _ in range(8)][-1]
    assert track.state == "tracking"
    assert box_iou(track.box, (420, 300, side, side)) > 0.7


def test_each_part_of_a_frame_is_searched_at_each_size() -> None:
    sizes = TrackerOptions().search_sizes
    search, frame = search_for(SIDE, TrackerOptions()), frame_of(*LARGE)
    shown = {size: np.zeros((LARGE[1], LARGE[0]), bool) for size in sizes}
    for number in range(2000):
        search._searches = number
        size = search.in_turn(frame, 1.0, sizes)
        part = search._part(frame, (3000.0, 1000.0), size, TrackerOptions().search_pixels)
        shown[size][part.top : part.top + part.height, part.left : part.left + part.width] = True
    assert all(seen.all() for seen in shown.values())


def test_small_frames_are_searched_at_one_size_after_the_other() -> None:
    search, frame = search_for(60, TrackerOptions()), frame_of(640, 480)
    tried = []
    for number in range(6):
        search._searches = number
        tried.append(search.in_turn(frame, 1.0, (1.0, 1.4, 0.7)))
    assert tried == [1.0, 1.4, 0.7] * 2


def test_the_farther_from_its_last_place_the_surer_it_has_to_be(
    small_tracker: Tracker, photographs: Images
) -> None:
    small_tracker.init(photographs["chelsea"], (110, 60, 90, 90))
    follower, options = small_tracker._follower, small_tracker.options
    assert follower is not None
    known = [((300.0, 200.0), 2.0), ((900.0, 200.0), 1.0)]
    there = LikelyPlace((0.0, 0.0), 1.0, known=True)
    anywhere = LikelyPlace((0.0, 0.0), 1.0, known=False)
    reach = options.search_near * 90
    needed = [
        follower._needed(anywhere, (x, 200.0), known)
        for x in (300.0, 300.0 - reach, 900.0 + reach, 900.0 + 5 * reach)
    ]
    assert follower._needed(there, (5000.0, 0.0), known) == options.again_score
    assert needed[0] == pytest.approx(options.again_score)
    assert options.again_score < needed[1] < options.elsewhere_score
    assert needed[2:] == pytest.approx([options.elsewhere_score] * 2)
