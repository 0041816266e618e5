"""Fitting the network that weighs evidence: maximum likelihood with a penalty on its weights.

What speaks for a box never counts against it: the weights on its way are held above zero. Without
that, the network is as unsure of a perfect copy, which the data has few of, as of what it never
saw. A few further units see registered pixels alone and may weigh them either way: where all of
them but one spot fit, that spot means a near-duplicate, and where most hardly fit, an object that
has moved. Several small networks that began differently are joined to one, the mean of their
log-odds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.judge_network import FARTHEST, JudgeNetwork
from ...runtime.errors import InputError

Array = NDArray[Any]

UNITS = 12
"""Of the hidden layer of each network."""

FREE_UNITS = 6
"""Further ones, of what may count either way."""

UNUSED = float("nan")
"""Side of a weight that is zero."""

PENALTY = 3e-4
"""On the square of each weight, beside the mean loss of a sample."""

SEEDS = (0, 1, 2, 3, 4, 5)
"""Of the weights that the networks begin with."""

STEPS = 400


def fit_judge(
    evidence: Array,
    labels: Array,
    weights: Array,
    signs: Array,
    free: Array,
    units: tuple[int, int] = (UNITS, FREE_UNITS),
    penalty: float = PENALTY,
) -> JudgeNetwork:
    """Fit a network to evidence for boxes that are right and for ones that are not.

    Args:
        evidence: ``(N, E)``.
        labels: ``(N,)`` bool; whether the box is right.
        weights: ``(N,)``, what each sample counts.
        signs: ``(E,)``: 1 for what speaks for a box, -1 for what speaks against it, 0 for what may
            do either.
        free: ``(E,)`` bool; what further units weigh, and they alone may weigh it either way.
        units: of the hidden layer of each network, and how many of these further ones.
        penalty: on large weights.

    Raises:
        InputError: samples of one kind only.
    """
    if labels.all() or not labels.any():
        raise InputError("samples of one kind only; a fit needs both: add data")
    # Sums depend a little on the order of what is added, and where a descent ends depends on them.
    order = np.lexsort((weights, labels, *evidence.T))
    evidence, labels, weights = evidence[order], labels[order], weights[order]
    share = weights / weights.sum()
    centre = share @ evidence
    spread = np.sqrt(share @ (evidence - centre) ** 2)
    spread = np.where(spread > 0, spread, 1.0)
    inputs = np.clip((evidence - centre) / spread, -FARTHEST, FARTHEST)
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    sides = np.full((sum(units), inputs.shape[1]), UNUSED)
    sides[: units[0]] = np.append(signs, 0)
    sides[units[0] :, np.append(free, True)] = 0
    outer_sides = np.repeat((1.0, 0.0), units)
    fits = [_fit(inputs, labels, share, (sides, outer_sides), penalty, seed) for seed in SEEDS]
    hidden = np.concatenate([hidden for hidden, _ in fits])
    outer = np.concatenate([output[:-1] for _, output in fits]) / len(fits)
    offset = np.mean([output[-1] for _, output in fits])
    return JudgeNetwork(centre, spread, hidden, np.append(outer, offset))


def _fit(
    inputs: Array,
    labels: Array,
    share: Array,
    sides: tuple[Array, Array],
    penalty: float,
    seed: int,
) -> tuple[Array, Array]:
    """Weights of the hidden layer and of the output of one network.

    Args:
        inputs: ``(N, E + 1)``, standardised, and ones.
        labels: ``(N,)`` bool.
        share: ``(N,)``, what each counts.
        sides: of the weights of the hidden layer ``(H, E + 1)`` and of those of the output
            ``(H,)``: 1 not below zero, -1 not above it, 0 either, :data:`UNUSED` zero.
        penalty: on large weights.
        seed: of the weights to begin with.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    wanted, (inner_sides, outer_sides) = labels.astype(float), sides
    units, count = inner_sides.shape

    def loss(numbers: Array) -> tuple[float, Array]:
        hidden, output = numbers[: units * count].reshape(units, count), numbers[units * count :]
        inner = np.tanh(inputs @ hidden.T)
        odds = inner @ output[:-1] + output[-1]
        value = share @ (np.logaddexp(0, odds) - wanted * odds)
        error = share * (expit(odds) - wanted)
        back = (error[:, None] * output[:-1]) * (1 - inner * inner)
        slope = np.concatenate([(back.T @ inputs).ravel(), error @ inner, [error.sum()]])
        held = numbers.copy()
        held[-1] = 0.0
        return float(value + penalty * held @ held), slope + 2 * penalty * held

    random = np.random.default_rng(seed)
    hidden = random.normal(0, count**-0.5, (units, count))
    hidden = np.where(inner_sides == 0, hidden, np.abs(hidden) * inner_sides)
    hidden[np.isnan(inner_sides)] = 0.0
    start = np.concatenate([hidden.ravel(), np.abs(random.normal(0, units**-0.5, units)), [0.0]])
    bounds = [_bounds(side) for side in (*inner_sides.ravel(), *outer_sides, 0.0)]
    options = {"maxiter": STEPS}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x[: units * count].reshape(units, count), found.x[units * count :]


def _bounds(side: float) -> tuple[float | None, float | None]:
    """Of a weight."""
    if np.isnan(side):
        return 0.0, 0.0
    return 0.0 if side > 0 else None, 0.0 if side < 0 else None
