"""How a followed object lies: corners, the upright box, and both in another resolution."""

import math

import pytest

from qatm.runtime import Box
from qatm.runtime.track.outline import Outline


def test_what_stands_as_it_did_has_its_first_box() -> None:
    outline = Outline((50.0, 40.0), (30.0, 20.0), 0.0)
    assert outline.box == Box(35.0, 30.0, 30.0, 20.0)
    assert outline.corners == ((35, 30), (65, 30), (65, 50), (35, 50))


def test_a_quarter_turn_counter_clockwise_brings_the_top_to_the_left() -> None:
    outline = Outline((50.0, 40.0), (30.0, 20.0), 90.0)
    assert outline.box == pytest.approx((40, 25, 20, 30))
    left_top, right_top, *_ = outline.corners
    assert left_top == pytest.approx((40, 55))
    assert right_top == pytest.approx((40, 25))


def test_the_box_is_that_of_the_ellipse() -> None:
    box = Outline((0.0, 0.0), (40.0, 20.0), 30.0).box
    points = [(20 * math.cos(t / 99), 10 * math.sin(t / 99)) for t in range(623)]
    turn = math.radians(30)
    across = max(x * math.cos(turn) + y * math.sin(turn) for x, y in points)
    assert box.w / 2 == pytest.approx(across, rel=1e-3)


def test_a_track_in_another_resolution() -> None:
    track = Outline((50.0, 40.0), (30.0, 20.0), 0.0).track(0.9, "tracking", 1.5).scaled(2.0, 2.0)
    assert track.box == Box(70.0, 60.0, 60.0, 40.0)
    assert track.scale == pytest.approx(3.0)
    assert track.corners is not None
    assert track.corners[2] == (130.0, 100.0)
    unsure = Outline((50.0, 40.0), (30.0, 20.0), 0.0).track(0.2, "lost", None)
    assert unsure.scaled(2.0, 2.0).corners is unsure.angle is unsure.scale is None
