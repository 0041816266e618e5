"""Trained networks that compare features: from a checkpoint to a graph of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from ..model.alignment_net import AlignmentNet
from ..model.verification_net import VerificationNet
from ..runtime.bundle.folder import sha256_of
from ..runtime.bundle.manifest import FileInfo
from ..runtime.errors import ExportError
from .checkpoint import Checkpoint, open_checkpoint
from .graphs import GraphExport
from .network_graphs import alignment_export, verification_export


class Kind(NamedTuple):
    """A task with a network: how it is made for a matching layer, and its graph."""

    make: Callable[[Any], nn.Module]
    export: Callable[[Any, int], GraphExport]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "align": Kind(AlignmentNet, alignment_export),
        "verify": Kind(VerificationNet, verification_export),
    }
)

WEIGHTS_ROLE = "network-weights"
WEIGHTS_NAME = "network.npz"

RECORDED = ("matching", "pictures", "images", "steps", "batch", "learning_rate", "seed")
"""What the manifest says about the training."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network.

    Attributes:
        task: ``align`` or ``verify``.
        module: with its weights, in evaluation mode.
        checkpoint: where they are from.
    """

    task: str
    module: nn.Module
    checkpoint: Checkpoint

    def info(self) -> dict[str, Any]:
        """The manifest's entry: task, matching layer, and how it was trained."""
        config = self.checkpoint.config
        return {
            "task": self.task,
            **{name: config[name] for name in RECORDED if name in config},
            "trained_steps": self.checkpoint.step,
            "checkpoint_sha256": sha256_of(self.checkpoint.path),
        }

    def write_weights(self, folder: Path) -> tuple[str, FileInfo]:
        """Write the weights for who checks or trains further: file name and manifest entry."""
        path = folder / WEIGHTS_NAME
        weights = {name: value.cpu().numpy() for name, value in self.module.state_dict().items()}
        np.savez(path, **weights)
        return path.name, FileInfo(WEIGHTS_ROLE, "fp32", sha256_of(path), path.stat().st_size)

    def graph(self, channels: int) -> GraphExport:
        """What becomes ``network.onnx``, for features of ``channels`` channels."""
        return KINDS[self.task].export(self.module, channels)

    def check_features(self, backbone: str, taps: Iterable[str | int]) -> None:
        """Refuse features that the network was not trained on.

        Args:
            backbone: that makes the features.
            taps: its layers.

        Raises:
            ExportError: naming the backbone or the layers that differ.
        """
        config = self.checkpoint.config
        have = {"backbone": backbone, "taps": [str(tap) for tap in taps]}
        for name, value in have.items():
            if config.get(name) != value:
                raise ExportError(
                    f"{self.checkpoint.path} was trained on features of {name} "
                    f"{config.get(name)!r}, the bundle's is {value!r}; export with the same, or "
                    "train again"
                )


def load_network(path: Path, task: str) -> TrainedNetwork:
    """Read the network of a checkpoint.

    Args:
        path: a checkpoint, or the folder of a training.
        task: what it has to be for.

    Raises:
        ExportError: no network exists for the task, or the weights do not fit it.
        InputError: the checkpoint is missing, damaged or of another task.
    """
    if task not in KINDS:
        raise ExportError(
            f"a network belongs to the task {' or '.join(KINDS)}, not to {task!r}; add --task"
        )
    checkpoint = open_checkpoint(path, task)
    try:
        module = KINDS[task].make(checkpoint.config["matching"])
        module.load_state_dict(checkpoint.weights)
    except (KeyError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ExportError(
            f"{checkpoint.path} does not fit the network of this version of qatm ({reason}); "
            "train it again"
        ) from error
    return TrainedNetwork(task, module.eval(), checkpoint)
