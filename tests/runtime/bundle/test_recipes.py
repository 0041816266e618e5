"""Recipes: scores are logistic, and numbers have types and ranges."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.runtime.bundle.fields import kind_of
from qatm.runtime.bundle.log_odds import log_odds, logistic
from qatm.runtime.bundle.match_recipe import MatchRecipe
from qatm.runtime.bundle.recipes import TASKS, AlignRecipe, Recipes, VerifyRecipe
from qatm.runtime.bundle.track_recipe import TrackRecipe


def test_the_logistic_and_its_inverse() -> None:
    assert logistic(0.0) == 0.5
    assert logistic(-1e6) == pytest.approx(0, abs=1e-300)
    assert logistic(1e6) == 1.0
    for odds in (-20.0, -1.5, 0.3, 12.0):
        assert log_odds(logistic(odds)) == pytest.approx(odds)
    assert math.isfinite(log_odds(0.0))
    assert math.isfinite(log_odds(1.0))


def test_the_score_of_a_sighting_is_a_logistic() -> None:
    recipe = TrackRecipe(
        quality_weight=2.0, share_weight=3.0, agreement_weight=4.0, score_offset=1.0
    )
    odds = 1 + 4 * 0.5
    for contested, alone in ((0.2, 0.4), (0.1, 0.3)):
        odds += 2 * math.log(contested) + 3 * math.log(contested / alone)
    assert recipe.score([(0.2, 0.4), (0.1, 0.3)], 0.5) == pytest.approx(1 / (1 + math.exp(-odds)))
    assert recipe.score([(0.2, 0.4), (0.0, 0.3)], 0.5) == 0.0


def test_log_odds_are_linear_in_the_numbers() -> None:
    numbers = ("quality_weight", "share_weight", "agreement_weight", "score_offset")
    track = TrackRecipe(**dict.fromkeys(numbers, 0.0))
    looks = ((0.2, 0.4), (0.1, 0.3))
    terms = (math.log(0.02), math.log(0.02 / 0.12), 0.5, 1.0)
    for name, term in zip(numbers, terms, strict=True):
        assert replace(track, **{name: 1.0}).odds(looks, 0.5) == pytest.approx(term)
    weights = dict(zip(numbers, (2.0, 3.0, 4.0, 1.0), strict=True))
    odds = sum(weights[name] * term for name, term in zip(numbers, terms, strict=True))
    assert replace(track, **weights).odds(looks, 0.5) == pytest.approx(odds)


def test_scores_of_support() -> None:
    for recipe, half in ((AlignRecipe(), math.exp(-21 / 5)), (VerifyRecipe(), 16.0)):
        assert recipe.score(half) == pytest.approx(0.5)
        assert recipe.score(2 * half) == pytest.approx(32 / 33)
        assert recipe.score(0.0) == 0.0


def test_every_number_has_a_kind_and_lies_in_its_range() -> None:
    kinds = set()
    for task in TASKS:
        for entry in fields(Recipes().of(task)):
            kinds.add(kind_of(entry))
            assert entry.metadata["low"] < entry.metadata["high"], entry.name
    assert kinds == {"fitted", "chosen", "bound", "numeric"}


def test_numbers_become_what_was_declared() -> None:
    recipe = TrackRecipe(side=48, competitors=np.int64(8), search_sizes=[0.8, 1])  # pyright: ignore[reportArgumentType]
    assert isinstance(recipe.side, float)
    assert type(recipe.competitors) is int
    assert recipe.search_sizes == (0.8, 1.0)
    assert TrackRecipe(margin=np.float32(0.5)).margin == 0.5  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"competitors": 3.5},
            r"competitors is 3\.5; it must be a whole number between 0 and 10,000",
        ),
        ({"wait": True}, "wait is True; it must lie between 0 and 1,000,000"),
        ({"side": "64"}, "side is '64'; it must lie between 16 and 256"),
        ({"side": math.nan}, "side is nan"),
        (
            {"search_sizes": 1.0},
            r"search_sizes is 1\.0; give a list of numbers between 0\.1",
        ),
        ({"search_sizes": ()}, r"search_sizes is \(\)"),
        ({"search_sizes": (1.0, 100.0)}, "search_sizes is"),
        ({"search_sizes": "12"}, "search_sizes is '12'"),
        ({"lost_score": 0.6}, r"lost_score 0\.6 is above found_score 0\.5"),
        ({"speed": 1}, "TrackRecipe has no field 'speed'; choose from side, "),
    ],
)
def test_wrong_numbers_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        TrackRecipe.from_dict(changes)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"longest": 33}, "shortest 96 is above longest 33"),
        ({"longest": 100}, "longest 100 is no multiple of cell 16; give whole cells"),
        ({"shortest": 100}, "shortest 100 is no multiple of cell 16"),
        ({"cell": 64}, "side_step 32 is no multiple of cell 64"),
        ({"cell": 24, "side_step": 48, "longest": 720}, "cell is 24; it must be a power of two"),
        ({"side": 4096}, r"may have 1,936 cells of 16 px, more than 1,024: give a smaller side"),
        ({"shortest": 704}, r"may have 1,936 cells of 16 px"),
        ({"cell": 4}, r"may have 4,224 cells of 4 px"),
        ({"scales": [1.0] * 17}, "scales has 17 numbers; give at most 16"),
        ({"spline_points": 17}, "spline_points is 17; it must lie between 2 and 16"),
    ],
)
def test_a_grid_that_is_not_whole_or_too_fine_is_refused(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        AlignRecipe.from_dict(changes)
    assert len(str(caught.value).splitlines()) == 1


def test_the_largest_grid_is_accepted() -> None:
    assert AlignRecipe(side=512).side == 512
    assert AlignRecipe(cell=8, longest=680).cell == 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plane_prior": [0.0]}, "plane_prior has 1 numbers; give 8, one for each parameter"),
        ({"plane_prior": [0.0] * 7}, "plane_prior has 7 numbers"),
        ({"plane_prior": [0.0] * 9}, "plane_prior has 9 numbers"),
        ({"judge_spread": [5e-324] * 25}, "judge_spread is .*give a list of numbers between 1e-06"),
        ({"look_share": 10}, "look_share is 10; it must lie between 0 and 2"),
        ({"pose_sizes": 100}, "pose_sizes is 100"),
        ({"pose_rounds": 100}, "pose_rounds is 100"),
        ({"pose_margin": 100}, "pose_margin is 100"),
        ({"pose_border": 1024}, "pose_border is 1024"),
        ({"plane_rounds": 100}, "plane_rounds is 100"),
        ({"plane_margin": 100}, "plane_margin is 100"),
    ],
)
def test_numbers_with_which_nothing_is_found_in_time_are_refused(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        MatchRecipe.from_dict(changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"levels": [90.5] * 17}, "levels has 17 numbers; give at most 16"),
        ({"query_size": 4096}, "query_size is 4096; it must lie between 32 and 512"),
        ({"close_size": 4096}, "close_size is 4096"),
        ({"network_size": 4096}, "network_size is 4096"),
        ({"border": 1024}, "border is 1024; it must lie between 0 and 128"),
        ({"trials": 1_000_000}, "trials is 1000000; it must lie between 1 and 10,000"),
    ],
)
def test_work_beyond_what_a_place_is_worth_is_refused(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        VerifyRecipe.from_dict(changes)
