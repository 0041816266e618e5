"""Rows as ``qatm bench`` makes them."""

from __future__ import annotations

from qatm.tools.evaluation.speed.bench_files import BenchRun
from qatm.tools.evaluation.speed.bench_rows import COMPARISONS, COSTS, comparison, cost, identity
from qatm.tools.evaluation.speed.jobs import BenchJob
from qatm.tools.evaluation.speed.measuring import Measurement

IDENTITY_KEYS = {"key", "name", "group", "height", "width", "template", "pictures"}
COMPARISON_KEYS = {"ours_ms", "other_ms", "speedup", "ours_peak_mb", "other_peak_mb"}
COST_KEYS = {"ms", "peak_mb", "growth_mb"}


def some_rows(memory: float | None = 100.0) -> list[dict]:
    """A row of every comparison, and of every cost."""
    alone = Measurement(3.0, memory, memory, {"right": True})
    job = BenchJob("matcher")
    rows = [
        comparison(identity(name, "match", job), ([1.0, 2.0, 9.0], [40.0]), (alone, alone))
        for name in COMPARISONS
    ]
    rows[0]["outside_percent"] = 7.5
    rows += [cost(identity(name, "track", job), alone) for name in COSTS]
    rows.append(cost(identity("scaling", "growth", BenchJob("matcher", templates=2)), alone))
    for row in rows:
        if row["name"] in ("tracked", "lost", "lost_budget", "objects"):
            row["slow_ms"] = 4.0
        if row["name"] in ("tracked", "lost", "lost_budget"):
            row |= {"times_tracked": 1.5, "slow_times_tracked": 2.5}
    return rows


def some_run(rows: list[dict] | None = None, **changes) -> BenchRun:
    """A run with these rows, by default all kinds of them."""
    fields = {
        "machine": {"cpu": "some processor", "cores": 2, "system": "Linux x86_64"},
        "versions": {"qatm": "1.2", "numpy": "2.0"},
        "model": {"backbone": "net", "precision": "fp32", "device": "cpu", "provider": "some"},
        "groups": ["match", "growth", "track"],
        "pictures": "photographs",
        "made": "2030-01-01T00:00:00+00:00",
        "rows": some_rows() if rows is None else rows,
    }
    return BenchRun(**{**fields, **changes})
