"""The methods of ``qatm bench`` by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from . import match_jobs, pair_jobs, track_jobs
from .jobs import BenchJob, Loaded

METHODS: Mapping[str, Callable[[BenchJob], Loaded]] = MappingProxyType(
    {
        "align": pair_jobs.align,
        "csrt": track_jobs.csrt,
        "eager": match_jobs.eager,
        "graph": match_jobs.graph,
        "in_scene": match_jobs.in_scene,
        "lost": track_jobs.lost,
        "matcher": match_jobs.matcher,
        "open_place": pair_jobs.open_place,
        "reference": match_jobs.reference,
        "several": track_jobs.several,
        "tracked": track_jobs.tracked,
        "verify": pair_jobs.verify,
        "zncc": match_jobs.zncc,
    }
)


def load(job: BenchJob) -> Loaded:
    """Load the libraries, the model and the pictures of a job."""
    return METHODS[job.method](job)


def prepare(job: BenchJob) -> Loaded:
    """Load what a job needs and encode its templates; its call can then be measured."""
    method = load(job)
    method.encode()
    return method
