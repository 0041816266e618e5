"""How ``qatm bench`` measures: calls in turn in one process, or one method in a fresh process.

Run as a module, with a :class:`BenchJob` in JSON and a number of repeats, it measures that job
alone.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from ....runtime.errors import QatmError
from .bench_methods import load
from .jobs import BenchJob, Repeat
from .process_memory import LARGEST, NOW, grown_mb, memory_mb

PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Measurement:
    """What a job cost in a process of its own.

    Attributes:
        ms: median time of a call, in milliseconds.
        peak_mb: largest resident memory of the whole process, in MiB: interpreter, libraries,
            model and pictures included.
        growth_mb: how much of it came on top once the libraries, the model and the pictures were
            loaded: what encoding the template and matching take.
        facts: what the calls found: ``right``, whether the answers were, and the like.
    """

    ms: float
    peak_mb: float | None
    growth_mb: float | None
    facts: dict[str, Any] = field(default_factory=dict)


def interleave(calls: Sequence[Repeat], repeats: int | Sequence[int]) -> list[list[float]]:
    """Time several calls in turn, after one unmeasured call of each.

    A noisy machine then disturbs all alike. Between calls there is a short pause, in which
    worker threads that one library keeps spinning come to rest and do not slow down the others.

    Args:
        calls: what is timed.
        repeats: how often, or how often each; fewer ones are spread over the rounds.

    Returns:
        Milliseconds of each call, for each of them.
    """
    counts = [repeats] * len(calls) if isinstance(repeats, int) else list(repeats)
    for call in calls:
        call(0)
    times: list[list[float]] = [[] for _ in calls]
    rounds = max(counts)
    for i in range(rounds):
        for call, count, spent in zip(calls, counts, times, strict=True):
            if (i + 1) * count // rounds > i * count // rounds:
                time.sleep(PAUSE_SECONDS)
                spent.append(milliseconds(call, i + 1))
    return times


def milliseconds(call: Repeat, i: int) -> float:
    """Time one call."""
    start = time.perf_counter()
    call(i)
    return (time.perf_counter() - start) * 1e3


def measure_alone(job: BenchJob, repeats: int) -> Measurement:
    """Measure a job in a fresh process.

    Raises:
        QatmError: the process failed.
    """
    arguments = [json.dumps(asdict(job)), str(repeats)]
    return Measurement(**json.loads(fresh_process(__name__, arguments, str(job))))


def fresh_process(module: str, arguments: Sequence[str], what: str) -> str:
    """What a module writes to stdout when it is run in a process of its own.

    Args:
        module: its full name.
        arguments: of its command line.
        what: is measured, for messages.

    Raises:
        QatmError: the process failed.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise QatmError(f"measuring {what} failed with exit status {done.returncode}: {reason}")
    return done.stdout


def measure_here(job: BenchJob, repeats: int) -> Measurement:
    """Measure a job in this process, which should have done nothing else."""
    method = load(job)
    before = memory_mb(NOW)
    method.encode()
    method.call(0)
    spent = statistics.median(milliseconds(method.call, i + 1) for i in range(repeats))
    peak = memory_mb(LARGEST)
    return Measurement(spent, peak, grown_mb(before, peak), dict(method.facts()))


@contextmanager
def session_timer() -> Iterator[list[float]]:
    """Collect the milliseconds of every call into ONNX Runtime while the context is open."""
    from ....runtime.backends.onnx import OnnxGraph

    spent: list[float] = []
    original = OnnxGraph.run

    def timed(self: OnnxGraph, *args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(self, *args, **options)
        finally:
            spent.append((time.perf_counter() - start) * 1e3)

    OnnxGraph.run = timed
    try:
        yield spent
    finally:
        OnnxGraph.run = original


if __name__ == "__main__":
    alone = measure_here(BenchJob(**json.loads(sys.argv[1])), int(sys.argv[2]))
    sys.stdout.write(json.dumps(asdict(alone)))
