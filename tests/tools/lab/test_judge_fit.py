"""Fits of the judge: it tells kinds apart, keeps to the signs, and comes out the same again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qatm.runtime import InputError
from qatm.runtime.bundle.judge_network import JudgeNetwork
from qatm.tools.evaluation.metrics import roc_auc
from qatm.tools.lab.judge_fit import SEEDS, fit_judge

Array = NDArray[Any]

SIGNS = np.array([1.0, -1.0, 0.0, 0.0])

NONE_FREE = np.zeros(4, bool)


def drawn(count: int, seed: int) -> tuple[Array, Array]:
    """Evidence: one speaks for, one against where the third is high, the last says nothing."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal(0, 1, (count, 4)) * (1, 1, 1, 30) + (2, -5, 0, 100)
    odds = 3 * (evidence[:, 0] - 2) - 3 * (evidence[:, 1] + 5) * (evidence[:, 2] > 0)
    return evidence, rng.random(count) < 1 / (1 + np.exp(-odds))


def fit(evidence: Array, labels: Array) -> JudgeNetwork:
    return fit_judge(evidence, labels, np.ones(len(labels)), SIGNS, NONE_FREE, (4, 0))


@pytest.fixture(scope="module")
def judge() -> JudgeNetwork:
    return fit(*drawn(600, 0))


def test_kinds_are_told_apart(judge: JudgeNetwork) -> None:
    """Also where it depends on a third piece of evidence what another one means."""
    evidence, labels = drawn(3000, 1)
    odds = judge.odds(evidence)
    assert roc_auc(labels, odds) > 0.88
    flat = evidence[:, 2] < -0.5
    weights = [
        np.polyfit(evidence[part, 1], odds[part] - 3 * evidence[part, 0], 1)[0]
        for part in (flat, evidence[:, 2] > 0.5)
    ]
    assert weights[1] < weights[0] - 1


def test_odds_are_calibrated(judge: JudgeNetwork) -> None:
    evidence, labels = drawn(6000, 2)
    said = 1 / (1 + np.exp(-judge.odds(evidence)))
    for low in (0.0, 0.25, 0.5, 0.75):
        part = (said >= low) & (said < low + 0.25)
        assert labels[part].mean() == pytest.approx(said[part].mean(), abs=0.08)


def test_what_speaks_for_a_box_never_counts_against_it(judge: JudgeNetwork) -> None:
    """Anywhere, also far outside of what was seen."""
    rng = np.random.default_rng(3)
    start = judge.centre + judge.spread * rng.normal(0, 3, (400, 4))
    for index, sign in enumerate(SIGNS[:2]):
        more = start.copy()
        more[:, index] += sign * judge.spread[index] * rng.exponential(1, 400)
        assert (judge.odds(more) >= judge.odds(start) - 1e-12).all()


def test_signs_hold_against_the_data() -> None:
    """What is said to speak for a box, but speaks against it, is left out."""
    evidence, labels = drawn(400, 0)
    signs = np.array([-1.0, -1.0, 0.0, 0.0])
    judge = fit_judge(evidence, labels, np.ones(400), signs, NONE_FREE, (4, 0))
    less = evidence - judge.spread * (1, 0, 0, 0)
    assert judge.odds(less) == pytest.approx(judge.odds(evidence), abs=0.05)


def test_free_units_weigh_some_evidence_either_way_and_no_other() -> None:
    """A difference in one spot means the more, the better the rest fits."""
    rng = np.random.default_rng(7)
    worst, middle = rng.normal(0, 1, (2, 1500))
    evidence = np.column_stack([rng.normal(0, 1, 1500), worst, middle])
    labels = rng.random(1500) < 1 / (1 + np.exp(4 * (worst - middle) - evidence[:, 0]))
    signs, free = np.array([1.0, -1.0, -1.0]), np.array([False, True, True])
    bound, judge = (
        fit_judge(evidence, labels, np.ones(1500), signs, free, (4, units)) for units in (0, 3)
    )
    assert roc_auc(labels, bound.odds(evidence)) < 0.85
    assert roc_auc(labels, judge.odds(evidence)) > 0.9
    assert len(judge.output) == len(SEEDS) * 7 + 1
    more = evidence + judge.spread * (1, 0, 0)
    assert (judge.odds(more) >= judge.odds(evidence) - 1e-12).all()


def test_evidence_beyond_what_was_seen_counts_as_the_farthest(judge: JudgeNetwork) -> None:
    far = judge.centre + judge.spread * (4, -4, 0, 0)
    odds = judge.odds(np.array([far, judge.centre + judge.spread * (400, -400, 0, 0)]))
    assert odds[0] == pytest.approx(odds[1], abs=1e-9)
    assert odds[0] > 3


def test_a_fit_comes_out_the_same_again(judge: JudgeNetwork) -> None:
    again = fit(*drawn(600, 0))
    for name in ("centre", "spread", "hidden", "output"):
        np.testing.assert_array_equal(getattr(again, name), getattr(judge, name))


def test_units_of_measure_do_not_matter(judge: JudgeNetwork) -> None:
    evidence, labels = drawn(600, 0)
    scaled = fit(evidence * (100, 1, 1, 1), labels)
    other, _ = drawn(50, 4)
    assert scaled.odds(other * (100, 1, 1, 1)) == pytest.approx(judge.odds(other), abs=0.3)


def test_weights_count_as_copies() -> None:
    evidence, labels = drawn(200, 5)
    weights = np.where(np.arange(200) < 50, 3.0, 1.0)
    weighted = fit_judge(evidence, labels, weights, SIGNS, NONE_FREE, (4, 0))
    copied = np.repeat(np.arange(200), weights.astype(int))
    repeated = fit(evidence[copied], labels[copied])
    assert weighted.centre == pytest.approx(repeated.centre)
    assert weighted.odds(evidence) == pytest.approx(repeated.odds(evidence), abs=0.3)


def test_evidence_that_never_changes_is_no_problem() -> None:
    evidence, labels = drawn(200, 6)
    evidence[:, 3] = 7.0
    assert np.isfinite(fit(evidence, labels).odds(evidence)).all()


@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_is_refused(kind: bool) -> None:
    evidence, _ = drawn(20, 0)
    with pytest.raises(InputError, match="one kind only; a fit needs both"):
        fit(evidence, np.full(20, kind))
