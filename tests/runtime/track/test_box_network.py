"""What a trained network says of a followed box, and how it counts beside the patches."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from qatm.runtime.bundle.track_recipe import TrackRecipe
from qatm.runtime.track.box_network import BoxReading, joined
from qatm.runtime.track.patch_motion import MotionReading

HERE = 100.0, 50.0
RECIPE = TrackRecipe(network_weight=0.5)
PATCHES = MotionReading(1.1, (104.0, 50.0), 0.5, 3.0)


def test_both_count_half() -> None:
    told = BoxReading(0.0, 0.0, math.log(1.2))
    read = joined(PATCHES, told, (100.0, 58.0), HERE, RECIPE)
    assert read.zoom == pytest.approx(math.sqrt(1.1 * 1.2))
    # Half of what the patches believe of their 4 px, and half of the network's 8.
    assert read.centre == pytest.approx((101.0, 54.0))
    assert read.sureness == 1
    assert read.turn == 3


def test_a_network_alone() -> None:
    alone = replace(RECIPE, network_weight=1.0)
    read = joined(PATCHES, BoxReading(0.0, 0.0, math.log(0.9)), (90.0, 50.0), HERE, alone)
    assert read.zoom == pytest.approx(0.9)
    assert read.centre == pytest.approx((90.0, 50.0))


def test_patches_that_say_nothing_are_no_change() -> None:
    read = joined(None, BoxReading(0.0, 0.0, 0.1), (110.0, 50.0), HERE, RECIPE)
    assert read.zoom == pytest.approx(math.exp(0.05))
    assert read.centre == pytest.approx((105.0, 50.0))
    assert read.turn == 0


@pytest.mark.parametrize("zoom", [-3.0, 3.0])
def test_no_frame_resizes_an_object_by_more_than_it_may(zoom: float) -> None:
    alone = replace(RECIPE, network_weight=1.0)
    read = joined(None, BoxReading(0.0, 0.0, zoom), HERE, HERE, alone)
    assert abs(math.log(read.zoom)) == pytest.approx(math.log(alone.most_zoom))
