from __future__ import annotations

import subprocess
import sys

import absent_packages
import numpy as np
import pytest

from qatm.runtime import InputError, Match
from qatm.runtime.boxes import Box
from qatm.tools.baselines import MethodOptions
from qatm.tools.baselines.poses import NO_POSES, POSE_METHODS, PoseSpan, open_pose_method
from qatm.tools.baselines.poses.masked_poses import best_peak, correlation
from qatm.tools.baselines.poses.similarities import moved, outline, similarity, warped
from qatm.tools.baselines.poses.turned_crops import crop_poses, grey_of
from qatm.tools.evaluation.pose.pose_errors import errors_between, lie_of, outline_iou

OPTIONS = MethodOptions(threads=1)
EVERY_POSE = PoseSpan((-180, 180), (0.5, 2))
SOME_POSES = PoseSpan((-45, 45), (0.7, 1.4))
BOX = Box(178.0, 60.0, 90.0, 76.0)
PACKAGES = {"corrmatch": "corrmatch", "mtm": "MTM"}
OTHERS = [name for name in POSE_METHODS if name != "qatm"]

CENTRE = {"qatm": 0.25, "sift": 0.25, "orb": 1.5, "corrmatch": 1.5, "masked": 3.0, "mtm": 6.0}
"""Pixels that a method's centre may be off."""


def opened(name):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    return open_pose_method(name, OPTIONS)


def turned(photographs, angle, zoom, place=(260.25, 240.5)):
    frame = photographs["astronaut"]
    matrix = similarity(BOX.centre, angle, zoom, place)
    return warped(frame, matrix, (512, 480)), moved(outline(BOX), matrix)


# --- ranges


def test_ranges_know_their_poses():
    assert not NO_POSES.posed
    assert NO_POSES.angles(24) == [0]
    assert NO_POSES.sizes(7) == [1]
    assert EVERY_POSE.angles(4) == [-180, -90, 0, 90], "180 is -180"
    assert SOME_POSES.angles(12) == [-45, -15, 15, 45]
    assert EVERY_POSE.sizes(3) == pytest.approx([0.5, 1, 2])


def test_a_range_holds_whole_turns_more():
    assert SOME_POSES.holds(-40, 1)
    assert SOME_POSES.holds(320, 1)
    assert not SOME_POSES.holds(50, 1)
    assert not SOME_POSES.holds(0, 1.5)
    assert SOME_POSES.holds(50, 1.5, slack=0.1)
    assert PoseSpan((100, 180), (1, 1)).holds(-180, 1)
    assert not PoseSpan((100, 180), (1, 1)).holds(-170, 1)


@pytest.mark.parametrize(
    ("rotation", "scale"),
    [((10, -10), (1, 1)), ((-181, 0), (1, 1)), ((float("nan"), 0), (1, 1))],
)
def test_rotations_that_are_none_are_refused(rotation, scale):
    with pytest.raises(InputError, match=r"rotation .* is no range within ±180"):
        PoseSpan(rotation, scale)


@pytest.mark.parametrize("scale", [(0, 1), (2, 1), (1, float("inf")), (float("nan"), 2), (-1, 1)])
def test_scales_that_are_none_are_refused(scale):
    with pytest.raises(InputError, match=r"scale .* is no range above 0"):
        PoseSpan((0, 0), scale)


# --- every method


@pytest.mark.parametrize(("angle", "zoom"), [(0, 1), (35, 0.8), (-100, 1.5), (179, 1)])
@pytest.mark.parametrize("name", POSE_METHODS)
def test_a_turned_and_zoomed_object_is_found_as_it_lies(name, angle, zoom, photographs):
    if name == "corrmatch" and zoom != 1.5:
        pytest.skip("one pose tells as much as four, and takes seconds")
    method = opened(name)
    image, truth = turned(photographs, angle, zoom)
    posed = method.find(method.encode(photographs["astronaut"], BOX, EVERY_POSE), image)
    assert posed.found
    assert 0 <= posed.score <= 1
    assert posed.corners is not None
    assert outline_iou(posed.corners, truth) > 0.7
    size = (BOX.w, BOX.h)
    errors = errors_between(lie_of(posed.corners, size), lie_of(truth, size))
    assert errors.centre < CENTRE[name]
    assert errors.angle < (1.5 if name in ("qatm", "sift", "orb", "corrmatch") else 9)
    assert errors.scale < (3 if name in ("qatm", "sift", "orb") else 14)


@pytest.mark.parametrize("name", OTHERS)
def test_boxes_of_parts_of_pixels_come_back(name, photographs):
    method = opened(name)
    box = Box(178.4, 60.3, 90.3, 76.4)
    frame = photographs["astronaut"]
    posed = method.find(method.encode(frame, box, NO_POSES), frame)
    assert np.abs(posed.corners - outline(box)).max() < 1.0


@pytest.mark.parametrize("name", OTHERS)
def test_a_single_colour_is_nothing(name, photographs):
    method = opened(name)
    encoded = method.encode(photographs["astronaut"], BOX, SOME_POSES)
    grey = np.full((200, 240, 3), 90, np.uint8)
    assert not method.find(encoded, grey).found or name == "mtm", "mtm knows no flat pictures"
    black = np.zeros((200, 240, 3), np.uint8)
    assert np.isfinite(method.find(encoded, black).score)


@pytest.mark.parametrize("name", OTHERS)
def test_pictures_smaller_than_the_object_are_no_error(name, photographs):
    method = opened(name)
    encoded = method.encode(photographs["astronaut"], BOX, NO_POSES)
    posed = method.find(encoded, np.ascontiguousarray(photographs["coffee"][100:130, 100:140]))
    assert not posed.found


def test_key_points_of_sift_lie_where_they_are_seen(photographs):
    method = opened("sift")
    image, truth = turned(photographs, 180, 1.0)
    posed = method.find(method.encode(photographs["astronaut"], BOX, EVERY_POSE), image)
    assert posed.corners is not None
    assert np.abs(posed.corners.mean(0) - truth.mean(0)).max() < 0.1


def test_what_lies_outside_of_the_range_does_not_count(photographs):
    method = opened("sift")
    image, _ = turned(photographs, 120, 1.0)
    frame = photographs["astronaut"]
    assert method.find(method.encode(frame, BOX, EVERY_POSE), image).found
    assert method.find(method.encode(frame, BOX, SOME_POSES), image).corners is None


def test_unknown_methods_are_refused():
    with pytest.raises(InputError, match="method 'x' is unknown; choose from qatm, sift"):
        open_pose_method("x", OPTIONS)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_named_with_its_extra(name, tmp_path):
    code = (
        "from qatm.tools.baselines import MethodOptions\n"
        "from qatm.tools.baselines.poses import open_pose_method\n"
        f"open_pose_method({name!r}, MethodOptions())"
    )
    path = absent_packages.without([PACKAGES[name]], tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert f"method {name} needs {PACKAGES[name]}, which is not installed" in last
    assert 'pip install "qatm[eval]"' in last


# --- ours


def test_ours_is_asked_for_the_range_and_gives_its_corners(photographs, monkeypatch):
    from qatm.runtime import Matcher

    asked = []
    answer = Match(BOX, 0.75, True)

    def match(self, image, *, templates, **poses):
        asked.append(poses)
        return [answer]

    monkeypatch.setattr(Matcher, "match", match)
    method = open_pose_method("qatm", OPTIONS)
    frame = photographs["astronaut"]
    for poses in (SOME_POSES, NO_POSES):
        posed = method.find(method.encode(frame, BOX, poses), frame)
        assert posed.corners is not None
        assert posed.corners.tolist() == answer.corners.tolist() == outline(BOX).tolist()
        assert (posed.score, posed.found) == (0.75, True)
    assert asked == [{"rotation": (-45, 45), "scale": (0.7, 1.4)}, {}]
    method.close()


def test_ours_gives_the_box_back(photographs):
    method = open_pose_method("qatm", OPTIONS)
    frame = photographs["astronaut"]
    posed = method.find(method.encode(frame, BOX, NO_POSES), frame)
    assert posed.found
    assert np.abs(posed.corners - outline(BOX)).max() < 2
    method.close()


# --- masked correlation


def test_turned_crops_show_the_template_where_the_mask_is(photographs):
    frame = photographs["astronaut"]
    made = crop_poses(frame, BOX, SOME_POSES)
    assert made.shrink < 1
    assert len(made.poses) == 7 * len(SOME_POSES.angles(24))
    for pose in made.poses:
        area = np.count_nonzero(pose.mask)
        factor = pose.scale * made.shrink
        edge = 2 * (BOX.w + BOX.h) * factor
        assert abs(area - BOX.area * factor**2) < 0.4 * edge
        assert (pose.pixels[pose.mask == 0] == 0).all()
        lie = lie_of(pose.corners, (BOX.w, BOX.h))
        assert lie.angle == pytest.approx(pose.angle)
        assert lie.scale == pytest.approx(pose.scale * made.shrink)


def test_masked_correlation_is_that_of_the_pixels_inside(photographs):
    frame = photographs["astronaut"]
    pose = crop_poses(frame, BOX, PoseSpan((30, 30), (1, 1))).poses[0]
    image = np.ascontiguousarray(grey_of(frame)[40:100, 150:230])
    values = correlation(image, pose)
    inside = pose.mask > 0
    height, width = inside.shape
    for row, column in ((0, 0), (7, 11), (values.shape[0] - 1, values.shape[1] - 1)):
        part = image[row : row + height, column : column + width][inside].astype(float)
        wanted = np.corrcoef(part, pose.pixels[inside].astype(float))[0, 1]
        assert values[row, column] == pytest.approx(wanted, abs=1e-3)


def test_of_equal_correlations_the_larger_template_wins(photographs):
    small, *_, large = crop_poses(photographs["astronaut"], BOX, PoseSpan((0, 0), (0.5, 1))).poses
    image = np.random.default_rng(0).integers(0, 256, (90, 120), np.uint8)
    for pose, left in ((small, 5), (large, 60)):
        height, width = pose.pixels.shape
        image[20 : 20 + height, left : left + width] = pose.pixels
    for order in ([small, large], [large, small]):
        peak = best_peak(image, order)
        assert peak is not None
        assert (peak.pose.scale, peak.place) == (large.scale, (60, 20))
        assert peak.score == pytest.approx(1, abs=1e-3)
    assert best_peak(image[:8, :8], [small, large]) is None
