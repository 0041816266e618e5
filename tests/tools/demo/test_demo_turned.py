"""The demo's turned objects: the truth is where the object is, and wrong answers are seen."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from qatm.runtime import Box, Match, Matcher
from qatm.runtime.match.pose import Pose
from qatm.tools.demo.demo_tray import KEYS, TrayCount, count_keys, draw_tray
from qatm.tools.demo.demo_turned import (
    MOST_KEYS,
    ROTATION,
    find_keys,
    stacked,
    turned,
    turned_scenes,
)


def at(pose: Pose, size: tuple[float, float] = (40.0, 20.0), found: bool = True) -> Match:
    return Match.at(pose, size, 0.9, found, 0)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1.0), (100, 0.7), (-65, 1.6), (180, 1.0)])
def test_the_object_is_where_the_truth_says(angle: float, scale: float) -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    box = Box(40, 30, 40, 20)
    frame[30:35, 40:48] = 255  # its top left corner
    scene = turned("thing", frame, box, angle, scale)
    rows, columns = np.nonzero(scene.scene[..., 0] > 128)
    spots = np.column_stack([columns, rows]) + 0.5
    expected = (scene.pose.transform((box.w, box.h)) @ (4.0, 2.5, 1.0))[:2]
    # Beyond its edge the frame is mirrored.
    near = spots[np.hypot(*(spots - expected).T) < 12]
    assert near.mean(axis=0) == pytest.approx(expected, abs=0.6)


def test_scenes_show_their_object(photographs: dict[str, np.ndarray]) -> None:
    for scene in turned_scenes(photographs):
        corners = scene.pose.corners((scene.box.w, scene.box.h))
        height, width = scene.scene.shape[:2]
        assert (corners >= 0).all()
        assert (corners <= (width, height)).all()


def test_right_means_place_angle_and_size() -> None:
    scene = turned("thing", np.zeros((120, 160, 3), np.uint8), Box(40, 30, 40, 20), 30.0, 1.2)
    pose = scene.pose
    assert scene.right(at(pose))
    assert scene.overlap(at(pose)) == pytest.approx(1, abs=1e-3)
    assert not scene.right(at(pose, found=False)), "missed"
    assert not scene.right(at(replace(pose, x=pose.x + 40))), "elsewhere"
    assert not scene.right(at(replace(pose, angle=-150.0))), "upside down"
    assert not scene.right(at(replace(pose, scale=1.4))), "too large"


def test_the_tray_is_the_same_every_time_and_all_keys_lie_in_it() -> None:
    tray, again = draw_tray(), draw_tray()
    assert (tray.image == again.image).all()
    assert len(tray.truths) == KEYS
    height, width = tray.image.shape[:2]
    for corners in tray.truths:
        assert (corners >= 0).all()
        assert (corners <= (width, height)).all()
    brass = cv2.cvtColor(tray.image, cv2.COLOR_BGR2HSV)[..., 1] > 0
    middles = np.array([corners.mean(axis=0) for corners in tray.truths]).round().astype(int)
    assert brass[middles[:, 1], middles[:, 0]].all()
    x, y, w, h = (round(value) for value in tray.box)
    assert tray.frame[y : y + h, x : x + w].std() > 20


def test_keys_are_counted_once() -> None:
    poses = [Pose(50.0 + 60 * i, 40.0, 30.0 * i) for i in range(4)]
    truths = [pose.corners((40, 20)) for pose in poses]
    matches = [at(pose) for pose in poses[:3]]
    assert count_keys(truths, matches) == TrayCount(4, 3, 0)
    turned_over = at(replace(poses[3], angle=poses[3].angle - 180))
    assert count_keys(truths, [*matches, turned_over]) == TrayCount(4, 4, 0), "it is the key"
    twice = [*matches, at(replace(poses[0], x=52.0)), at(Pose(400, 300)), at(poses[3], found=False)]
    assert count_keys(truths, twice) == TrayCount(4, 3, 2)


@pytest.mark.slow
def test_keys_are_found_and_nothing_else_by_far(matcher: Matcher) -> None:
    tray = draw_tray()
    keys = find_keys(matcher, tray)
    counted = count_keys(tray.truths, keys)
    assert counted.found >= KEYS - 2
    assert counted.others == 0
    template = matcher.encode_template(tray.frame, tray.box)
    every = matcher.match(
        tray.image, MOST_KEYS, templates=[template], rotation=ROTATION, min_score=0
    )
    others = [match.score for match in every if not count_keys(tray.truths, [match]).found]
    assert max(others) < 0.1


def test_a_tenth_may_be_wrong() -> None:
    assert TrayCount(20, 18, 2).right
    assert not TrayCount(20, 17, 0).right
    assert not TrayCount(20, 20, 3).right


def test_pictures_are_stacked() -> None:
    sheet = stacked([np.full((2, 3, 3), 9, np.uint8), np.full((1, 5, 3), 7, np.uint8)])
    assert sheet.shape == (3, 5, 3)
    assert (sheet[:2, :3] == 9).all()
    assert (sheet[2] == 7).all()
