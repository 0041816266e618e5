"""Does a tracker's memory stay constant?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...runtime.boxes import box_iou
from ...runtime.errors import QatmError
from ..baselines.compared_tracker import LOST, ComparedTracker
from ..evaluation.speed.process_memory import memory_mb
from ..evaluation.track.track_metrics import FOUND_IOU
from .track_scene import MovingScene

WIDTH, HEIGHT, SIDE = 320, 240, 48
PERIOD = 500
"""Frames from one absence of the object to the next."""

AWAY = 30
"""Frames for which it is absent."""

REPORTS = 10
MOST_GROWTH = 8.0
"""Growth in MiB, from the first report after a whole period on, that passes for constant: the first
search of a whole frame takes memory that is kept for the next."""


@dataclass(frozen=True)
class SoakReport:
    """What was seen up to a frame.

    Attributes:
        frames: that were updated.
        memory: resident memory of the process, in MiB.
        fps: updates a second since the last report.
        on_object: share of the frames with the object, since the last report, in which the box
            was on it.
        lost: share of the frames without the object in which the tracker said "lost".
    """

    frames: int
    memory: float
    fps: float
    on_object: float
    lost: float


def soak_tracker(tracker: ComparedTracker, frames: int) -> Iterator[SoakReport]:
    """Update a tracker so many times, and report ten times.

    Raises:
        QatmError: there is no ``/proc`` to read the memory from.
    """
    scene = MovingScene(WIDTH, HEIGHT, SIDE)
    tracker.init(scene.frame(0), scene.box(0))
    right: list[bool] = []
    lost: list[bool] = []
    spent = 0.0
    done = 0
    for index in range(1, frames + 1):
        present = index % PERIOD < PERIOD - AWAY
        frame = scene.frame(index, present=present)
        start = time.perf_counter()
        step = tracker.update(frame)
        spent += time.perf_counter() - start
        if present:
            right.append(step.box is not None and box_iou(step.box, scene.box(index)) >= FOUND_IOU)
        else:
            lost.append(step.state == LOST)
        if index * REPORTS // frames > done * REPORTS // frames:
            yield SoakReport(index, _memory(), (index - done) / spent, _share(right), _share(lost))
            right, lost, spent, done = [], [], 0.0, index


def memory_growth(reports: Sequence[SoakReport]) -> tuple[float, int]:
    """Most that the memory grew by, in MiB, after the first whole period, and when that was.

    Args:
        reports: one after the first period at least; without one nothing is known to have grown.
    """
    settled = [report for report in reports if report.frames >= PERIOD]
    if not settled:
        return 0.0, 0
    return max(report.memory for report in settled) - settled[0].memory, settled[0].frames


def _memory() -> float:
    """Resident memory of this process, in MiB."""
    memory = memory_mb("VmRSS")
    if memory is None:
        raise QatmError("the memory of a process is read from /proc, which this system lacks")
    return memory


def _share(answers: list[bool]) -> float:
    return sum(answers) / len(answers) if answers else float("nan")
