"""Aligning all pairs of pictures with one method after another: how many points land right."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....runtime import Aligner
from ....runtime.backends.graph import Device
from ....runtime.errors import InputError
from ....runtime.files import whole
from ...inputs import split_names
from .marked_pairs import Marked

Array = NDArray[Any]
Pair = tuple[str, Marked, Marked]
"""Name of the group, source and target."""

Transfer = Callable[[Marked, Marked], tuple[Array, float]]

TOLERANCE = 0.1
"""Share of the larger side of the points' bounding box within which a point is right."""

IDENTITY = "identity"
METHODS = (IDENTITY, "cosine", "qatm")
BY_NETWORK = "network"
ALL = "all"


@dataclass(frozen=True)
class AlignOutcome:
    """One pair under one method: share of points that are right, and the method's score."""

    method: str
    group: str
    source: str
    target: str
    pck: float
    score: float


def check_methods(chosen: Sequence[str], *, networks: bool) -> None:
    """Refuse what is no method whatever the networks turn out to be, before they are opened.

    Args:
        chosen: as they were written; empty stands for all.
        networks: whether there will be methods of networks.

    Raises:
        InputError: none is named, one is unknown, or no network will be used.
    """
    names = split_names(chosen or (ALL,))
    possible = [*METHODS, ALL]
    unknown = [
        name
        for name in names
        if name not in possible and not (networks and name.startswith(BY_NETWORK))
    ]
    if unknown or not names:
        what = f"method {unknown[0]!r} is unknown" if unknown else "--method names no method"
        more = "" if networks else "; --network adds a trained one"
        raise InputError(f"{what}; choose from {', '.join(possible)}{more}")
    if networks and ALL not in names and not any(name.startswith(BY_NETWORK) for name in names):
        raise InputError(
            f"--network adds a method, and --method names others; add --method {BY_NETWORK}-KIND, "
            f"for example {BY_NETWORK}-qatm, or leave one of them out"
        )


def chosen_methods(chosen: Sequence[str], networks: Iterable[str]) -> list[str]:
    """The methods asked for, each once; the networks given count as methods.

    Raises:
        InputError: one is unknown, or a network is not asked for.
    """
    names, known = split_names(chosen or (ALL,)), [*networks]
    every = [*METHODS, *known]
    for name in names:
        if name not in (*every, ALL):
            raise InputError(f"method {name!r} is unknown; choose from {', '.join((*every, ALL))}")
    if ALL in names:
        return every
    for name in known:
        if name not in names:
            raise InputError(f"--network adds method {name}, which --method does not name; add it")
    return names


def align_pairs(
    method: str, pairs: Iterable[Pair], bundle: Path | None, device: Device
) -> Iterator[AlignOutcome]:
    """Align each pair with one method.

    Args:
        method: its name; one that begins with ``network`` uses the network of the bundle.
        pairs: what to align.
        bundle: the features, or the network; ``None`` is the one inside the package.
        device: as for ``Aligner``.

    Raises:
        QatmError: the bundle or the device cannot be used.
    """
    if method == IDENTITY:
        yield from (_outcome(method, pair, stretched) for pair in pairs)
        return
    by_network = method.startswith(BY_NETWORK)
    matching = "cosine" if method == "cosine" else "qatm"
    how = "network" if by_network else "fit"
    with Aligner(bundle, device, matching=matching, method=how) as aligner:

        def placed(source: Marked, target: Marked) -> tuple[Array, float]:
            alignment = aligner.align(source.image, target.image)
            return alignment.transfer(source.points), alignment.score

        yield from (_outcome(method, pair, placed) for pair in pairs)


def stretched(source: Marked, target: Marked) -> tuple[Array, float]:
    """The points where stretching the source to the target's size takes them."""
    sizes = [np.array(marked.image.shape[1::-1]) for marked in (source, target)]
    return (source.points + 0.5) / sizes[0] * sizes[1] - 0.5, 0.0


def pck(placed: Array, true: Array) -> float:
    """Share of points ``(K, 2)`` no further from the true ones than the tolerance allows."""
    limit = TOLERANCE * float(np.ptp(true, axis=0).max())
    return float((np.hypot(*(placed - true).T) <= limit).mean())


def align_records(method: str, outcomes: Sequence[AlignOutcome]) -> list[dict[str, Any]]:
    """One record for each group and one for all pairs."""
    groups: dict[str, list[AlignOutcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.group, []).append(outcome)
    return [
        {
            "method": method,
            "group": group,
            "pck": round(float(np.mean([outcome.pck for outcome in part])), 4),
            "pairs": len(part),
        }
        for group, part in {**groups, "mean": outcomes}.items()
    ]


def write_align_csv(path: Path, outcomes: Sequence[AlignOutcome]) -> None:
    """Every pair of every method, whole or not at all; the folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(list(AlignOutcome.__dataclass_fields__))
        for one in outcomes:
            names = [one.method, one.group, one.source, one.target]
            writer.writerow([*names, f"{one.pck:.4f}", f"{one.score:.4f}"])


def _outcome(method: str, pair: Pair, transfer: Transfer) -> AlignOutcome:
    group, source, target = pair
    points, score = transfer(source, target)
    return AlignOutcome(method, group, source.name, target.name, pck(points, target.points), score)
