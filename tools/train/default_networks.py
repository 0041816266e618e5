"""Trains the networks of the bundles inside the package and puts them there.

``python -m qatm.tools.train.default_networks``
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from ...runtime.bundle.folder import MANIFEST, Bundle, default_align_path, default_bundle_path
from ..console import Command, print_line, tell
from ..destinations import check_new_folder
from .training_options import PAIRS, SAMPLES, USUAL, TrainOptions, torch_needed

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class NetworkTask(str, Enum):
    """What a network is for."""

    align = "align"
    verify = "verify"
    follow = "follow"
    compare = "compare"


HOMES: Mapping[NetworkTask, Path] = MappingProxyType(
    {
        NetworkTask.align: default_align_path(),
        NetworkTask.verify: default_bundle_path(),
        NetworkTask.follow: default_bundle_path(),
        NetworkTask.compare: default_bundle_path(),
    }
)
"""The bundle with the features of each; verification and tracking use those of matching, and what
compares pixels is for matching."""


@app.command(cls=Command)
def make_networks(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the checkpoints.")
    ] = Path("default-networks"),
    bundles: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the bundles into this folder and leave those inside the package alone.",
        ),
    ] = None,
    task: Annotated[
        list[NetworkTask] | None,
        typer.Option(help="Only this one; may be repeated. Default: all."),
    ] = None,
    objects: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Cut-outs that the network for following learns from: pictures with an alpha "
            "channel. It is left out without.",
        ),
    ] = None,
    sequences: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Sequences that the network for comparing learns from beside drawn scenes; may be "
            "repeated.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Samples of the networks for following and comparing. Default: as qatm train.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Optimiser steps. Default: as qatm train."),
    ] = None,
) -> None:
    """Train as ``qatm train`` does by default, and put the networks into the default bundles.

    The pictures are photographs that scikit-image carries, all CC0 or public domain, and generated
    textures; for following, the objects that --objects names are drawn over these photographs. The
    network inside the package knows 3391 of the npm package @lobehub/fluent-emoji-3d 1.1.0, folder
    assets: Fluent Emoji 3D by Microsoft, MIT licence. For comparing, scenes are drawn. One thread,
    so that a repetition on the same machine is exact; an interrupted training goes on. The other
    files of the bundles stay as they are.

    Exit status: 0 done, 2 something is missing or cannot be written.
    """
    for option, folder in (("--out", out), ("--bundles", bundles)):
        if folder is not None:
            check_new_folder(option, folder)
    given = {} if steps is None else {"steps": steps}
    for name in task or list(NetworkTask):
        run = out / name.value
        if name is NetworkTask.compare:
            _train_compare(sequences or [], PAIRS if samples is None else samples, run, given)
        elif name is not NetworkTask.follow:
            _train(name, run, given)
        elif objects is None:
            tell("follow: left out, as no --objects are given to learn from")
            continue
        else:
            _train_follow(objects, SAMPLES if samples is None else samples, run, given)
        home = HOMES[name] if bundles is None else bundles / HOMES[name].name
        written = add_default_network(name, run, home)
        for file, info in written.spec.files.items():
            print_line(f"{written.path / file}: {info.bytes} bytes, SHA-256 {info.sha256}")


def add_default_network(task: NetworkTask, checkpoint: Path, home: Path) -> Bundle:
    """Write the default bundle of a task with another network.

    Args:
        task: what the network is for.
        checkpoint: file, or folder of a training.
        home: folder to write; it may be the bundle's own.

    Raises:
        QatmError: the checkpoint does not fit, or the graph failed its check.
    """
    from ...export.add_network import add_network
    from ...export.networks import load_network

    # What was written before stays: two of the networks belong to one bundle.
    source = home if (home / MANIFEST).is_file() else HOMES[task]
    return add_network(Bundle.load(source), load_network(checkpoint, task.value), home)


def _options(task: NetworkTask, run: Path, given: Mapping[str, int]) -> TrainOptions:
    """What the training usually has, but for what was given."""
    return TrainOptions(out=run, threads=1, resume=True, **{**USUAL[task.value], **given})


def _train_follow(objects: Path, samples: int, run: Path, given: Mapping[str, int]) -> None:
    """Train the network for following."""
    with torch_needed():
        from .trainings import train_follow

    train_follow(objects, None, samples, _options(NetworkTask.follow, run, given), tell)


def _train_compare(
    sequences: list[Path], samples: int, run: Path, given: Mapping[str, int]
) -> None:
    """Train the network for comparing."""
    with torch_needed():
        from .trainings import train_compare

    train_compare(sequences, samples, 0, _options(NetworkTask.compare, run, given), tell)


def _train(task: NetworkTask, run: Path, given: Mapping[str, int]) -> None:
    """Train one that compares pictures."""
    with torch_needed():
        from .trainings import train_align, train_verify

    train = {NetworkTask.align: train_align, NetworkTask.verify: train_verify}[task]
    train(None, "qatm", _options(task, run, given), tell)


if __name__ == "__main__":
    app()
