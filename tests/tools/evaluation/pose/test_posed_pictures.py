from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from qatm.runtime.boxes import Box
from qatm.tools.baselines.poses import PoseSpan
from qatm.tools.baselines.poses.similarities import outline
from qatm.tools.evaluation.match.frame_pairs import FrameView
from qatm.tools.evaluation.pose.pose_errors import lie_of
from qatm.tools.evaluation.pose.posed_pictures import (
    Border,
    Turn,
    ViewTask,
    seeded_turn,
    turned,
)

EVERY_POSE = PoseSpan((-180, 180), (0.5, 2))


@pytest.fixture(scope="module")
def view(tmp_path_factory, photographs) -> FrameView:
    path = tmp_path_factory.mktemp("view") / "astronaut.png"
    image = photographs["astronaut"]
    cv2.imwrite(str(path), image)
    return FrameView(path, Box(180.0, 62.0, 80.0, 60.0), (image.shape[1], image.shape[0]))


def upright(image, corners, size):
    """The pixels inside corners, turned back."""
    width, height = size
    there = np.array([[0, 0], [width, 0], [width, height]], np.float32) - 0.5
    matrix = cv2.getAffineTransform(np.asarray(corners[:3] - 0.5, np.float32), there)
    return cv2.warpAffine(image, matrix, (int(width), int(height)), flags=cv2.INTER_CUBIC)


@pytest.mark.parametrize("border", Border)
@pytest.mark.parametrize("seed", range(6))
def test_the_object_lies_where_the_truth_says(seed, border, view):
    turn = seeded_turn(EVERY_POSE, seed)
    task = ViewTask("a", "v", view, view, "rigid", EVERY_POSE, turn, border=border)
    picture = task.load()
    (truth,) = picture.truths
    box = view.box
    assert picture.poses == EVERY_POSE
    assert (truth >= 0).all()
    assert (truth <= picture.image.shape[1::-1]).all()
    lie = lie_of(truth, (box.w, box.h))
    assert lie.scale == pytest.approx(turn.zoom)
    assert (lie.angle - turn.angle + 180) % 360 == pytest.approx(180)
    back = upright(picture.image, truth, (box.w, box.h)).astype(float)
    x, y, w, h = map(int, box)
    own = cv2.GaussianBlur(picture.frame, (0, 0), 1.0)[y : y + h, x : x + w]
    back = cv2.GaussianBlur(back, (0, 0), 0.5)
    inner = np.s_[4:-4, 4:-4]
    assert np.corrcoef(back[inner].ravel(), own[inner].ravel())[0, 1] > 0.97


def test_an_object_that_would_not_fit_gets_a_larger_picture():
    image = np.zeros((60, 200, 3), np.uint8)
    corners = outline(Box(10, 10, 150, 40))
    larger, moved_corners = turned(image, corners, Turn(90.0, 2.0), Border.mean)
    assert larger.shape[:2] == (302, 200)
    assert moved_corners.min() >= 0.99
    assert (moved_corners <= (199.01, 301.01)).all()
    same, _ = turned(image, corners, Turn(5.0, 0.5), Border.mean)
    assert same.shape == image.shape


def test_borders_differ_only_outside_of_the_frame():
    image = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    corners = outline(Box(40, 30, 20, 20))
    mean, _ = turned(image, corners, Turn(0.0, 0.5), Border.mean)
    mirrored, _ = turned(image, corners, Turn(0.0, 0.5), Border.reflect)
    assert (mean[25:55, 30:70] == mirrored[25:55, 30:70]).all()
    assert np.abs(mean[0, 0] - image.mean((0, 1))).max() <= 1
    assert (mean[:15] == mean[0, 0]).all()
    assert mirrored[:15].std() > 20


def test_a_shift_without_a_turn_is_exact_to_part_of_a_pixel():
    ramp = np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], 60, 0).repeat(3, 2)
    corners = outline(Box(40, 20, 20, 20))
    shifted, moved_corners = turned(ramp, corners, Turn(shift=(0.25, 0.0)), Border.reflect)
    assert (moved_corners - corners).tolist() == [[0.25, 0.0]] * 4
    # The ramp rises by 2 a pixel, so a quarter to the right lowers it by half: to the even number.
    assert np.abs(shifted[30, 20:80, 0].astype(float) - (ramp[30, 20:80, 0] - 0.5)).max() <= 0.5


def test_turns_are_drawn_over_the_whole_range():
    turns = [seeded_turn(EVERY_POSE, 0, number) for number in range(400)]
    assert turns[3] == seeded_turn(EVERY_POSE, 0, 3)
    assert turns[3] != seeded_turn(EVERY_POSE, 1, 3)
    angles, zooms = (
        np.array([getattr(turn, name) for turn in turns]) for name in ("angle", "zoom")
    )
    assert angles.min() < -170
    assert angles.max() > 170
    assert 0.5 <= zooms.min() < 0.52
    assert 1.92 < zooms.max() <= 2
    assert (zooms < 1).mean() == pytest.approx(0.5, abs=0.08), "half of them are smaller"
    shifts = np.array([turn.shift for turn in turns])
    assert np.abs(shifts).max() == 0.5
    assert (shifts * 32 == np.rint(shifts * 32)).all()
    fixed = seeded_turn(PoseSpan((0, 0), (1, 1)), 7)
    assert fixed[:2] == (0, 1)


def test_a_crop_shows_nothing_around_the_object(view):
    task = ViewTask("a", "v", view, view, "rigid", EVERY_POSE, Turn(30.0, 1.5), crop=True)
    picture, whole = task.load(), replace(task, crop=False).load()
    assert picture.frame.shape == (60, 80, 3)
    assert picture.box == (0, 0, 80, 60)
    assert picture.truths[0] == pytest.approx(whole.truths[0])
    part = replace(task, template=replace(view, box=Box(180.4, 62.4, 79.3, 59.3)), crop=True)
    part = replace(part, search=part.template)
    small = part.load()
    lie = lie_of(small.truths[0], small.box[2:])
    assert lie.scale == pytest.approx(1.5), "the truth is of whole pixels, as the crop is"


def test_an_absent_object_has_no_truth(view):
    task = ViewTask("a", "v", view, view, "turned", turn=Turn(10.0), present=False)
    assert task.load().truths == ()
    plain = ViewTask("a", "v", view, view, "video")
    assert plain.load().truths[0].tolist() == outline(view.box).tolist()
