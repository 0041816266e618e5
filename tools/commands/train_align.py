"""``qatm train``: teach a network that compares two pictures, with a matching layer of choice."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import Group
from ..train.training_options import TrainOptions, torch_needed, training_command

if TYPE_CHECKING:
    from ..train.alignment_training import AlignTask
    from ..train.loop import TrainingTask
    from ..train.pictures import TrainingImages
    from ..train.place_training import PlacesTask

train_app = typer.Typer(
    name="train",
    cls=Group,
    no_args_is_help=False,
    help="Train a network on warped pictures; qatm-export --network puts it into a bundle.",
)


class Matching(str, Enum):
    """The layer that compares two feature maps; all else in a network stays equal."""

    qatm = "qatm"
    correlation = "correlation"
    cosine = "cosine"


FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FOLDER]",
        help="Pictures to train on, also in its subfolders. Default: the CC0 and public-domain "
        "photographs that scikit-image carries, and generated textures.",
        show_default=False,
    ),
]
MatchingOption = Annotated[Matching, typer.Option(help="The matching layer.")]


def tell_pictures(task: str, images: TrainingImages) -> None:
    """Say what a training sees, and what was left out and why."""
    for name, reason in images.skipped.items():
        typer.echo(f"skipped {name}: {reason}", err=True)
    typer.echo(f"{task}: training on {len(images)} pictures ({images.source})", err=True)


def run_training(task: TrainingTask, options: TrainOptions) -> None:
    """Train, and say what came out.

    Raises:
        InputError: unusable options or checkpoints.
    """
    from ..train.loop import train

    done = train(task, options)
    if done.started_at:
        typer.echo(f"resumed after step {done.started_at}", err=True)
    if done.losses:
        tenth = max(1, len(done.losses) // 10)
        first, last = (sum(part) / tenth for part in (done.losses[:tenth], done.losses[-tenth:]))
        typer.echo(f"loss {first:.4f} at the start, {last:.4f} at the end", err=True)
    typer.echo(f"{done.checkpoint}", err=True)


def train_on_pictures(
    task: type[AlignTask | PlacesTask],
    folder: Path | None,
    matching: Matching,
    options: TrainOptions,
) -> None:
    """Train a network with a matching layer on a folder of pictures, or on the default ones.

    Raises:
        InputError: unusable pictures, options or checkpoints.
    """
    from ..train.pictures import open_images

    images = open_images(folder)
    tell_pictures(task.name, images)
    device, threads = options.device, options.threads
    made = task(images, matching.value, seed=options.seed, device=device, threads=threads)
    run_training(made, options)


@train_app.command("align")
@training_command(steps=40)
def align(
    folder: FolderArgument = None,
    *,
    matching: MatchingOption = Matching.qatm,
    options: TrainOptions,
) -> None:
    """Train the network that aligns two pictures of the same kind of object.

    It learns from warped pictures: the features are those of the model for alignment and stay as
    they are. An interrupted training goes on with --resume, bit for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures or checkpoints.
    """
    with torch_needed():
        from ..train.alignment_training import AlignTask
    train_on_pictures(AlignTask, folder, matching, options)
