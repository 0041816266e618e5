"""The small network that weighs what speaks for a box."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from qatm.runtime import Bundle, InputError
from qatm.runtime.bundle.judge_network import FARTHEST, JudgeNetwork
from qatm.runtime.bundle.match_recipe import MatchRecipe
from qatm.runtime.match.judging import BoxEvidence

SMALL = JudgeNetwork.of((1.0, 10.0), (2.0, 5.0), (1.0, 0.5, 0.25, -1.0, 0.0, 0.0), (3.0, 2.0, -1.0))


def test_odds_are_those_of_one_hidden_layer() -> None:
    expected = 3 * math.tanh(1 + 0.5 * -2 + 0.25) + 2 * math.tanh(-1) - 1
    assert SMALL.odds(np.array([[3.0, 0.0]]))[0] == pytest.approx(expected)
    assert SMALL.odds(np.array([[3.0, 0.0], [1.0, 10.0]])) == pytest.approx(
        [expected, 3 * math.tanh(0.25) - 1]
    )


def test_evidence_is_held_where_the_fit_saw_it() -> None:
    far = np.array([[1 + 2 * FARTHEST, 10.0], [1e9, 10.0]])
    near = np.array([[1 + 2 * FARTHEST - 0.5, 10.0]])
    odds = SMALL.odds(far)
    assert odds[0] == odds[1]
    assert SMALL.odds(near)[0] != odds[0]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (((0.0,), (1.0, 1.0), (1.0, 0.0), (1.0, 0.0)), "has 1 spreads and 2 hidden weights, not 2"),
        (((0.0,), (1.0,), (1.0, 0.0, 1.0), (1.0, 0.0)), "2 hidden weights, not 1 and 3"),
        (((0.0,), (1.0,), (), (1.0,)), "with 0 units"),
        (((0.0,), (0.0,), (1.0, 0.0), (1.0, 0.0)), "spread of the judge's evidence is 0"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(
    numbers: tuple[tuple[float, ...], ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        JudgeNetwork.of(*numbers)


def test_other_evidence_is_refused() -> None:
    with pytest.raises(InputError, match="3 pieces of evidence for a judge of 2"):
        SMALL.odds(np.zeros((1, 3)))


def test_a_recipe_checks_its_judge() -> None:
    recipe = MatchRecipe()
    with pytest.raises(InputError, match="hidden weights"):
        replace(recipe, judge_hidden=recipe.judge_hidden[1:])
    # The last piece is for bundles with a network that compares pixels.
    assert len(recipe.judge_centre) == len(fields(BoxEvidence)) - 1


def test_recipes_of_linear_scores_are_read() -> None:
    """Their numbers mean nothing to the judge, which is that of this version."""
    old = {**MatchRecipe(alpha=20.0).as_dict(), "score_slope": 2.2, "score_likeness": 23.1}
    for name in [name for name in old if name.startswith("judge")]:
        del old[name]
    read = MatchRecipe.from_dict({**old, "score_offset": 1.0})
    assert read == MatchRecipe(alpha=20.0)


def test_the_packaged_record_covers_its_recipe() -> None:
    spec = Bundle.load(None).spec
    (record,) = [fit for fit in spec.fits if fit.task == "match"]
    recipe = spec.recipes.match
    assert record.covers(recipe, spec.backbone.label, recipe.alpha)
    other = (recipe.judge_output[0] + 1, *recipe.judge_output[1:])
    assert not record.covers(replace(recipe, judge_output=other), spec.backbone.label, recipe.alpha)
    assert not record.covers(recipe, "another:1", recipe.alpha)
