"""Trackers that begin with a template, or with what another tracker hands over."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from moving_scene import PIECE, moving

from qatm.runtime import Box, InputError, MultiTracker, Template, TemplateError, Tracker, box_iou
from qatm.runtime.patches.kept_look import ObjectView
from qatm.runtime.track.first_look import FirstLook


@pytest.fixture(scope="module")
def tracker():
    """One tracker for all tests; each begins with its own init."""
    with Tracker(threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def elsewhere(photographs):
    """Frames of the cat's eye over another picture, of another size, and as large as asked for."""

    def shots(size=1.0, count=6):
        back = np.asarray(cv2.resize(photographs["coffee"], (480, 360)), np.uint8)
        width, height = (round(side * size) for side in PIECE)
        piece = cv2.resize(photographs["chelsea"][60:150, 110:210], (width, height))
        frames = []
        for number in range(count):
            x, y = 200 + 4 * number, 150 - 3 * number
            frame = back.copy()
            frame[y : y + height, x : x + width] = piece
            frames.append((frame, Box(float(x), float(y), float(width), float(height))))
        return frames

    return shots


@pytest.fixture(scope="module")
def template(photographs, matcher):
    """The cat's eye over the motorcycle."""
    return matcher.encode_template(*moving(photographs, 1)[0], name="eye")


def followed(tracker, shots):
    """Whether an object is followed from its second frame on."""
    tracks = [tracker.track(frame) for frame, _ in shots[1:]]
    boxes = [truth for _, truth in shots[1:]]
    return all(
        track.state == "tracking" and box_iou(track.box, box) > 0.8
        for track, box in zip(tracks, boxes, strict=True)
    )


@pytest.mark.parametrize("size", [0.6, 1.0, 1.8])
def test_the_object_of_a_template_is_found_and_followed(tracker, template, elsewhere, size):
    shots = elsewhere(size)
    assert tracker.init(shots[0][0], template=template) is None
    assert tracker.latest.state == "tracking"
    assert tracker.latest.score > 0.99
    assert box_iou(tracker.latest.box, shots[0][1]) > 0.85
    assert followed(tracker, shots)


def test_a_crop_with_a_mask_will_do(tracker, photographs, matcher, elsewhere, tmp_path):
    """A saved one; what the mask hides is another picture's."""
    scene, box = moving(photographs, 1)[0]
    x, y, w, h = (round(side) for side in box)
    mask = np.zeros((h, w), bool)
    mask[6:-6, 6:-6] = True
    crop = np.where(mask[..., None], scene[y : y + h, x : x + w], np.uint8(90))
    path = matcher.encode_template(crop, mask=mask).save(tmp_path / "eye.npz")
    shots = elsewhere()
    tracker.init(shots[0][0], template=Template.load(path))
    assert tracker.latest.state == "tracking"
    assert box_iou(tracker.latest.box, shots[0][1]) > 0.8
    assert followed(tracker, shots)


def test_beside_a_box_the_look_is_the_template_s(tracker, template, elsewhere):
    """The object is hidden in the first frame: its place is given, its look is known."""
    shots = elsewhere()
    hidden, box = shots[0][0].copy(), shots[0][1]
    x, y, w, h = (round(side) for side in box)
    hidden[y : y + h, x : x + w] = cv2.GaussianBlur(hidden[y : y + h, x : x + w], (0, 0), 9)
    tracker.init(hidden, box, template=template)
    assert tracker.latest.box == box
    assert followed(tracker, shots)
    tracker.init(hidden, box)
    assert tracker.track(shots[1][0]).score < 0.9, "without the template it is something else"


@pytest.mark.parametrize("name", ["coffee", "rocket", "motorcycle_right"])
def test_what_is_not_there_is_lost_until_it_comes(
    tracker, photographs, template, elsewhere, name, tmp_path
):
    empty = np.asarray(cv2.resize(photographs[name], (480, 360)), np.uint8)
    tracker.init(empty, template=template)
    assert tracker.latest.state == "lost"
    assert tracker.latest.score == 0
    assert tracker.latest.box == pytest.approx((240 - 32, 180 - 29, *PIECE))
    shots = elsewhere()
    with Tracker.load(tracker.save(tmp_path / "t.npz"), threads=1) as loaded:
        assert loaded.latest == tracker.latest
        track = loaded.track(shots[0][0])
        assert track == tracker.track(shots[0][0])
    assert track.state == "tracking"
    assert box_iou(track.box, shots[0][1]) > 0.8
    assert followed(tracker, shots)


def test_an_object_goes_over_to_another_camera(tracker, photographs, elsewhere):
    """As it looked at first, in the first one's frames; found by itself, or where it is said."""
    first = moving(photographs, 4)
    tracker.init(*first[0])
    for frame, _ in first[1:]:
        tracker.track(frame)
    shots = elsewhere(1.3)
    handed = tracker.template()
    assert handed.view.image.shape[:2] < first[0][0].shape[:2]
    for box in (None, shots[0][1]):
        with Tracker(threads=1) as other:
            other.init(shots[0][0], box, template=handed)
            assert other.latest is not None
            assert box_iou(other.latest.box, shots[0][1]) > 0.85
            assert followed(other, shots)


def test_several_objects_may_begin_with_templates(template, elsewhere):
    shots = elsewhere()
    with MultiTracker(threads=1) as tracker:
        still = tracker.add(shots[0][0], (60, 60, 70, 70))
        found = tracker.add(shots[0][0], template=template)
        tracks = [tracker.track(frame) for frame, _ in shots[1:]]
    assert box_iou(tracks[-1][found].box, shots[-1][1]) > 0.8
    assert box_iou(tracks[-1][still].box, (60, 60, 70, 70)) > 0.85


def test_tracks_have_the_name_of_their_template(tracker, template, elsewhere, tmp_path):
    """Also when the tracker goes on elsewhere, and when another camera takes the object over."""
    shots = elsewhere()
    tracker.init(shots[0][0], template=template)
    assert tracker.latest.name == "eye"
    track = tracker.track(shots[1][0])
    assert track.as_dict()["template"] == track.name == "eye"
    assert "template='eye'" in repr(track)
    with Tracker.load(tracker.save(tmp_path / "t.npz"), threads=1) as loaded:
        assert loaded.latest == tracker.latest
        assert loaded.track(shots[2][0]).name == "eye"
    handed = tracker.template()
    tracker.init(shots[0][0], shots[0][1], template=handed)
    assert tracker.track(shots[1][0]).name == "eye"
    tracker.init(shots[0][0], shots[0][1], template=handed, name="left eye")
    assert tracker.track(shots[1][0]).name == "left eye"
    tracker.init(*shots[0])
    track = tracker.track(shots[1][0])
    assert track.name == ""
    assert "template" not in track.as_dict()
    assert "template" not in repr(track)


def test_several_objects_are_told_by_their_names(template, elsewhere):
    shots = elsewhere()
    with MultiTracker(threads=1) as tracker:
        tracker.add(shots[0][0], (60, 60, 70, 70), name="table")
        tracker.add(shots[0][0], template=template)
        tracker.add(shots[0][0], (10, 10, 40, 40))
        for frame, _ in shots[1:3]:
            tracks = tracker.track(frame)
            assert [track.name for track in tracks.values()] == ["table", "eye", ""]


@pytest.mark.parametrize("wrong", [7, b"eye", "a" * 1001, "half \udcff"])
def test_a_name_is_text(tracker, elsewhere, wrong):
    with pytest.raises(InputError, match="name is"):
        tracker.init(*elsewhere()[0], name=wrong)


def test_a_template_of_more_bits_gives_its_range(tracker, photographs, matcher, elsewhere):
    def deep(frame):
        return frame.astype(np.uint16) * 9 + 700

    scene, box = moving(photographs, 1)[0]
    template = matcher.encode_template(deep(scene), box)
    shots = [(deep(frame), truth) for frame, truth in elsewhere()]
    tracker.init(shots[0][0], template=template)
    assert tracker.value_range == template.value_range is not None
    assert followed(tracker, shots)


def test_the_object_is_drawn_where_the_box_is(photographs):
    """Half a pixel too, and beyond the frame; what surrounds it stays."""
    picture = cv2.GaussianBlur(photographs["chelsea"], (0, 0), 3)
    view = ObjectView(picture, Box(100.0, 50.0, 80.0, 60.0))
    frame = np.asarray(cv2.resize(photographs["rocket"], (200, 150)), np.uint8)
    box = Box(30.5, 40.25, 40.0, 30.0)
    look = FirstLook.drawn(view, frame, box)
    assert look.box == box
    changed = np.argwhere((look.frame != frame).any(2))
    assert changed.min(0).tolist() == [40, 30]
    assert changed.max(0).tolist() == [70, 70]
    for x, y in ((40, 50), (60, 60)):
        at = 100 + (x + 0.5 - 30.5) * 2 - 0.5, 50 + (y + 0.5 - 40.25) * 2 - 0.5
        wanted = cv2.getRectSubPix(picture, (1, 1), at)[0, 0]
        assert np.abs(look.frame[y, x].astype(int) - wanted).max() <= 4
    outside = FirstLook.drawn(view, frame, Box(180.0, -20.0, 40.0, 30.0))
    assert (outside.frame != frame).any(2)[:10, 180:].mean() > 0.9
    assert (outside.frame[10:] == frame[10:]).all()


def test_what_is_no_template_is_named(tracker, photographs, template, elsewhere):
    frame, box = elsewhere()[0]
    tracker.reset()
    assert tracker.latest is None
    with pytest.raises(InputError, match="give its box in the frame, or a template"):
        tracker.init(frame)
    with pytest.raises(InputError, match=r"template is str; .*Template\.load"):
        tracker.init(frame, box, template="eye.npz")
    with pytest.raises(TemplateError, match=r"'eye' was made with another model .*encode it again"):
        tracker.init(frame, template=replace(template, model="0" * 64))
    with pytest.raises(TemplateError, match=r"'eye' was saved by an earlier version"):
        tracker.init(frame, box, template=replace(template, view=None))
    with pytest.raises(InputError, match="no object to hand over"):
        tracker.template()
    with pytest.raises(InputError, match="no object to follow"):
        tracker.track(frame)
    scene, place = moving(photographs, 1)[0]
    tracker.init(scene, place)
    with pytest.raises(TemplateError):
        tracker.init(frame, template=replace(template, view=None))
    assert tracker.track(scene).found, "an object that was followed before is followed on"
