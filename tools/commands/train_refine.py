"""``qatm train refine``: go on training an alignment network on pictures without marked points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import tell
from ..train.training_options import torch_needed
from .option_groups import grouped
from .train_shared import USUAL_REFINE, OutOption, TrainFlags


@grouped
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
    out: OutOption,
    training: TrainFlags = USUAL_REFINE,
) -> None:
    """Train an alignment network further on pairs of pictures of the same kind of object.

    It learns to make as many matches as possible agree with its transform (soft inliers). The new
    checkpoints are used as those of qatm train align. An interrupted training goes on with
    --resume, bit for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures or checkpoints.
    """
    options = training.read(out)
    with torch_needed():
        from ..train.trainings import refine_align

    refine_align(checkpoint, folder, options, tell)
