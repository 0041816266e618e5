"""Does a tracker's time per frame depend on the size of the frames?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2

from ...runtime.boxes import box_iou
from ..baselines.compared_tracker import ComparedTracker, ComparedTrackerOptions
from ..baselines.trackers import open_tracker
from ..evaluation.track.track_metrics import FOUND_IOU
from .track_scene import MovingScene

SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
"""Widths and heights of the frames, in pixels; the first is what others are compared with."""

SIDE = 48
"""Of the object, in pixels, where it has the same size in all frames."""

PART = 5
"""Height of the frame over the side of the object, where it grows with the frame."""

WARM_UP = 5


class Timing(NamedTuple):
    """What one size cost.

    Attributes:
        width: of the frames, in pixels.
        height: the same.
        side: of the object, in pixels.
        ms: mean time of an update: some frames are looked at, and some are not.
        ratio: that over the first size's.
        on_object: share of the frames in which the box was on the object.
    """

    width: int
    height: int
    side: int
    ms: float
    ratio: float
    on_object: float


def time_sizes(tracker: str, options: ComparedTrackerOptions, frames: int) -> Iterator[Timing]:
    """Follow an object through generated videos of several sizes, one frame of each in turn.

    Args:
        tracker: as for ``qatm eval track``.
        options: what it is opened with; its threads are OpenCV's too.
        frames: timed updates at each size.

    Yields:
        One for each size, with an object of one size in all frames, then with one that grows.
    """
    cv2.setNumThreads(options.threads)
    for sides in ([SIDE] * len(SIZES), [height // PART for _, height in SIZES]):
        yield from measure(lambda: open_tracker(tracker, options), sides, frames)


def measure(
    create: Callable[[], ComparedTracker],
    sides: Sequence[int],
    frames: int,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> list[Timing]:
    """Time a tracker at several sizes in turn, so that a noisy machine disturbs all alike.

    Args:
        create: makes a tracker.
        sides: of the object at each size, in pixels.
        frames: timed updates at each size.
        sizes: widths and heights of the frames, in pixels.
    """
    scenes = [MovingScene(*size, side) for size, side in zip(sizes, sides, strict=True)]
    trackers: list[ComparedTracker] = []
    try:
        for scene in scenes:
            trackers.append(create())
            trackers[-1].init(scene.frame(0), scene.box(0))
        rounds = [
            [_update(*pair, index) for pair in zip(trackers, scenes, strict=True)]
            for index in range(1, WARM_UP + frames + 1)
        ][WARM_UP:]
    finally:
        for tracker in trackers:
            tracker.close()
    means = [statistics.fmean(row[i][0] for row in rounds) for i in range(len(sizes))]
    return [
        Timing(
            *size,
            side,
            round(means[i], 3),
            round(means[i] / means[0], 3),
            round(statistics.fmean(row[i][1] for row in rounds), 4),
        )
        for i, (size, side) in enumerate(zip(sizes, sides, strict=True))
    ]


def _update(tracker: ComparedTracker, scene: MovingScene, index: int) -> tuple[float, bool]:
    """Milliseconds of an update, and whether the box was on the object."""
    frame = scene.frame(index)
    start = time.perf_counter()
    step = tracker.update(frame)
    spent = (time.perf_counter() - start) * 1000.0
    return spent, step.box is not None and box_iou(step.box, scene.box(index)) >= FOUND_IOU
