"""Pictures of alignments: both pictures, the grid where it goes, and the overlay."""

from __future__ import annotations

import numpy as np

from qatm.runtime import Alignment
from qatm.runtime.align.alignment import Parameters
from qatm.runtime.drawing.labels import FOUND_COLOUR, MISSED_COLOUR
from qatm.tools.drawing.alignment_pictures import alignment_picture, grid_lines, overlay

SOURCE, TARGET = np.full((200, 300, 3), 40, np.uint8), np.full((240, 340, 3), 160, np.uint8)
SHIFT = np.array([[1.0, 0.0, 100.0], [0.0, 1.0, 60.0]])


def shifted(*, found: bool = True) -> Alignment:
    numbers = Parameters(SHIFT, np.empty((0, 2)), np.empty((0, 2)))
    return Alignment(numbers, 0.8 if found else 0.1, found, (300, 200), (340, 240))


def like(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where thin lines of a colour are, which are mixed with what lies under them."""
    pixels = picture.astype(float) - 90
    wanted = np.array(colour, float) - 90
    size = np.maximum(np.linalg.norm(pixels, axis=2), 1e-9) * np.linalg.norm(wanted)
    return (pixels @ wanted / size > 0.9) & (np.ptp(picture, axis=2) > 60)


def test_the_overlay_is_half_of_each_where_the_source_reaches() -> None:
    laid = overlay(SOURCE, TARGET, shifted())
    assert laid.shape == TARGET.shape
    assert (laid[60:, 100:] == 100).all()
    assert (laid[:60] == 160).all()
    assert (laid[:, :100] == 160).all()


def test_the_grid_covers_the_source_in_square_meshes() -> None:
    lines = grid_lines(300, 200)
    points = np.concatenate(lines)
    assert points.min(axis=0).tolist() == [0, 0]
    assert points.max(axis=0).tolist() == [299, 199]
    assert len(lines) == 9 + 6, "eight meshes across and five down"


def test_three_pictures_stand_side_by_side_and_the_grid_is_moved() -> None:
    picture = alignment_picture(SOURCE, TARGET, "target.png", shifted())
    green = like(picture, FOUND_COLOUR)
    third = picture.shape[1] // 3
    assert green[:, :third].sum() > 500
    columns = np.nonzero(green[:, third : 2 * third].any(axis=0))[0]
    assert green[:, third : 2 * third].sum() > 300
    assert columns.min() > 95, "the grid begins where the source does"
    assert not green[:, 2 * third :].any()
    missed = alignment_picture(SOURCE, TARGET, "target.png", shifted(found=False))
    assert like(missed, MISSED_COLOUR).sum() > 500
    assert not like(missed, FOUND_COLOUR).any()
