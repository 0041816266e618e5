"""An object is found again by its pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from qatm.runtime.boxes import Box
from qatm.runtime.track.glance import LONGEST, SHORTEST, SIDE, PixelGlance
from qatm.runtime.track.outline import Outline

LIKENESS, REACH = 0.9, 0.15


@pytest.fixture
def frame(photographs):
    return np.asarray(cv2.resize(photographs["coffee"], (480, 320)), np.uint8)


def outline(box, angle=0.0):
    return Outline(box.centre, (box.w, box.h), angle)


def moved(frame, right, down, angle=0.0, about=(0.0, 0.0), zoom=1.0):
    """The frame with all of it moved by so many pixels, turned and zoomed about a point."""
    matrix = cv2.getRotationMatrix2D(about, angle, zoom)
    matrix[:, 2] += right, down
    return np.asarray(
        cv2.warpAffine(
            frame, matrix, frame.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        ),
        np.uint8,
    )


def off(seen, centre, right=0.0, down=0.0):
    """How far from a centre that moved by so much something is seen, in pixels."""
    assert seen is not None
    return np.hypot(seen.centre[0] - centre[0] - right, seen.centre[1] - centre[1] - down)


@pytest.mark.parametrize(
    "box", [Box(150, 90, 64, 64), Box(120.5, 60.2, 160, 90), Box(200, 90, 22, 30)]
)
@pytest.mark.parametrize("part", [(0.0, 0.0), (0.06, -0.04), (-0.11, 0.09)])
def test_a_move_is_found_to_a_part_of_a_pixel(frame, box, part):
    side = (box.w * box.h) ** 0.5
    right, down = (each * side for each in part)
    glance = PixelGlance(LIKENESS, REACH)
    assert glance.keep(frame, outline(box))
    seen = glance.find(moved(frame, right, down), box.centre)
    assert seen is not None
    assert off(seen, box.centre, right, down) < 0.02 * side
    assert seen.zoom == pytest.approx(1, abs=0.01)
    assert seen.side == pytest.approx(side, rel=0.01)


def test_what_is_turned_is_compared_as_it_stands(frame):
    box = Box(150, 90, 64, 64)
    turned = moved(frame, 0, 0, 30, box.centre)
    glance = PixelGlance(LIKENESS, REACH)
    assert glance.keep(turned, outline(box, 30.0))
    upright = PixelGlance(LIKENESS, REACH)
    assert upright.keep(frame, outline(box))
    assert glance.kept is not None
    assert upright.kept is not None
    alike = cv2.absdiff(glance.kept.pixels, upright.kept.pixels)
    assert float(alike.mean()) < 8
    assert off(glance.find(moved(turned, 4, -2), box.centre), box.centre, 4, -2) < 1


@pytest.mark.parametrize("zoom", [0.95, 0.97, 1.02, 1.04])
@pytest.mark.parametrize("box", [Box(150, 90, 64, 64), Box(180, 60, 120, 160)])
def test_a_size_is_read(frame, box, zoom):
    glance = PixelGlance(0.8, REACH)
    glance.keep(frame, outline(box))
    seen = glance.find(moved(frame, 2, 1, about=box.centre, zoom=zoom), box.centre)
    assert seen is not None
    assert seen.zoom == pytest.approx(zoom, abs=0.015)
    assert seen.side == pytest.approx(zoom * (box.w * box.h) ** 0.5, rel=0.02)


def test_light_does_not_matter(frame):
    box = Box(150, 90, 64, 64)
    glance = PixelGlance(LIKENESS, REACH)
    glance.keep(frame, outline(box))
    darker = np.asarray(cv2.convertScaleAbs(frame, alpha=0.6, beta=20), np.uint8)
    assert off(glance.find(darker, box.centre), box.centre) < 0.5


def test_what_is_hidden_turned_or_elsewhere_is_not_found(frame):
    box = Box(150, 90, 64, 64)
    glance = PixelGlance(LIKENESS, REACH)
    glance.keep(frame, outline(box))
    assert glance.find(frame, box.centre) is not None
    hidden = frame.copy()
    hidden[90:154, 150:182] = 128
    assert glance.find(hidden, box.centre) is None
    assert glance.find(moved(frame, 0, 0, 25, box.centre), box.centre) is None
    assert glance.find(moved(frame, 40, 0), box.centre) is None
    assert glance.find(np.zeros_like(frame), box.centre) is None


def test_before_anything_is_kept_nothing_is_found(frame):
    assert PixelGlance(LIKENESS, REACH).find(frame, (100.0, 100.0)) is None


@pytest.mark.parametrize("box", [Box(0, 100, 400, 5), Box(10, 10, 50, 50)])
def test_what_is_too_flat_or_of_one_colour_is_not_kept(frame, box):
    frame[10:60, 10:60] = 77
    glance = PixelGlance(LIKENESS, REACH)
    glance.keep(frame, outline(Box(150, 90, 64, 64)))
    assert not glance.keep(frame, outline(box))
    assert glance.find(frame, box.centre) is None


def test_pixels_are_few_whatever_the_size(frame):
    for box in (Box(150, 90, 6, 6), Box(0, 0, 480, 320), Box(0, 100, 400, 12)):
        glance = PixelGlance(LIKENESS, REACH)
        assert glance.keep(frame, outline(box))
        assert glance.kept is not None
        height, width = glance.kept.pixels.shape[:2]
        assert min(height, width) >= SHORTEST
        assert max(height, width) <= LONGEST
        assert height * width == pytest.approx(SIDE**2, rel=0.1)
