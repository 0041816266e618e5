"""The trainings from pictures to checkpoints, and what they say on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...model.matching import MatchingKind
from ..console import progress
from ..evaluation.track.sequences import usable_in_all
from .alignment_training import AlignTask
from .box_training import FollowTask, open_samples, open_scenery
from .loop import TrainingTask, check_start, train
from .pair_training import CompareTask, open_pairs
from .pictures import TrainingImages, open_images
from .place_training import PlacesTask
from .refinement import RefineTask, open_groups
from .training_options import TrainOptions

Tell = Callable[[str], Any]

SAMPLES_FOLDER = "samples"
"""In the folder of a training that makes its samples first."""


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


def train_follow(
    objects: Path, grounds: Path | None, samples: int, options: TrainOptions, tell: Tell
) -> None:
    """Train the network that reads how a followed box lies.

    Args:
        objects: pictures with an alpha channel.
        grounds: photographs for backgrounds; ``None`` is the default ones.
        samples: how many to learn from; those that are missing are made first.
        options: how.
        tell: is given a line on what is done.

    Raises:
        InputError: unusable pictures, samples, options or checkpoints.
    """
    check_start(options)
    scenery = open_scenery(objects, grounds)
    for name, reason in scenery.skipped.items():
        tell(f"skipped {name}: {reason}")
    told = scenery.told
    tell(f"{FollowTask.name}: {told['objects']} ({objects}) over {told['pictures']}")
    folder = options.out / SAMPLES_FOLDER
    with progress() as bar:
        made, origin = open_samples(scenery, folder, samples, options.threads, bar)
    task = FollowTask(made, origin, seed=options.seed, device=options.device)
    tell(f"{task.config['samples']} samples of {task.config['clips']} clips in {folder}")
    _run(task, options, tell)


def train_compare(
    folders: Sequence[Path], samples: int, sample_seed: int, options: TrainOptions, tell: Tell
) -> None:
    """Train the network that compares registered pixels.

    Args:
        folders: of sequences whose frames are learned from too; none is drawn scenes alone.
        samples: pairs to make; those that are missing are made first.
        sample_seed: decides which.
        options: how.
        tell: is given a line on what is done.

    Raises:
        InputError: unusable sequences, samples, options or checkpoints.
    """
    check_start(options)

    def skipped(problem: str) -> None:
        tell(f"skipped {problem}")

    sequences = usable_in_all(folders, skipped).sequences if folders else []
    folder = options.out / SAMPLES_FOLDER
    with progress() as bar:
        made, origin = open_pairs(sequences, folder, samples, sample_seed, options.threads, bar)
    task = CompareTask(made, origin, seed=options.seed, device=options.device)
    tell(f"{task.name}: {origin['pictures']}")
    told = task.config
    tell(f"{told['samples']} samples and {told['left_out']} that are only ranked in {folder}")
    _run(task, options, tell)
    ranks = {domain: area for domain, area in task.ranked().items() if not math.isnan(area)}
    if ranks:
        areas = ", ".join(f"{domain} {area:.3f}" for domain, area in ranks.items())
        tell(f"ROC AUC of what was left out: {areas}")


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
