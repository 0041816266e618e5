"""Trained networks beside the features: from a checkpoint to a graph of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from ..model.alignment_net import AlignmentNet
from ..model.box_net import BoxNet
from ..model.pair_net import PairNet
from ..model.verification_net import VerificationNet
from ..runtime.bundle.folder import sha256_of
from ..runtime.bundle.manifest import COMPARE_ROLE, FOLLOW_ROLE, NETWORK_ROLE, BundleSpec, FileInfo
from ..runtime.errors import ExportError
from .checkpoint import Checkpoint, open_checkpoint
from .graphs import GraphExport
from .network_graphs import alignment_export, compare_export, follow_export, verification_export


class Kind(NamedTuple):
    """A task with a network.

    Attributes:
        role: of its graph; its weights' is the same with ``-weights``. The manifest's entry of
            that name tells of it.
        choice: the entry of a training's configuration that decides what the network is like.
        make: the network for such a choice.
        export: the graph of a network, for features of so many channels.
    """

    role: str
    choice: str
    make: Callable[[Any], nn.Module]
    export: Callable[[Any, int], GraphExport]

    @property
    def weights_role(self) -> str:
        """Of the file with the weights."""
        return f"{self.role}-weights"

    def told(self, spec: BundleSpec) -> dict[str, Any]:
        """The entry of a manifest that tells of its network; empty where there is none."""
        return getattr(spec, self.role)

    @property
    def weights_name(self) -> str:
        """Of the file with the weights."""
        return f"{self.role}.npz"


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "align": Kind(NETWORK_ROLE, "matching", AlignmentNet, alignment_export),
        "verify": Kind(NETWORK_ROLE, "matching", VerificationNet, verification_export),
        "follow": Kind(FOLLOW_ROLE, "readings", BoxNet, follow_export),
        "compare": Kind(COMPARE_ROLE, "width", PairNet, compare_export),
    }
)

PAIRS = tuple(task for task, kind in KINDS.items() if kind.role == NETWORK_ROLE)
"""The tasks whose network compares two pictures; a bundle has one at most of them."""

RECORDED = (
    *("matching", "readings", "width", "alpha", "pictures", "images", "objects", "object_files"),
    *("samples", "clips", "sample_seed", "steps", "batch", "learning_rate", "seed"),
)
"""What the manifest says about the training, as far as its configuration does."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network.

    Attributes:
        task: ``align``, ``verify``, ``follow`` or ``compare``.
        module: with its weights, in evaluation mode.
        checkpoint: where they are from.
    """

    task: str
    module: nn.Module
    checkpoint: Checkpoint

    @property
    def kind(self) -> Kind:
        """What networks for its task are like."""
        return KINDS[self.task]

    def info(self) -> dict[str, Any]:
        """The manifest's entry: task, what the network is like, and how it was trained."""
        config = self.checkpoint.config
        return {
            "task": self.task,
            **{name: config[name] for name in RECORDED if name in config},
            "trained_steps": self.checkpoint.step,
            "checkpoint_sha256": sha256_of(self.checkpoint.path),
        }

    def write_weights(self, folder: Path) -> tuple[str, FileInfo]:
        """Write the weights for who checks or trains further: file name and manifest entry."""
        path = folder / self.kind.weights_name
        weights = {name: value.cpu().numpy() for name, value in self.module.state_dict().items()}
        np.savez(path, **weights)
        return path.name, FileInfo(
            self.kind.weights_role, "fp32", sha256_of(path), path.stat().st_size
        )

    def graph(self, channels: int) -> GraphExport:
        """What becomes an ONNX file, for features of ``channels`` channels."""
        return self.kind.export(self.module, channels)

    def told_in(self, spec: BundleSpec) -> BundleSpec:
        """A manifest with the entry that tells of this network."""
        return replace(spec, **{self.kind.role: self.info()})

    def check_features(
        self, backbone: str, taps: Iterable[str | int], alpha: float | None = None
    ) -> None:
        """Refuse features that the network was not trained on.

        Args:
            backbone: that makes the features.
            taps: its layers.
            alpha: factor on the similarity; counts where the network was trained with one.

        Raises:
            ExportError: naming the backbone, the layers or the factor that differ.
        """
        if self.kind.role == COMPARE_ROLE:
            return  # It sees pixels.
        config = self.checkpoint.config
        if alpha is not None and config.get("alpha", alpha) != alpha:
            raise ExportError(
                f"{self.checkpoint.path} was trained with alpha {config['alpha']!r}, the bundle's "
                f"is {alpha!r}; export with the same, or train again"
            )
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
            f"a network belongs to the task {' or '.join(PAIRS)}, not to {task!r}; add --task"
        )
    checkpoint = open_checkpoint(path, task)
    try:
        kind = KINDS[task]
        module = kind.make(checkpoint.config[kind.choice])
        module.load_state_dict(checkpoint.weights)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ExportError(
            f"{checkpoint.path} does not fit the network of this version of qatm ({reason}); "
            "train it again"
        ) from error
    return TrainedNetwork(task, module.eval(), checkpoint)
