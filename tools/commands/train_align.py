"""``qatm train align``: teach a network to align two pictures, with a matching layer of choice."""

from __future__ import annotations

from ..console import tell
from ..train.training_options import torch_needed
from .option_groups import grouped
from .train_shared import (
    USUAL_ALIGN,
    Matching,
    MatchingOption,
    OutOption,
    PicturesArgument,
    TrainFlags,
)


@grouped
def align(
    folder: PicturesArgument = None,
    *,
    matching: MatchingOption = Matching.qatm,
    out: OutOption,
    training: TrainFlags = USUAL_ALIGN,
) -> None:
    """Train the network that aligns two pictures of the same kind of object.

    It learns from warped pictures: the features are those of the model for alignment and stay as
    they are. An interrupted training goes on with --resume, bit for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures or checkpoints.
    """
    options = training.read(out)
    with torch_needed():
        from ..train.trainings import train_align

    train_align(folder, matching.value, options, tell)
