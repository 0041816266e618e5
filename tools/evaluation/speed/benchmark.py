"""The measurements of ``qatm bench``: comparisons side by side, and what each thing costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ....runtime.backends.graph import Device
from ....runtime.errors import BundleError, DeviceError
from .bench_methods import prepare
from .bench_rows import Record, comparison, cost, identity
from .efforts import FULL, Effort
from .jobs import BenchJob, LeftOut, Repeat, need_package
from .measuring import (
    PAUSE_SECONDS,
    Measurement,
    interleave,
    measure_alone,
    milliseconds,
    session_timer,
)
from .startup_costs import startup_costs
from .track_costs import several_at_once, tracked_and_lost

MANY = 16
PACE = "cv2.matchTemplate"
"""What is timed between the measurements, to know how busy the machine is."""

PAIR, SOURCE = (320, 240), 256
PLACE, QUERY = (1280, 720), 320

IN_TURN = 1920 * 1080
"""Pictures of more pixels are each measured in a process of their own: calls take seconds, and
several of them might not fit into memory at once."""


class BenchStep(NamedTuple):
    """A measurement that gives one row or several.

    Attributes:
        what: is measured, for messages.
        groups: that it belongs to.
        run: measures; raises :class:`LeftOut` where that cannot be done here.
    """

    what: str
    groups: tuple[str, ...]
    run: Callable[[], list[Record]]


class Benchmark:
    """The measurements, one after another.

    All times are in milliseconds: medians, and means of frames of trackers. The sides of a
    comparison, and the trackers, are called in turn in one process, on the same pictures, so that a
    noisy machine disturbs all alike. Memory is in MiB, each in a fresh process: ``peak_mb`` is the
    largest resident memory of the *whole* process (interpreter, libraries, model, pictures),
    ``growth_mb`` the part of it that came on top while matching. On an accelerator that is the
    memory of the host only.

    Args:
        model: folder of a bundle; ``None`` is the one that ships with the package.
        device: as for ``Matcher``.
        effort: how much is measured.
    """

    def __init__(
        self, model: str | None = None, device: Device = "auto", effort: Effort = FULL
    ) -> None:
        width, height = effort.size
        self.effort = effort
        self.job = BenchJob("matcher", model=model, device=device, width=width, height=height)
        self._alone: dict[BenchJob, Measurement] = {}
        self._pace: list[float] = []
        self._paced: Repeat | None = None

    @property
    def pace_ms(self) -> float | None:
        """Median of what :meth:`take_pace` measured, in milliseconds."""
        return round(statistics.median(self._pace), 3) if self._pace else None

    def take_pace(self) -> None:
        """Time a fixed piece of work, :data:`PACE`, once; the first call is not counted."""
        if self._paced is None:
            self._paced = prepare(replace(self.job, method="zncc")).call
            self._paced(0)
        self._pace.append(milliseconds(self._paced, 0))

    def steps(self, groups: Sequence[str] = ()) -> list[BenchStep]:
        """What is to be measured; each step returns its rows.

        A comparison has ``ours_ms``, ``other_ms``, ``speedup`` (other over ours), ``ours_peak_mb``,
        ``other_peak_mb``, ``ours_growth_mb`` and ``other_growth_mb``; every other row ``ms``,
        ``peak_mb`` and ``growth_mb``. All have the fields of :func:`~.bench_rows.identity`. Where
        there is a known answer, ``right`` says whether it was found. A step raises
        :class:`QatmError` if the bundle or the device cannot be used.

        Args:
            groups: measure these only; none is all.
        """
        steps = [*self._match(), *self._growth(), *self._large(), *self._track(), *self._others()]
        return [step for step in steps if not groups or set(step.groups) & set(groups)]

    def compare(self, name: str, group: str, ours: BenchJob, other: BenchJob) -> Record:
        """Time two jobs in turn, and measure the memory of each on its own."""
        calls = [prepare(job).call for job in (ours, other)]
        first, second = interleave(calls, self.effort.repeats)
        known = identity(name, group, ours)
        if other.templates != ours.templates:
            known["other_templates"] = other.templates
        return comparison(known, (first, second), (self.alone(ours), self.alone(other)))

    def compare_with_session(self) -> Record:
        """Compare ``match()`` with the part of it that is spent inside ONNX Runtime.

        ``outside_percent`` is the median share of a call that is spent elsewhere.
        """
        job = replace(self.job, pictures=self.effort.pictures)
        call = prepare(job).call
        call(0)
        total: list[float] = []
        inside: list[float] = []
        with session_timer() as spent:
            for i in range(self.effort.repeats):
                time.sleep(PAUSE_SECONDS)
                spent.clear()
                total.append(milliseconds(call, i))
                inside.append(sum(spent))
        if not any(inside):
            raise LeftOut(f"device {job.device} does not match with ONNX Runtime")
        shares = [1 - part / whole for part, whole in zip(inside, total, strict=True)]
        alone, known = self.alone(job), identity("match_vs_session", "match", job)
        record = comparison(known, (total, inside), (alone, alone))
        return record | {"outside_percent": round(100 * statistics.median(shares), 2)}

    def alone(self, job: BenchJob, least: int = 1) -> Measurement:
        """What a job costs in a process of its own, on one picture; measured once.

        Args:
            job: the method.
            least: calls that are timed at least, however large the picture.
        """
        job = replace(job, pictures=1)
        if job not in self._alone:
            self._alone[job] = measure_alone(job, self.repeats(job, least))
        return self._alone[job]

    def repeats(self, job: BenchJob, least: int = 1) -> int:
        """How often a job is timed: less often the larger its pictures."""
        pixels = job.width * job.height
        most = self.effort.repeats
        return max(min(most, round(most * 640 * 480 / pixels)), least)

    def _match(self) -> Iterator[BenchStep]:
        """``match()`` next to other ways of doing it."""
        job = replace(self.job, pictures=self.effort.pictures)
        # The features that this compares with are those of one size.
        graph = replace(job, method="graph", width=640, height=480)
        sides = {
            "match_vs_cv2_zncc": (job, replace(job, method="zncc")),
            "sixteen_vs_one_template": (replace(job, templates=MANY), job),
            "int8_vs_fp32": (replace(job, precision="int8"), replace(job, precision="fp32")),
            "match_vs_reference": (job, replace(job, method="reference")),
            "graph_vs_eager": (graph, replace(graph, method="eager")),
        }
        yield BenchStep("match_vs_session", ("match",), lambda: [self.compare_with_session()])
        for name, (ours, other) in sides.items():
            yield BenchStep(
                name, ("match",), lambda n=name, a=ours, b=other: self._compared(n, a, b)
            )

    def _compared(self, name: str, ours: BenchJob, other: BenchJob) -> list[Record]:
        """A comparison whose sides may be missing here."""
        if other.method in ("reference", "eager"):
            need_package("torch", "export")
        if ours.precision != other.precision:
            for job in (other, ours):
                try:
                    prepare(replace(job, method="matcher"))
                except (BundleError, DeviceError) as error:
                    raise LeftOut(str(error)) from error
        return [self.compare(name, "match", ours, other)]

    def _growth(self) -> Iterator[BenchStep]:
        """How ``match()`` grows with pixels, templates and the size of the template."""
        effort, job = self.effort, self.job
        points = [replace(job, width=w, height=h, template=side) for w, h, side in effort.sizes]
        points += [replace(job, templates=count) for count in effort.counts]
        width, height = effort.sides_in
        sides = [replace(job, width=width, height=height, template=side) for side in effort.sides]
        small = [point for point in points if point.width * point.height <= IN_TURN]
        yield BenchStep("scaling", ("growth",), lambda: self.curve("scaling", small))
        for point in (point for point in points if point not in small):
            yield self._cost("scaling", ("growth",), point, effort.least)
        yield BenchStep("object_size", ("growth",), lambda: self.curve("object_size", sides))
        for width, height in effort.memory:
            yield self._cost("memory", ("memory",), replace(job, width=width, height=height))

    def curve(self, name: str, jobs: Sequence[BenchJob]) -> list[Record]:
        """Time points of a curve in turn; the memory of each in its own process."""
        repeats = [self.repeats(job, self.effort.least) for job in jobs]
        times = interleave([prepare(job).call for job in jobs], repeats)
        rows: list[Record] = []
        for job, spent in zip(jobs, times, strict=True):
            typical = replace(self.alone(job), ms=statistics.median(spent))
            rows.append(cost(identity(name, "growth", job), typical))
        return rows

    def _large(self) -> Iterator[BenchStep]:
        """Small objects in large pictures."""
        for width, height, side in self.effort.large:
            job = replace(self.job, method="in_scene", width=width, height=height, template=side)
            yield self._cost("large", ("large",), job, self.effort.least)

    def _others(self) -> Iterator[BenchStep]:
        """Beginning, aligning and verifying."""
        job, starts = self.job, self.effort.starts
        yield BenchStep("startup", ("startup",), lambda: startup_costs(job, starts))
        pair = replace(self.job, width=PAIR[0], height=PAIR[1], template=SOURCE, method="align")
        place = replace(self.job, width=PLACE[0], height=PLACE[1], template=QUERY, method="verify")
        opened, least = replace(place, method="open_place"), self.effort.least
        yield self._cost("align", ("align", "memory"), pair, least)
        yield self._cost("verify_open", ("verify", "memory"), opened, least)
        yield self._cost("verify", ("verify", "memory"), place, least)

    def _cost(self, name: str, groups: tuple[str, ...], job: BenchJob, least: int = 1) -> BenchStep:
        """A step that measures a job in a process of its own."""
        known = identity(name, groups[0], job)
        return BenchStep(known["key"], groups, lambda: [cost(known, self.alone(job, least))])

    def _track(self) -> Iterator[BenchStep]:
        """The tracker: in sight and lost at several sizes, several objects, and CSRT."""
        job, effort = self.job, self.effort
        ours, csrt = replace(job, method="tracked"), replace(job, method="csrt")
        frames, objects = ("track",), ("track", "growth")
        yield BenchStep("tracked and lost", frames, lambda: tracked_and_lost(job, effort))
        yield BenchStep(
            "tracked_vs_csrt",
            frames,
            lambda: [self.compare("tracked_vs_csrt", "track", ours, csrt)],
        )
        yield BenchStep("objects at once", objects, lambda: several_at_once(job, effort))
