"""Verifying all queries of each reference with one method after another, in several processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....runtime.errors import InputError
from ...inputs import split_names
from .place_figures import NO_TRUTH, PlaceOutcome
from .place_methods import METHODS, NETWORK, PlaceMethodOptions, network_name, open_method
from .place_pairs import PlaceQuery

ALL = "all"
OURS = "qatm"
KNOWN = tuple(name for name in METHODS if name != NETWORK)
"""The methods that ``all`` stands for."""


@dataclass(frozen=True)
class Contestant:
    """A method by its name, and the checkpoint it is read from if it is a network's."""

    name: str
    checkpoint: Path | None = None


@dataclass(frozen=True)
class PlaceJob:
    """What one process does: the queries of one reference with one method."""

    contestant: Contestant
    queries: tuple[PlaceQuery, ...]
    options: PlaceMethodOptions


def read_contestants(methods: Sequence[str], networks: Sequence[Path]) -> list[Contestant]:
    """The methods asked for by name, then the networks; the default method if there is neither.

    Raises:
        InputError: an unknown method, or no checkpoint of a network.
    """
    chosen = [Contestant(name) for name in read_names(methods)] if methods else []
    names = [network_name(path) for path in networks]
    for position, (name, path) in enumerate(zip(names, networks, strict=True)):
        number = names[:position].count(name) + 1
        chosen.append(Contestant(name if number == 1 else f"{name}-{number}", path))
    return chosen or [Contestant(OURS)]


def read_names(wanted: Sequence[str]) -> tuple[str, ...]:
    """The methods asked for, in the order of the list of known ones for ``all``.

    Raises:
        InputError: an unknown one, or none.
    """
    names = split_names(wanted)
    unknown = [name for name in names if name not in (*KNOWN, NETWORK, ALL)]
    if unknown or not names:
        what = f"method {unknown[0]!r} is unknown" if unknown else "--method names no method"
        raise InputError(f"{what}; choose from {', '.join(KNOWN)}, {NETWORK} or {ALL}")
    return KNOWN if ALL in names else tuple(names)


def place_jobs(
    contestants: Sequence[Contestant], queries: Sequence[PlaceQuery], options: PlaceMethodOptions
) -> list[PlaceJob]:
    """The work, method by method; the queries of one reference together, which is encoded once."""
    groups: dict[str, list[PlaceQuery]] = {}
    for query in queries:
        groups.setdefault(query.reference.name, []).append(query)
    return [
        PlaceJob(one, tuple(group), options) for one in contestants for group in groups.values()
    ]


def run_place_job(job: PlaceJob) -> list[PlaceOutcome]:
    """Verify all queries of one reference with one method.

    Raises:
        QatmError: the method cannot be opened, or cannot handle a picture.
    """
    name, queries = job.contestant.name, job.queries
    image = queries[0].reference.image
    method = open_method(name, image, job.options, job.contestant.checkpoint)
    outcomes: list[PlaceOutcome] = []
    for query in queries:
        answer = method(query.query)
        iou = NO_TRUTH
        if query.truth is not None:
            union = (answer.mask | query.truth).sum()
            iou = float((answer.mask & query.truth).sum() / max(1, union))
        reference = query.reference
        said = (query.same, answer.score, answer.same_place, iou)
        outcomes.append(PlaceOutcome(name, reference.kind, query.name, reference.name, *said))
    return outcomes
