"""Boxes: what is accepted, what is refused with which words, and the arithmetic on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatm.runtime import Box, BoxError, box_iou
from qatm.runtime.boxes import as_box, as_corners, box_in_frame, checked_region, move_inside

positions = st.floats(-2000, 2000, allow_nan=False)
lengths = st.floats(0.01, 2000)
boxes = st.builds(Box, positions, positions, lengths, lengths)
quick = settings(max_examples=60, deadline=None)


@quick
@given(boxes)
def test_a_good_box_is_kept_as_it_is(box: Box) -> None:
    kinds: list[Any] = [tuple(box), list(box), np.array(box)]
    for given_box in kinds:
        checked = as_box(given_box)
        assert checked == box
        assert all(type(value) is float for value in checked)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((1, 2, 3), "not four numbers"),
        ((1, 2, 3, 4, 5), "not four numbers"),
        ("1234", "'1234' is not four numbers"),
        (None, "None is not four numbers"),
        (7, "7 is not four numbers"),
        (("a", 1, 2, 3), "not four numbers"),
        ((10**400, 1, 2, 3), "not four numbers"),
        ((math.nan, 1, 2, 3), "nan, .* not finite"),
        ((1, 1, math.inf, 3), "inf, .* not finite"),
        ((1, 1, 1e9, 3), "1000000000.* beyond"),
        ((1, 1, 0, 3), "width 0 and height 3"),
        ((1, 1, 5, -3), "width 5 and height -3; both must be positive"),
        ((300, 200, 100 - 300, 80 - 200), "not two corners"),
    ],
)
def test_a_bad_box_is_named(box: Any, words: str) -> None:
    with pytest.raises(BoxError, match=words):
        as_box(box)
    with pytest.raises(ValueError, match=r"^--box "):
        as_box(box, "--box")


@quick
@given(boxes, st.integers(1, 500), st.integers(1, 500))
def test_a_box_needs_a_pixel_in_its_frame(box: Box, width: int, height: int) -> None:
    columns = max(0.0, min(box.x + box.w, width) - max(box.x, 0))
    rows = max(0.0, min(box.y + box.h, height) - max(box.y, 0))
    if columns * rows >= 1:
        assert box_in_frame(box, width, height) == box
    else:
        with pytest.raises(BoxError, match=f"outside the {width}x{height} frame"):
            box_in_frame(box, width, height)


@quick
@given(boxes, boxes)
def test_iou_is_a_symmetric_ratio(a: Box, b: Box) -> None:
    value = box_iou(a, b)
    assert 0 <= value <= 1
    assert value == box_iou(b, a)
    assert box_iou(a, a) == pytest.approx(1)


@quick
@given(st.tuples(*[st.integers(0, 12)] * 4), st.tuples(*[st.integers(1, 9)] * 4))
def test_iou_counts_pixels(corners: tuple[int, ...], sides: tuple[int, ...]) -> None:
    def pixels(x: int, y: int, w: int, h: int) -> set[tuple[int, int]]:
        return {(i, j) for i in range(x, x + w) for j in range(y, y + h)}

    a = (corners[0], corners[1], sides[0], sides[1])
    b = (corners[2], corners[3], sides[2], sides[3])
    expected = len(pixels(*a) & pixels(*b)) / len(pixels(*a) | pixels(*b))
    assert box_iou(a, b) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((1, 2, 3), r"box \(1, 2, 3\) is not four numbers"),
        ((1, 2, 3, 4, 5), "is not four numbers"),
        ("1234", "is not four numbers"),
        (None, "None is not four numbers"),
        ((float("nan"), 0, 1, 1), "not finite"),
        ((0, 0, float("inf"), 1), "not finite"),
        ((0, 0, 1e300, 1e300), "beyond 1,048,576"),
        ((5, 5, 1, -1), "width 1 and height -1; neither may be below 0"),
    ],
)
def test_iou_is_of_boxes(box: Any, words: str) -> None:
    with pytest.raises(BoxError, match=f"first .*{words}"):
        box_iou(box, (0, 0, 1, 1))
    with pytest.raises(BoxError, match=f"second .*{words}"):
        box_iou((0, 0, 1, 1), box)


def test_iou_of_nothing() -> None:
    assert box_iou((0, 0, 0, 4), (0, 0, 4, 4)) == 0
    assert box_iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    assert box_iou(np.array([0, 0, 2, 2]), [1, 0, 2, 2]) == pytest.approx(1 / 3)


@quick
@given(boxes, st.integers(1, 3000), st.integers(1, 3000))
def test_a_moved_box_is_inside_and_moved_least(box: Box, width: int, height: int) -> None:
    moved = move_inside(box, width, height)
    assert moved.x >= 0
    assert moved.y >= 0
    assert moved.x + moved.w <= width + 1e-6
    assert moved.y + moved.h <= height + 1e-6
    assert (moved.w, moved.h) == (min(box.w, width), min(box.h, height))
    if box.w <= width:
        assert abs(moved.x - box.x) == pytest.approx(
            max(0, -box.x, box.x + box.w - width), abs=1e-6
        )


def test_a_box_inside_does_not_move() -> None:
    assert move_inside(Box(3.25, 4.5, 10, 20), 100, 100) == Box(3.25, 4.5, 10, 20)
    assert Box(0, 0, 2.5, 4).area == 10


@quick
@given(boxes, st.floats(0.1, 10), st.floats(0.1, 10))
def test_a_box_lies_around_its_centre_at_any_scale(box: Box, x: float, y: float) -> None:
    assert Box.around(box.centre, box.w, box.h) == pytest.approx(box, abs=1e-9)
    scaled = box.scaled(x, y)
    assert scaled.centre == pytest.approx((box.centre[0] * x, box.centre[1] * y))
    assert scaled.area == pytest.approx(box.area * x * y)


@quick
@given(boxes)
def test_a_box_and_its_edges_are_two_forms_of_one_thing(box: Box) -> None:
    x1, y1, x2, y2 = box.xyxy
    assert (x1, y1) == box[:2]
    assert (x2, y2) == pytest.approx((box.x + box.w, box.y + box.h))
    assert Box.from_xyxy(*box.xyxy) == pytest.approx(box, abs=1e-9)
    assert box.centre == pytest.approx(((x1 + x2) / 2, (y1 + y2) / 2))
    assert box.area == box.w * box.h


def test_a_box_is_short_on_the_screen() -> None:
    assert repr(Box(1 / 3, 2.0, 3e5, 4.25)) == "Box(x=0.3333333, y=2, w=300000, h=4.25)"


@pytest.mark.parametrize(
    ("box", "guess"),
    [
        ((300, 200, 420, 280), "(300, 200, 120, 80)"),
        ((300, 20, 640, 480), "(300, 20, 340, 460)"),
        ((100, 300.5, 200, 400), "(100, 300.5, 100, 99.5)"),
        ((100, 100, 300, 200), ""),  # inside either way
        ((600, 400, 80, 90), ""),  # sticks out, but its numbers are no corners
        ((300, 200, 700, 280), ""),
        ((-5, 200, 640, 480), ""),
    ],
)
def test_two_corners_are_guessed(box: tuple[float, ...], guess: str) -> None:
    text = as_corners(Box(*box), 640, 480)
    assert (guess in text) if guess else text == ""


def test_a_region_of_two_corners_is_refused_with_the_guess() -> None:
    with pytest.raises(BoxError, match=r"does not lie inside .* the box is \(300, 200, 120, 80\)"):
        checked_region((300, 200, 420, 280), 640, 480)
