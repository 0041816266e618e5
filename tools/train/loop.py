"""A small training loop: steps that can be repeated exactly, checkpoints, logs, a progress bar."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...runtime.bundle.folder import Bundle
from ...runtime.errors import InputError
from ...runtime.files import check_folder
from ..console import progress
from .checkpoints import Checkpoint, check_same, find_checkpoints, read_checkpoint, write_checkpoint
from .pictures import TrainingImages
from .training_log import TrainLog
from .training_options import TrainOptions

Network = TypeVar("Network", bound=nn.Module)

CUBLAS_WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
"""Environment variable and value with which cuBLAS adds in one order, as PyTorch demands."""

START_RATE = 0.04
"""Share of the learning rate that a training with a warm-up begins with."""

SCALAR_RATE = 30.0
"""How much faster single numbers learn: temperatures are tens, weights are hundredths."""


class TrainingTask(Protocol):
    """What is trained."""

    @property
    def name(self) -> str:
        """Of the task, stored in checkpoints."""
        ...

    @property
    def network(self) -> nn.Module:
        """What learns; its whole state is stored."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """Plain JSON values that network and data follow from; a checkpoint must have the same."""
        ...

    def batch(self, rng: np.random.Generator, size: int) -> Any:
        """Make a batch; everything random in it comes from ``rng``."""
        ...

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """The scalar to minimise, and further numbers for the log."""
        ...


@dataclass(frozen=True)
class Trained:
    """What a training left behind.

    Attributes:
        checkpoint: the last one.
        started_at: steps that an earlier run had done.
        losses: of the steps of this run.
    """

    checkpoint: Path
    started_at: int
    losses: tuple[float, ...]


def train(task: TrainingTask, options: TrainOptions) -> Trained:
    """Train a network with Adam.

    A task's configuration may hold ``scalar_rate``, the factor on the rate of single numbers;
    ``weight_decay``, the share of the weights, times the rate, that each step takes away; and
    ``warm_up``, the share of the steps during which the rate rises first.

    The numbers of each step follow from the seed and the step alone, so that an interrupted and
    resumed training is bit for bit the uninterrupted one (on the same machine and threads).

    Args:
        task: network and data.
        options: how.

    Returns:
        The last checkpoint and the losses.

    Raises:
        InputError: unusable options, a folder that holds another training, or a loss that is not
            finite.
    """
    options.check()
    config = {**task.config, **options.config()}
    start = _start(task, options, config)
    network = task.network.to(options.device).train()
    optimiser = _optimiser(task, network, options.learning_rate)
    warm_up = float(task.config.get("warm_up", 0))
    done = 0
    if start is not None:
        network.load_state_dict(start.weights)
        optimiser.load_state_dict(start.optimiser)
        done = start.step
    check_folder(options.out, "training", make=True)
    losses: list[float] = []
    last = start.path if start is not None else options.out
    log = TrainLog(options.out, done)
    with log, _threads(options.threads), _ordered_sums(options.device), progress() as bar:
        for step in range(done, options.steps):
            began = time.perf_counter()
            rate = learning_rate(options, step, warm_up)
            loss, values = _step(task, optimiser, options, step, rate)
            losses.append(loss)
            seconds = round(time.perf_counter() - began, 4)
            log.write(step + 1, {"loss": loss, **values, "rate": rate, "seconds": seconds})
            bar(f"{task.name}: loss {loss:.4f}", step + 1, options.steps)
            if (step + 1) % options.checkpoint_every == 0 or step + 1 == options.steps:
                log.flush()
                state = network.state_dict(), optimiser.state_dict()
                last = write_checkpoint(options.out, task.name, step + 1, config, *state)
    network.eval()
    return Trained(last, done, tuple(losses))


def check_start(options: TrainOptions) -> None:
    """Refuse before any work a folder with checkpoints that nobody asked to go on with.

    Raises:
        InputError: naming the newest one.
    """
    found = find_checkpoints(options.out)
    if found and not options.resume:
        raise InputError(
            f"{options.out} holds the checkpoints of a training ({found[-1].name}); add --resume "
            "to go on with it, or give another folder"
        )


def seeded(make: Callable[[], Network], seed: int) -> Network:
    """A network whose first weights follow from a seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def shared_config(matching: str, bundle: Bundle, images: TrainingImages) -> dict[str, Any]:
    """What decides every training: the matching layer, the features and the pictures."""
    backbone = bundle.spec.backbone
    return {
        "matching": matching,
        "backbone": backbone.name,
        "taps": list(backbone.taps),
        "features": bundle.file_hash("features", "fp32"),
        "images": images.digest,
        "pictures": images.content,
    }


def learning_rate(options: TrainOptions, step: int, warm_up: float = 0.0) -> float:
    """Of a step, counted from 0.

    Args:
        options: say how high it is, and whether it stays there.
        step: which one.
        warm_up: share of the steps during which it rises first, unless it stays the same.
    """
    if options.schedule == "constant":
        return options.learning_rate
    rising = warm_up * options.steps
    if step < rising:
        risen = 0.5 * (1 - math.cos(math.pi * step / rising))
        return options.learning_rate * (START_RATE + (1 - START_RATE) * risen)
    fallen = (step - rising) / (options.steps - rising)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * fallen))


def step_generator(seed: int, step: int) -> np.random.Generator:
    """The source of everything random in a step."""
    return np.random.default_rng([seed, step])


def _optimiser(task: TrainingTask, network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Adam, with the weights decaying where the task says so."""
    groups, decay = _groups(network, _scalar_rate(task)), float(task.config.get("weight_decay", 0))
    if decay:
        return torch.optim.AdamW(groups, lr=rate, weight_decay=decay)
    return torch.optim.Adam(groups, lr=rate)


def _scalar_rate(task: TrainingTask) -> float:
    """The task's own factor, which its configuration then holds, or the usual one."""
    return float(task.config.get("scalar_rate", SCALAR_RATE))


def _groups(network: nn.Module, scalar_rate: float) -> list[dict[str, Any]]:
    """Weights and single numbers, with the factor on the learning rate of each."""
    learned = [value for value in network.parameters() if value.requires_grad]
    scalars = [value for value in learned if value.ndim == 0]
    weights = [value for value in learned if value.ndim > 0]
    groups = [{"params": weights, "scale": 1.0}, {"params": scalars, "scale": scalar_rate}]
    return [group for group in groups if group["params"]]


def _start(
    task: TrainingTask, options: TrainOptions, config: Mapping[str, Any]
) -> Checkpoint | None:
    """The checkpoint to go on from, if any.

    Raises:
        InputError: checkpoints that nobody asked to go on with, or of another training.
    """
    check_start(options)
    found = find_checkpoints(options.out)
    if not found:
        return None
    checkpoint = read_checkpoint(found[-1], options.device)
    check_same(checkpoint, task.name, config)
    return checkpoint


def _step(
    task: TrainingTask,
    optimiser: torch.optim.Optimizer,
    options: TrainOptions,
    step: int,
    rate: float,
) -> tuple[float, dict[str, float]]:
    """One step of the optimiser: the loss before it, and what else the task tells."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    devices = [torch.cuda.current_device()] if options.device == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence([options.seed, step]).generate_state(1)[0]))
        loss, values = task.loss(task.batch(step_generator(options.seed, step), options.batch))
    value = float(loss.detach())
    if not math.isfinite(value):
        raise InputError(
            f"the loss is {value} at step {step + 1}; resume with, or start again with, a lower "
            f"--learning-rate than {options.learning_rate:g}"
        )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return value, values


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Limit PyTorch's threads for a while."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(min(count, os.cpu_count() or count))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _ordered_sums(device: str) -> Iterator[None]:
    """Let a GPU add in one order for a while; a CPU does anyway.

    Gradients would otherwise be added in the order in which threads come, and a resumed training
    would differ from the uninterrupted one in the last bits. PyTorch warns of what has no order.
    """
    if device == "cpu":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault(*CUBLAS_WORKSPACE)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
