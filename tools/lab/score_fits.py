"""Fitting the numbers of the scores again, and comparing them with those that a bundle stores.

A score is the logistic of log-odds that are linear in its numbers. What is multiplied with a number
is therefore the log-odds with this number at 1 and the others at 0, so that no formula is written
here a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.fits import FitRecord, Number
from ...runtime.bundle.log_odds import log_odds
from ...runtime.session import Session
from ..evaluation.metrics import decision, roc_auc
from .logistic import Labelled, fit_logistic, left_out_odds, log_loss
from .score_samples import Each, ScoreSamples, place_samples, track_samples

Array = NDArray[Any]

SAME_SCORE = 0.03
"""Numbers with which no sample's score differs by more count as the same."""

DIGITS = 4
"""Of figures."""


@dataclass(frozen=True)
class LinearScore:
    """How the numbers of a linear score are fitted.

    Attributes:
        task: whose recipe they belong to.
        decimals: number that is fitted -> digits behind the point that are kept.
        offset_decimals: the same of the offset.
        held: numbers that keep their value, because they were set by hand.
        raised: what is added to the most likely offset.
    """

    task: str
    decimals: Mapping[str, int]
    offset_decimals: int = 1
    held: tuple[str, ...] = ()
    raised: float = 0.0

    @property
    def numbers(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.decimals, *self.held, OFFSET)


OFFSET = "score_offset"

TRACK = LinearScore("track", {"quality_weight": 2, "share_weight": 2}, held=("agreement_weight",))
"""The most likely weight of the agreement is lower. It is held where fewer other scenes are taken
for the object."""

QUANTILE = 0.99
"""Share of the pairs of different places that lie below the support that scores one half."""


@dataclass(frozen=True)
class ScoreFit:
    """Fitted numbers beside those that are stored.

    Attributes:
        record: the fitted ones, and what they are worth.
        stored: those of the bundle.
        held: numbers that were not fitted.
        apart: largest difference between a sample's scores with both.
    """

    record: FitRecord
    stored: dict[str, Number]
    held: tuple[str, ...]
    apart: float

    @property
    def same(self) -> bool:
        """Whether the stored numbers come out again: to the last digit, or nearly so."""
        return self.apart <= SAME_SCORE

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "fit": self.record.as_dict(),
            "stored": self.stored,
            "held": list(self.held),
            "apart": self.apart,
            "same": self.same,
        }


def fit_linear(score: LinearScore, session: Session, samples: ScoreSamples) -> ScoreFit:
    """Fit a linear score by logistic regression.

    Args:
        score: which numbers, and how.
        session: has the numbers that are stored.
        samples: to fit to.

    Raises:
        InputError: samples of one kind only, or of one group only.
    """
    recipe = session.bundle.spec.recipes.of(score.task)
    labelled = labelled_samples(score, recipe, samples)
    found = fit_logistic(labelled)
    numbers = {
        name: round(float(weight), digits)
        for (name, digits), weight in zip(score.decimals.items(), found.weights, strict=True)
    }
    numbers |= {name: getattr(recipe, name) for name in score.held}
    numbers[OFFSET] = round(found.offset + score.raised, score.offset_decimals)
    return _compared(score.task, numbers, score.held, session, samples, left_out_odds(labelled))


def labelled_samples(score: LinearScore, recipe: Any, samples: ScoreSamples) -> Labelled:
    """What each number is multiplied with, and the log-odds of those that are held."""
    nothing = replace(recipe, **dict.fromkeys(score.numbers, 0.0))

    def odds(numbers: Mapping[str, float]) -> Array:
        changed = replace(nothing, **numbers)
        return np.array([changed.odds(*sample) for sample in samples.arguments])

    terms = np.column_stack([odds({name: 1.0}) for name in score.decimals])
    given = odds({name: getattr(recipe, name) for name in score.held})
    return Labelled(terms, given, samples.labels, samples.groups)


def fit_places(session: Session, samples: ScoreSamples) -> ScoreFit:
    """The support that scores one half: a quantile of that of different places.

    Args:
        session: has the numbers that are stored.
        samples: of both kinds.
    """
    supports = np.array([support for (support,) in samples.arguments])
    # The plain quantile of few samples lies too low.
    others = supports[~samples.labels]
    half = round(float(np.quantile(others, QUANTILE, method="median_unbiased")))
    steepness = session.bundle.spec.recipes.verify.steepness
    numbers = {"half_support": float(half), "steepness": steepness}
    return _compared("verify", numbers, ("steepness",), session, samples, None)


def _compared(
    task: str,
    numbers: dict[str, float],
    held: tuple[str, ...],
    session: Session,
    samples: ScoreSamples,
    left_out: Array | None,
) -> ScoreFit:
    """The record of a fit, and how far its scores are from the stored ones."""
    spec = session.bundle.spec
    recipe: Any = spec.recipes.of(task)
    stored = {name: getattr(recipe, name) for name in numbers}
    scores = [
        np.array([kind.score(*sample) for sample in samples.arguments])
        for kind in (replace(recipe, **numbers), recipe)
    ]
    labels, threshold = samples.labels, recipe.threshold if task != "track" else recipe.found_score
    made = decision(labels, scores[0] >= threshold)
    figures = {
        "present": float(labels.sum()),
        "absent": float((~labels).sum()),
        "roc_auc": roc_auc(labels, scores[0]),
        "log_loss": log_loss(labels, np.array([log_odds(score) for score in scores[0]])),
        "recall": made.recall,
        "false_alarm_rate": made.false_alarm_rate,
    }
    if left_out is not None:
        figures["left_out_roc_auc"] = roc_auc(labels, left_out)
        figures["left_out_log_loss"] = log_loss(labels, left_out)
    record = FitRecord(
        task=task,
        backbone=spec.backbone.label,
        alpha=spec.recipes.match.alpha,
        numbers={**numbers},
        data=samples.data,
        command=f"qatm lab fit {task} DIR",
        figures={name: round(float(value), DIGITS) for name, value in figures.items()},
    )
    apart = float(np.abs(scores[0] - scores[1]).max())
    return ScoreFit(record, stored, held, round(apart, DIGITS))


def fit_track(
    session: Session, folder: Path, each: Each, skipped: Callable[[str], None]
) -> ScoreFit:
    """Fit the score of a followed object; see :func:`~.score_samples.track_samples`."""
    return fit_linear(TRACK, session, track_samples(session, folder, each, skipped))


def fit_verify(
    session: Session, folder: Path, each: Each, skipped: Callable[[str], None]
) -> ScoreFit:
    """Fit the score of a place; see :func:`~.score_samples.place_samples`."""
    return fit_places(session, place_samples(session, folder, each, skipped))
