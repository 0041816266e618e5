"""``qatm train refine``: go on training an alignment network on pictures without marked points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..train.training_options import TrainOptions, torch_needed, training_command
from .train_align import run_training, tell_pictures


@training_command(steps=40, batch=8, learning_rate=3e-3)
def refine(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="Where to start: a file or folder written by qatm train align.",
            show_default=False,
        ),
    ],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="One subfolder for each kind of object, with at least two pictures; nothing has "
            "to be marked in them.",
            show_default=False,
        ),
    ],
    *,
    options: TrainOptions,
) -> None:
    """Train an alignment network further on pairs of pictures of the same kind of object.

    It learns to make as many matches as possible agree with its transform (soft inliers). The new
    checkpoints are used as those of qatm train align. An interrupted training goes on with
    --resume, bit for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures or checkpoints.
    """
    with torch_needed():
        from ..train.refinement import RefineTask, open_groups

    kinds = open_groups(folder)
    tell_pictures(f"{RefineTask.name}, {len(kinds.groups)} kinds", kinds.images)
    task = RefineTask(kinds, checkpoint, device=options.device, threads=options.threads)
    run_training(task, options)
