"""From outcomes to the lines of the table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..metrics import (
    Array,
    best_f1_threshold,
    decision,
    interval,
    roc_auc,
    success_at_half,
    success_auc,
)
from .match_runs import Outcome

Record = dict[str, Any]
Statistic = Callable[[Array], float]

OWN = "own"
BEST_F1 = "best F1 on these data"


def otb_record(method: str, protocol: str, outcomes: Sequence[Outcome], skipped: int = 0) -> Record:
    """Figures of merit of one method in one protocol.

    Args:
        method: name of the method.
        protocol: ``gt-size`` or ``template-size``.
        outcomes: one a pair; a failure counts with an IoU of 0.
        skipped: unusable pairs of the folder, in no figure.
    """
    overlaps = np.array([outcome.overlap(protocol) for outcome in outcomes])
    videos = [outcome.task.video for outcome in outcomes]
    statistic_of: dict[str, Callable[[Array], float]] = {
        "auc": success_auc,
        "success50": success_at_half,
        "mean_iou": lambda values: float(values.mean()),
    }
    record: Record = {"method": method, "protocol": protocol}
    record |= {name: _number(of(overlaps)) for name, of in statistic_of.items()}
    record |= _counts(outcomes, skipped)
    record["ci"] = {
        name: _interval(videos, lambda chosen, of=of: of(overlaps[chosen]))
        for name, of in statistic_of.items()
    }
    return record


def motb_records(
    method: str, protocol: str, seeds: Sequence[int], outcomes: Sequence[Outcome], skipped: int = 0
) -> list[Record]:
    """A record for each seed and, where there are several, one with the means of their figures.

    The record of the means has ``seed`` null and no confidence intervals.
    """
    records = [
        motb_record(
            method,
            protocol,
            seed,
            [outcome for outcome in outcomes if outcome.task.seed in (None, seed)],
            skipped,
        )
        for seed in seeds
    ]
    if len(records) > 1:
        mean: Record = dict(records[0]) | {"seed": None, "seeds": list(seeds), "ci": {}}
        for name in ("roc_auc", "precision", "recall", "false_alarm_rate", "ms_per_pair"):
            values = [record[name] for record in records if record[name] is not None]
            mean[name] = round(statistics.fmean(values), 4) if values else None
        for name in ("pairs", "failed"):
            mean[name] = sum(record[name] for record in records)
        mean["threshold"] = None
        records.append(mean)
    return records


def motb_record(
    method: str, protocol: str, seed: int, outcomes: Sequence[Outcome], skipped: int = 0
) -> Record:
    """How well a method's score tells present from absent.

    Precision, recall and false alarms are those of the method's own answer; where it has none, at
    the threshold with the best F1 on these very data, which flatters it (``threshold_from``).
    """
    present = np.array([outcome.task.present for outcome in outcomes])
    scores = scores_of(outcomes, protocol)
    found, threshold, source = _answers(outcomes, protocol, present, scores)
    made = decision(present, found)
    videos = [outcome.task.video for outcome in outcomes]

    def auc(chosen: Array) -> float:
        return roc_auc(present[chosen], scores[chosen])

    record: Record = {
        "method": method,
        "protocol": protocol,
        "seed": seed,
        "roc_auc": _number(auc(np.arange(len(outcomes)))),
        "precision": _number(made.precision),
        "recall": _number(made.recall),
        "false_alarm_rate": _number(made.false_alarm_rate),
        "threshold": threshold,
        "threshold_from": source,
    }
    record |= _counts(outcomes, skipped)
    record["ci"] = {
        "roc_auc": _interval(videos, auc),
        "precision": _interval(videos, lambda i: decision(present[i], found[i]).precision),
        "recall": _interval(videos, lambda i: decision(present[i], found[i]).recall),
    }
    return record


def time_ratio(outcomes: Sequence[Outcome], plain: Sequence[Outcome]) -> float:
    """Median over pairs of the time against that of another method on the same pair."""
    ratios = [
        one.milliseconds / other.milliseconds
        for one, other in zip(outcomes, plain, strict=True)
        if one.error is None and other.error is None
    ]
    return round(statistics.median(ratios), 3) if ratios else 0.0


def scores_of(outcomes: Sequence[Outcome], protocol: str) -> Array:
    """The scores; a failure gets the worst there is: lowest if present, highest if absent."""
    known = [o.answers[protocol].score for o in outcomes if protocol in o.answers] or [0.0]
    low, high = min(known) - 1.0, max(known) + 1.0
    return np.array(
        [
            o.answers[protocol].score if protocol in o.answers else low if o.task.present else high
            for o in outcomes
        ]
    )


def table_line(record: Record) -> str:
    """A record for people: one line under :func:`table_head`."""
    main = "auc" if "auc" in record else "roc_auc"
    cells = [f"{record.get('variant', record['method']):<16}", f"{record['protocol']:<13}"]
    if main == "roc_auc":
        cells.append(f"{'mean' if record['seed'] is None else record['seed']:>4}")
    cells.append(_cell(record[main]))
    low, high = record["ci"].get(main, (None, None))
    cells.append(f"{_cell(low)}-{_cell(high)}")
    if main == "auc":
        cells += [f"{_cell(record['success50']):>6}", f"{_cell(record['mean_iou']):>8}"]
    else:
        names = ("precision", "recall", "false_alarm_rate")
        cells += [f"{_cell(record[name]):>{width}}" for name, width in zip(names, (9, 6, 6))]  # noqa: B905
    cells.append(f"{record['ms_per_pair']:>8.1f}")
    if "time_ratio" in record:
        cells.append(f"{record['time_ratio']:>5.2f}")
    cells += [f"{record[name]:>{width}}" for name, width in (("pairs", 5), ("failed", 6))]
    if record.get("threshold_from") == BEST_F1:
        cells.append("*")
    return "  ".join(cells)


def table_head(record: Record) -> str:
    """The names of the columns of :func:`table_line`."""
    start = f"{'method':<16}  {'protocol':<13}  "
    times = f"  {'ms':>8}" + (f"  {'time':>5}" if "time_ratio" in record else "")
    end = f"{times}  {'pairs':>5}  {'failed':>6}"
    if "auc" in record:
        return f"{start}{'AUC':<5}  {'95 % CI':<11}  {'IoU>.5':>6}  {'mean IoU':>8}{end}"
    names = f"{'precision':>9}  {'recall':>6}  {'alarms':>6}"
    return f"{start}{'seed':>4}  {'ROC':<5}  {'95 % CI':<11}  {names}{end}"


def _answers(
    outcomes: Sequence[Outcome], protocol: str, present: Array, scores: Array
) -> tuple[Array, float | None, str]:
    """Whether each was found, the threshold where it was chosen here, and who chose."""
    own = [o.answers[protocol].found for o in outcomes if protocol in o.answers]
    if own and None not in own:
        found = [
            o.answers[protocol].found if protocol in o.answers else not o.task.present
            for o in outcomes
        ]
        return np.array(found, bool), None, OWN
    threshold = best_f1_threshold(present, scores)
    return scores >= threshold, float(threshold), BEST_F1


def _counts(outcomes: Sequence[Outcome], skipped: int) -> Record:
    """What every record has: the median time, and how many pairs there were."""
    times = [outcome.milliseconds for outcome in outcomes if outcome.error is None] or [0.0]
    return {
        "ms_per_pair": round(statistics.median(times), 2),
        "pairs": len(outcomes),
        "failed": sum(outcome.error is not None for outcome in outcomes),
        "skipped": skipped,
    }


def _interval(groups: Sequence[str], statistic: Statistic) -> list[float | None]:
    return [_number(value) for value in interval(groups, statistic)]


def _number(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return round(value, 4) if math.isfinite(value) else None


def _cell(value: float | None) -> str:
    return "    -" if value is None else f"{value:.3f}"
