"""Figures of merit: overlap, success curve, ROC, precision and recall, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MATCH_THRESHOLDS = np.arange(20) / 20.0
"""IoU thresholds of the success curve of matching: 0, .05 ... .95."""

TRACK_THRESHOLDS = np.arange(21) / 20.0
"""IoU thresholds of the success curve of tracking: 0, .05 ... 1. Nothing exceeds the last one, so
that a perfect tracker has an AUC of 20/21."""

HALF = 0.5
CALIBRATION_BINS = 10
RESAMPLES = 1000
CONFIDENCE = 0.95


class Decision(NamedTuple):
    """How good "it is there" is: precision, recall, and false alarms per absent object."""

    precision: float
    recall: float
    false_alarm_rate: float


class CalibrationBin(NamedTuple):
    """Answers whose scores are alike: how many, their mean score, and the share of right ones.

    Both are NaN in an empty bin.
    """

    answers: int
    score: float
    right: float


def success_curve(overlaps: Sequence[float] | Array, thresholds: Array = MATCH_THRESHOLDS) -> Array:
    """Share of boxes whose IoU lies above each threshold, ``(T,)``.

    Args:
        overlaps: ``(N,)`` IoU of each box; 0 where a box is missing, NaN where there is no object,
            which then does not count.
        thresholds: ``(T,)`` from 0 to 1.
    """
    values = np.asarray(overlaps, float)
    return (values[~np.isnan(values)][:, None] > thresholds).mean(axis=0)


def success_auc(overlaps: Sequence[float] | Array, thresholds: Array = MATCH_THRESHOLDS) -> float:
    """Area under the success curve: its mean over the thresholds."""
    return float(success_curve(overlaps, thresholds).mean())


def success_at_half(overlaps: Sequence[float] | Array) -> float:
    """Share of boxes with an IoU above .5."""
    return float((np.asarray(overlaps, float) > HALF).mean())


def roc_auc(present: Sequence[bool] | Array, scores: Sequence[float] | Array) -> float:
    """Area under the ROC curve: how often a present object outscores an absent one; ties half.

    NaN if only one kind is there.
    """
    labels = np.asarray(present, bool)
    values = np.asarray(scores, float)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0
    wins = ranks[inverse.ravel()][labels].sum() - positives * (positives + 1) / 2.0
    return float(wins / (positives * negatives))


def roc_curve(
    present: Sequence[bool] | Array, scores: Sequence[float] | Array
) -> tuple[Array, Array]:
    """False and true positive rates from the strictest threshold to the mildest, from (0, 0)."""
    labels = np.asarray(present, bool)
    values = np.asarray(scores, float)
    levels = np.unique(values)[::-1]
    true = [(values[labels] >= level).mean() if labels.any() else 0.0 for level in levels]
    false = [(values[~labels] >= level).mean() if (~labels).any() else 0.0 for level in levels]
    return np.array([0.0, *false]), np.array([0.0, *true])


def decision(present: Sequence[bool] | Array, found: Sequence[bool] | Array) -> Decision:
    """Precision and recall of yes-or-no answers; precision is 1 where nothing was found."""
    labels, answers = np.asarray(present, bool), np.asarray(found, bool)
    hits, alarms = int((labels & answers).sum()), int((~labels & answers).sum())
    positives, negatives = int(labels.sum()), int((~labels).sum())
    return Decision(
        precision=hits / (hits + alarms) if hits + alarms else 1.0,
        recall=hits / positives if positives else 0.0,
        false_alarm_rate=alarms / negatives if negatives else 0.0,
    )


def best_f1_threshold(present: Sequence[bool] | Array, scores: Sequence[float] | Array) -> float:
    """The score from which calling an object found gives the highest F1 on these very data.

    It is chosen with the answers known, so it flatters; methods without a threshold of their own
    have no other.
    """
    labels, values = np.asarray(present, bool), np.asarray(scores, float)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2.0 * hits / (np.arange(1, len(values) + 1) + max(1, int(labels.sum())))
    # A threshold lies between different scores only.
    last = np.append(np.diff(values[order]) != 0, True)
    return float(values[order][int(np.argmax(np.where(last, f1, -1.0)))])


def calibration_bins(
    right: Sequence[bool] | Array, scores: Sequence[float] | Array, count: int = CALIBRATION_BINS
) -> list[CalibrationBin]:
    """Answers by their score, in bins of equal width over 0 to 1; the last one holds 1 as well.

    Args:
        right: ``(N,)`` whether each answer is right.
        scores: ``(N,)`` 0 to 1: said to be the probability of that.
        count: of the bins.
    """
    labels, values = np.asarray(right, bool), np.asarray(scores, float)
    homes = np.minimum((values * count).astype(int), count - 1)
    bins: list[CalibrationBin] = []
    for home in range(count):
        inside = homes == home
        if inside.any():
            mean, share = float(values[inside].mean()), float(labels[inside].mean())
            bins.append(CalibrationBin(int(inside.sum()), mean, share))
        else:
            bins.append(CalibrationBin(0, float("nan"), float("nan")))
    return bins


def calibration_error(right: Sequence[bool] | Array, scores: Sequence[float] | Array) -> float:
    """Expected calibration error: by how much score and share of right answers differ.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3: the mean over the
    answers of their bin's difference. A perfect score has 0 only with many answers: with N in a
    bin, chance alone gives about .4 / sqrt(N). NaN without an answer.
    """
    bins = [one for one in calibration_bins(right, scores) if one.answers]
    total = sum(one.answers for one in bins)
    if not total:
        return float("nan")
    return sum(one.answers * abs(one.score - one.right) for one in bins) / total


def interval(
    groups: Sequence[str], statistic: Callable[[Array], float], seed: int = 0
) -> tuple[float, float]:
    """95 % confidence interval by bootstrap over groups (videos), which are drawn as a whole.

    Args:
        groups: the group of each case.
        statistic: takes the indices of the drawn cases.
        seed: of the draws.

    Returns:
        Lower and upper end; both NaN without a case.
    """
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    if not members:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    blocks = [np.array(indices) for indices in members.values()]
    values = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(blocks), size=len(blocks))
        values.append(statistic(np.concatenate([blocks[i] for i in drawn])))
    tail = (1.0 - CONFIDENCE) / 2.0
    kept = np.array(values)[np.isfinite(values)]
    if not len(kept):
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [tail, 1.0 - tail])
    return float(low), float(high)
