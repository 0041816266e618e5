"""The measurements of ``qatm bench``: comparisons side by side, and how matching grows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from ....runtime.errors import QatmError
from .jobs import BenchJob, prepare
from .measuring import (
    PAUSE_SECONDS,
    Measurement,
    interleave,
    measure_alone,
    milliseconds,
    session_timer,
)

Record = dict[str, Any]

MANY = 16

MEANINGS = {
    "match_vs_reference": "match() | the paper in PyTorch: VGG19 at 1/4 resolution, both softmaxes",
    "graph_vs_eager": "match.onnx on ONNX Runtime | the same matching in PyTorch eager",
    "match_vs_session": "match() | the part of it inside ONNX Runtime",
    "match_vs_cv2_zncc": "match() | cv2.matchTemplate, TM_CCOEFF_NORMED on colour",
    "sixteen_vs_one_template": "match() with 16 templates | with one",
}
"""Name of a comparison -> what ours is, and what the other is."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        repeats: timed calls of each side of a comparison.
        pictures: photographs that they go through in turn.
        sizes: ``(width, height, side of the template)``, the points of the curve with one template.
        counts: numbers of templates, its points at 640 x 480.
    """

    repeats: int = 12
    pictures: int = 4
    sizes: tuple[tuple[int, int, int], ...] = (
        (320, 240, 64),
        (640, 480, 64),
        (1280, 960, 64),
        (1920, 1080, 64),
        (4000, 4000, 200),
    )
    counts: tuple[int, ...] = (2, 4, 8, 16)


FULL = Effort()
QUICK = Effort(repeats=1, pictures=1, sizes=((320, 240, 64), (640, 480, 64)), counts=(2,))


class Benchmark:
    """The measurements, one after another.

    All times are medians in milliseconds. The two sides of a comparison are called in turn in one
    process, on the same pictures, so that a noisy machine disturbs both alike. Memory is in MiB,
    each side in a fresh process: ``peak_mb`` is the largest resident memory of the *whole* process
    (interpreter, libraries, model, pictures), ``growth_mb`` the part of it that came on top while
    matching. On an accelerator that is the memory of the host only.

    Args:
        model: folder of a bundle; ``None`` is the one that ships with the package.
        device: as for ``Matcher``.
        effort: how much is measured.
    """

    def __init__(
        self, model: str | None = None, device: str = "auto", effort: Effort = FULL
    ) -> None:
        self.effort = effort
        self.job = BenchJob("matcher", pictures=effort.pictures, model=model, device=device)
        self._alone: dict[BenchJob, Measurement] = {}

    def steps(self) -> list[Callable[[], Record]]:
        """What is to be measured; each step returns its record.

        A comparison has ``name``, ``ours_ms``, ``other_ms``, ``speedup`` (other over ours),
        ``ours_peak_mb``, ``other_peak_mb``, ``ours_growth_mb`` and ``other_growth_mb``; a point of
        the curve has ``name`` (``scaling``), ``height``, ``width``, ``templates``, ``template``
        (its side in pixels), ``ms``, ``peak_mb`` and ``growth_mb``. A step raises
        :class:`QatmError` if the bundle, the device or the pictures cannot be used.
        """
        job, sizes = self.job, self.effort.sizes
        curve = [replace(job, width=w, height=h, template=side) for w, h, side in sizes]
        curve += [replace(job, templates=count) for count in self.effort.counts]
        graph, eager = replace(job, method="graph"), replace(job, method="eager")
        many = replace(job, templates=MANY)
        return [
            lambda: self.compare("match_vs_reference", job, replace(job, method="reference")),
            lambda: self.compare("graph_vs_eager", graph, eager),
            self.compare_with_session,
            lambda: self.compare("match_vs_cv2_zncc", job, replace(job, method="zncc")),
            lambda: self.compare("sixteen_vs_one_template", many, job),
            *(lambda point=point: self.scaling(point) for point in curve),
        ]

    def compare(self, name: str, ours: BenchJob, other: BenchJob) -> Record:
        """Time two jobs in turn, and measure the memory of each on its own."""
        times = interleave(prepare(ours), prepare(other), self.effort.repeats)
        return comparison(name, times, (self.alone(ours), self.alone(other)))

    def compare_with_session(self) -> Record:
        """Compare ``match()`` with the part of it that is spent inside ONNX Runtime.

        ``outside_percent`` is the median share of a call that is spent elsewhere.
        """
        call = prepare(self.job)
        call(0)
        total: list[float] = []
        inside: list[float] = []
        with session_timer() as spent:
            for i in range(self.effort.repeats):
                time.sleep(PAUSE_SECONDS)
                spent.clear()
                total.append(milliseconds(call, i))
                inside.append(sum(spent))
        shares = [1 - part / whole for part, whole in zip(inside, total, strict=True)]
        alone = self.alone(self.job)
        record = comparison("match_vs_session", (total, inside), (alone, alone))
        return record | {"outside_percent": round(100 * statistics.median(shares), 2)}

    def scaling(self, job: BenchJob) -> Record:
        """Measure one point of the curve, in a process of its own."""
        alone = self.alone(job)
        return {
            "name": "scaling",
            "height": job.height,
            "width": job.width,
            "templates": job.templates,
            "template": job.template,
            "ms": round(alone.ms, 3),
            "peak_mb": alone.peak_mb,
            "growth_mb": alone.growth_mb,
        }

    def alone(self, job: BenchJob) -> Measurement:
        """What a job costs in a process of its own, on one picture; measured once."""
        job = replace(job, pictures=1)
        if job not in self._alone:
            pixels = job.width * job.height
            repeats = min(self.effort.repeats, round(self.effort.repeats * 640 * 480 / pixels))
            self._alone[job] = measure_alone(job, max(repeats, 1))
        return self._alone[job]


def comparison(
    name: str,
    times: tuple[Sequence[float], Sequence[float]],
    alone: tuple[Measurement, Measurement],
) -> Record:
    """The record of a comparison, from the times and the memory of its two sides."""
    ours_ms, other_ms = (statistics.median(spent) for spent in times)
    return {
        "name": name,
        "ours_ms": round(ours_ms, 3),
        "other_ms": round(other_ms, 3),
        "speedup": round(other_ms / ours_ms, 3),
        "ours_peak_mb": alone[0].peak_mb,
        "other_peak_mb": alone[1].peak_mb,
        "ours_growth_mb": alone[0].growth_mb,
        "other_growth_mb": alone[1].growth_mb,
    }


def require_packages() -> None:
    """Refuse to begin without the packages that the comparisons need.

    Raises:
        QatmError: one is not installed.
    """
    for package, extra in (("torch", "export"), ("skimage", "demo")):
        if find_spec(package) is None:
            raise QatmError(
                f"the benchmark needs {package}, which is missing; install qatm[{extra}]"
            )
