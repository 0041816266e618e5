"""Bundles whose judge weighs what the network says that compares pixels, and others."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from bundle_copies import with_recipe

from qatm.runtime import Bundle
from qatm.runtime.match.judging import BoxEvidence

EVIDENCE = len(fields(BoxEvidence))


def not_weighing(bundle: Bundle) -> Bundle:
    """The bundle with a judge that does not know of the network."""
    judge = bundle.spec.recipes.match.judge
    before = EVIDENCE - 1
    hidden = np.delete(judge.hidden, slice(before, -1), 1)
    return _judged_by(bundle, judge.centre[:before], judge.spread[:before], hidden)


def weighing(bundle: Bundle, spread: float = 1.0, size: float = -0.8) -> Bundle:
    """The bundle with a judge to whom it matters what the network says.

    Args:
        bundle: with such a network.
        spread: of the log-odds that it gives.
        size: of the weights; the scores of right boxes are near 1, and fall where it is negative.
    """
    other = not_weighing(bundle)
    judge = other.spec.recipes.match.judge
    weights = size * np.sign(judge.output[:-1])
    hidden = np.insert(judge.hidden, EVIDENCE - 1, weights, 1)
    return _judged_by(other, [*judge.centre, 0.0], [*judge.spread, spread], hidden)


def _judged_by(bundle: Bundle, centre, spread, hidden: np.ndarray) -> Bundle:
    return with_recipe(
        bundle,
        "match",
        judge_centre=tuple(map(float, centre)),
        judge_spread=tuple(map(float, spread)),
        judge_hidden=tuple(hidden.ravel().tolist()),
    )
