"""How a network is trained, and the options of a command that say so."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ...runtime.errors import InputError, QatmError
from ..console import finite

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


class TrainDevice(str, Enum):
    """Where PyTorch computes."""

    cpu = "cpu"
    cuda = "cuda"


OutOption = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for checkpoints, log.csv and TensorBoard's event files.",
        show_default=False,
    ),
]
StepsOption = Annotated[int, typer.Option(metavar="N", min=1, help="Optimiser steps.")]
BatchOption = Annotated[int, typer.Option(metavar="N", min=1, help="Scenes or pairs in a step.")]
RateOption = Annotated[
    float,
    typer.Option(metavar="R", callback=finite, help="Adam's step size at the start."),
]
SeedOption = Annotated[
    int, typer.Option(metavar="N", min=0, help="Decides the first weights and every batch.")
]
EveryOption = Annotated[
    int, typer.Option(metavar="N", min=1, help="Steps between two checkpoints.")
]
ThreadsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="CPU threads. Default: all.")
]
TrainDeviceOption = Annotated[TrainDevice, typer.Option(help="Where PyTorch computes.")]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on from the newest checkpoint in DIR, if there is one, exactly."
    ),
]


def training_options(
    *,
    out: OutOption,
    steps: StepsOption = 100,
    batch: BatchOption = 1,
    learning_rate: RateOption = 1e-2,
    seed: SeedOption = 0,
    checkpoint_every: EveryOption = 10,
    threads: ThreadsOption = None,
    device: TrainDeviceOption = TrainDevice.cpu,
    resume: ResumeOption = False,
) -> TrainOptions:
    """What the options of a command say.

    Raises:
        QatmError: they cannot be used.
    """
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
    with torch_needed():
        options.check()
    return options


def training_command(**usual: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of :func:`training_options`; it gets them as ``options``.

    Args:
        usual: defaults of this command that differ.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shared = [
            option.replace(default=usual.get(option.name, option.default))
            for option in inspect.signature(training_options, eval_str=True).parameters.values()
        ]
        own = inspect.signature(command, eval_str=True).parameters
        joint = inspect.Signature(
            [*(option for name, option in own.items() if name != "options"), *shared]
        )

        @functools.wraps(command)
        def run(*args: Any, **given: Any) -> None:
            bound = joint.bind(*args, **given)
            bound.apply_defaults()
            values = dict(bound.arguments)
            chosen = {option.name: values.pop(option.name) for option in shared}
            command(**values, options=training_options(**chosen))

        # What typer reads to make the command line.
        told: Any = run
        told.__signature__ = joint
        told.__annotations__ = {
            name: option.annotation for name, option in joint.parameters.items()
        }
        return run

    return decorate


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
