"""From outcomes to the lines of the table of ``qatm eval pose``."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..metrics import Array, interval, success_at_half, success_auc
from .pose_runs import PoseOutcome, median_times

Record = dict[str, Any]

COLUMNS = (
    ("auc", "AUC", 5, 3),
    ("right", "IoU>.5", 6, 3),
    ("found", "found", 5, 3),
    ("wrong_among_found", "wrong", 5, 3),
    ("centre_px", "centre", 6, 2),
    ("angle_deg", "angle", 6, 2),
    ("scale_pct", "scale", 6, 2),
    ("ms_encode", "encode", 7, 1),
    ("ms_search", "search", 7, 1),
)
"""Field of a record, its title, and width and digits of its numbers."""

POSE_NOTE = (
    "wrong: of those found; centre (px), angle (degrees), scale (%): median errors of the right "
    "ones; encode, search: median ms"
)


def pose_record(method: str, outcomes: Sequence[PoseOutcome], skipped: int = 0) -> Record:
    """Figures of merit of one method.

    Args:
        method: its name.
        outcomes: of objects that are there; a failure counts with an IoU of 0 and as not found.
        skipped: inputs that could not be used, in no figure.
    """
    overlaps = np.array([outcome.overlap for outcome in outcomes])
    groups = [outcome.task.group for outcome in outcomes]
    found = np.array([outcome.found for outcome in outcomes])
    right = np.array([outcome.right for outcome in outcomes])
    errors = [outcome.errors for outcome in outcomes if outcome.right and outcome.errors]
    times = median_times(outcomes)
    record: Record = {
        "method": method,
        "auc": _number(success_auc(overlaps)),
        "right": _number(success_at_half(overlaps)),
        "found": _number(float(found.mean())),
        "wrong_among_found": _number(_wrong(found, right)),
    }
    for field, name in (("centre", "centre_px"), ("angle", "angle_deg"), ("scale", "scale_pct")):
        values = [getattr(one, field) for one in errors]
        record[name] = _number(statistics.median(values) if values else math.nan)
    record["ms_encode"], record["ms_search"] = (round(one, 2) for one in times)
    record["ms_per_pair"] = round(sum(times), 2)
    record["pairs"] = len(outcomes)
    record["failed"] = sum(outcome.error is not None for outcome in outcomes)
    record["skipped"] = skipped
    record["ci"] = {
        "auc": _interval(groups, lambda chosen: success_auc(overlaps[chosen])),
        "right": _interval(groups, lambda chosen: success_at_half(overlaps[chosen])),
        "wrong_among_found": _interval(groups, lambda i: _wrong(found[i], right[i])),
    }
    return record


def pose_head() -> str:
    """The names of the columns of :func:`pose_line`."""
    titles = [f"{title:>{width}}" for _, title, width, _ in COLUMNS]
    return "  ".join(
        [f"{'method':<10}", titles[0], f"{'95 % CI':<11}", *titles[1:], "pairs", "failed"]
    )


def pose_line(record: Record) -> str:
    """A record for people."""
    cells = [_cell(record[name], width, digits) for name, _, width, digits in COLUMNS]
    low, high = (_cell(end, 5, 3) for end in record["ci"]["auc"])
    counts = [f"{record['pairs']:>5}", f"{record['failed']:>6}"]
    return "  ".join([f"{record['method']:<10}", cells[0], f"{low}-{high}", *cells[1:], *counts])


def _wrong(found: Array, right: Array) -> float:
    """Share of the found ones that are wrong; NaN if nothing was found."""
    return float((~right[found]).mean()) if found.any() else math.nan


def _interval(groups: Sequence[str], statistic: Any) -> list[float | None]:
    return [_number(value) for value in interval(groups, statistic)]


def _number(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return round(value, 4) if math.isfinite(value) else None


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'-' if value is None else format(value, f'.{digits}f'):>{width}}"
