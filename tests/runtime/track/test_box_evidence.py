"""What the evidence around a supposed box says where the truth is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from qatm.runtime import Box, Session, TrackerOptions
from qatm.runtime.patches.encoder import Encoder
from qatm.runtime.patches.region import Region
from qatm.runtime.track.box_evidence import CELLS, MAPS, REACH, READINGS, box_evidence
from qatm.runtime.track.target import TargetModel

FIRST, RECENT = slice(0, 7), slice(7, 14)
HIGHEST, AROUND, EITHER, ACROSS, DOWN = range(5)
COLOUR, INSIDE = 14, 15
GRID = ((np.arange(CELLS) + 0.5) / CELLS * 2 - 1) * REACH
ON_BOX = np.abs(GRID) < 0.4


def target(photographs, options: TrackerOptions | None = None) -> tuple[TargetModel, np.ndarray]:
    frame = cv2.resize(photographs["chelsea"], (480, 320), interpolation=cv2.INTER_AREA)
    encoder = Encoder(Session(None, "cpu", threads=1))
    box = Box(110, 90, 80, 100)
    return TargetModel(encoder, 25.0, options or TrackerOptions(), frame, box), frame


def on_box(values: np.ndarray) -> float:
    return float(np.median(values[np.ix_(ON_BOX, ON_BOX)]))


def test_on_the_object_each_cell_lies_where_its_part_does(photographs) -> None:
    model, frame = target(photographs)
    seen = model.encode(frame, Region.around(model.centre, model.scale, *model.region_size))
    maps, readings = box_evidence(model, seen, model.centre)
    assert maps.shape == (MAPS, CELLS, CELLS)
    assert maps.dtype == np.float32
    assert readings.shape == (READINGS,)
    assert readings[0] == pytest.approx(np.log(0.8), abs=1e-6)
    assert np.isfinite(maps).all()
    assert on_box(maps[HIGHEST]) > 0.95
    assert on_box(maps[EITHER]) > 0.5
    assert maps[EITHER][0].mean() < -0.2, "the surroundings look like themselves"
    assert abs(on_box(maps[ACROSS])) < 0.02
    assert abs(on_box(maps[DOWN])) < 0.02
    assert on_box(maps[COLOUR]) > np.median(maps[COLOUR][0])
    assert maps[INSIDE].all()
    assert np.allclose(maps[FIRST], maps[RECENT]), "the first look is the recent one still"


def test_a_box_that_lies_too_far_right_is_told_by_how_much(photographs) -> None:
    model, frame = target(photographs)
    supposed = model.centre[0] + 0.15 * model.box.w, model.centre[1]
    seen = model.encode(frame, Region.around(supposed, model.scale, *model.region_size))
    maps, _ = box_evidence(model, seen, supposed)
    # What lies in the box's middle is a part of the object from farther right.
    assert on_box(maps[ACROSS]) == pytest.approx(0.15, abs=0.03)
    assert abs(on_box(maps[DOWN])) < 0.03


@pytest.mark.parametrize("zoom", [1.3, 0.75])
def test_the_size_of_an_object_shows_in_where_its_parts_lie(photographs, zoom: float) -> None:
    model, frame = target(photographs)
    region = Region.around(model.centre, model.scale * zoom, *model.region_size)
    maps, _ = box_evidence(model, model.encode(frame, region), model.centre)
    across = np.median(maps[ACROSS][ON_BOX], axis=0)[ON_BOX]
    down = np.median(maps[DOWN][:, ON_BOX], axis=1)[ON_BOX]
    # A cell at x shows the part at x / zoom; single patches are coarser than that.
    for values in (across, down):
        slope = np.polyfit(GRID[ON_BOX], values, 1)[0]
        assert 0.2 < slope / (1 / zoom - 1) < 1.4


def test_what_lies_outside_the_region_is_marked(photographs) -> None:
    model, frame = target(photographs)
    away = model.centre[0] + 70.0, model.centre[1]
    seen = model.encode(frame, Region.around(model.centre, model.scale, *model.region_size))
    maps, _ = box_evidence(model, seen, away)
    assert maps[INSIDE][:, 0].all()
    assert not maps[INSIDE][:, -1].any()


def test_an_object_without_known_surroundings(photographs) -> None:
    model, frame = target(photographs, replace(TrackerOptions(), competitors=0))
    seen = model.encode(frame, Region.around(model.centre, model.scale, *model.region_size))
    maps, _ = box_evidence(model, seen, model.centre)
    assert (maps[AROUND] == -1).all()
    assert np.isfinite(maps).all()
