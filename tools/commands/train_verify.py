"""``qatm train verify``: teach a network whether a photo shows the place of a reference."""

from __future__ import annotations

from ..train.training_options import TrainOptions, torch_needed, training_command
from .train_align import FolderArgument, Matching, MatchingOption, train_on_pictures


@training_command(steps=200, batch=4, learning_rate=3e-3, checkpoint_every=50)
def verify(
    folder: FolderArgument = None,
    *,
    matching: MatchingOption = Matching.qatm,
    options: TrainOptions,
) -> None:
    """Train the network that tells whether a photo shows the place of a reference, and where.

    It learns from panoramas of several pictures and slanted views of parts of them, in another
    light and partly hidden: the features are those of the model for matching and stay as they are.
    An interrupted training goes on with --resume, bit for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures or checkpoints.
    """
    with torch_needed():
        from ..train.place_training import PlacesTask
    train_on_pictures(PlacesTask, folder, matching, options)
