"""``qatm train``: teach a network that compares two pictures, with a matching layer of choice."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..runtime.errors import QatmError
from .console import Group, finite

if TYPE_CHECKING:
    from .train_images import TrainingImages
    from .train_loop import Task, TrainOptions

NEEDS = 'qatm train needs PyTorch, and {} is not installed: pip install "qatm[export]"'

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


class TrainDevice(str, Enum):
    """Where PyTorch computes."""

    cpu = "cpu"
    cuda = "cuda"


FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FOLDER]",
        help="Pictures to train on, also in its subfolders. Default: the CC0 and public-domain "
        "photographs that scikit-image carries, and generated textures.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for checkpoints, log.csv and TensorBoard's event files.",
        show_default=False,
    ),
]
MatchingOption = Annotated[Matching, typer.Option(help="The matching layer.")]
StepsOption = Annotated[int, typer.Option(metavar="N", min=1, help="Optimiser steps.")]
BatchOption = Annotated[int, typer.Option(metavar="N", min=1, help="Scenes in a step.")]
RateOption = Annotated[
    float,
    typer.Option(metavar="R", callback=finite, help="Adam's step size at the start."),
]
SeedOption = Annotated[
    int, typer.Option(metavar="N", min=0, help="Decides the first weights and every batch.")
]
EveryOption = Annotated[
    int, typer.Option(metavar="N", min=1, help="Steps between two checkpoints.")
]
ThreadsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="CPU threads. Default: all.")
]
TrainDeviceOption = Annotated[TrainDevice, typer.Option(help="Where PyTorch computes.")]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on from the newest checkpoint in DIR, if there is one, exactly."
    ),
]


def run_training(
    make: Callable[[TrainingImages], Task], folder: Path | None, options: TrainOptions
) -> None:
    """Read the pictures, train, and say what came out.

    Args:
        make: the task, from the pictures.
        folder: of pictures; ``None`` for the default ones.
        options: how to train.

    Raises:
        InputError: unusable options, pictures or checkpoints.
    """
    from .train_images import open_images
    from .train_loop import train

    options.check()
    images = open_images(folder)
    for name, reason in images.skipped.items():
        typer.echo(f"skipped {name}: {reason}", err=True)
    task = make(images)
    typer.echo(f"{task.name}: training on {len(images)} pictures ({images.source})", err=True)
    done = train(task, options)
    if done.started_at:
        typer.echo(f"resumed after step {done.started_at}", err=True)
    if done.losses:
        tenth = max(1, len(done.losses) // 10)
        first, last = (sum(part) / tenth for part in (done.losses[:tenth], done.losses[-tenth:]))
        typer.echo(f"loss {first:.4f} at the start, {last:.4f} at the end", err=True)
    typer.echo(f"{done.checkpoint}", err=True)


def torch_missing(error: ModuleNotFoundError) -> QatmError:
    """What to say where PyTorch is not installed."""
    return QatmError(NEEDS.format(error.name))


@train_app.command("align")
def align(
    folder: FolderArgument = None,
    *,
    out: OutOption,
    matching: MatchingOption = Matching.qatm,
    steps: StepsOption = 40,
    batch: BatchOption = 1,
    learning_rate: RateOption = 1e-2,
    seed: SeedOption = 0,
    checkpoint_every: EveryOption = 10,
    threads: ThreadsOption = None,
    device: TrainDeviceOption = TrainDevice.cpu,
    resume: ResumeOption = False,
) -> None:
    """Train the network that aligns two pictures of the same kind of object.

    It learns from warped pictures: the features are those of the model for alignment and stay as
    they are. An interrupted training goes on with --resume, bit for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures or checkpoints.
    """
    try:
        from .train_align import AlignTask
        from .train_loop import TrainOptions
    except ModuleNotFoundError as error:
        raise torch_missing(error) from error
    options = TrainOptions(
        out=out,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        checkpoint_every=checkpoint_every,
        threads=threads,
        device=device.value,
        resume=resume,
    )

    def make(images: TrainingImages) -> Any:
        return AlignTask(images, matching.value, seed=seed, device=device.value, threads=threads)

    run_training(make, folder, options)
