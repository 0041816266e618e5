"""From verified queries to figures of merit and a table of all of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....runtime.files import whole
from ..metrics import decision, roc_auc

NO_TRUTH = float("nan")


@dataclass(frozen=True)
class PlaceOutcome:
    """One query under one method; ``iou`` of the region is NaN for another place."""

    method: str
    kind: str
    query: str
    reference: str
    same: bool
    score: float
    called_same: bool
    iou: float


def place_record(outcomes: Sequence[PlaceOutcome]) -> dict[str, Any]:
    """Figures of one method, and of each kind of reference if there are both."""
    record: dict[str, Any] = {"method": outcomes[0].method, **_figures(outcomes)}
    kinds = sorted({outcome.kind for outcome in outcomes})
    if len(kinds) > 1:
        for kind in kinds:
            part = _figures([outcome for outcome in outcomes if outcome.kind == kind])
            record[kind] = {key: part[key] for key in ("roc_auc", "region_iou", "positives")}
    return record


def write_place_csv(path: Path, outcomes: Sequence[PlaceOutcome]) -> None:
    """Write every query of every method, whole or not at all; the folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(PlaceOutcome.__dataclass_fields__)
        for outcome in outcomes:
            row = vars(outcome) | {"score": round(outcome.score, 3)}
            row["iou"] = "" if np.isnan(outcome.iou) else round(outcome.iou, 4)
            table.writerow(row.values())


def _figures(outcomes: Sequence[PlaceOutcome]) -> dict[str, Any]:
    same = [outcome.same for outcome in outcomes]
    called = decision(same, [outcome.called_same for outcome in outcomes])
    overlaps = [outcome.iou for outcome in outcomes if outcome.same]
    return {
        "roc_auc": round(roc_auc(same, [outcome.score for outcome in outcomes]), 4),
        "region_iou": round(float(np.mean(overlaps)), 4),
        "positives": len(overlaps),
        "negatives": len(outcomes) - len(overlaps),
        "precision": round(called.precision, 4),
        "recall": round(called.recall, 4),
    }
