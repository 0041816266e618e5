"""A training of a network of two numbers, for trials of how trainings are kept and resumed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..train.checkpoints import find_checkpoints, read_checkpoint
from ..train.loop import seeded, train
from ..train.training_log import CSV_NAME
from ..train.training_options import TrainOptions

SLOPE = 3.0

STEPS = 100_000
"""Of the whole training: nobody waits for its end."""


class EnoughError(Exception):
    """The steps that were asked for are done."""


class LineTask:
    """Learns slope and height of a line from its points.

    Args:
        most: steps until it stops; ``None`` for all.
    """

    name = "line"

    def __init__(self, most: int | None = None) -> None:
        self._left = most
        self.network: nn.Module = seeded(lambda: nn.Linear(1, 1), 0)
        self.config: Mapping[str, Any] = {"slope": SLOPE}

    def batch(self, rng: np.random.Generator, size: int) -> Any:
        """Points and their heights, ``(size, 1)`` each.

        Raises:
            EnoughError: they are not wanted any more.
        """
        if self._left == 0:
            raise EnoughError
        self._left = None if self._left is None else self._left - 1
        points = torch.from_numpy(rng.uniform(-1, 1, (size, 1))).float()
        return points, SLOPE * points + 1

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """Mean square distance."""
        points, heights = batch
        return (self.network(points) - heights).square().mean(), {}


def train_line(folder: Path, most: int | None = None) -> None:
    """Train, with a checkpoint at each step, from the newest one in the folder on.

    Args:
        folder: of the training.
        most: steps to do.

    Raises:
        InputError: what is there cannot be resumed.
        OSError: the folder cannot be written.
    """
    options = TrainOptions(folder, steps=STEPS, batch=4, checkpoint_every=1, threads=1, resume=True)
    with suppress(EnoughError):
        train(LineTask(most), options)


def newest_step(folder: Path) -> int:
    """Of the newest checkpoint.

    Raises:
        InputError: it is damaged.
    """
    return read_checkpoint(find_checkpoints(folder)[-1]).step


def logged_steps(folder: Path) -> list[int]:
    """The steps in the log, in its order."""
    with (folder / CSV_NAME).open(newline="", encoding="utf-8") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]
