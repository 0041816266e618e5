"""Bundles with a network that compares pixels, whose weights are random, and its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from qatm.export.add_network import add_network
from qatm.export.networks import load_network
from qatm.model.pair_net import PairNet
from qatm.runtime import Bundle
from qatm.tools.train.checkpoints import write_checkpoint

WIDTH = 5


def random_pair_net(width: int = WIDTH, seed: int = 0) -> PairNet:
    """A network with random weights and statistics of normalisations that are not the usual."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PairNet(width).train()
        network(*(torch.rand(8, 32, 48, 3) * 255 for _ in range(2)), torch.randn(8, 2))
    return network.eval()


def pair_checkpoint(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a checkpoint as if it had been trained."""
    config = {"width": WIDTH, "samples": 12, "steps": 5, "seed": seed}
    folder.mkdir(parents=True, exist_ok=True)
    weights = random_pair_net(seed=seed).state_dict()
    return write_checkpoint(folder, "compare", 5, {**config, **changes}, weights, {})


def with_compare(bundle: Bundle, folder: Path, seed: int = 0) -> Bundle:
    """Write a bundle into ``folder`` with a network of random weights beside what it has."""
    checkpoint = pair_checkpoint(folder.parent / f"{folder.name}-checkpoint", seed)
    return add_network(bundle, load_network(checkpoint, "compare"), folder)
