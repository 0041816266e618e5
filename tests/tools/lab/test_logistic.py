"""Logistic regression: known weights come out, and what cannot be fitted is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.tools.lab.logistic import Labelled, fit_logistic, left_out_odds, log_loss

WEIGHTS, OFFSET = np.array([2.0, -15.0]), 0.7


def drawn(count: int = 40_000, given: float = 0.0, seed: int = 1) -> Labelled:
    """Samples of five groups whose labels follow the weights; terms of different sizes."""
    rng = np.random.default_rng(seed)
    terms = np.column_stack([rng.normal(-3, 1.5, count), rng.normal(-0.4, 0.1, count)])
    more = given * rng.normal(size=count)
    odds = terms @ WEIGHTS + more + OFFSET
    labels = rng.random(count) < 1 / (1 + np.exp(-odds))
    groups = rng.choice(list("abcde"), count)[:, None]
    return Labelled(terms, more, labels, groups)


@pytest.mark.parametrize("given", [0.0, 3.0])
def test_known_weights_come_out(given: float) -> None:
    samples = drawn(given=given)
    fit = fit_logistic(samples)
    assert fit.weights == pytest.approx(WEIGHTS, rel=0.05)
    ratio = (~samples.labels).sum() / samples.labels.sum()
    assert fit.offset - math.log(ratio) == pytest.approx(OFFSET, abs=0.3)
    assert fit.odds(samples) == pytest.approx(
        samples.terms @ fit.weights + samples.given + fit.offset
    )


def test_a_fit_is_the_most_likely_one() -> None:
    samples = drawn(500)
    fit = fit_logistic(samples)
    ratio = math.log((~samples.labels).sum() / samples.labels.sum())

    def loss(weights: np.ndarray, offset: float) -> float:
        odds = samples.terms @ weights + offset
        return float(np.logaddexp(0, np.where(samples.labels, -odds, odds)).sum())

    best = loss(fit.weights, fit.offset - ratio)
    for change in ((0.01, 0, 0), (0, 0.1, 0), (0, 0, 0.01)):
        for sign in (-1, 1):
            first, second, third = (sign * part for part in change)
            moved = fit.weights + np.array([first, second])
            assert loss(moved, fit.offset - ratio + third) > best


def test_how_many_of_a_kind_were_drawn_does_not_move_the_offset() -> None:
    samples = drawn()
    kept = samples.labels | (np.random.default_rng(0).random(len(samples.labels)) < 0.1)
    few, many = fit_logistic(samples.only(kept)), fit_logistic(samples)
    assert few.offset == pytest.approx(many.offset, abs=0.3)
    assert few.weights == pytest.approx(many.weights, rel=0.1)


def test_two_fits_are_equal() -> None:
    samples = drawn(300)
    first, second = fit_logistic(samples), fit_logistic(samples)
    assert (first.weights == second.weights).all()
    assert first.offset == second.offset


@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_only_is_refused(kind: bool) -> None:
    samples = drawn(200)
    samples = samples.only(samples.labels == kind)
    with pytest.raises(InputError, match=r"needs both"):
        fit_logistic(samples)


def test_samples_without_a_doubt_are_refused() -> None:
    samples = drawn(200)
    odds = samples.terms @ WEIGHTS
    clear = dataclasses.replace(samples, labels=odds > np.median(odds))
    with pytest.raises(InputError, match=r"200 samples can be told apart without a mistake"):
        fit_logistic(clear)


def test_a_group_is_judged_by_the_others() -> None:
    samples = drawn(1000)
    odds = left_out_odds(samples)
    own = samples.groups[:, 0] == "b"
    expected = fit_logistic(samples.only(~own)).odds(samples.only(own))
    assert (odds[own] == expected).all()


def test_a_group_is_left_out_wherever_it_has_a_part() -> None:
    samples = drawn(1000)
    second = np.random.default_rng(3).choice(list("abcde"), len(samples.labels))
    both = dataclasses.replace(samples, groups=np.column_stack([samples.groups[:, 0], second]))
    own = both.groups[:, 0] == "a"
    others = (both.groups != "a").all(axis=1)
    assert (left_out_odds(both)[own] == fit_logistic(both.only(others)).odds(both.only(own))).all()


def test_one_group_cannot_be_left_out() -> None:
    samples = drawn(200)
    with pytest.raises(InputError, match="0 samples of one kind and 0 of the other"):
        left_out_odds(dataclasses.replace(samples, groups=np.full((200, 1), "a")))


def test_log_loss_counts_both_kinds_alike() -> None:
    labels = np.array([True, False, False, False])
    assert log_loss(labels, np.zeros(4)) == pytest.approx(math.log(2))
    odds = np.array([0.0, -50.0, -50.0, -50.0])
    assert log_loss(labels, odds) == pytest.approx(math.log(2) / 2)
    assert log_loss(labels, -odds) == pytest.approx((math.log(2) + 50) / 2)
