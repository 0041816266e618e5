"""Tiles, and objects turned back: they look as their template does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from qatm.runtime import Box, Match
from qatm.runtime.match.pose import Pose
from qatm.tools.drawing.draw import PAPER, Panel
from qatm.tools.drawing.tiles import GAP, tile_size, tiled, upright_view, upright_views
from qatm.tools.scenes.stickers import posed, warp

BOX = Box(132, 344, 80, 82)


def one_colour(height: int, width: int, colour: int) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def smooth(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), 1.5)[6:-6, 6:-6].astype(float)


@pytest.mark.parametrize(
    ("count", "size", "room", "columns"),
    [
        (1, (10.0, 10.0), Panel(100, 100), 1),
        (4, (10.0, 10.0), Panel(100, 100), 2),
        (4, (10.0, 10.0), Panel(400, 90), 4),
        (4, (10.0, 10.0), Panel(90, 400), 1),
        (6, (30.0, 10.0), Panel(100, 100), 2),
        (24, (72.0, 30.0), Panel(720, 540), 4),
    ],
)
def test_tiles_are_as_large_as_can_be(
    count: int, size: tuple[float, float], room: Panel, columns: int
) -> None:
    got, cell = tile_size([size] * count, room)
    assert got == columns
    rows = -(-count // columns)
    assert columns * (cell.width + GAP) - GAP <= room.width
    assert rows * (cell.height + GAP) - GAP <= room.height


def test_tiles_lie_in_rows() -> None:
    sheet = tiled([one_colour(20, 20, level) for level in (50, 100, 150)], Panel(100, 100))
    high, wide = sheet.shape[:2]
    assert high <= 100
    assert wide <= 100
    assert [int(sheet[y, x, 0]) for y, x in ((24, 24), (24, 76), (76, 24))] == [50, 100, 150]
    assert tuple(sheet[76, 76]) == PAPER
    alone = one_colour(33, 44, 9)
    assert tiled([alone], Panel(100, 100)) is alone


@pytest.mark.parametrize(("angle", "scale"), [(0.0, 1.0), (77.0, 0.8), (-150.0, 1.7), (33.0, 3.0)])
def test_what_was_turned_is_turned_back(
    photographs: dict[str, np.ndarray], angle: float, scale: float
) -> None:
    frame = photographs["astronaut"]
    matrix = posed((2 * BOX.x + BOX.w, 2 * BOX.y + BOX.h), (300.0, 260.0), angle, scale)
    scene = warp(frame, matrix, (600, 520))
    match = Match.at(Pose(300, 260, angle, scale), (BOX.w, BOX.h), 1.0, True, 0)
    view = smooth(upright_view(scene, match, 80, 82))
    away = [np.abs(view - smooth(frame[344 + y : 426 + y, 132:212])).mean() for y in (0, 3)]
    assert away[0] < 5
    assert away[0] < 0.4 * away[1], "it lies where the template does"


def test_a_box_alone_is_cut_out() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[10:30, 20:60] = 200
    view = upright_views(image, [Match(Box(20, 10, 40, 20), 0.4, False)], Panel(80, 60))
    assert view.shape[1] == 2 * view.shape[0]
    assert view[2:-2, 2:-2].min() == 200


def test_many_views_fit_the_room(photographs: dict[str, np.ndarray]) -> None:
    poses = [Pose(60.0 + 13 * i, 70.0 + 7 * i, 30.0 * i, 0.7) for i in range(17)]
    matches = [Match.at(pose, (50, 30), 0.9, True, 0) for pose in poses]
    sheet = upright_views(photographs["coffee"], matches, Panel(300, 200))
    assert sheet.shape[0] <= 200
    assert sheet.shape[1] <= 300
