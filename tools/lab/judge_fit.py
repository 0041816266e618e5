"""Fitting the network that weighs evidence: maximum likelihood with a penalty on its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.judge import FARTHEST, JudgeNetwork
from ...runtime.errors import InputError

Array = NDArray[Any]

UNITS = 8
"""Of the hidden layer: 16 and 32 fitted other domains no better."""

PENALTY = 1e-3
"""On the mean square of each weight, beside the mean loss of a sample."""

SEED = 0
"""Of the weights that the fit begins with."""

STEPS = 600


def fit_judge(
    evidence: Array,
    labels: Array,
    weights: Array,
    units: int = UNITS,
    penalty: float = PENALTY,
) -> JudgeNetwork:
    """Fit a network to evidence for boxes that are right and for ones that are not.

    Args:
        evidence: ``(N, E)``.
        labels: ``(N,)`` bool; whether the box is right.
        weights: ``(N,)``, what each sample counts.
        units: of the hidden layer.
        penalty: on large weights.

    Raises:
        InputError: samples of one kind only.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    wanted = labels.astype(float)
    if not 0 < wanted.sum() < len(wanted):
        raise InputError("samples of one kind only; a fit needs both: add data")
    share = weights / weights.sum()
    centre = share @ evidence
    spread = np.sqrt(share @ (evidence - centre) ** 2)
    spread = np.where(spread > 0, spread, 1.0)
    inputs = np.clip((evidence - centre) / spread, -FARTHEST, FARTHEST)
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    count = inputs.shape[1]

    def parts(numbers: Array) -> tuple[Array, Array]:
        return numbers[: units * count].reshape(units, count), numbers[units * count :]

    def loss(numbers: Array) -> tuple[float, Array]:
        hidden, output = parts(numbers)
        inner = np.tanh(inputs @ hidden.T)
        odds = inner @ output[:-1] + output[-1]
        value = share @ (np.logaddexp(0, odds) - wanted * odds)
        error = share * (expit(odds) - wanted)
        back = (error[:, None] * output[:-1]) * (1 - inner * inner)
        slope = np.concatenate([(back.T @ inputs).ravel(), error @ inner, [error.sum()]])
        held = numbers.copy()
        held[-1] = 0.0
        return float(value + penalty * held @ held), slope + 2 * penalty * held

    random = np.random.default_rng(SEED)
    start = np.concatenate(
        [random.normal(0, count**-0.5, units * count), random.normal(0, units**-0.5, units), [0.0]]
    )
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    hidden, output = parts(found.x)
    return JudgeNetwork(centre, spread, hidden, output)
