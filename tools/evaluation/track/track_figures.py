"""From what trackers said to the lines of the table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from ..metrics import TRACK_THRESHOLDS, success_auc
from .footage import AS_IT_IS
from .track_metrics import (
    Presence,
    distances,
    overlaps,
    precision20,
    presence,
    presence_figures,
)
from .track_runs import Trace

Record = dict[str, Any]

MEAN = "mean"
FIGURES = ("auc", "precision20", "fps")


def sequence_record(trace: Trace) -> Record:
    """Figures of merit of a tracker on one sequence."""
    truth = trace.video.truth
    fps = trace.fps
    return {
        "tracker": trace.tracker,
        "sequence": trace.video.name,
        "auc": round(success_auc(overlaps(trace.boxes, truth), TRACK_THRESHOLDS), 4),
        "precision20": round(precision20(distances(trace.boxes, truth)), 4),
        "fps": None if fps is None else round(fps, 2),
        "frames": len(trace.boxes),
    }


def mean_record(traces: Sequence[Trace], skipped: int, threads: int, processes: int) -> Record:
    """Means of a tracker over the sequences, and what it knew about presence.

    Args:
        traces: all of one tracker, at least one of a sequence as it is.
        skipped: unusable sequences of the folder, in no figure.
        threads: CPU threads of the tracker.
        processes: how many ran at a time.
    """
    plain = [trace for trace in traces if trace.video.kind == AS_IT_IS]
    made = [trace for trace in traces if trace.video.kind != AS_IT_IS]
    records = [sequence_record(trace) for trace in plain]
    record: Record = {"tracker": traces[0].tracker, "sequence": MEAN}
    for figure, digits in zip(FIGURES, (4, 4, 2), strict=True):
        values = [entry[figure] for entry in records if entry[figure] is not None]
        record[figure] = round(fmean(values), digits) if values else None
    record |= {
        "frames": sum(entry["frames"] for entry in records),
        "sequences": len(records),
        "failed": sum(trace.error is not None for trace in traces),
        "skipped": skipped,
        "threads": threads,
        "processes": processes,
    }
    return record | (presence_figures([presence_of(trace) for trace in made]) if made else {})


def presence_of(trace: Trace) -> Presence:
    """What a tracker knew about presence in a test video."""
    video = trace.video
    ious = overlaps(trace.boxes, video.truth)
    return presence(video.title, ious, trace.states, video.absences)


def table_head(width: int) -> str:
    """The names of the columns of :func:`table_line`."""
    return f"{'tracker':<11}  {'sequence':<{width}}  AUC    prec20  {'fps':>7}  {'frames':>6}"


def table_line(record: Record, width: int) -> str:
    """A record for people."""
    fps = "-" if record["fps"] is None else f"{record['fps']:.1f}"
    return (
        f"{record['tracker']:<11}  {record['sequence']:<{width}}  {record['auc']:.3f}  "
        f"{record['precision20']:.3f}   {fps:>7}  {record['frames']:>6}"
    )


def presence_head() -> str:
    """The names of the columns of :func:`presence_line`."""
    return (
        f"{'tracker':<11}  {'losses':>6}  {'noticed':>7}  {'refound':>7}  {'median':>6}  "
        f"{'median':>6}  {'lost':>5}  false alarms"
    )


def presence_line(record: Record) -> str:
    """What a tracker knew about presence, for people: shares, and medians in frames."""
    shares = [_share(record[name]) for name in ("noticed10", "refound10")]
    medians = [
        "-" if record[name] is None else str(record[name])
        for name in ("frames_to_notice", "frames_to_refind")
    ]
    return (
        f"{record['tracker']:<11}  {record['losses']:>6}  {shares[0]:>7}  {shares[1]:>7}  "
        f"{medians[0]:>6}  {medians[1]:>6}  {_share(record['lost_while_away']):>5}  "
        f"{_share(record['false_alarms'])}"
    )


PRESENCE_NOTE = (
    "noticed, refound: within 10 frames of the object's going and coming; medians: frames until "
    "then; lost: share of the later absent frames reported lost"
)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"
