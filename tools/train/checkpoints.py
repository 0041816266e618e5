"""Checkpoints of a training: written whole or not at all, held against what is trained now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...export.checkpoint import (
    FIELDS,
    Checkpoint,
    find_checkpoints,
    open_checkpoint,
    read_checkpoint,
)
from ...runtime.errors import InputError
from ...runtime.files import whole

__all__ = [
    "Checkpoint",
    "check_same",
    "find_checkpoints",
    "open_checkpoint",
    "read_checkpoint",
    "write_checkpoint",
]

KEPT = 2
"""Checkpoints that are kept: the newest, and the one before."""

MISSING = object()


def check_same(checkpoint: Checkpoint, task: str, config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another training.

    Raises:
        InputError: naming the field that differs.
    """
    asked = {"task": task, **config}
    stored = {"task": checkpoint.task, **checkpoint.config}
    for name in (*asked, *stored):
        old, new = stored.get(name, MISSING), asked.get(name, MISSING)
        if old != new:
            told = ["not set" if value is MISSING else repr(value) for value in (old, new)]
            raise InputError(
                f"{checkpoint.path} is of another training: its {name} is {told[0]}, now it is "
                f"{told[1]}; train with the same {name}, or in another folder"
            )


def write_checkpoint(
    folder: Path,
    task: str,
    step: int,
    config: Mapping[str, Any],
    weights: Mapping[str, Any],
    optimiser: Mapping[str, Any],
) -> Path:
    """Write a checkpoint, whole or not at all, and remove older ones.

    Raises:
        OSError: it cannot be written; the message names it.
    """
    path = folder / f"step-{step:07d}.pt"
    values = (task, step, dict(config), dict(weights), dict(optimiser))
    with whole(path) as part, part.open("wb") as file:
        torch.save(dict(zip(FIELDS, values, strict=True)), file)
        # The older ones go only when this one is on the disk.
        file.flush()
        os.fsync(file.fileno())
    for old in find_checkpoints(folder)[:-KEPT]:
        old.unlink()
    return path
