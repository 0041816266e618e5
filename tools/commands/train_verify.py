"""``qatm train verify``: teach a network whether a photo shows the place of a reference."""

from __future__ import annotations

from ..console import tell
from ..train.training_options import torch_needed
from .option_groups import grouped
from .train_shared import (
    USUAL_VERIFY,
    Matching,
    MatchingOption,
    OutOption,
    PicturesArgument,
    TrainFlags,
)


@grouped
def verify(
    folder: PicturesArgument = None,
    *,
    matching: MatchingOption = Matching.qatm,
    out: OutOption,
    training: TrainFlags = USUAL_VERIFY,
) -> None:
    """Train the network that tells whether a photo shows the place of a reference, and where.

    It learns from panoramas of several pictures and slanted views of parts of them, in another
    light and partly hidden: the features are those of the model for matching and stay as they are.
    An interrupted training goes on with --resume, bit for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures or checkpoints.
    """
    options = training.read(out)
    with torch_needed():
        from ..train.trainings import train_verify

    train_verify(folder, matching.value, options, tell)
