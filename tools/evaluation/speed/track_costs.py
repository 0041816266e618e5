"""What frames of the trackers cost: the object in sight, lost, and several objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .bench_methods import prepare
from .bench_rows import Record, identity, slow_ms, usual_ms
from .efforts import Effort
from .jobs import BenchJob
from .measuring import interleave, measure_alone
from .track_jobs import knows_budget

BUDGET = 2.0
"""The budget of a lost frame, in times of a tracked one of the same size that is looked at."""

FIRST_TIMES = 10
"""Tracked frames from whose times the budgets are made; two of them are looked at for sure."""


def tracked_and_lost(job: BenchJob, effort: Effort) -> list[Record]:
    """Time the frames of trackers in turn: in sight, lost, and lost with a budget.

    Each row has ``slow_ms``, which nine in ten frames did not exceed, and ``times_tracked`` and
    ``slow_times_tracked``: both over the mean of a tracked frame of the same size.

    Args:
        job: model, device, and side of the object.
        effort: sizes and number of the frames.
    """
    usual = [replace(job, method="tracked", width=w, height=h) for w, h in effort.tracked]
    seen = [prepare(each) for each in usual]
    jobs = [("tracked", each) for each in usual]
    jobs += [("lost", replace(each, method="lost")) for each in usual]
    if knows_budget():
        first = interleave([method.call for method in seen], FIRST_TIMES)
        budgets = [round(BUDGET * slow_ms(spent), 2) for spent in first]
        jobs += [
            ("lost_budget", replace(each, method="lost", budget_ms=budget))
            for each, budget in zip(usual, budgets, strict=True)
        ]
    methods = [*seen, *(prepare(each) for _, each in jobs[len(seen) :])]
    times = interleave([method.call for method in methods], effort.frames)
    rows = _rows(jobs, times, effort)
    for i, (row, method) in enumerate(zip(rows, methods, strict=True)):
        tracked = rows[i % len(usual)]["ms"]
        row["times_tracked"] = round(row["ms"] / tracked, 3)
        row["slow_times_tracked"] = round(row["slow_ms"] / tracked, 3)
        row.update(method.facts())
    return rows


def several_at_once(job: BenchJob, effort: Effort) -> list[Record]:
    """Time frames with several objects in turn.

    Args:
        job: model, device, and side of the objects.
        effort: size and number of the frames, numbers of objects.
    """
    width, height = effort.sides_in
    one = replace(job, method="several", width=width, height=height)
    jobs = [("objects", replace(one, templates=count)) for count in effort.objects]
    methods = [prepare(each) for _, each in jobs]
    times = interleave([method.call for method in methods], effort.frames)
    rows = _rows(jobs, times, effort)
    return [{**row, **method.facts()} for row, method in zip(rows, methods, strict=True)]


def _rows(
    jobs: Sequence[tuple[str, BenchJob]], times: Sequence[Sequence[float]], effort: Effort
) -> list[Record]:
    """Rows of trackers that were timed in turn; the memory of each in its own process."""
    rows: list[Record] = []
    for (name, job), spent in zip(jobs, times, strict=True):
        alone = measure_alone(job, effort.least)
        budget = {"budget_ms": job.budget_ms} if job.budget_ms else {}
        rows.append(
            {
                **identity(name, "track", job),
                **budget,
                "ms": round(usual_ms(name, spent), 3),
                "slow_ms": slow_ms(spent),
                "peak_mb": alone.peak_mb,
                "growth_mb": alone.growth_mb,
            }
        )
    return rows
