"""From what trackers said to figures of merit: of a sequence, a source, an attribute, and means."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...baselines.compared_tracker import LOST
from ..metrics import TRACK_THRESHOLDS, success_auc
from .attributes import ATTRIBUTES, attributes_of
from .footage import AS_IT_IS
from .sequences import source_of
from .track_metrics import (
    Presence,
    distances,
    normalised_precision,
    overlaps,
    precision20,
    presence,
    presence_figures,
    relative_distances,
)
from .track_runs import Trace

Record = dict[str, Any]

MEAN = "mean"
MEAN_OF_SOURCES = "mean of sources"
FIGURES = {"auc": 4, "precision20": 4, "normalised_precision": 4, "fps": 2}
"""Figure of a sequence of which there are means -> its digits."""


def sequence_record(trace: Trace) -> Record:
    """Figures of merit of a tracker on one sequence."""
    truth = trace.video.truth
    fps = trace.fps
    relative = normalised_precision(relative_distances(trace.boxes, truth))
    return {
        "tracker": trace.tracker,
        "sequence": trace.video.name,
        "auc": round(success_auc(overlaps(trace.boxes, truth), TRACK_THRESHOLDS), 4),
        "precision20": round(precision20(distances(trace.boxes, truth)), 4),
        "fps": None if fps is None else round(fps, 2),
        "frames": len(trace.boxes),
        "normalised_precision": round(relative, 4),
        "source": source_of(trace.video.name),
        "attributes": attributes_of(truth),
    }


def mean_record(traces: Sequence[Trace], skipped: int, threads: int, processes: int) -> Record:
    """Means of a tracker over the sequences, and what it knew about presence.

    Args:
        traces: all of one tracker, at least one of a sequence as it is.
        skipped: unusable sequences of the folder, in no figure.
        threads: CPU threads of the tracker.
        processes: how many ran at a time.
    """
    made = [trace for trace in traces if trace.video.kind != AS_IT_IS]
    records = sequence_records(traces)
    tracked, lost = state_milliseconds(traces)
    record = _means(records[0]["tracker"], MEAN, records) | {
        "failed": sum(trace.error is not None for trace in traces),
        "skipped": skipped,
        "threads": threads,
        "processes": processes,
        "tracked_ms": tracked,
        "lost_ms": lost,
        "attributes": attribute_figures(records),
    }
    return record | (presence_figures([presence_of(trace) for trace in made]) if made else {})


def source_records(traces: Sequence[Trace]) -> list[Record]:
    """Means of a tracker over the sequences of each source, and the mean of these means.

    Args:
        traces: of one tracker, at least one of a sequence as it is.

    Returns:
        A record a source in the order in which they first appear, and one more; none if there is
        only one source.
    """
    sources: dict[str, list[Record]] = {}
    for record in sequence_records(traces):
        sources.setdefault(record["source"], []).append(record)
    if len(sources) == 1:
        return []
    tracker = traces[0].tracker
    means: list[Record] = [
        _means(tracker, f"{MEAN} of {source}", records) | {"source": source}
        for source, records in sources.items()
    ]
    over_all = _means(tracker, MEAN_OF_SOURCES, means)
    over_all |= {"sequences": sum(mean["sequences"] for mean in means), "sources": len(means)}
    return [*means, over_all]


def mean_titles(sequences: Iterable[str]) -> list[str]:
    """What the means of some sequences are called, by their names.

    Of each source in the order in which they first appear and of all sources, if there are several;
    and of the sequences.
    """
    sources = list(dict.fromkeys(map(source_of, sequences)))
    several = [*(f"{MEAN} of {source}" for source in sources), MEAN_OF_SOURCES]
    return [*(several if len(sources) > 1 else ()), MEAN]


def sequence_records(traces: Iterable[Trace]) -> list[Record]:
    """The records of the sequences as they are."""
    return [sequence_record(trace) for trace in traces if trace.video.kind == AS_IT_IS]


def attribute_figures(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Mean AUC over the sequences with each attribute, and how many there are; of some only.

    Args:
        records: of the sequences, of one tracker.
    """
    figures: dict[str, dict[str, Any]] = {}
    for name in ATTRIBUTES:
        aucs = [record["auc"] for record in records if name in record["attributes"]]
        if aucs:
            figures[name] = {"sequences": len(aucs), "auc": round(statistics.fmean(aucs), 4)}
    return figures


def state_milliseconds(traces: Sequence[Trace]) -> tuple[float | None, float | None]:
    """Mean time of a frame in which a tracker did not say "lost", and of one in which it did.

    In milliseconds, over all videos, also those in which the object goes away; without ``init``.
    ``None`` where there is no such frame.
    """
    spent = np.concatenate([trace.milliseconds[1:] for trace in traces])
    lost = np.concatenate([np.array(trace.states[1:]) == LOST for trace in traces])
    known = np.isfinite(spent)
    kinds = (spent[known & ~lost], spent[known & lost])
    tracked, away = (round(float(np.mean(kind)), 2) if len(kind) else None for kind in kinds)
    return tracked, away


def presence_of(trace: Trace) -> Presence:
    """What a tracker knew about presence in a test video."""
    video = trace.video
    ious = overlaps(trace.boxes, video.truth)
    return presence(video.title, ious, trace.states, video.absences)


def _means(tracker: str, title: str, records: Sequence[Record]) -> Record:
    """The means of some records under a title."""
    record: Record = {"tracker": tracker, "sequence": title}
    for figure, digits in FIGURES.items():
        values = [entry[figure] for entry in records if entry[figure] is not None]
        record[figure] = round(statistics.fmean(values), digits) if values else None
    relative = record.pop("normalised_precision")
    return record | {
        "frames": sum(entry["frames"] for entry in records),
        "sequences": len(records),
        "normalised_precision": relative,
    }
