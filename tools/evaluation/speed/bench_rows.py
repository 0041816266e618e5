"""The rows of ``qatm bench``: what each says about what was measured, and how it is told apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .bench_pictures import pictures_used
from .jobs import BenchJob
from .measuring import Measurement

Record = dict[str, Any]

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "match": "match() next to other ways of doing it",
        "memory": "memory of match(), align() and verify()",
        "growth": "how the cost grows with pixels, templates, size and number of objects",
        "large": "small objects in large pictures",
        "track": "frames of the tracker, object in sight and lost",
        "startup": "from the import to the first match",
        "align": "aligning a pair",
        "verify": "recognising a place",
    }
)
"""Name of a group of measurements -> what it asks."""

COMPARISONS: Mapping[str, str] = MappingProxyType(
    {
        "match_vs_session": "match() | the part of it inside ONNX Runtime",
        "match_vs_cv2_zncc": "match() | cv2.matchTemplate ZNCC, colour",
        "sixteen_vs_one_template": "match() with 16 templates | with one",
        "int8_vs_fp32": "match() in INT8 | in FP32",
        "match_vs_reference": "match() | the paper in PyTorch, VGG19 at 1/4 resolution",
        "graph_vs_eager": "match.onnx on ONNX Runtime | the same in PyTorch eager",
        "tracked_vs_csrt": "Tracker, object in sight | OpenCV's CSRT",
    }
)
"""Name of a comparison -> what ours is, and what the other is."""

COSTS: Mapping[str, str] = MappingProxyType(
    {
        "memory": "match() by itself",
        "scaling": "match()",
        "object_size": "match()",
        "large": "match(), object moved",
        "tracked": "Tracker, object in sight",
        "lost": "Tracker, object lost",
        "lost_budget": "Tracker, object lost, with a budget",
        "objects": "MultiTracker, objects in sight",
        "startup_import": "import qatm.runtime",
        "startup_open": "Matcher()",
        "startup_template": "set_template(), the first",
        "startup_first_match": "match(), the first",
        "startup_next_match": "match(), the second",
        "startup_total": "import to first match",
        "align": "Aligner.align(), source and target",
        "verify_open": "Verifier(reference)",
        "verify": "Verifier.verify(), query in reference",
    }
)
"""Name of a cost -> what was called."""

OF_TRACKERS = frozenset({"tracked", "lost", "lost_budget", "objects", "tracked_vs_csrt"})
WORST = 0.9
"""The quantile that stands for a slow frame."""


def identity(name: str, group: str, job: BenchJob) -> Record:
    """The fields of a row that say what was measured, not what came out.

    ``key`` (the same for the same measurement in every run), ``name``, ``group``, ``width`` and
    ``height`` of the picture, ``template`` (the side of a template or object, of an aligned source,
    of a query), the number of ``templates`` or ``objects``, and which ``pictures`` were used.
    """
    count = "objects" if name in OF_TRACKERS else "templates"
    times = f" x{job.templates}" if job.templates > 1 else ""
    key = f"{name} {job.width}x{job.height} {job.template}x{job.template}{times}"
    return {
        "key": key,
        "name": name,
        "group": group,
        "height": job.height,
        "width": job.width,
        "template": job.template,
        count: job.templates,
        "pictures": pictures_used(),
    }


def comparison(
    known: Record,
    times: tuple[Sequence[float], Sequence[float]],
    alone: tuple[Measurement, Measurement],
) -> Record:
    """The row of a comparison, from the times and the memory of its two sides."""
    ours_ms, other_ms = (usual_ms(known["name"], spent) for spent in times)
    return {
        **known,
        "ours_ms": round(ours_ms, 3),
        "other_ms": round(other_ms, 3),
        "speedup": round(other_ms / ours_ms, 3),
        "ours_peak_mb": alone[0].peak_mb,
        "other_peak_mb": alone[1].peak_mb,
        "ours_growth_mb": alone[0].growth_mb,
        "other_growth_mb": alone[1].growth_mb,
    }


def cost(known: Record, alone: Measurement) -> Record:
    """The row of a job that was measured in a process of its own."""
    return {
        **known,
        "ms": round(alone.ms, 3),
        "peak_mb": alone.peak_mb,
        "growth_mb": alone.growth_mb,
        **alone.facts,
    }


def usual_ms(name: str, spent: Sequence[float]) -> float:
    """What a call took, in milliseconds: the median; of frames of a tracker the mean.

    Some of those are looked at and some are not, and a median would be one kind's.
    """
    return statistics.fmean(spent) if name in OF_TRACKERS else statistics.median(spent)


def slow_ms(spent: Sequence[float]) -> float:
    """Nine in ten calls took no longer than this, in milliseconds."""
    return round(sorted(spent)[math.ceil(WORST * len(spent)) - 1], 3)
