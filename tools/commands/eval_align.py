"""``qatm eval align``: do marked points of a picture land on those of another of its kind?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import json_line, progress, refuse_given, skipped
from ..destinations import check_new_folder
from .eval_shared import ALL
from .model_options import AlignModelOption, Device, DeviceOption

if TYPE_CHECKING:
    from ..evaluation.align.align_runs import AlignOutcome

PAIRS_FILE = "align-pairs.csv"


def align(
    context: typer.Context,
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
    model: AlignModelOption = None,
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
    from ..evaluation.align.align_networks import is_bundle, network_bundles
    from ..evaluation.align.align_runs import (
        align_pairs,
        align_records,
        check_methods,
        chosen_methods,
        write_align_csv,
    )
    from ..evaluation.align.marked_pairs import read_groups

    check_methods(method or (), networks=bool(network))
    _refuse_unused(context, method or (), [path for path in network or () if not is_bundle(path)])
    if save is not None:
        check_new_folder("--save", save)
    found = read_groups(folder)
    for problem in found.problems:
        skipped(problem)
    pairs = list(found.pairs())
    outcomes: list[AlignOutcome] = []
    with network_bundles(network or (), model) as networks, progress() as bar:
        for name in chosen_methods(method or (), networks):
            bundle = networks.get(name, model)
            done = list(align_pairs(name, bar.each(pairs, name), bundle, device.value))
            outcomes += done
            for record in align_records(name, done):
                line = f"{name:<20} {record['group']:<20} {record['pck']:.3f} {record['pairs']:>6}"
                bar.emit(json_line(record) if as_json else line)
    if save is not None:
        write_align_csv(save / PAIRS_FILE, outcomes)


def _refuse_unused(
    context: typer.Context, methods: Sequence[str], checkpoints: Sequence[Path]
) -> None:
    """Refuse a model and a device that none of the methods listens to."""
    from ..evaluation.align.align_runs import BY_NETWORK, IDENTITY
    from ..inputs import split_names

    names = set(split_names(methods or (ALL,)))
    if names == {IDENTITY}:
        refuse_given(context, ("model", "device"), f"has no effect on {IDENTITY}; leave it out")
    if all(name.startswith(BY_NETWORK) for name in names) and not checkpoints:
        refuse_given(context, ("model",), "has no effect on a bundle's network; leave it out")
