"""``qatm train verify``: teach a network whether a photo shows the place of a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .train_command import (
    BatchOption,
    EveryOption,
    FolderArgument,
    Matching,
    MatchingOption,
    OutOption,
    RateOption,
    ResumeOption,
    SeedOption,
    StepsOption,
    ThreadsOption,
    TrainDevice,
    TrainDeviceOption,
    run_training,
    torch_missing,
)

if TYPE_CHECKING:
    from .train_images import TrainingImages


def verify(
    folder: FolderArgument = None,
    *,
    out: OutOption,
    matching: MatchingOption = Matching.qatm,
    steps: StepsOption = 300,
    batch: BatchOption = 4,
    learning_rate: RateOption = 3e-3,
    seed: SeedOption = 0,
    checkpoint_every: EveryOption = 50,
    threads: ThreadsOption = None,
    device: TrainDeviceOption = TrainDevice.cpu,
    resume: ResumeOption = False,
) -> None:
    """Train the network that tells whether a photo shows the place of a reference, and where.

    It learns from panoramas of several pictures and slanted views of parts of them, in another
    light and partly hidden: the features are those of the model for matching and stay as they are.
    An interrupted training goes on with --resume, bit for bit.

    Exit status: 0 trained, 2 wrong usage, unusable pictures or checkpoints.
    """
    try:
        from .train_loop import TrainOptions
        from .train_places import PlacesTask
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
        return PlacesTask(images, matching.value, seed=seed, device=device.value, threads=threads)

    run_training(make, folder, options)
