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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ....runtime.errors import QatmError
from .jobs import BenchJob, Repeat, load

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
    """

    ms: float
    peak_mb: float | None
    growth_mb: float | None


def interleave(first: Repeat, second: Repeat, repeats: int) -> tuple[list[float], list[float]]:
    """Time two calls in turn, after one unmeasured call of each.

    A noisy machine then disturbs both alike. Between calls there is a short pause, in which
    worker threads that one library keeps spinning come to rest and do not slow down the other.

    Returns:
        Milliseconds of each call of the first, and of the second.
    """
    first(0)
    second(0)
    times: tuple[list[float], list[float]] = [], []
    for i in range(repeats):
        for call, spent in zip((first, second), times, strict=True):
            time.sleep(PAUSE_SECONDS)
            spent.append(milliseconds(call, i))
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
    command = [sys.executable, "-m", __name__, json.dumps(asdict(job)), str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise QatmError(f"measuring {job} failed with exit status {done.returncode}: {reason}")
    return Measurement(**json.loads(done.stdout))


def measure_here(job: BenchJob, repeats: int) -> Measurement:
    """Measure a job in this process, which should have done nothing else."""
    method = load(job)
    before = memory_mb("VmRSS")
    method.encode()
    method.call(0)
    spent = statistics.median(milliseconds(method.call, i) for i in range(repeats))
    peak = memory_mb("VmHWM")
    growth = None if peak is None or before is None else round(peak - before, 1)
    return Measurement(spent, peak, growth)


def memory_mb(field: str) -> float | None:
    """Resident memory of this process in MiB: ``VmRSS`` now, ``VmHWM`` at its largest.

    The kernel's own figures, because the ``ru_maxrss`` of a child process starts from what its
    parent held. ``None`` where there is no ``/proc``.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return round(int(lines[field].split()[0]) / 1024, 1)


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
    result = measure_here(BenchJob(**json.loads(sys.argv[1])), int(sys.argv[2]))
    sys.stdout.write(json.dumps(asdict(result)))
