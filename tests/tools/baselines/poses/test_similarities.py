from __future__ import annotations

import cv2
import numpy as np
import pytest

from qatm.runtime.boxes import Box
from qatm.tools.baselines.poses.similarities import moved, outline, similarity, warped


def test_an_outline_goes_round_from_the_top_left():
    assert outline(Box(10, 20, 4, 3)).tolist() == [[10, 20], [14, 20], [14, 23], [10, 23]]


def test_a_quarter_turn_is_counter_clockwise_as_seen():
    matrix = similarity((5, 5), 90, 1, (5, 5))
    # What was to the right of the pivot is above it, and twice as far with twice the size.
    assert moved(np.array([[7.0, 5.0]]), matrix)[0] == pytest.approx([5, 3])
    assert moved(np.array([[7.0, 5.0]]), similarity((5, 5), 90, 2, (5, 6)))[0] == pytest.approx(
        [5, 2]
    )


def test_the_pivot_comes_to_lie_on_its_place():
    matrix = similarity((12.5, 7.25), 33, 1.7, (40.5, 60.0))
    assert moved(np.array([[12.5, 7.25]]), matrix)[0] == pytest.approx([40.5, 60.0])


def test_points_move_by_homographies_too():
    matrix = np.array([[1, 0, 2], [0, 1, 3], [0, 0.1, 1]])
    assert moved(np.array([[8.0, 10.0]]), matrix)[0] == pytest.approx([5, 6.5])


@pytest.mark.parametrize(("angle", "zoom"), [(0, 1), (90, 1), (37, 1.5), (-140, 0.5), (10, 2)])
def test_pictures_move_as_their_points_do(angle, zoom):
    image = np.zeros((120, 160, 3), np.uint8)
    cv2.circle(
        image, (70 * 16 - 8, 50 * 16 - 8), 6 * 16, (255, 255, 255), cv2.FILLED, cv2.LINE_AA, 4
    )
    matrix = similarity((60, 40), angle, zoom, (101.25, 80.75))
    turned = warped(image, matrix, (200, 160), borderMode=cv2.BORDER_CONSTANT)
    weights = turned[..., 0].astype(float)
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5
    centre = (columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum()
    wanted = moved(np.array([[70.0, 50.0]]), matrix)[0]
    assert centre == pytest.approx(wanted, abs=0.03)
    area = weights.sum() / image[..., 0].sum(dtype=float)
    assert area == pytest.approx(zoom**2, rel=0.02)


def test_nothing_aliases_where_a_picture_gets_smaller():
    stripes = np.zeros((200, 200, 3), np.uint8)
    stripes[::2] = 255
    small = warped(stripes, similarity((100, 100), 0, 0.5, (50, 50)), (100, 100))
    assert np.abs(small[10:90, 10:90].astype(float) - 127.5).max() < 60
