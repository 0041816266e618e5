"""Outlines: turned ones lie where their corners are, and a mark shows the object's top."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from qatm.runtime import Match
from qatm.runtime.drawing.draw_matches import draw_matches
from qatm.runtime.drawing.labels import FOUND_COLOUR, MISSED_COLOUR
from qatm.runtime.drawing.outlines import draw_box, draw_outline, upright_box
from qatm.runtime.match.pose import Pose

GREEN = (0, 255, 0)
SIZE = (120.0, 80.0)


def grey(height: int = 400, width: int = 400) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def green(picture: np.ndarray) -> np.ndarray:
    """Where the picture is green, as x and y of the middles of pixels."""
    rows, columns = np.nonzero((picture == GREEN).all(axis=2))
    return np.column_stack([columns, rows]) + 0.5


def distance_to(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How far points are from the nearest side of an outline."""
    every = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        part = np.clip((points - start) @ along / (along @ along), 0, 1)[:, None]
        every.append(np.hypot(*(points - start - part * along).T))
    return np.min(every, axis=0)


@pytest.mark.parametrize("angle", [20.0, 90.0, 135.0, 180.0, -60.0])
def test_the_mark_is_at_the_top_and_the_rest_on_the_outline(angle: float) -> None:
    corners = Pose(200, 190, angle, 1.1).corners(SIZE)
    canvas = grey()
    box = draw_outline(canvas, corners, 1.0, GREEN, dashed=False)
    points = green(canvas)
    away = distance_to(corners, points)
    mark = points[away > 2.5]
    assert len(mark) > 8, "there is a mark beside the outline"
    # Counter-clockwise: the top of a template that is turned by 90 degrees shows to the left.
    up = np.array([-math.sin(math.radians(angle)), -math.cos(math.radians(angle))])
    seen = mark.mean(axis=0) - (200, 190)
    assert seen @ up > 0.5 * 1.1 * SIZE[1], "outside of the top edge"
    assert abs(seen @ (-up[1], up[0])) < 1.5, "in its middle"
    for corner in corners:
        assert np.hypot(*(points - corner).T).min() < 2, "every corner is reached"
    low, high = points.min(axis=0), points.max(axis=0)
    assert (np.array(box[:2]) <= low).all()
    assert (high <= np.add(box[:2], box[2:])).all()


def test_an_upright_object_has_no_mark() -> None:
    corners = Pose(200, 190, 0.0, 1.0).corners(SIZE)
    canvas = grey()
    box = draw_outline(canvas, corners, 1.0, GREEN, dashed=False)
    assert box == pytest.approx((140, 150, 120, 80))
    assert distance_to(corners, green(canvas)).max() < 2.5


def test_the_scale_of_a_resized_image_counts() -> None:
    corners = Pose(200, 190, 30.0).corners(SIZE)
    canvas = grey(200, 200)
    draw_outline(canvas, corners, 0.5, GREEN, dashed=False)
    points = green(canvas)
    for corner in corners * 0.5:
        assert np.hypot(*(points - corner).T).min() < 2
    assert distance_to(corners * 0.5, points).max() < 12


def test_a_small_object_stays_visible() -> None:
    canvas = grey()
    draw_outline(canvas, Pose(100, 100, 45.0).corners((12, 12)), 1.0, GREEN, dashed=False)
    assert (canvas[97:103, 97:103] == 128).all()


def test_absent_objects_are_dashed() -> None:
    pose = Pose(200, 190, 30.0)
    counts = []
    for dashed in (False, True):
        canvas = grey()
        draw_outline(canvas, pose.corners(SIZE), 1.0, GREEN, dashed=dashed)
        # Smooth lines have few pixels of the pure colour.
        counts.append(int((canvas[..., 1] > canvas[..., 2].astype(int) + 60).sum()))
    assert counts[0] > 1.2 * counts[1] > 0
    missed = draw_matches(grey(), [Match.at(pose, SIZE, 0.1, False, 0)])
    assert not (missed == FOUND_COLOUR).all(axis=2).any()
    assert (missed == MISSED_COLOUR).all(axis=2).any()


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (12, 900), (2500, 3000)])
def test_any_size_can_be_drawn(shape: tuple[int, int]) -> None:
    pose = Pose(shape[1] / 2, shape[0] / 2, 33.0, 1.0)
    match = Match.at(pose, (shape[1] * 0.6, shape[0] * 0.6), 0.9, True, 0)
    assert draw_matches(grey(*shape), [match]).shape == (*shape, 3)
    far = np.array([[0.0, 0.0], [1e7, 5.0], [1e7, 1e7], [-1e7, 1e7]])
    for dashed in (False, True):
        draw_outline(grey(*shape), far, 1.0, GREEN, dashed=dashed)


def test_dashes_outside_a_picture_are_passed_over() -> None:
    """What is seen of a broken line stays where it was, however far the line goes on."""
    near, clipped, begun = grey(), grey(), time.perf_counter()
    draw_box(near, (-300, 20, 1000, 300), 1.0, GREEN, dashed=True)
    draw_box(clipped, (-300, 20, 1000, 1e9), 1.0, GREEN, dashed=True)
    assert time.perf_counter() - begun < 2
    assert np.array_equal(near[:100], clipped[:100])
    turned = np.array([[-5e6, 0.0], [5e6, 10.0], [5e6, 1e7], [-5e6, 1e7]])
    draw_outline(clipped, turned, 1.0, GREEN, dashed=True)
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        ([[1, 2], [5, 2], [5, 9], [1, 9]], (1, 2, 4, 7)),
        ([[5, 9], [1, 9], [1, 2], [5, 2]], None),
        ([[5, 2], [5, 9], [1, 9], [1, 2]], None),
        ([[1, 2], [5, 2.1], [5, 9.1], [1, 9]], None),
        ([[1, 2], [5, 2], [6, 9], [1, 9]], None),
    ],
    ids=["upright", "upside down", "on its side", "leaning", "bent"],
)
def test_only_upright_boxes_are_boxes(
    corners: list[list[float]], box: tuple[float, ...] | None
) -> None:
    assert upright_box(np.array(corners, float)) == box
