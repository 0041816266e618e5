from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.tools.baselines.poses import PoseSpan
from qatm.tools.baselines.poses.similarities import moved, outline
from qatm.tools.evaluation.pose.homography_series import (
    read_homography,
    series_folders,
    series_tasks,
)
from qatm.tools.evaluation.pose.pose_errors import lie_of
from qatm.tools.evaluation.pose.textured_boxes import textured_boxes

POSES = {2: (25, 0.9), 3: (-80, 0.6), 4: (10, 0.3)}
SPAN = PoseSpan((-180, 180), (0.5, 2))


def write_series(folder, photograph, poses=POSES) -> Path:
    """Grey pictures of a photograph turned about its middle, and their homographies."""
    folder.mkdir(parents=True, exist_ok=True)
    grey = cv2.cvtColor(photograph, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    cv2.imwrite(str(folder / "img1.pgm"), grey)
    for number, (angle, scale) in poses.items():
        matrix = np.eye(3)
        matrix[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
        matrix[2, 0] = 5e-5
        turned = cv2.warpPerspective(grey, matrix, (width, height))
        cv2.imwrite(str(folder / f"img{number}.pgm"), turned)
        np.savetxt(folder / f"H1to{number}p", matrix)
    (folder / "readme.txt").write_text("a series")
    return folder


@pytest.fixture(scope="module")
def series(tmp_path_factory, photographs) -> Path:
    return write_series(tmp_path_factory.mktemp("data") / "boat", photographs["astronaut"])


def test_a_series_is_found_by_itself_and_among_others(series):
    assert series_folders(series) == [series]
    assert series_folders(series.parent) == [series]
    assert series_folders(series / "none") == []


def test_boxes_lie_inside_of_both_pictures_in_poses_that_are_searched(series):
    problems = []
    tasks = series_tasks(series, SPAN, 5, 0, problems.append)
    assert [task.group for task in tasks] == ["boat/img2"] * 5 + ["boat/img3"] * 5
    assert len({task.name for task in tasks}) == 10
    assert len(problems) == 1
    assert "boat/img4: no box of img1" in problems[0]
    assert "turned by 11 degrees and 0.29 times as large" in problems[0], "perspective adds to it"
    for task in tasks:
        picture = task.load()
        (truth,) = picture.truths
        assert picture.frame.shape == picture.image.shape == (512, 512, 3)
        assert (truth >= 0).all()
        assert (truth <= 512).all()
        angle, scale = POSES[int(task.other.stem[3:])]
        lie = lie_of(truth, picture.box[2:])
        assert lie.angle == pytest.approx(angle, abs=4)
        assert lie.scale == pytest.approx(scale, rel=0.1)


def test_the_truth_shows_the_same_pixels(series):
    for task in series_tasks(series, SPAN, 3, 0, print):
        picture = task.load()
        box, truth = picture.box, picture.truths[0]
        to_box = cv2.getPerspectiveTransform(
            np.asarray(truth - 0.5, np.float32),
            np.asarray(outline(box) - (box.x, box.y) - 0.5, np.float32),
        )
        x, y, w, h = map(int, box)
        back = cv2.warpPerspective(picture.image, to_box, (w, h), flags=cv2.INTER_CUBIC)
        own = cv2.GaussianBlur(picture.frame, (0, 0), 1.0)[y : y + h, x : x + w]
        inner = np.s_[2:-2, 2:-2]
        assert np.corrcoef(back[inner].ravel(), own[inner].ravel())[0, 1] > 0.93


def test_the_seed_chooses_the_boxes(series):
    first, again, other = (
        [task.box for task in series_tasks(series, SPAN, 4, seed, lambda _: None)]
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_crops_come_without_surroundings(series):
    task = series_tasks(series, SPAN, 1, 0, lambda _: None, crop=True)[0]
    picture = task.load()
    assert picture.box == (0, 0, task.box.w, task.box.h)
    assert picture.frame.shape[:2] == (task.box.h, task.box.w)
    assert picture.truths[0] == pytest.approx(moved(outline(task.box), np.array(task.matrix)))


def test_homographies_are_of_the_middles_of_pixels(tmp_path):
    path = tmp_path / "H1to2p"
    path.write_text("2 0 0\n0 2 0\n0 0 1\n")
    matrix = read_homography(path)
    # The middle of the first pixel, .5, stays there; its left edge, 0, goes to -.5.
    assert moved(np.array([[0.5, 0.5], [0, 0]]), matrix).tolist() == [[0.5, 0.5], [-0.5, -0.5]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 0 0 0 1 0", "holds 6 numbers"),
        ("1 0 0\n0 1 0\n0 x 1", "cannot be read"),
        ("1 0 0\n0 0 0\n0 0 1", "cannot be inverted"),
        ("1 0 0\n0 nan 0\n0 0 1", "expected a 3x3 matrix of finite"),
    ],
)
def test_homographies_that_are_none_are_named_and_left_out(text, words, tmp_path, photographs):
    folder = write_series(tmp_path / "bark", photographs["astronaut"], {2: (0, 1), 3: (5, 1)})
    (folder / "H1to2p").write_text(text)
    with pytest.raises(InputError, match=words):
        read_homography(folder / "H1to2p")
    problems = []
    tasks = series_tasks(folder, SPAN, 2, 0, problems.append)
    assert {task.group for task in tasks} == {"bark/img3"}
    assert len(problems) == 1
    assert words in problems[0]


def test_pictures_that_are_missing_are_named(tmp_path, photographs):
    folder = write_series(tmp_path / "bark", photographs["astronaut"], {2: (0, 1), 3: (5, 1)})
    (folder / "img2.pgm").unlink()
    problems = []
    assert len(series_tasks(folder, SPAN, 2, 0, problems.append)) == 2
    assert problems == ["bark/img2: there is no img2 for H1to2p"]
    (folder / "img1.pgm").unlink()
    with pytest.raises(InputError, match="holds no img1"):
        series_tasks(folder, SPAN, 2, 0, problems.append)


def test_boxes_show_something(photographs):
    image = np.full((300, 400, 3), 120, np.uint8)
    image[100:260, 150:350] = photographs["astronaut"][60:220, 150:350]
    rng = np.random.default_rng(0)
    boxes = textured_boxes(image, 20, rng, lambda box: True)
    assert len(boxes) == 20
    for x, y, w, h in boxes:
        assert 24 <= max(w, h) <= 75
        assert image[int(y) : int(y + h), int(x) : int(x + w)].std() > 15
        assert 150 - w < x < 350
        assert 100 - h < y < 260
    assert textured_boxes(np.full_like(image, 90), 5, rng, lambda box: True) == []
    assert textured_boxes(image, 5, rng, lambda box: False) == []
