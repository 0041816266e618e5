"""What a region says of a target is computed once, and again where something else is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from qatm.runtime import Box, Session, TrackerOptions
from qatm.runtime.patches.encoder import Encoder
from qatm.runtime.patches.region import Region, RegionFeatures
from qatm.runtime.patches.similarity import similarities
from qatm.runtime.track.target import TargetModel


def followed(photographs) -> tuple[TargetModel, RegionFeatures]:
    """A target, and a region of another picture."""
    frame = cv2.resize(photographs["chelsea"], (480, 320), interpolation=cv2.INTER_AREA)
    encoder = Encoder(Session(None, "cpu", threads=1))
    options = replace(TrackerOptions(), recent_after=1)
    model = TargetModel(encoder, 25.0, options, frame, Box(110, 90, 80, 100))
    other = cv2.GaussianBlur(cv2.flip(frame, 1), (5, 5), 0)
    region = Region.around(model.centre, model.scale, *model.region_size)
    return model, model.encode(other, region)


def test_a_region_is_compared_once(photographs) -> None:
    model, seen = followed(photographs)
    compared = model.compared(seen)
    assert model.compared(seen) is compared
    assert compared.cosines[0] is compared.cosines[1], "the first look is the recent one still"
    model.look(seen)
    assert model.compared(seen) is compared
    assert model.compared(replace(seen)) is not compared


def test_similarities_are_those_of_all_patches_with_all_cells(photographs) -> None:
    model, seen = followed(photographs)
    cells = seen.coarse.reshape(len(seen.coarse), -1).T
    expected = similarities(model.coarse.rows, cells)
    found = model.compared(seen).cosines[0]
    assert found.shape == (len(expected), *seen.coarse.shape[1:])
    assert np.abs(found.reshape(expected.shape) - expected).max() < 1e-4


def test_a_newer_look_is_compared_anew(photographs) -> None:
    model, seen = followed(photographs)
    before = model.compared(seen)
    model.remember(seen, model.centre)
    model.remember(seen, model.centre)
    after = model.compared(seen)
    assert np.array_equal(after.cosines[0], before.cosines[0])
    own = model.recent.target > 0
    assert after.cosines[1][own].max((1, 2)).min() > 0.999, "each patch is one of the cells"
    assert [look for look, _ in before.looks] == [model.coarse]
    assert [look for look, _ in after.looks] == [model.coarse, model.recent]
    assert all(map(np.array_equal, (cosine for _, cosine in after.looks), after.cosines))
    assert after.cosines[0][model.coarse.target > 0].max((1, 2)).min() < 0.9


def test_colours_are_told_anew_once_they_are_renewed(photographs) -> None:
    model, seen = followed(photographs)
    compared = model.compared(seen)
    before = compared.likely(model.colours)
    assert compared.likely(model.colours) is before
    model.renew_colours(seen, model.centre)
    assert not np.array_equal(compared.likely(model.colours), before)
