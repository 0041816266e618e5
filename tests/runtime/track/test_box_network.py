"""What a trained network says of a followed box, and how it counts beside the patches."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from qatm.runtime.bundle.track_recipe import TrackRecipe
from qatm.runtime.track.box_network import BoxReading, joined
from qatm.runtime.track.patch_motion import MotionReading

HERE = 100.0, 50.0
RECIPE = TrackRecipe(network_weight=0.5, network_trust=math.log(0.3), network_shape=0.6)
PATCHES = MotionReading(1.1, (104.0, 50.0), 0.4, 0.1, 3.0)


def test_each_counts_its_part() -> None:
    told = BoxReading(0.0, 0.0, math.log(1.2), 0.5)
    read = joined(PATCHES, told, (100.0, 58.0), HERE, RECIPE)
    assert read.zoom == pytest.approx(math.sqrt(1.1 * 1.2))
    # The network is trusted three times as much: three quarters of its 8 px, and of the patches'
    # 4 px what they believe, less half of that share.
    assert read.centre == pytest.approx((100 + 4 * 0.4 * (1 - 0.75 / 2), 56.0))
    assert read.believed == 1
    assert read.turn == 3
    assert read.aspect == pytest.approx(0.3)


def test_a_network_alone() -> None:
    alone = replace(RECIPE, network_weight=1.0, network_trust=100.0)
    told = BoxReading(0.0, 0.0, math.log(0.9), 0.0)
    read = joined(PATCHES, told, (90.0, 50.0), HERE, alone)
    assert read.zoom == pytest.approx(0.9)
    assert read.centre == pytest.approx((90.0, 50.0))


def test_patches_that_say_nothing_are_no_change() -> None:
    read = joined(None, BoxReading(0.0, 0.0, 0.1, 0.0), (110.0, 50.0), HERE, RECIPE)
    assert read.zoom == pytest.approx(math.exp(0.05))
    assert read.centre == pytest.approx((110.0, 50.0))
    assert read.turn == 0


def test_what_is_found_again_patch_by_patch_is_placed_by_its_patches() -> None:
    sure = PATCHES._replace(trust=30.0, believed=1.0)
    read = joined(sure, BoxReading(0.0, 0.0, 0.0, 0.0), (100.0, 58.0), HERE, RECIPE)
    assert read.centre == pytest.approx((104.0, 50.0), abs=0.1)


@pytest.mark.parametrize("zoom", [-3.0, 3.0])
def test_no_frame_resizes_an_object_by_more_than_it_may(zoom: float) -> None:
    alone = replace(RECIPE, network_weight=1.0)
    read = joined(None, BoxReading(0.0, 0.0, zoom, 0.0), HERE, HERE, alone)
    assert abs(math.log(read.zoom)) == pytest.approx(math.log(alone.most_zoom))
