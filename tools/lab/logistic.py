"""Logistic regression without a penalty, and what it is worth on groups that it did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError

Array = NDArray[Any]

NO_DOUBT = 10.0
"""Where every sample is surer than these log-odds, the samples can be told apart without a mistake:
larger weights always fit better."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Samples of two kinds.

    Attributes:
        terms: ``(N, K)`` float64; each is given a weight.
        given: ``(N,)`` float64 log-odds that count as they are.
        labels: ``(N,)`` bool.
        groups: ``(N, G)`` names of the groups that a sample belongs to, first its own, then those
            that it has something of.
    """

    terms: Array
    given: Array
    labels: Array
    groups: Array

    def only(self, kept: Array) -> Labelled:
        """Some of the samples.

        Args:
            kept: ``(N,)`` bool.
        """
        parts = (self.terms, self.given, self.labels, self.groups)
        return Labelled(*(part[kept] for part in parts))


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """The most likely weights ``(K,)``, and the offset."""

    weights: Array
    offset: float

    def odds(self, samples: Labelled) -> Array:
        """Log-odds ``(N,)`` that the samples are of the first kind."""
        return samples.terms @ self.weights + samples.given + self.offset


def fit_logistic(samples: Labelled) -> LogisticFit:
    """Maximum likelihood; the offset is then that of two kinds that are equally frequent.

    How many samples of each kind there are is the choice of whoever drew them, so the logarithm of
    their ratio is taken out of the offset again.

    Raises:
        InputError: the samples are all of one kind, or can be told apart without a mistake.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    labels = samples.labels.astype(float)
    of_first, of_second = int(labels.sum()), int((1 - labels).sum())
    if not of_first or not of_second:
        raise InputError(
            f"{of_first} samples of one kind and {of_second} of the other; a fit needs both: add "
            "data"
        )
    mean, scale = samples.terms.mean(axis=0), samples.terms.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design = np.column_stack([(samples.terms - mean) / scale, np.ones(len(labels))])

    def loss(numbers: Array) -> float:
        odds = design @ numbers + samples.given
        return float((np.logaddexp(0, odds) - labels * odds).sum())

    def slope(numbers: Array) -> Array:
        return design.T @ (expit(design @ numbers + samples.given) - labels)

    def bend(numbers: Array) -> Array:
        likely = expit(design @ numbers + samples.given)
        return (design * (likely * (1 - likely))[:, None]).T @ design

    start = np.zeros(design.shape[1])
    found = minimize(loss, start, jac=slope, hess=bend, method="trust-exact", tol=1e-8)
    odds = design @ found.x + samples.given
    if float(np.where(samples.labels, odds, -odds).min()) > NO_DOUBT:
        raise InputError(
            f"the {len(labels)} samples can be told apart without a mistake, so that no weights "
            "are the best; add harder data"
        )
    weights = found.x[:-1] / scale
    offset = found.x[-1] - float(mean @ weights) + np.log(of_second / of_first)
    return LogisticFit(weights, float(offset))


def left_out_odds(samples: Labelled) -> Array:
    """Log-odds ``(N,)`` of each group by the fit to samples that have nothing of it.

    Raises:
        InputError: as :func:`fit_logistic`; also where there is one group only.
    """
    odds = np.empty(len(samples.labels))
    for group in np.unique(samples.groups[:, 0]):
        own = samples.groups[:, 0] == group
        others = samples.only((samples.groups != group).all(axis=1))
        odds[own] = fit_logistic(others).odds(samples.only(own))
    return odds


def log_loss(labels: Array, odds: Array) -> float:
    """Mean of ``-log`` of the probability given to the right kind, both kinds counting half."""
    loss = np.logaddexp(0, np.where(labels, -odds, odds))
    return float((loss[labels].mean() + loss[~labels].mean()) / 2)
