"""``qatm eval align``: do marked points of a picture land on those of another of its kind?"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ...runtime.errors import InputError
from ...runtime.files import whole
from ..console import complain, json_line, progress
from ..evaluation.align.align_networks import network_bundles
from ..evaluation.align.marked_pairs import GroupFolder, Marked, read_groups
from .eval_options import DeviceOption
from .model_options import Device, ModelOption

Array = NDArray[Any]
Transfer = Callable[[Marked, Marked], tuple[Array, float]]

TOLERANCE = 0.1
"""Share of the larger side of the points' bounding box within which a point is right."""


METHODS = ("identity", "cosine", "qatm")
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


def align(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A subfolder for each group: pictures of the same kind of object, and beside each "
            "a .mat file with pts_coord, 2 x points, pixels from 1.",
            show_default=False,
        ),
    ],
    *,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="identity (stretch to the target's size), cosine (mutual best matches) or qatm, "
            f"the two with the same fit; repeated or separated by commas. Default: {ALL}.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Also a trained network, as method network-qatm, network-correlation or "
            "network-cosine: a checkpoint or folder of qatm train align, or a bundle; repeated.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per method and group.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write every pair as CSV.")
    ] = None,
) -> None:
    """How well are pictures of the same kind of object aligned?

    PCK: the share of a picture's marked points that land within a tenth of the larger side of the
    points' bounding box, over all ordered pairs in a group. Each subfolder is a group; beside each
    picture lies a .mat file with its points.

    Exit status: 0 evaluated, 2 wrong usage or no usable pair.
    """
    results: list[AlignOutcome] = []
    with network_bundles(network or (), model) as networks:
        wanted = _methods(method, list(networks))
        found = read_groups(folder)
        for problem in found.problems:
            complain(f"skipped {problem}")
        for name in wanted:
            done = _run(name, found, networks.get(name, model), device)
            results += done
            for record in records(name, done):
                line = f"{name:<20} {record['group']:<20} {record['pck']:.3f} {record['pairs']:>6}"
                typer.echo(json_line(record) if as_json else line)
    if save is not None:
        _write_csv(save / "align-pairs.csv", results)


def pck(placed: Array, true: Array) -> float:
    """Share of points ``(K, 2)`` no further from the true ones than the tolerance allows."""
    limit = TOLERANCE * float(np.ptp(true, axis=0).max())
    return float((np.hypot(*(placed - true).T) <= limit).mean())


def records(method: str, results: Sequence[AlignOutcome]) -> list[dict[str, Any]]:
    """One record for each group and one for all pairs."""
    groups = {result.group: [r for r in results if r.group == result.group] for result in results}
    return [
        {
            "method": method,
            "group": group,
            "pck": round(float(np.mean([result.pck for result in part])), 4),
            "pairs": len(part),
        }
        for group, part in {**groups, "mean": results}.items()
    ]


def _methods(chosen: Sequence[str] | None, networks: Sequence[str]) -> list[str]:
    """The methods asked for, each once; the networks given count as methods.

    Raises:
        InputError: one is unknown.
    """
    names = [name.strip() for part in chosen or (ALL,) for name in part.split(",")]
    every = [*METHODS, *networks]
    unknown = [name for name in names if name not in (*every, ALL)]
    if unknown:
        known = ", ".join((*every, ALL))
        more = "" if networks else "; --network adds a trained one"
        raise InputError(f"method {unknown[0]!r} is unknown; choose from {known}{more}")
    return every if ALL in names else list(dict.fromkeys(names))


def _run(name: str, found: GroupFolder, model: Path | None, device: Device) -> list[AlignOutcome]:
    """One method on all pairs."""
    from ...runtime import Aligner

    results: list[AlignOutcome] = []
    pairs = list(found.pairs())
    if not pairs:
        raise InputError("there is no pair to evaluate")
    with progress(pairs, name) as (items, _):
        if name == "identity":
            return [_result(name, pair, stretched) for pair in items]
        by_network = name.startswith("network")
        how, matching = ("network", "qatm") if by_network else ("fit", name)
        with Aligner(model, device.value, matching=matching, method=how) as aligner:

            def placed(source: Marked, target: Marked) -> tuple[Array, float]:
                alignment = aligner.align(source.image, target.image)
                return alignment.transfer(source.points), alignment.score

            results = [_result(name, pair, placed) for pair in items]
    return results


def stretched(source: Marked, target: Marked) -> tuple[Array, float]:
    """The points where stretching the source to the target's size takes them."""
    sizes = [np.array(marked.image.shape[1::-1]) for marked in (source, target)]
    return (source.points + 0.5) / sizes[0] * sizes[1] - 0.5, 0.0


def _result(name: str, pair: tuple[str, Marked, Marked], transfer: Transfer) -> AlignOutcome:
    group, source, target = pair
    points, score = transfer(source, target)
    return AlignOutcome(name, group, source.name, target.name, pck(points, target.points), score)


def _write_csv(path: Path, results: Sequence[AlignOutcome]) -> None:
    """Every pair of every method, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(list(AlignOutcome.__dataclass_fields__))
        for r in results:
            row = [r.method, r.group, r.source, r.target, f"{r.pck:.4f}", f"{r.score:.4f}"]
            writer.writerow(row)
