"""How far a score can be trusted: precision, recall, false alarms, ROC and calibration."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..metrics import (
    Array,
    CalibrationBin,
    calibration_bins,
    calibration_error,
    interval,
    roc_auc,
)
from ..pose.pose_runs import PoseOutcome, median_times

Record = dict[str, Any]

MEAN = "mean"
FIGURES = ("precision", "recall", "false_alarm_rate", "roc_auc", "calibration_error", "right")
COLUMNS = (
    ("roc_auc", "ROC"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("false_alarm_rate", "alarms"),
    ("calibration_error", "ECE"),
    ("right", "IoU>.5"),
)
PRESENCE_NOTE = (
    "a box is right if its outline overlaps a true one by more than half; alarms: of the absent "
    "objects; ECE: 10 bins of the score"
)


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What was said and what was so, one row a search.

    Attributes:
        scores: ``(N,)`` 0 to 1.
        found: ``(N,)`` bool, the method's own answer.
        right: ``(N,)`` bool, whether the box is right.
        present: ``(N,)`` bool, whether the object is there.
    """

    scores: Array
    found: Array
    right: Array
    present: Array

    @classmethod
    def of(cls, outcomes: Sequence[PoseOutcome], min_score: float | None = None) -> Verdicts:
        """From outcomes; a failure counts as wrong: not found if present, surely found if not.

        Args:
            outcomes: of one method.
            min_score: score from which something counts as found, instead of the method's answer.
        """
        failed = np.array([bool(one.error) for one in outcomes])
        present = np.array([one.present for one in outcomes])
        absurd = failed & ~present
        scores = np.clip([one.score for one in outcomes], 0.0, 1.0)
        found = np.array([one.found for one in outcomes])
        if min_score is not None:
            found = (scores >= min_score) & ~failed
        return cls(
            scores=np.where(absurd, 1.0, scores),
            found=found | absurd,
            right=np.array([one.right for one in outcomes]),
            present=present,
        )

    def figures(self, chosen: Array) -> dict[str, float]:
        """Figures of merit of some of the searches; NaN where there is nothing to count."""
        found, right, present = self.found[chosen], self.right[chosen], self.present[chosen]
        hits = int((found & right).sum())
        return {
            "precision": hits / found.sum() if found.any() else math.nan,
            "recall": hits / present.sum() if present.any() else math.nan,
            "false_alarm_rate": _share(found[~present]),
            "roc_auc": roc_auc(right, self.scores[chosen]),
            "calibration_error": calibration_error(right, self.scores[chosen]),
            "right": _share(right[present]),
        }

    def bins(self) -> list[CalibrationBin]:
        """Mean score and share of right boxes by score."""
        return calibration_bins(self.right, self.scores)


def presence_record(
    method: str, domain: str, outcomes: Sequence[PoseOutcome], min_score: float | None = None
) -> Record:
    """Figures of merit of one method in one domain.

    Precision is the share of right boxes among the found ones; recall that of right and found ones
    among the objects that are there; ``right`` the same, found or not. ROC AUC says how often a
    right box has a higher score than a wrong one.

    Args:
        method: its name.
        domain: its name.
        outcomes: of both.
        min_score: score from which something counts as found, instead of the method's answer.
    """
    verdicts = Verdicts.of(outcomes, min_score)
    groups = [outcome.task.group for outcome in outcomes]
    record: Record = {"method": method, "domain": domain}
    everything = np.arange(len(outcomes))
    record |= {name: _number(value) for name, value in verdicts.figures(everything).items()}
    times = median_times(outcomes)
    record["ms_per_pair"] = round(sum(times), 2)
    record["searches"] = len(outcomes)
    record["present"] = int(verdicts.present.sum())
    record["failed"] = sum(outcome.error is not None for outcome in outcomes)
    record["bins"] = [
        {"answers": one.answers, "score": _number(one.score), "right": _number(one.right)}
        for one in verdicts.bins()
    ]
    record["ci"] = {
        name: _interval(groups, lambda chosen, name=name: verdicts.figures(chosen)[name])
        for name in ("roc_auc", "precision", "recall", "calibration_error")
    }
    return record


def presence_mean(records: Sequence[Record]) -> Record:
    """The means of a method's domains, each counting alike, and its worst calibration error."""
    record: Record = {"method": records[0]["method"], "domain": MEAN}
    for name in (*FIGURES, "ms_per_pair"):
        values = [one[name] for one in records if one[name] is not None]
        record[name] = round(statistics.fmean(values), 4) if values else None
    for name in ("searches", "present", "failed"):
        record[name] = sum(one[name] for one in records)
    errors = [one["calibration_error"] for one in records if one["calibration_error"] is not None]
    record["worst_calibration_error"] = max(errors, default=None)
    return record


def presence_head() -> str:
    """The names of the columns of :func:`presence_line`."""
    titles = [f"{title:>{max(5, len(title))}}" for _, title in COLUMNS]
    counts = ["searches", "present", "failed"]
    return "  ".join([f"{'method':<10}", f"{'domain':<11}", *titles, f"{'ms':>7}", *counts])


def presence_line(record: Record) -> str:
    """A record for people."""
    cells = [_cell(record[name], max(5, len(title))) for name, title in COLUMNS]
    counts = [f"{record[name]:>{len(name)}}" for name in ("searches", "present", "failed")]
    start = [f"{record['method']:<10}", f"{record['domain']:<11}"]
    return "  ".join([*start, *cells, f"{record['ms_per_pair']:>7.1f}", *counts])


def _share(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan


def _interval(groups: Sequence[str], statistic: Callable[[Array], float]) -> list[float | None]:
    return [_number(value) for value in interval(groups, statistic)]


def _number(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return round(float(value), 4) if math.isfinite(value) else None


def _cell(value: float | None, width: int) -> str:
    return f"{'-' if value is None else format(value, '.3f'):>{width}}"
