"""``qatm eval verify``: was a photo taken at the place of a reference, and which part shows it?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.backends.devices import MOST_THREADS
from ..console import json_line, print_line, progress, refuse_given, skipped
from ..destinations import check_new_file
from ..evaluation.processes import runner, usual_processes
from ..evaluation.verify.place_methods import KEY_POINT_METHODS, NETWORK, PlaceMethodOptions
from ..evaluation.verify.place_runs import ALL, KNOWN, OURS
from .eval_shared import ProcessesOption
from .model_options import Device, DeviceOption, ModelOption

if TYPE_CHECKING:
    from ..evaluation.verify.place_figures import PlaceOutcome


def verify(
    context: typer.Context,
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
        int, typer.Option(metavar="N", min=1, max=MOST_THREADS, help="CPU threads of each process.")
    ] = 1,
    processes: ProcessesOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per method.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every query as a .csv table.")
    ] = None,
) -> None:
    """How surely are photos of a place told from photos of other places?

    Each picture of a homography pair is a query for the other one. Of each scene, panoramas are
    made from every second photo and queried with the others; where a photo lies comes from placing
    all of them together. ROC AUC is over all queries and references; region IoU is the mean over
    the queries of the same place, where a miss counts 0.

    Exit status: 0 evaluated, 2 wrong usage or no usable place.
    """
    from ..evaluation.verify.place_figures import place_record, write_place_csv
    from ..evaluation.verify.place_pairs import read_queries
    from ..evaluation.verify.place_runs import place_jobs, read_contestants, run_place_job

    contestants = read_contestants(method or [], network or [])
    if all(one.name in KEY_POINT_METHODS for one in contestants):
        methods = " and ".join(KEY_POINT_METHODS)
        refuse_given(context, ("model", "device"), f"has no effect on {methods}; leave it out")
    if save is not None:
        check_new_file("--save", save, [".csv"])
    start = time.perf_counter()
    found = read_queries(folder, others, seed)
    for problem in found.problems:
        skipped(problem)
    outcomes: list[PlaceOutcome] = []
    jobs = place_jobs(contestants, found.queries, PlaceMethodOptions(model, device.value, threads))
    with runner(processes or usual_processes(), threads) as run, progress() as bar:
        for job, done in zip(bar.each(jobs, "evaluating"), run(run_place_job, jobs), strict=True):
            outcomes += done
            own = [one for one in outcomes if one.method == job.contestant.name]
            if len(own) == len(found.queries):
                record = place_record(own)
                bar.emit(json_line(record) if as_json else _text(record))
    if save is not None:
        write_place_csv(save, outcomes)
    if not as_json:
        print_line(f"{len(found.queries)} queries a method in {time.perf_counter() - start:.0f} s")


def _text(record: dict[str, Any]) -> str:
    """A record for people."""
    return (
        f"{record['method']:12} ROC AUC {record['roc_auc']:.4f}  "
        f"region IoU {record['region_iou']:.3f}  precision {record['precision']:.3f}  "
        f"recall {record['recall']:.3f}  "
        f"({record['positives']} of the same place, {record['negatives']} of others)"
    )
