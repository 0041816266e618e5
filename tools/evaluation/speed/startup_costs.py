"""What beginning costs, over several fresh processes."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict

from .bench_rows import Record, identity
from .jobs import BenchJob
from .measuring import fresh_process
from .startup import STEPS, TOTAL, StartupOptions, StartupStep


def startup_costs(job: BenchJob, starts: int) -> list[Record]:
    """Begin in several fresh processes, after one that warms the machine's file cache.

    Here ``growth_mb`` is what the process holds more after a step than before it.

    Args:
        job: model, device, size of the picture and side of the template.
        starts: processes.

    Returns:
        A row for each step, and one for all of them until the first match.
    """
    options = StartupOptions(job.width, job.height, job.template, job.model, job.device)
    arguments = [json.dumps(asdict(options))]
    runs: list[list[StartupStep]] = []
    for _ in range(1 + starts):
        said = json.loads(fresh_process(StartupOptions.__module__, arguments, "the start"))
        runs.append([StartupStep(**step) for step in said])
    rows = [
        typical(identity(name, "startup", job), [run[i] for run in runs[1:]])
        for i, name in enumerate(STEPS)
    ]
    whole = [together(run[: len(STEPS) - 1]) for run in runs[1:]]
    return [*rows, typical(identity(TOTAL, "startup", job), whole)]


def together(steps: Sequence[StartupStep]) -> StartupStep:
    """Several steps of one process as one."""
    grown = [step.growth_mb for step in steps if step.growth_mb is not None]
    return StartupStep(
        TOTAL,
        sum(step.ms for step in steps),
        steps[-1].peak_mb,
        round(sum(grown), 1) if len(grown) == len(steps) else None,
    )


def typical(known: Record, steps: Sequence[StartupStep]) -> Record:
    """The row of a step from several processes: medians."""
    row = {**known, "ms": round(statistics.median(step.ms for step in steps), 3)}
    for field in ("peak_mb", "growth_mb"):
        values = [getattr(step, field) for step in steps]
        row[field] = None if None in values else round(statistics.median(values), 1)
    return row
