"""Cut-out pictures lie exactly where their matrix says."""

from __future__ import annotations

import numpy as np
import pytest

from qatm.tools.scenes.stickers import (
    after,
    at_corner,
    corners_of,
    cut_out,
    moved,
    paste,
    posed,
    scale_of,
    shrunk,
    warp,
    with_margin,
)

SIZE = (40.0, 24.0)


def centre_and_spread(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centre of mass of light, and its covariance, in places where a pixel is 1 wide."""
    weight = picture[..., 0].astype(float)
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    places = np.stack([columns.ravel(), rows.ravel()], axis=1)
    weight = weight.ravel() / weight.sum()
    centre = weight @ places
    return centre, (places - centre).T @ ((places - centre) * weight[:, None])


@pytest.mark.parametrize("finer", [1, 3, 4])
@pytest.mark.parametrize(
    ("angle", "scale"), [(0, 1), (0, 0.5), (0, 1.7), (30, 1), (90, 1), (-137, 0.6), (180, 2)]
)
def test_a_sticker_lies_where_its_matrix_says(finer: int, angle: float, scale: float) -> None:
    white = np.full((round(SIZE[1] * finer), round(SIZE[0] * finer)), 255, np.uint8)
    sticker = cut_out((255, 255, 255), white, finer)
    assert sticker.size == SIZE
    canvas = np.zeros((160, 160, 3), np.uint8)
    matrix = posed(SIZE, (80.3, 77.6), angle, scale)
    paste(canvas, sticker, matrix)
    centre, spread = centre_and_spread(canvas)
    np.testing.assert_allclose(centre, (80.3, 77.6), atol=0.06)
    # A rectangle's variance along a side is its square over 12.
    turn = np.radians(angle)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    sides = np.sqrt(12.0 * np.diag(axes @ spread @ axes.T))
    np.testing.assert_allclose(sides, np.array(SIZE) * scale, atol=0.15)


def test_angles_count_against_the_clock() -> None:
    corners = corners_of(SIZE, posed(SIZE, (50.0, 50.0), 90.0))
    # A quarter against the clock brings the top left corner to the bottom left.
    np.testing.assert_allclose(corners[0], (50 - 12, 50 + 20), atol=1e-9)
    np.testing.assert_allclose(corners[1], (50 - 12, 50 - 20), atol=1e-9)


def test_whole_pixels_are_copied_as_they_are() -> None:
    colour = np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8)
    canvas = np.zeros((60, 80, 3), np.uint8)
    paste(canvas, cut_out(colour, np.full((24, 40), 255, np.uint8)), at_corner(7, 9))
    np.testing.assert_array_equal(canvas[9:33, 7:47], colour)
    assert not canvas[:9].any()


def test_what_is_see_through_shows_what_is_below() -> None:
    canvas = np.full((10, 10, 3), 200, np.uint8)
    paste(canvas, cut_out((0, 0, 0), np.full((4, 4), 128, np.uint8)), at_corner(3, 3))
    assert abs(int(canvas[4, 4, 0]) - 100) <= 1
    paste(
        canvas, cut_out((255, 255, 255), np.full((4, 4), 255, np.uint8)), at_corner(3, 3), ink=1.0
    )
    assert abs(int(canvas[4, 4, 0]) - 100) <= 1, "white ink changes nothing"


def test_a_warp_moves_a_picture_as_its_matrix_says() -> None:
    picture = np.zeros((100, 120, 3), np.uint8)
    picture[40:60, 30:70] = 255
    for angle, scale in ((0, 0.5), (25, 1.0), (-100, 0.7), (10, 1.6)):
        matrix = posed((120, 100), (150, 140), angle, scale)
        centre, _ = centre_and_spread(warp(picture, matrix, (300, 280), 0))
        np.testing.assert_allclose(centre, moved(np.array([50.0, 50.0]), matrix), atol=0.05)
        assert scale_of(matrix) == pytest.approx(scale)


def test_matrices_follow_each_other() -> None:
    first, second = posed(SIZE, (3.0, 4.0), 20.0, 0.8), posed(SIZE, (30.0, 1.0), -70.0, 1.5)
    corners = corners_of(SIZE)
    expected = moved(moved(corners, first), second)
    np.testing.assert_allclose(moved(corners, after(second, first)), expected)


def test_margins_and_smaller_copies_keep_the_size() -> None:
    sticker = cut_out((255, 255, 255), np.full((96, 160), 255, np.uint8), 4)
    assert with_margin(sticker, 3).size == (46.0, 30.0)
    odd = cut_out((255, 255, 255), np.full((96, 160), 255, np.uint8), 160 / 42)
    assert with_margin(odd, 2).size == pytest.approx((46.0, 29.2), abs=0.15)
    assert with_margin(odd, 2).size[0] == 46.0
    small = shrunk(sticker, 1.0)
    assert small.pixels.shape == (24, 40, 4)
    assert small.size == sticker.size
    assert shrunk(sticker, 0.51) is sticker, "a part of a pixel cannot be cut off"
