"""Where the colours of a followed object are, told from those around it."""

import numpy as np
import pytest

from qatm.runtime import Box
from qatm.runtime.track.colours import ObjectColours, colour_numbers, window_shares

RED, GREEN, BLUE = (40, 40, 200), (60, 180, 60), (190, 60, 40)
BOX = Box(20.0, 10.0, 16.0, 12.0)


def scene(own=RED, around=GREEN, box=BOX):
    """The colours of a picture of one colour with a box of another one."""
    image = np.full((48, 64, 3), around, np.uint8)
    x, y, w, h = (round(side) for side in box)
    image[y : y + h, x : x + w] = own
    return colour_numbers(image)


def test_windows_with_the_objects_colours_are_the_likelier_places() -> None:
    colours = ObjectColours.of(scene(), BOX)
    moved = Box(31.0, 25.0, 16.0, 12.0)
    likely = colours.likely(scene(box=moved))
    assert likely[30, 40] > 0.99
    assert likely[2, 2] < 0.01
    shares = window_shares(likely, np.arange(48.0), np.arange(36.0), (16.0, 12.0))
    assert np.unravel_index(shares.argmax(), shares.shape) == (25, 31)
    assert shares.max() == pytest.approx(1, abs=0.01)
    assert shares[0, 0] < 0.01


def test_a_look_alike_of_another_colour_is_less_likely() -> None:
    colours = ObjectColours.of(scene(), BOX)
    picture = scene(own=BLUE)
    picture[30:42, 40:56] = scene()[10, 20]
    likely = colours.likely(picture)
    assert likely[35, 48] > 0.99
    assert likely[15, 28] < 0.51


def test_what_is_known_is_renewed_but_the_first_look_counts() -> None:
    colours = ObjectColours.of(scene(), BOX)
    for _ in range(60):
        colours = colours.renewed(scene(own=BLUE), BOX, 0.1)
    both = colours.likely(scene(around=RED)), colours.likely(scene(own=BLUE))
    assert both[0][0, 0] > 0.95
    assert both[1][15, 28] > 0.95


def test_windows_beyond_the_region_hold_what_is_inside() -> None:
    shares = window_shares(
        np.ones((10, 20), np.float32), np.array([-4.0]), np.array([0.0]), (8, 10)
    )
    assert shares[0, 0] == pytest.approx(0.5)


def test_an_object_outside_of_the_picture_renews_nothing() -> None:
    colours = ObjectColours.of(scene(), BOX)
    assert colours.renewed(scene(own=BLUE), Box(-40.0, 0.0, 16.0, 12.0), 0.5) is colours


def test_likeness_is_of_what_the_object_is_of_late() -> None:
    colours = ObjectColours.of(scene(), BOX)
    half = Box(BOX.x, BOX.y, 2 * BOX.w, BOX.h)
    assert colours.likeness(scene(), BOX) == pytest.approx(1)
    assert colours.likeness(scene(), half) == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert colours.likeness(scene(own=BLUE), BOX) == 0
    for _ in range(60):
        colours = colours.renewed(scene(own=BLUE), BOX, 0.1)
    assert colours.likeness(scene(own=BLUE), BOX) > 0.99
    assert colours.likeness(scene(), Box(-40.0, 0.0, 16.0, 12.0)) == 0
