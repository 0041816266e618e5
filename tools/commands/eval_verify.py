"""``qatm eval verify``: was a photo taken at the place of a reference, and which part shows it?"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ...runtime.errors import InputError
from ...runtime.files import whole
from ..console import complain, json_line, print_line, progress
from ..evaluation.match.match_runs import runner
from ..evaluation.metrics import decision, roc_auc
from .eval_options import MOST_PROCESSES, DeviceOption, ProcessesOption
from .model_options import Device, ModelOption

if TYPE_CHECKING:
    from ..evaluation.verify.place_methods import PlaceMethodOptions
    from ..evaluation.verify.place_pairs import PlaceQuery

ALL = "all"
OURS = "qatm"
KNOWN = ("qatm", "correlation", "cosine", "sift", "orb")
NETWORK = "network"
NO_TRUTH = float("nan")


@dataclass(frozen=True)
class Contestant:
    """A method by its name, and the checkpoint it is read from if it is a network's."""

    name: str
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Piece:
    """What one process does: the queries of one reference with one method."""

    contestant: Contestant
    cases: tuple[PlaceQuery, ...]
    setup: PlaceMethodOptions


@dataclass(frozen=True)
class PlaceOutcome:
    """One case under one method; ``iou`` of the region is NaN for another place."""

    method: str
    kind: str
    query: str
    reference: str
    same: bool
    score: float
    called_same: bool
    iou: float


def verify(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with homography/ (NAMEA and NAMEB pictures, NAME_model.txt: 3x3, B to A) "
            "or panoramas/ (SCENE/ photos that overlap), or both.",
            show_default=False,
        ),
    ],
    *,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Repeated or separated by commas; '{ALL}' is every one. Known: "
            f"{', '.join(KNOWN)}. correlation and cosine replace only QATM in the same fit; sift "
            f"and orb count the inliers of a homography; {NETWORK} is the one in the bundle, which "
            f"'{ALL}' leaves out. Default: {OURS}, or the networks of --network.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="File or folder written by qatm train verify; may be repeated. Its method is "
            "called network-KIND by its matching layer, and numbered if there are several.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    others: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Queries of other places for each reference, place by place."
        ),
    ] = 6,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Chooses the queries of other places.")
    ] = 0,
    threads: Annotated[
        int, typer.Option(metavar="N", min=1, help="CPU threads of each process.")
    ] = 1,
    processes: ProcessesOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per method.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every case as a CSV table.")
    ] = None,
) -> None:
    """How surely are photos of a place told from photos of other places?

    Each picture of a homography pair is a query for the other one. Of each scene, panoramas are
    made from every second photo and queried with the others; where a photo lies comes from placing
    all of them together. ROC AUC is over all queries and references; region IoU is the mean over
    the queries of the same place, where a miss counts 0.

    Exit status: 0 evaluated, 2 wrong usage or no usable place.
    """
    contestants = read_contestants(method or [], network or [])
    _check_save(save)
    from ..evaluation.verify.place_methods import PlaceMethodOptions
    from ..evaluation.verify.place_pairs import read_cases

    start = time.perf_counter()
    found = read_cases(folder, others, seed)
    for problem in found.problems:
        complain(f"skipped {problem}")
    setup = PlaceMethodOptions(model, device.value, threads)
    results: list[PlaceOutcome] = []
    groups = _by_reference(found.cases)
    work = [Piece(one, tuple(cases), setup) for one in contestants for cases in groups]
    count = processes or min(MOST_PROCESSES, os.cpu_count() or 1)
    with runner(count, threads) as run, progress(work, "evaluating") as (items, emit):
        for piece, done in zip(items, run(evaluate, work), strict=True):
            results += done
            own = [result for result in results if result.method == piece.contestant.name]
            if len(own) == len(found.cases):
                line = record(own)
                emit(json_line(line) if as_json else _text(line))
    if save is not None:
        _write(save, results)
    if not as_json:
        print_line(f"{len(found.cases)} cases a method in {time.perf_counter() - start:.0f} s")


def read_contestants(methods: Sequence[str], networks: Sequence[Path]) -> list[Contestant]:
    """The methods asked for by name, then the networks; the default method if there is neither.

    Raises:
        InputError: an unknown method, or no checkpoint of a network.
    """
    chosen = [Contestant(name) for name in read_names(methods)] if methods else []
    if networks:
        from ..evaluation.verify.place_methods import network_name

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
    names = [part.strip() for entry in wanted for part in entry.split(",") if part.strip()]
    unknown = [name for name in names if name not in (*KNOWN, NETWORK, ALL)]
    if unknown or not names:
        what = f"method {unknown[0]!r} is unknown" if unknown else "--method names no method"
        raise InputError(f"{what}; choose from {', '.join(KNOWN)}, {NETWORK} or {ALL}")
    return KNOWN if ALL in names else tuple(dict.fromkeys(names))


def record(results: Sequence[PlaceOutcome]) -> dict[str, Any]:
    """Figures of one method over its results, and of each kind of reference if there are both."""
    line: dict[str, Any] = {"method": results[0].method, **_figures(results)}
    kinds = sorted({result.kind for result in results})
    if len(kinds) > 1:
        for kind in kinds:
            part = _figures([result for result in results if result.kind == kind])
            line[kind] = {key: part[key] for key in ("roc_auc", "region_iou", "positives")}
    return line


def _figures(results: Sequence[PlaceOutcome]) -> dict[str, Any]:
    same = [result.same for result in results]
    called = decision(same, [result.called_same for result in results])
    overlaps = [result.iou for result in results if result.same]
    return {
        "roc_auc": round(roc_auc(same, [result.score for result in results]), 4),
        "region_iou": round(float(np.mean(overlaps)), 4),
        "positives": len(overlaps),
        "negatives": len(results) - len(overlaps),
        "precision": round(called.precision, 4),
        "recall": round(called.recall, 4),
    }


def _by_reference(cases: Sequence[PlaceQuery]) -> list[list[PlaceQuery]]:
    """Cases of one reference together, because it is encoded once for all of them."""
    groups: dict[str, list[PlaceQuery]] = {}
    for case in cases:
        groups.setdefault(case.reference.name, []).append(case)
    return list(groups.values())


def evaluate(piece: Piece) -> list[PlaceOutcome]:
    """Verify all queries of one reference with one method."""
    from ..evaluation.verify.place_methods import open_method

    name, cases = piece.contestant.name, piece.cases
    method = open_method(name, cases[0].reference.image, piece.setup, piece.contestant.checkpoint)
    results = []
    for case in cases:
        outcome = method(case.query)
        iou = NO_TRUTH
        if case.truth is not None:
            union = (outcome.mask | case.truth).sum()
            iou = float((outcome.mask & case.truth).sum() / max(1, union))
        reference = case.reference
        answer = (case.same, outcome.score, outcome.same_place, iou)
        results.append(PlaceOutcome(name, reference.kind, case.name, reference.name, *answer))
    return results


def _text(line: dict[str, Any]) -> str:
    """A record for people."""
    return (
        f"{line['method']:12} ROC AUC {line['roc_auc']:.4f}  region IoU {line['region_iou']:.3f}  "
        f"precision {line['precision']:.3f}  recall {line['recall']:.3f}  "
        f"({line['positives']} of the same place, {line['negatives']} of others)"
    )


def _check_save(save: Path | None) -> None:
    """See that the table can be written, before any work."""
    if save is None:
        return
    if save.suffix.lower() != ".csv" or save.is_dir():
        raise InputError(f"--save {save} must name a .csv file")
    if not save.parent.is_dir():
        raise InputError(f"--save {save}: folder {save.parent} does not exist; make it first")


def _write(save: Path, results: Sequence[PlaceOutcome]) -> None:
    """Write every case, whole or not at all."""
    with whole(save) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(PlaceOutcome.__dataclass_fields__)
        for result in results:
            row = vars(result) | {"score": round(result.score, 3)}
            row["iou"] = "" if np.isnan(result.iou) else round(result.iou, 4)
            table.writerow(row.values())
