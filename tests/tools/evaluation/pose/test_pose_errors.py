from __future__ import annotations

import numpy as np
import pytest

from qatm.runtime.boxes import Box, box_iou
from qatm.tools.baselines.poses.similarities import moved, outline, similarity
from qatm.tools.evaluation.pose.pose_errors import (
    Lie,
    best_truth,
    errors_between,
    lie_of,
    outline_iou,
)

UNIT = outline(Box(0, 0, 10, 10))


def counted_iou(first, second, cells=300):
    """IoU by counting the cells of a fine grid."""
    low = np.minimum(first.min(0), second.min(0))
    high = np.maximum(first.max(0), second.max(0))
    x, y = (np.linspace(a, b, cells) for a, b in zip(low, high, strict=True))
    points = np.stack(np.meshgrid(x, y), -1)

    def inside(corners):
        sides = np.roll(corners, -1, axis=0) - corners
        away = points[..., None, :] - corners
        cross = sides[:, 0] * away[..., 1] - sides[:, 1] * away[..., 0]
        return (cross >= 0).all(-1) | (cross <= 0).all(-1)

    one, other = inside(first), inside(second)
    return (one & other).sum() / (one | other).sum()


def test_upright_outlines_overlap_as_boxes_do():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = (Box(*rng.uniform(0, 40, 2), *rng.uniform(5, 60, 2)) for _ in range(2))
        assert outline_iou(outline(a), outline(b)) == pytest.approx(box_iou(a, b), abs=1e-5)


def test_turned_outlines_overlap_as_their_cells_do():
    rng = np.random.default_rng(1)
    for _ in range(12):
        one, other = (
            moved(outline(box), similarity(box.centre, rng.uniform(-180, 180), 1, box.centre))
            for box in (Box(1000 + rng.uniform(0, 30), rng.uniform(0, 30), 50, 30) for _ in "ab")
        )
        assert outline_iou(one, other) == pytest.approx(counted_iou(one, other), abs=0.01)


def test_a_square_and_the_same_by_an_eighth_of_a_turn():
    octagon = 100 * 2 * (np.sqrt(2) - 1)
    turned = moved(UNIT, similarity((5, 5), 45, 1, (5, 5)))
    assert outline_iou(UNIT, turned) == pytest.approx(octagon / (200 - octagon), abs=1e-4)


@pytest.mark.parametrize("shift", [(0, 0), (5000.25, 3000.5)])
def test_overlaps_at_the_ends_of_the_range(shift):
    here = UNIT + shift
    assert outline_iou(here, here) == pytest.approx(1)
    assert outline_iou(here, here[::-1]) == pytest.approx(1), "a mirrored outline covers as much"
    assert outline_iou(here, here + np.array([10, 0])) == pytest.approx(0, abs=1e-5)
    assert outline_iou(here, here + np.array([500, 0])) == 0
    assert outline_iou(here, np.repeat(here[:1], 4, axis=0)) == 0
    assert outline_iou(here, np.full((4, 2), np.nan)) == 0
    crossed = here[[0, 2, 1, 3]]
    assert outline_iou(here, crossed) == 0, "no outline of an object"


@pytest.mark.parametrize("angle", [-179, -90, -33, 0, 12, 90, 180])
@pytest.mark.parametrize("scale", [0.5, 1, 1.9])
def test_the_lie_of_turned_corners_is_known(angle, scale):
    box = Box(20, 30, 44, 26)
    corners = moved(outline(box), similarity(box.centre, angle, scale, (100.5, 60.25)))
    lie = lie_of(corners, (box.w, box.h))
    assert (lie.x, lie.y) == pytest.approx((100.5, 60.25))
    assert (lie.angle - angle + 180) % 360 == pytest.approx(180)
    assert lie.scale == pytest.approx(scale)


def test_errors_take_the_shorter_way_round():
    errors = errors_between(Lie(3, 4, 175, 1.1), Lie(0, 0, -175, 1.0))
    assert errors == pytest.approx((5, 10, 10))
    assert errors_between(Lie(0, 0, -90, 1), Lie(0, 0, 90, 2)) == pytest.approx((0, 180, 50))


def test_the_truth_that_is_overlapped_most_counts():
    far, near = UNIT + np.array([40, 0]), UNIT + np.array([2, 0])
    overlap, truth = best_truth(UNIT, [far, near])
    assert overlap == pytest.approx(80 / 120)
    assert truth is near
