"""Reading the checkpoints that a training wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..runtime.errors import InputError

PATTERN = "step-*.pt"
FIELDS = ("task", "step", "config", "weights", "optimiser")


@dataclass(frozen=True)
class Checkpoint:
    """One state of a training.

    Attributes:
        path: its file.
        task: name of what was trained.
        step: steps done.
        config: everything that decides the training.
        weights: state of the network.
        optimiser: state of the optimiser.
    """

    path: Path
    task: str
    step: int
    config: dict[str, Any]
    weights: dict[str, Any]
    optimiser: dict[str, Any]


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    return sorted(folder.glob(PATTERN))


def open_checkpoint(path: Path, task: str) -> Checkpoint:
    """Read a checkpoint to use its network: a file, or the newest of a training's folder.

    Raises:
        InputError: there is none, it is damaged, or it is of another task.
    """
    file = path
    if path.is_dir():
        found = find_checkpoints(path)
        if not found:
            raise InputError(f"{path} holds no checkpoint ({PATTERN}); train one: qatm train")
        file = found[-1]
    checkpoint = read_checkpoint(file)
    if checkpoint.task != task:
        raise InputError(
            f"{file} is a checkpoint of '{checkpoint.task}', not of '{task}'; give one of "
            f"qatm train {task}"
        )
    return checkpoint


def read_checkpoint(path: Path, device: str = "cpu") -> Checkpoint:
    """Read one file.

    Raises:
        InputError: missing, damaged, or no checkpoint of ours.
    """
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist; train one: qatm train")
    try:
        data = torch.load(path, map_location=device, weights_only=True)
        return Checkpoint(path, **{name: data[name] for name in FIELDS})
    except Exception as error:
        # A damaged archive fails in many ways inside the reader.
        raise InputError(
            f"{path} is damaged or no checkpoint of qatm train ({type(error).__name__}); remove it "
            "to use the one before"
        ) from error
