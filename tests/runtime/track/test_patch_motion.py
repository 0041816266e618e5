"""What several looks say of an object's size and place, and how far they are believed."""

import math

import pytest

from qatm.runtime.bundle.track_recipe import TrackRecipe
from qatm.runtime.track.patch_motion import PatchReading, together

RECIPE = TrackRecipe()


def test_looks_count_as_surely_as_their_patches_are_found() -> None:
    sure = PatchReading(1.1, 0.0, (10.0, 20.0), 0.5)
    unsure = PatchReading(0.9, 0.0, (14.0, 20.0), 0.001)
    read = together(sure, [unsure], RECIPE)
    assert read is not None
    assert read.zoom == pytest.approx(1.1, abs=0.002)
    assert read.centre == pytest.approx((10.0, 20.0), abs=0.02)
    assert read.believed > 0.95 * RECIPE.place_gain


def test_what_no_look_knows_stays_as_it_is() -> None:
    trust = math.exp(-14)
    read = together(PatchReading(1.15, 0.0, (0.0, 0.0), trust), [], RECIPE)
    assert read is not None
    assert read.zoom == pytest.approx(1, abs=0.001)
    assert read.believed < 0.001


def test_no_frame_resizes_an_object_by_more_than_it_may() -> None:
    read = together(PatchReading(1.5, 0.0, (0.0, 0.0), 0.9), [], RECIPE)
    assert read is not None
    assert read.zoom == pytest.approx(RECIPE.most_zoom, rel=0.01)


@pytest.mark.parametrize("zoom", [0.4, 1.8])
def test_patches_that_lie_anywhere_say_nothing(zoom: float) -> None:
    assert together(PatchReading(zoom, 0.0, (0.0, 0.0), 0.9), [], RECIPE) is None


def test_recipes_of_earlier_versions_are_read() -> None:
    old = {"scale_step": 1.1, "scale_gain": 0.4, "scale_cost": 0.2, "size_margin": 1}
    assert TrackRecipe.from_dict(old).scale_gain == 0.4
    assert TrackRecipe.from_dict({**old, "scale_step": 1}).scale_gain == 0


def test_the_first_look_alone_tells_turns_and_only_where_it_is_sure() -> None:
    sure, turned = math.exp(-1), PatchReading(1.0, 25.0, (0.0, 0.0), 0.5)
    still = PatchReading(1.0, 0.0, (0.0, 0.0), 0.5)
    read = together(PatchReading(1.0, 10.0, (0.0, 0.0), sure), [turned], RECIPE)
    assert read is not None
    assert read.turn == pytest.approx(10 * sure / (sure + math.exp(RECIPE.same_turn)))
    hardly = together(PatchReading(1.0, 10.0, (0.0, 0.0), math.exp(-9)), [still], RECIPE)
    assert hardly is not None
    assert abs(hardly.turn) < 0.02
    most = together(PatchReading(1.0, -90.0, (0.0, 0.0), 0.9), [], RECIPE)
    assert most is not None
    assert most.turn == -RECIPE.most_turn
