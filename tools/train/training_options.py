"""How a network is trained, and what each training usually has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...runtime.errors import InputError, QatmError

NEEDS = 'qatm train needs PyTorch, and {} is not installed: pip install "qatm[export]"'

SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True)
class TrainOptions:
    """How a network is trained.

    Attributes:
        out: folder of the checkpoints and logs; made if missing.
        steps: optimiser steps in all.
        batch: size of a batch, as the task counts.
        learning_rate: of Adam, at the start.
        seed: decides every batch and the first weights.
        schedule: ``cosine`` lets the rate fall to zero, ``constant`` keeps it.
        checkpoint_every: steps between checkpoints; the last step always has one.
        threads: CPU threads of PyTorch; ``None`` lets it choose.
        device: ``cpu`` or ``cuda``.
        resume: continue from the newest checkpoint in ``out``, if there is one.
    """

    out: Path
    steps: int = 600
    batch: int = 8
    learning_rate: float = 1e-3
    seed: int = 0
    schedule: str = "cosine"
    checkpoint_every: int = 50
    threads: int | None = None
    device: str = "cpu"
    resume: bool = False

    def check(self) -> None:
        """Refuse what cannot be trained with.

        Raises:
            InputError: naming the option.
        """
        for name in ("steps", "batch", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads is {self.threads}; give at least 1, or leave it out")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(
                f"learning_rate is {self.learning_rate}; give a positive one, for example 0.001"
            )
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule is {self.schedule!r}; choose one of {', '.join(SCHEDULES)}")
        if self.device == "cuda":
            from torch import cuda

            if not cuda.is_available():
                raise InputError("device 'cuda' cannot be used by PyTorch here; train on 'cpu'")

    def config(self) -> dict[str, Any]:
        """What a checkpoint must agree on for the training to be the same."""
        names = ("steps", "batch", "learning_rate", "seed", "schedule")
        return {name: getattr(self, name) for name in names}


SAMPLES = 52_000
"""Samples that the training for following usually makes."""

PAIRS = 75_000
"""Samples that the training for comparing usually makes."""

USUAL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "align": {"steps": 40, "batch": 1, "learning_rate": 1e-2, "checkpoint_every": 10},
        "compare": {
            "steps": 2000,
            "batch": 192,
            "learning_rate": 5e-3,
            "checkpoint_every": 250,
        },
        "follow": {
            "steps": 6000,
            "batch": 128,
            "learning_rate": 3e-3,
            "checkpoint_every": 500,
        },
        "refine": {"steps": 40, "batch": 8, "learning_rate": 3e-3, "checkpoint_every": 10},
        "verify": {"steps": 200, "batch": 4, "learning_rate": 3e-3, "checkpoint_every": 50},
    }
)
"""Training -> the options it usually has; the networks inside the package were made with them."""


@contextmanager
def torch_needed() -> Iterator[None]:
    """Say what to install where a module that is imported inside is missing.

    Raises:
        QatmError: with the module's name.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise QatmError(NEEDS.format(error.name)) from error
