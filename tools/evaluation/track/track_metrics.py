"""Figures of merit of trackers: overlap, precision, and how a loss and a return are noticed.

One-pass evaluation as in Wu, Lim and Yang, "Object tracking benchmark", PAMI 2015.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....runtime.boxes import box_iou
from ....runtime.errors import BoxError
from ...baselines.compared_tracker import LOST

Array = NDArray[Any]

DISTANCES = np.arange(51.0)
"""Of the precision curve, in pixels: 0, 1 ... 50."""

RELATIVE_DISTANCES = np.arange(51.0) / 100.0
"""Of the normalised precision, in sizes of the object: 0, .01 ... .5."""

NEAR = 20
"""Distance of the centres, in pixels, up to which a box counts for the precision."""

FOUND_IOU = 0.3
"""Overlap from which a box is said to be on the object: about half of it in each direction, which
allows for a size that changed while the object was away."""

PROMPT = 10
"""Frames within which a loss has to be noticed, and an object that returns to be found."""


class Loss(NamedTuple):
    """What a tracker did while its object was away once, and when it came back.

    Attributes:
        video: name of the test video.
        start: first frame without the object.
        stop: first frame in which it is back.
        noticed: how many frames without the object it took until the tracker said "lost" (1: in
            the first); ``None`` if it never did.
        refound: how many frames with the object it took until the tracker did not say "lost" and
            its box was on the object; ``None`` if that did not happen before the next absence.
        silent: share of the frames without the object, from the :data:`PROMPT`-th on, in which it
            said "lost".
    """

    video: str
    start: int
    stop: int
    noticed: int | None
    refound: int | None
    silent: float


class Presence(NamedTuple):
    """How a tracker knows whether its object is there: its losses, and its frames with the object.

    Attributes:
        losses: one for each absence.
        visible: frames with the object, without the first :data:`PROMPT` after each return.
        alarms: those of them in which the tracker said "lost" with its box on the object.
    """

    losses: tuple[Loss, ...]
    visible: int
    alarms: int


def overlaps(boxes: Array, truth: Array) -> Array:
    """IoU of each box with the true one, ``(N,)``; NaN where the object is absent.

    Args:
        boxes: ``(N, 4)`` x, y, w, h; what is no box overlaps nothing.
        truth: the same; NaN where absent.
    """
    return np.array(
        [
            np.nan if np.isnan(true).any() else _overlap(box, true)
            for box, true in zip(boxes, truth, strict=True)
        ]
    )


def _overlap(box: Array, true: Array) -> float:
    """IoU of what a tracker gave with the true box."""
    try:
        return box_iou(box, true)
    except BoxError:
        return 0.0


def distances(boxes: Array, truth: Array) -> Array:
    """Distance between the centres in pixels, ``(N,)``; NaN where the object is absent."""
    centres = [side[:, :2] + side[:, 2:] / 2.0 for side in (boxes, truth)]
    return np.hypot(*(centres[0] - centres[1]).T)


def precision_curve(apart: Array) -> Array:
    """Share of the frames with the object whose centre is at most so many pixels off, ``(51,)``."""
    return (apart[~np.isnan(apart)][:, None] <= DISTANCES).mean(axis=0)


def precision20(apart: Array) -> float:
    """Share of the frames with the object whose centre is at most 20 pixels off."""
    return float(precision_curve(apart)[NEAR])


def relative_distances(boxes: Array, truth: Array) -> Array:
    """Distance between the centres in sizes of the object, ``(N,)``; NaN where it is absent.

    Its two parts are divided by the true width and height: Müller et al., "TrackingNet", ECCV 2018,
    on normalised precision.
    """
    centres = [side[:, :2] + side[:, 2:] / 2.0 for side in (boxes, truth)]
    return np.hypot(*((centres[0] - centres[1]) / truth[:, 2:]).T)


def normalised_precision(apart: Array) -> float:
    """Area under the curve of frames whose centre is at most 0 to .5 sizes off: 0 to 1.

    Args:
        apart: ``(N,)`` of :func:`relative_distances`.
    """
    seen = apart[~np.isnan(apart)][:, None]
    return float((seen <= RELATIVE_DISTANCES).mean())


def presence(
    video: str,
    ious: Array,
    states: Sequence[str],
    absences: Sequence[tuple[int, int]],
) -> Presence:
    """What a tracker knew about the presence of its object in one video.

    Args:
        video: its name.
        ious: ``(N,)`` overlap with the true box; NaN where the object is absent.
        states: what the tracker said, one a frame.
        absences: first frame of each absence, and first frame after it.
    """
    lost = np.array([state == LOST for state in states])
    right = np.nan_to_num(ious) >= FOUND_IOU
    ends = [start for start, _ in absences[1:]] + [len(states)]
    losses = tuple(
        Loss(
            video,
            start,
            stop,
            noticed=_first(lost[start:stop]),
            refound=_first((right & ~lost)[stop:end]),
            silent=float(lost[min(start + PROMPT - 1, stop - 1) : stop].mean()),
        )
        for (start, stop), end in zip(absences, ends, strict=True)
    )
    counted = ~np.isnan(ious)
    for _, stop in absences:
        counted[stop : stop + PROMPT] = False
    return Presence(losses, int(counted.sum()), int((counted & lost & right).sum()))


def presence_figures(parts: Sequence[Presence]) -> dict[str, float | int | None]:
    """Put the videos of a tracker together; a figure of nothing is ``None``.

    Returns:
        ``losses``: how often the object went away; ``noticed10``, ``refound10``: shares noticed
        and found again within ten frames; ``frames_to_notice``, ``frames_to_refind``: medians over
        all losses, ``None`` where less than half were; ``lost_while_away``: share of the frames
        without the object, from the tenth on, that were reported lost; ``false_alarms``: share of
        the frames with the object in which it was reported lost although the box was on it.
    """
    losses = [loss for part in parts for loss in part.losses]
    visible = sum(part.visible for part in parts)
    alarms = sum(part.alarms for part in parts)
    noticed = [math.inf if loss.noticed is None else loss.noticed for loss in losses]
    refound = [math.inf if loss.refound is None else loss.refound for loss in losses]
    return {
        "losses": len(losses),
        "noticed10": _share([frames <= PROMPT for frames in noticed]),
        "refound10": _share([frames <= PROMPT for frames in refound]),
        "frames_to_notice": _median(noticed),
        "frames_to_refind": _median(refound),
        "lost_while_away": _share([loss.silent for loss in losses]),
        "false_alarms": round(alarms / visible, 4) if visible else None,
    }


def _first(happened: Array) -> int | None:
    """The position of the first true value, counted from 1."""
    return int(np.argmax(happened)) + 1 if happened.any() else None


def _share(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 4) if values else None


def _median(values: Sequence[float]) -> float | None:
    middle = statistics.median_low(values) if values else math.inf
    return middle if math.isfinite(middle) else None
