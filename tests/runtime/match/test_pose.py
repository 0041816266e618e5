"""Poses, ranges of them, and what is sampled at them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.runtime.match.pose import (
    Pose,
    PoseRange,
    outline_overlap,
    sampled,
    upright_crop,
    warped,
    wrapped,
)


def test_angles_are_opencvs() -> None:
    for angle, scale in ((30.0, 2.0), (-100.0, 0.5), (180.0, 1.0)):
        expected = cv2.getRotationMatrix2D((0, 0), angle, scale)[:, :2]
        np.testing.assert_allclose(Pose(0, 0, angle, scale).matrix(), expected, atol=1e-12)


def test_a_quarter_turn_counter_clockwise() -> None:
    corners = Pose(50, 40, 90, 1).corners((20, 10))
    # The template's top-left corner is at the bottom left, its top right at the top left.
    np.testing.assert_allclose(corners, [[45, 50], [45, 30], [55, 30], [55, 50]], atol=1e-9)


def test_the_transform_takes_corners_to_corners() -> None:
    pose, size = Pose(31.5, 17.25, 37, 1.3), (20.0, 12.0)
    points = np.array([[0, 0, 1], [20, 0, 1], [20, 12, 1], [0, 12, 1]]) @ pose.transform(size).T
    np.testing.assert_allclose(points[:, :2], pose.corners(size), atol=1e-9)


@pytest.mark.parametrize(
    ("rotation", "scale", "angles", "sizes"),
    [
        (180, None, 12, [1.0]),
        ((-180, 180), 2, 12, [0.5, 0.5**0.5, 1.0, 2**0.5, 2.0]),
        (20, (1, 1.2), 3, [1.0, 2**0.5]),
        ((90, 90), None, 1, [1.0]),
        (None, 1, 1, [1.0]),
    ],
)
def test_steps_cover_a_range(rotation: Any, scale: Any, angles: int, sizes: list[float]) -> None:
    wanted = PoseRange.of(rotation, scale)
    assert wanted is not None
    steps = wanted.angle_steps(30)
    assert len(steps) == len(set(steps)) == angles
    assert wanted.scale_steps(2) == pytest.approx(sizes)
    middle = sum(wanted.angles) / 2
    for angle in np.linspace(wanted.angles[0], wanted.angles[1], 31):
        assert min(abs(wrapped(angle - step)) for step in steps) <= 15 + 1e-9
        assert wanted.contains(Pose(0, 0, wrapped(float(angle))), 0, 1.5)
    assert wanted.full or not wanted.contains(Pose(0, 0, wrapped(middle + 179)), 3, 1.05)


def test_no_range_is_the_template_as_it_is() -> None:
    assert PoseRange.of(None, None) is None


@pytest.mark.parametrize(
    ("rotation", "scale", "words"),
    [
        (-1, None, "rotation is -1; give 0 to 180"),
        (181, None, "rotation is 181"),
        ((20, 10), None, r"rotation is \(20, 10\); give \(lo, hi\) with -180 <= lo"),
        ((-190, 0), None, r"rotation is \(-190, 0\)"),
        ((1, 2, 3), None, "give a number, or"),
        ("wide", None, "give a number, or"),
        (float("nan"), None, "give a number, or"),
        (None, 0.5, "scale is 0.5; give 1 to 16"),
        (None, (0, 1), r"scale is \(0, 1\)"),
        (None, (2, 1), r"scale is \(2, 1\)"),
        (None, 1000, "scale is 1000"),
        (None, [], "give a number, or"),
    ],
)
def test_bad_ranges_are_refused(rotation: Any, scale: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        PoseRange.of(rotation, scale)


def test_overlap_of_outlines() -> None:
    square = Pose(10, 10).corners((10, 10))
    assert outline_overlap(square, square) == pytest.approx(1)
    assert outline_overlap(square, square + np.array([5, 0])) == pytest.approx(1 / 3)
    assert outline_overlap(square, square + np.array([20, 0])) == 0
    # The octagon that a square shares with itself turned by 45 degrees.
    common = 2 * (2**0.5 - 1)
    turned = Pose(10, 10, 45).corners((10, 10))
    assert outline_overlap(square, turned) == pytest.approx(common / (2 - common), abs=1e-3)


@pytest.mark.parametrize("angle", [0, 90, -37, 180])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
def test_an_upright_crop_shows_the_template(
    photographs: dict[str, np.ndarray], angle: float, scale: float
) -> None:
    """An image is turned and resized about an object; looked at upright it is as it was."""
    image = cv2.GaussianBlur(photographs["astronaut"], (0, 0), 3)
    matrix = cv2.getRotationMatrix2D((219.5, 99.5), angle, scale)
    turned = cv2.warpAffine(image, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    seen = upright_crop(turned, Pose(220, 100, angle, scale), 1.0, 40, 30, cv2.BORDER_REPLICATE)
    assert seen.shape == (30, 40, 3)
    difference = np.abs(seen.astype(int) - image[85:115, 200:240])
    assert difference.mean() < 2.5


def test_an_offset_is_what_the_matrix_says() -> None:
    pose = Pose(10, 20, 37, 1.3)
    np.testing.assert_allclose(pose.offset(5, -2), pose.matrix() @ (5, -2))


def test_windows_of_a_picture_sampled_in_part_are_those_of_the_whole() -> None:
    """What is sampled does not depend on how much of the image is looked at."""
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    matrix, middle = Pose(0, 0, 25, 1.2).matrix(), (61.3, 40.7)
    part = sampled(image, matrix, middle, 24, 20, cv2.BORDER_REPLICATE)
    whole = warped(image, matrix.tolist(), middle, (24, 20), cv2.BORDER_REPLICATE, cv2.INTER_LINEAR)
    assert cv2.absdiff(part, whole).max() <= 1
