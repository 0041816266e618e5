"""Running trackers over videos, in one or several processes: what each said in every frame."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....runtime.boxes import Box
from ....runtime.errors import ImageError
from ....runtime.images import Image
from ...baselines.compared_tracker import (
    LOST,
    TRACKING,
    ComparedTracker,
    Step,
)
from ...baselines.trackers import open_tracker
from .footage import TestVideo
from .track_variants import TrackVariant

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrackJob:
    """A video that one tracker shall follow."""

    variant: TrackVariant
    video: TestVideo


@dataclass(frozen=True, eq=False)
class Trace:
    """What a tracker said.

    Attributes:
        tracker: its name in the table.
        video: what it followed.
        boxes: ``(N, 4)`` x, y, w, h; where the tracker gave none, its last one.
        scores: ``(N,)``; NaN where it gave none.
        states: ``tracking``, ``uncertain`` or ``lost``, one a frame.
        milliseconds: ``(N,)`` of the tracker alone, without reading the frame; the first is that
            of ``init``. NaN after a failure.
        error: why and in which frame it failed; it then counts as lost with its last box.
        unreadable: why a frame of the video could not be read; the figures then mean nothing.
    """

    tracker: str
    video: TestVideo
    boxes: Array
    scores: Array
    states: tuple[str, ...]
    milliseconds: Array
    error: str | None = None
    unreadable: str | None = None

    @property
    def fps(self) -> float | None:
        """Updates a second, without ``init`` and without reading; ``None`` if there were none."""
        spent = self.milliseconds[1:]
        done = spent[np.isfinite(spent)]
        return 1000.0 * len(done) / float(done.sum()) if done.sum() > 0 else None


def run_job(job: TrackJob) -> Trace:
    """Let a tracker follow a video.

    Raises:
        QatmError: the tracker cannot be opened.
    """
    variant = job.variant
    tracker = open_tracker(variant.tracker, variant.options)
    try:
        return follow(variant.label, tracker, job.video)
    finally:
        tracker.close()


def follow(name: str, tracker: ComparedTracker, video: TestVideo) -> Trace:
    """Show a video to a tracker, one frame at a time.

    Whatever the tracker raises is kept as its failure; it is not asked again.
    """
    steps: list[Step] = []
    spent: list[float] = []
    error = unreadable = None
    last = video.start
    for index, shot in enumerate(video.shots):
        step, elapsed = Step(None, math.nan, LOST), math.nan
        # Read after a failure too, so that a sequence is unreadable for all trackers or for none.
        try:
            frame = shot.load()
        except ImageError as problem:
            unreadable = str(problem)
            break
        if error is None:
            step, elapsed, reason = _ask(tracker, frame, video.start if index == 0 else None)
            error = f"frame {index}: {reason}" if reason else None
        last = step.box if _usable(step.box) else last
        steps.append(Step(last, step.score, step.state))
        spent.append(elapsed)
    return Trace(
        name,
        video,
        np.array([step.box for step in steps], float).reshape(-1, 4),
        np.array([step.score for step in steps], float),
        tuple(step.state for step in steps),
        np.array(spent),
        error,
        unreadable,
    )


def _ask(
    tracker: ComparedTracker, frame: Image, start: Box | None
) -> tuple[Step, float, str | None]:
    """One call: what the tracker said, its milliseconds, and why it failed."""
    begin = time.perf_counter()
    try:
        if start is None:
            step = tracker.update(frame)
        else:
            tracker.init(frame, start)
            step = Step(start, math.nan, TRACKING)
    # Whatever a tracker does with a video, the others go on; the reason is reported.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Step(None, math.nan, LOST), math.nan, reason
    return step, (time.perf_counter() - begin) * 1000.0, None


def _usable(box: Box | None) -> bool:
    """Whether a box is one; some trackers answer with zeros when they find nothing."""
    return box is not None and bool(np.isfinite(box).all()) and box[2] > 0 and box[3] > 0
