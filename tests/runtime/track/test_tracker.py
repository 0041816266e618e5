"""Following an object through videos whose truth is exact."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from moving_scene import PIECE, moving, warped

from qatm.runtime import (
    Box,
    BoxError,
    DeviceError,
    ImageError,
    InputError,
    MultiTracker,
    Tracker,
    TrackerOptions,
    box_iou,
)
from qatm.runtime.patches.region import Region, cut_region
from qatm.runtime.track import target
from qatm.runtime.track.encoding import encode_region, encode_regions
from qatm.runtime.track.shared_regions import group_regions, part_of


@pytest.fixture(scope="module")
def tracker():
    """One tracker for all tests; each begins with its own init."""
    with Tracker(threads=1) as opened:
        yield opened


def test_an_object_is_followed_to_the_pixel(tracker, photographs):
    shots = moving(photographs, 10)
    tracker.init(*shots[0])
    for frame, truth in shots[1:]:
        track = tracker.track(frame)
        assert track.state == "tracking"
        assert track.score > 0.9
        assert box_iou(track.box, truth) > 0.85


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("brighter", lambda frame, _: cv2.convertScaleAbs(frame, alpha=1.3, beta=15)),
        ("darker", lambda frame, _: cv2.convertScaleAbs(frame, alpha=0.6)),
        ("noisy", lambda frame, rng: cv2.add(frame, rng.integers(0, 25, frame.shape, np.uint8))),
        ("blurred", lambda frame, _: cv2.GaussianBlur(frame, (5, 5), 0)),
        ("grey", lambda frame, _: cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)),
    ],
)
def test_a_change_of_light_or_noise_is_survived(tracker, photographs, name, change):
    rng = np.random.default_rng(0)
    shots = moving(photographs, 5)
    tracker.init(*shots[0])
    for frame, truth in shots[1:]:
        track = tracker.track(change(frame, rng))
        assert track.found, name
        assert box_iou(track.box, truth) > 0.7, name


@pytest.mark.parametrize("growth", [1.02, 0.98])
def test_the_size_is_followed(tracker, photographs, growth):
    scene, box = moving(photographs, 1)[0]
    scene = cv2.resize(scene, None, fx=2, fy=2)
    box = Box(*(2 * value for value in box))
    tracker.init(scene, box)
    centre = (box.x + box.w / 2, box.y + box.h / 2)
    track, truth = None, box
    for step in range(1, 16):
        matrix = cv2.getRotationMatrix2D(centre, 0, growth**step)
        frame, truth = warped(scene, matrix, box)
        track = tracker.track(frame)
    assert track is not None
    assert box_iou(track.box, truth) > 0.8
    assert track.box.w / box.w == pytest.approx(growth**15, rel=0.1)


@pytest.mark.parametrize("wider", [1.02, 0.98])
def test_the_shape_is_followed(tracker, photographs, wider):
    """A box that gets wider or narrower in a scene that does not: a thing that is turned about."""
    piece = np.ascontiguousarray(photographs["astronaut"][20:200, 150:300])
    back = np.asarray(cv2.resize(photographs["rocket"], (640, 480)))

    def shown(factor: float) -> tuple[np.ndarray, Box]:
        width, frame = round(120 * factor), back.copy()
        left = 320 - width // 2
        frame[150:290, left : left + width] = cv2.resize(piece, (width, 140))
        return frame, Box(left, 150, width, 140)

    frame, kept = shown(1.0)
    tracker.init(frame, kept)
    track, truth = tracker.latest, kept
    for step in range(1, 21):
        frame, truth = shown(wider**step)
        track = tracker.track(frame)
    assert box_iou(track.box, truth) > box_iou(Box.around(truth.centre, kept.w, kept.h), truth)
    change = np.log(track.box.w / track.box.h / (kept.w / kept.h)) / np.log(wider**20)
    assert 0.4 < change < 1.2


def test_a_slow_turn_is_followed(tracker, photographs):
    scene, box = moving(photographs, 1)[0]
    tracker.init(scene, box)
    centre = (box.x + box.w / 2, box.y + box.h / 2)
    for angle in range(2, 17, 2):
        frame, truth = warped(scene, cv2.getRotationMatrix2D(centre, angle, 1.0), box)
        track = tracker.track(frame)
        assert track.found
        assert box_iou(track.box, truth) > 0.5


@pytest.mark.parametrize("step", [2, -2])
def test_a_turn_is_followed_as_far_as_it_goes(tracker, photographs, step):
    """Half a turn, by two degrees a frame, while the object comes nearer."""
    picture = photographs["astronaut"]
    first = Box(170, 60, 120, 140)
    corners = np.array([[170, 60], [290, 60], [290, 200], [170, 200]], np.float64)
    tracker.init(picture, first)
    for number in range(1, 91):
        matrix = cv2.getRotationMatrix2D(first.centre, step * number, 1 + number / 300)
        track = tracker.track(warped(picture, matrix, first)[0])
        assert track.state == "tracking", number
        assert track.angle is not None
        assert track.scale == pytest.approx(1 + number / 300, rel=0.12), number
        lag = (track.angle - step * number + 180) % 360 - 180
        assert abs(lag) < 10, number
        truth = corners @ matrix[:, :2].T + matrix[:, 2]
        assert np.abs(np.array(track.corners) - truth).max() < 25, number


def test_the_recent_look_knows_what_the_first_does_not(photographs):
    """An object that slowly turns into another one: the first look alone is far less sure."""
    shots = moving(photographs, 2)
    scene, box = shots[0]
    x, y, w, h = (round(side) for side in box)
    other = cv2.resize(photographs["coffee"][100:300, 150:400], (w, h)).astype(np.float32)
    odds = {}
    for after in (6, 0):
        with Tracker(threads=1, options=TrackerOptions(recent_after=after)) as tracker:
            tracker.init(scene, box)
            track = tracker.track(scene)
            for share in np.linspace(0, 1, 60):
                frame = scene.astype(np.float32)
                piece = frame[y : y + h, x : x + w]
                frame[y : y + h, x : x + w] = (1 - share) * piece + share * other
                track = tracker.track(frame.astype(np.uint8))
            odds[after] = np.log(track.score / (1 - track.score))
            if after:
                assert box_iou(track.box, box) > 0.4
    assert odds[6] > odds[0] + 1


def test_what_hides_the_object_is_not_learned(tracker, photographs):
    """Covered bit by bit from one side, the object is lost all the same, and known afterwards."""
    shots = moving(photographs, 13)
    cover = np.asarray(cv2.resize(photographs["coffee"], (320, 240)), np.uint8)
    tracks = []
    tracker.init(*shots[0])
    for number in range(1, 60):
        scene, box = shots[min(number, 12)]
        frame = scene.copy()
        part = min(max(number - 14, 0) / 12, 1) if number < 50 else 0
        rows = slice(round(box.y) - 8, round(box.y) + PIECE[1] + 8)
        columns = slice(round(box.x) - 8, round(box.x) - 8 + round(part * (PIECE[0] + 16)))
        frame[rows, columns] = cover[rows, columns]
        tracks.append(tracker.track(frame))
    states = [track.state for track in tracks]
    assert set(states[:12]) == {"tracking"}
    assert set(states[35:49]) == {"lost"}
    assert states[-1] == "tracking"
    assert box_iou(tracks[-1].box, shots[12][1]) > 0.7


def test_an_object_that_goes_is_lost_and_found_again(tracker, photographs):
    gone = range(5, 17)
    shots = moving(photographs, 22, gone)
    tracker.init(*shots[0])
    states = ["tracking"]
    tracks = [tracker.track(frame) for frame, _ in shots[1:]]
    states += [track.state for track in tracks]
    assert set(states[:5]) == {"tracking"}
    assert "lost" in states[5:15]
    assert states[16] == "lost"
    assert not tracks[15].found
    assert tracks[15].box == tracks[14].box
    assert "tracking" in states[17:20]
    assert box_iou(tracks[-1].box, shots[-1][1]) > 0.7


@pytest.mark.parametrize("probation", [40, 0])
def test_a_look_alike_is_left_when_the_object_is_back(photographs, probation):
    """While the object is hidden its double is found; without probation that is kept to."""
    (hidden, box), _ = moving(photographs, 2, [0])
    (scene, _), _ = moving(photographs, 2)
    x, y, w, h = (round(side) for side in box)
    double = cv2.GaussianBlur(scene[y : y + h, x : x + w], (0, 0), 1.5)
    for frame in (hidden, scene):
        frame[y : y + h, 220 : 220 + w] = double
    with Tracker(threads=1, options=TrackerOptions(probation=probation)) as tracker:
        tracker.init(scene, box)
        away = [tracker.track(frame) for frame in [scene] * 3 + [hidden] * 15]
        assert box_iou(away[-1].box, (220, y, w, h)) > 0.7
        back = [tracker.track(scene) for _ in range(6)]
        assert (box_iou(back[-1].box, box) > 0.7) == (probation > 0)


@pytest.mark.parametrize(("weight", "unlike"), [(20.0, 0.5859), (0.0, 0.966)])
def test_places_of_other_colours_are_found_again_less_easily(photographs, weight, unlike):
    """A team's other jersey: red and blue exchanged. At most a factor of e^3 on the odds."""
    scene, box = moving(photographs, 1)[0]
    x, y, w, h = (round(side) for side in box)
    other = scene.copy()
    other[y : y + h, x : x + w] = scene[y : y + h, x : x + w, ::-1]
    with Tracker(threads=1, options=TrackerOptions(again_colours=weight)) as tracker:
        tracker.init(scene, box)
        follower = tracker._follower
        assert follower is not None
        scores = [
            follower._score_again(0.966, follower.model.encode(frame, follower.region()), at)
            for frame, at in ((scene, box.centre), (other, box.centre))
        ]
        assert scores[0] == 0.966
        assert scores[1] == pytest.approx(unlike, abs=1e-3)
        assert follower._score_again(0.0, None, box.centre) == 0


def test_glances_count_as_frames_of_which_looks_are_learned(photographs):
    scene, box = moving(photographs, 1)[0]
    with Tracker(threads=1, options=TrackerOptions(recent_after=6, still_frames=4)) as tracker:
        tracker.init(scene, box)
        follower, learned = tracker._follower, []
        assert follower is not None
        for _ in range(20):
            before = follower.model._newer
            tracker.track(scene)
            learned.append(follower.model._newer is not before)
    # In the look that is nearest to the frame in which it is due: 1, 6, 11 and 16 are looked at.
    assert [number for number, due in enumerate(learned, 1) if due] == [6, 11, 16]


def test_an_older_look_is_kept_beside_the_recent_one(photographs):
    shots = moving(photographs, 26)
    options = TrackerOptions(recent_after=2, older_every=3, still_frames=0)
    with Tracker(threads=1, options=options) as tracker:
        tracker.init(*shots[0])
        follower = tracker._follower
        assert follower is not None
        model, kept = follower.model, []
        for frame, truth in shots[1:]:
            assert box_iou(tracker.track(frame).box, truth) > 0.85
            if not kept or model._older_patches is not kept[-1]:
                kept.append(model._older_patches)
    assert kept[0] is model.first_patches
    # Looks are learned every second frame, kept every sixth, and read when the next one is kept.
    assert len(kept) == 1 + 24 // 6 - 1
    assert model._older_patches is not model._recent_patches


@pytest.mark.parametrize(("first_sure", "reads"), [(-100.0, 1), (100.0, 2), (-3.5, 1)])
def test_a_later_look_is_read_where_the_first_is_not_sure(
    photographs, monkeypatch, first_sure, reads
):
    """What follows rigidly is known by its first look alone."""
    shots, grids = moving(photographs, 6), []
    told = target.read_patches

    def counted(session, grid, *others):
        grids.append(grid)
        return told(session, grid, *others)

    monkeypatch.setattr(target, "read_patches", counted)
    options = TrackerOptions(recent_after=1, first_sure=first_sure, still_frames=0)
    with Tracker(threads=1, options=options) as tracker:
        tracker.init(*shots[0])
        for frame, truth in shots[1:]:
            grids.clear()
            assert box_iou(tracker.track(frame).box, truth) > 0.85
    assert len(grids) == reads


def test_a_size_that_cannot_be_told_does_not_drift(photographs):
    """What has come to look quite different fits all sizes about equally."""
    scene, box = moving(photographs, 1)[0]
    x, y, w, h = (round(side) for side in box)
    other = cv2.resize(photographs["astronaut"][0:200, 150:370], (w, h)).astype(np.float32)
    with Tracker(threads=1) as tracker:
        tracker.init(scene, box)
        for share in [*np.linspace(0, 1, 40), *[1] * 40]:
            frame = scene.astype(np.float32)
            piece = frame[y : y + h, x : x + w]
            frame[y : y + h, x : x + w] = (1 - share) * piece + share * other
            seen = tracker.track(frame.astype(np.uint8)).box
            assert seen.area == pytest.approx(box.area, rel=0.1)
            assert seen.w / seen.h == pytest.approx(box.w / box.h, rel=0.1)


@pytest.mark.parametrize("growth", [3.0, 0.4])
def test_a_size_is_followed_as_far_as_it_goes(photographs, growth):
    """A camera that comes nearer, or goes away, by 3 % a frame."""
    picture = photographs["astronaut"]
    centre, side, count = (225.0, 105.0), 60.0 if growth > 1 else 120.0, 40
    with Tracker(threads=1) as tracker:
        for number in range(count + 1):
            zoom = growth ** (number / count)
            matrix = np.array(
                [[zoom, 0, 160 - zoom * centre[0]], [0, zoom, 120 - zoom * centre[1]]], np.float32
            )
            flags = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
            frame = cv2.warpAffine(picture, matrix, (320, 240), flags=flags)
            box = Box.around((160, 120), side * zoom, side * zoom)
            if number == 0:
                tracker.init(frame, box)
                continue
            assert box_iou(tracker.track(frame).box, box) > 0.75, number


def test_another_scene_is_lost_and_the_way_back_is_found(tracker, photographs):
    shots = moving(photographs, 6)
    other = cv2.resize(photographs["coffee"], (320, 240))
    tracker.init(*shots[0])
    states = [tracker.track(other).state for _ in range(10)]
    assert states[-1] == "lost"
    assert states.index("lost") <= states.count("uncertain") + states.count("tracking")
    track = [tracker.track(frame) for frame, _ in shots[1:4]][-1]
    assert track.state == "tracking"
    assert box_iou(track.box, shots[3][1]) > 0.7


def test_update_is_what_opencv_users_expect(tracker, photographs):
    shots = moving(photographs, 2)
    x, y, w, h = (int(value) for value in shots[0][1])
    assert tracker.init(shots[0][0], (x, y, w, h)) is None
    found, box = tracker.update(shots[1][0])
    assert found is True
    assert [type(value) for value in box] == [float] * 4
    assert box_iou(box, shots[1][1]) > 0.85


def test_the_same_frames_give_the_same_boxes(tracker, photographs):
    shots = moving(photographs, 5)
    runs = []
    for _ in range(2):
        tracker.init(*shots[0])
        runs.append([tracker.track(frame) for frame, _ in shots[1:]])
    assert runs[0] == runs[1]


def test_a_target_may_stick_out_of_the_frame_and_leave_it(tracker, photographs):
    scene, box = moving(photographs, 1)[0]
    tracker.init(scene, (box.x, -20, box.w, 60))
    assert tracker.track(scene).found
    tracker.init(scene, box)
    track = tracker.track(scene)
    for shift in range(0, 320, 20):
        matrix = np.array([[1, 0, -shift], [0, 1, 0]], float)
        track = tracker.track(cv2.warpAffine(scene, matrix, scene.shape[1::-1]))
        assert np.isfinite(track.box).all()
    assert track.state == "lost"


def test_a_target_may_fill_the_frame(tracker, photographs):
    frame = photographs["chelsea"]
    height, width = frame.shape[:2]
    tracker.init(frame, (0, 0, width, height))
    track = tracker.track(frame)
    assert track.found
    assert box_iou(track.box, (0, 0, width, height)) > 0.8


def test_frames_may_change_their_size(tracker, photographs):
    shots = moving(photographs, 3)
    tracker.init(*shots[0])
    cropped = shots[1][0][:200, :280]
    track = tracker.track(cropped)
    assert box_iou(track.box, shots[1][1]) > 0.85
    assert tracker.track(shots[2][0][:20, :20]).box.w > 0


def test_a_target_of_one_colour_is_never_seen(tracker):
    frame = np.full((120, 160, 3), 90, np.uint8)
    tracker.init(frame, (40, 40, 30, 30))
    tracks = [tracker.track(frame) for _ in range(12)]
    assert {track.score for track in tracks} == {0.0}
    assert tracks[-1].state == "lost"


def test_use_before_init_and_bad_input_are_named(photographs):
    frame, box = moving(photographs, 1)[0]
    with Tracker(threads=1) as fresh:
        with pytest.raises(InputError, match="call init"):
            fresh.track(frame)
        with pytest.raises(BoxError, match="outside"):
            fresh.init(frame, (400, 10, 20, 20))
        with pytest.raises(BoxError, match="positive"):
            fresh.init(frame, (10, 10, 0, 20))
        with pytest.raises(ImageError, match="frame"):
            fresh.init(np.zeros((4, 4), bool), box)
        fresh.init(frame, box)
        fresh.reset()
        with pytest.raises(InputError, match="call init"):
            fresh.update(frame)
    with pytest.raises(DeviceError, match="closed"):
        fresh.init(frame, box)


def test_a_device_that_is_missing_is_an_error():
    with pytest.raises(DeviceError):
        Tracker(device="abacus")  # pyright: ignore[reportArgumentType]


def test_info_says_what_runs(tracker):
    assert tracker.info.device == "cpu"
    assert tracker.info.precision == "fp32"


def test_options_survive_json():
    options = TrackerOptions(side=48, search_sizes=(0.8, 1.0))
    assert TrackerOptions.from_dict(json.loads(json.dumps(options.as_dict()))) == options
    assert TrackerOptions.from_dict({}) == TrackerOptions()


@pytest.mark.parametrize(
    "wrong",
    [{"side": 2}, {"inertia": 1.0}, {"scale_gain": "x"}, {"search_sizes": ()}, {"colour": 1}],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrackerOptions.from_dict(wrong)


def test_one_frame_neither_loses_nor_finds(tracker, photographs):
    shots = moving(photographs, 4)
    tracker.init(*shots[0])
    blank = np.zeros_like(shots[0][0])
    assert tracker.track(blank).state != "lost"
    assert tracker.track(shots[1][0]).found
    options = tracker.options
    belief = options.inertia * options.most_odds - (1 - options.inertia) * options.most_odds
    assert belief > 0


def test_several_objects_are_followed_as_each_alone(photographs):
    shots = moving(photographs, 5)
    second = Box(200, 60, 60, 60)
    with MultiTracker(threads=1) as many, Tracker(threads=1) as one:
        with pytest.raises(InputError, match="add"):
            many.track(shots[0][0])
        first = many.add(*shots[0])
        other = many.add(shots[0][0], second)
        assert many.ids == [first, other]
        one.init(*shots[0])
        for frame, truth in shots[1:]:
            tracks = many.track(frame)
            assert box_iou(tracks[first].box, truth) > 0.8
            assert box_iou(tracks[first].box, one.track(frame).box) > 0.9
            assert box_iou(tracks[other].box, second) > 0.8
        many.remove(first)
        assert list(many.track(shots[-1][0])) == [other]
        assert many.add(*shots[0]) not in (first, other)
        with pytest.raises(InputError, match=f"{first}"):
            many.remove(first)


def test_regions_are_joined_only_where_that_is_cheaper():
    near = {0: Region(0, 0, 1.0, 160, 160), 1: Region(40, 20, 1.0, 160, 160)}
    (whole, members), *rest = group_regions(near, 16, 1.04)
    assert not rest
    assert sorted(members) == [0, 1]
    assert (whole.left, whole.top, whole.width % 16, whole.height % 16) == (0, 0, 0, 0)
    assert whole.width * whole.height <= 2 * 160 * 160
    far = {0: near[0], 1: Region(400, 20, 1.0, 160, 160), 2: Region(0, 0, 1.5, 160, 160)}
    assert group_regions(far, 16, 1.04) == [(region, [number]) for number, region in far.items()]


def test_a_part_of_a_joined_region_lies_where_it_says(tracker, photographs):
    frame = photographs["coffee"]
    whole = Region(50, 40, 1.0, 320, 240)
    wanted = Region(98.0, 70.0, 1.0, 160, 160)
    part = part_of(encode_region(tracker._encoder, frame, whole), wanted, 8)
    assert part.coarse.shape[1:] == (20, 20)
    assert part.taps.shape == (40, 40)
    assert abs(part.region.left - wanted.left) <= 4
    assert abs(part.region.top - wanted.top) <= 4
    np.testing.assert_array_equal(part.image, cut_region(frame, part.region))


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0, 1.7])
def test_a_region_shows_the_pixels_it_names(photographs, scale):
    frame = cv2.GaussianBlur(photographs["coffee"], (0, 0), 3 / scale)
    region = Region(60.5, 33.25, scale, 64, 48)
    pixels = cut_region(frame, region)
    assert pixels.shape == (48, 64, 3)
    for column, row in ((0, 0), (20, 30), (63, 47)):
        x, y = region.to_frame(column + 0.5, row + 0.5)
        patch = cv2.getRectSubPix(frame, (1, 1), (x - 0.5, y - 0.5))
        assert np.abs(pixels[row, column].astype(int) - patch[0, 0]).max() <= 6
        assert region.to_working(x, y) == pytest.approx((column + 0.5, row + 0.5))


def test_a_region_outside_the_frame_repeats_its_edge(photographs):
    frame = photographs["coffee"]
    pixels = cut_region(frame, Region(-500, -500, 1.0, 32, 32))
    assert (pixels == frame[0, 0]).all()


def test_work_does_not_depend_on_the_frame(tracker, photographs):
    regions = []
    for factor in (1, 3):
        frame, box = moving(photographs, 1)[0]
        frame = cv2.resize(frame, None, fx=factor, fy=factor)
        tracker.init(frame, Box(*(factor * value for value in box)))
        tracker.track(frame)
        regions.append(tracker._follower.region())
    assert (regions[0].width, regions[0].height) == (regions[1].width, regions[1].height)
    assert regions[0].width <= 2 * 0.75 * 64 + 64 * np.sqrt(PIECE[0] / PIECE[1]) + 16


def test_regions_of_one_size_come_back_in_their_order(tracker, photographs):
    frame = photographs["coffee"]
    regions = [
        Region(20, 30, 1.0, 96, 64),
        Region(50, 40, 1.0, 64, 64),
        Region(90, 10, 0.7, 96, 64),
    ]
    together = encode_regions(tracker._encoder, frame, regions)
    assert [seen.region for seen in together] == regions
    for seen in together:
        alone = encode_region(tracker._encoder, frame, seen.region)
        np.testing.assert_allclose(seen.coarse, alone.coarse, atol=1e-5)
        np.testing.assert_array_equal(seen.image, cut_region(frame, seen.region))
