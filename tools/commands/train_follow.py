"""``qatm train follow``: teach a network how the box of a followed object really lies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import tell
from ..train.training_options import SAMPLES, torch_needed
from .option_groups import grouped
from .train_shared import USUAL_FOLLOW, OutOption, TrainFlags


@grouped
def follow(
    objects: Annotated[
        Path,
        typer.Argument(
            metavar="OBJECTS",
            help="Folder of pictures with an alpha channel: objects, cut out.",
            show_default=False,
        ),
    ],
    *,
    out: OutOption,
    grounds: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Photographs for backgrounds and surfaces. Default: the CC0 and public-domain "
            "ones that scikit-image carries.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(metavar="N", min=1, help="Supposed boxes to learn from.")
    ] = SAMPLES,
    training: TrainFlags = USUAL_FOLLOW,
) -> None:
    """Train the network that tells a tracker how the box of its object really lies.

    It learns from made-up objects that move, turn, bend and change their size before backgrounds:
    the features are those of the model for matching and stay as they are. The samples are made
    first and kept in DIR/samples, about 20 a second; a run that was interrupted there makes only
    the missing ones, with or without --resume. An interrupted training goes on with --resume, bit
    for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures, samples or checkpoints.
    """
    options = training.read(out)
    with torch_needed():
        from ..train.trainings import train_follow

    train_follow(objects, grounds, samples, options, tell)
