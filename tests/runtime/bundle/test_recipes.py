"""Recipes: scores are logistic, and numbers have types and ranges."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.runtime.bundle.fields import kind_of
from qatm.runtime.bundle.log_odds import log_odds, logistic
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
