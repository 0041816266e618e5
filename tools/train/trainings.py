"""The trainings from pictures to checkpoints, and what they say on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...model.matching import MatchingKind
from .alignment_training import AlignTask
from .loop import TrainingTask, train
from .pictures import TrainingImages, open_images
from .place_training import PlacesTask
from .refinement import RefineTask, open_groups
from .training_options import TrainOptions

Tell = Callable[[str], Any]


def train_align(
    folder: Path | None, matching: MatchingKind, options: TrainOptions, tell: Tell
) -> None:
    """Train the network that aligns two pictures.

    Args:
        folder: pictures; ``None`` is the default ones.
        matching: the layer that compares two feature maps.
        options: how.
        tell: is given a line on what is done.

    Raises:
        InputError: unusable pictures, options or checkpoints.
    """
    _train_on_pictures(AlignTask, folder, matching, options, tell)


def train_verify(
    folder: Path | None, matching: MatchingKind, options: TrainOptions, tell: Tell
) -> None:
    """Train the network that tells places apart; see :func:`train_align`."""
    _train_on_pictures(PlacesTask, folder, matching, options, tell)


def refine_align(checkpoint: Path, folder: Path, options: TrainOptions, tell: Tell) -> None:
    """Train an alignment network further, on pictures without marked points.

    Args:
        checkpoint: where to start.
        folder: a subfolder for each kind of object.
        options: how.
        tell: is given a line on what is done.

    Raises:
        InputError: unusable pictures, options or checkpoints.
    """
    kinds = open_groups(folder)
    _tell_pictures(f"{RefineTask.name}, {len(kinds.groups)} kinds", kinds.images, tell)
    task = RefineTask(kinds, checkpoint, device=options.device, threads=options.threads)
    _run(task, options, tell)


def _train_on_pictures(
    task: type[AlignTask | PlacesTask],
    folder: Path | None,
    matching: MatchingKind,
    options: TrainOptions,
    tell: Tell,
) -> None:
    """Train a network with a matching layer on a folder of pictures, or on the default ones."""
    images = open_images(folder)
    _tell_pictures(task.name, images, tell)
    device, threads = options.device, options.threads
    made = task(images, matching, seed=options.seed, device=device, threads=threads)
    _run(made, options, tell)


def _tell_pictures(task: str, images: TrainingImages, tell: Tell) -> None:
    """Say what a training sees, and what was left out and why."""
    for name, reason in images.skipped.items():
        tell(f"skipped {name}: {reason}")
    tell(f"{task}: training on {len(images)} pictures ({images.source})")


def _run(task: TrainingTask, options: TrainOptions, tell: Tell) -> None:
    """Train, and say what came out."""
    done = train(task, options)
    if done.started_at:
        tell(f"resumed after step {done.started_at}")
    if done.losses:
        tenth = max(1, len(done.losses) // 10)
        first, last = (sum(part) / tenth for part in (done.losses[:tenth], done.losses[-tenth:]))
        tell(f"loss {first:.4f} at the start, {last:.4f} at the end")
    tell(f"{done.checkpoint}")
