"""Bundles with a network that follows boxes, whose weights are random, and its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from qatm.export.add_network import add_network
from qatm.export.networks import TrainedNetwork, load_network
from qatm.model.box_net import BoxNet
from qatm.runtime import Bundle
from qatm.runtime.track.box_evidence import READINGS
from qatm.tools.train.checkpoints import write_checkpoint


def random_box_net(readings: int = READINGS, seed: int = 0) -> BoxNet:
    """A network with random weights and statistics of normalisations that are not the usual."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BoxNet(readings).train()
        network(torch.randn(8, 16, 20, 20), torch.randn(8, readings))
    return network.eval()


def box_checkpoint(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a checkpoint as if it had been trained on the default bundle's features."""
    spec = Bundle.load().spec
    config = {
        "readings": READINGS,
        "backbone": spec.backbone.name,
        "taps": list(spec.backbone.taps),
        "alpha": spec.recipes.match.alpha,
        "objects": "3 cut-outs of a folder",
        "steps": 5,
        "seed": seed,
    }
    folder.mkdir(parents=True, exist_ok=True)
    weights = random_box_net(seed=seed).state_dict()
    return write_checkpoint(folder, "follow", 5, {**config, **changes}, weights, {})


def with_follow(bundle: Bundle, folder: Path, seed: int = 0) -> Bundle:
    """Write a bundle into ``folder`` with a network of random weights beside what it has."""
    checkpoint = box_checkpoint(folder.parent / f"{folder.name}-checkpoint", seed)
    return add_network(bundle, read_box_net(checkpoint), folder)


def read_box_net(checkpoint: Path) -> TrainedNetwork:
    """The network of a checkpoint."""
    return load_network(checkpoint, "follow")
