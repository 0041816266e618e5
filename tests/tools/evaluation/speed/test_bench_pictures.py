"""The pictures that are measured with."""

from __future__ import annotations

import numpy as np
import pytest

from qatm.runtime import box_iou
from qatm.runtime.errors import QatmError
from qatm.tools.evaluation.speed import bench_pictures
from qatm.tools.evaluation.speed.bench_pictures import (
    DRAWN,
    PHOTOGRAPHS,
    ObjectScene,
    drawn,
    mosaic,
    photographs,
    pictures_used,
)
from qatm.tools.evaluation.speed.jobs import BenchJob


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_pictures, "find_photographs", lambda: None)


def test_photographs_have_the_size_of_the_job() -> None:
    pytest.importorskip("skimage")
    pictures = photographs(BenchJob("zncc", height=90, width=120, pictures=5))
    assert pictures_used() == PHOTOGRAPHS
    assert [picture.shape for picture in pictures] == [(90, 120, 3)] * 5
    assert (pictures[0] == pictures[4]).all()
    assert not (pictures[0] == pictures[1]).all()


@pytest.mark.usefixtures("nothing_installed")
def test_drawn_pictures_stand_for_photographs() -> None:
    assert pictures_used() == DRAWN
    first, second = photographs(BenchJob("zncc", height=90, width=120, pictures=2))
    assert first.shape == second.shape == (90, 120, 3)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.5


def test_a_drawn_picture_is_the_same_each_time_and_textured_everywhere() -> None:
    picture = drawn(3)
    assert picture.dtype == np.uint8
    assert (picture == drawn(3)).all()
    blocks = picture.reshape(16, 32, 16, 32, 3).astype(float)
    assert blocks.std((1, 3)).max(-1).min() > 5


def test_no_part_of_a_large_ground_is_another() -> None:
    ground = mosaic(1300, 900)
    assert ground.shape == (900, 1300, 3)
    tiles = [ground[y : y + 400, x : x + 400] for y in (0, 400) for x in (0, 400, 800)]
    for i, one in enumerate(tiles):
        assert not any((one == other).all() for other in tiles[i + 1 :])


def test_objects_are_where_the_scene_says_and_nowhere_in_the_ground() -> None:
    scene = ObjectScene(BenchJob("tracked", width=320, height=240, template=32, templates=2))
    boxes = scene.boxes(2)
    changed = (scene.frame(boxes) != scene.frame()).any(-1)
    inside = np.zeros_like(changed)
    for x, y, w, h in (tuple(map(int, box)) for box in boxes):
        inside[y : y + h, x : x + w] = True
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.9
    assert box_iou(scene.boxes()[0], scene.boxes(1)[0]) > 0.7
    assert box_iou(scene.boxes()[0], scene.elsewhere()) == 0


def test_more_objects_than_there_are_is_an_error() -> None:
    with pytest.raises(QatmError, match="500 objects"):
        ObjectScene(BenchJob("several", templates=500))
