"""The training of :class:`~qatm.model.alignment_net.AlignmentNet` on views of random scenes."""

from __future__ import annotations

from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...model.alignment_net import CELLS, CONTROL, AlignmentNet
from ...model.matching import MatchingKind
from ...runtime.align.spline import fit_thin_plate, grid_points
from ...runtime.bundle.folder import Bundle, default_align_path
from ...runtime.patches.encoder import Encoder
from ...runtime.session import Session
from .loop import seeded, shared_config
from .pictures import TrainingImages
from .warps import make_views, transfer

VIEWS = 3
"""Views of each scene; every one is aligned with every other one."""

TRUE_WIDTH = 0.05
"""Standard deviation, in fractions, of how far from the true place a match counts as right."""

SOFT = 0.1
"""Distance, in fractions, at which an error counts half of the most it can."""

FEWEST = 12
"""Pairs of views that share fewer cells are left out."""

NOISE = 1.0
"""Most noise on the features, in standard deviations of a channel: other things of one kind differ
by more than views of one thing."""


class AlignmentBatch(NamedTuple):
    """Pairs of views.

    Attributes:
        source: ``(B, C, 16, 16)`` features.
        target: ``(B, C, 16, 16)``.
        true: ``(B, 256, 2)`` where the source's cells lie in the target.
        known: ``(B, 256)`` 1 where both views show that.
    """

    source: Tensor
    target: Tensor
    true: Tensor
    known: Tensor


class AlignTask:
    """See the module.

    Args:
        images: scenes and backgrounds.
        matching: the matching layer.
        seed: of the network's first weights.
        device: of PyTorch.
        threads: CPU threads of the features.
    """

    name = "align"

    def __init__(
        self,
        images: TrainingImages,
        matching: MatchingKind = "qatm",
        *,
        seed: int = 0,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self._images = images
        self._device = device
        bundle = Bundle.load(default_align_path())
        # The features are the runtime's own: those the network will be given.
        self._encoder = Encoder(Session(bundle, "cpu", precision="fp32", threads=threads))
        self.network = seeded(lambda: AlignmentNet(matching), seed).to(device)
        self.config = shared_config(matching, bundle, images)
        self._spline = spline_matrix(device)

    def batch(self, rng: np.random.Generator, size: int) -> AlignmentBatch:
        """Every ordered pair of the views of ``size`` scenes that shares enough."""
        rows: list[tuple[Any, Any, Any, Any]] = []
        cells = grid_points_of_cells()
        for _ in range(size):
            views = make_views(self._images, rng, VIEWS)
            features = [self._encode(view.image, rng) for view in views]
            for i, j in permutations(range(VIEWS), 2):
                true, known = transfer(views[i], views[j], cells)
                if known.sum() >= FEWEST:
                    rows.append((features[i], features[j], true, known))
        if not rows:
            return self.batch(rng, size)
        parts = [np.stack(part).astype(np.float32) for part in zip(*rows, strict=True)]
        return AlignmentBatch(*(torch.from_numpy(part).to(self._device) for part in parts))

    def loss(self, batch: AlignmentBatch) -> tuple[Tensor, dict[str, float]]:
        """How much trust lies off the true matches, and how far points are from their places."""
        network = self.network
        usable = torch.ones(len(batch.true), CELLS, CELLS, device=batch.true.device)
        weights = network.weights(batch.source, batch.target, usable)
        change = network.fit(weights)
        placed = network.bend(weights, change)
        astray = _astray(weights, batch, network.centres)
        flat = _error(network.mapped(change), batch)
        bent = _error(self._spline @ placed, batch)
        values = {"astray": astray, "affine": flat, "spline": bent}
        return astray + flat + bent, {name: float(value.detach()) for name, value in values.items()}

    def _encode(self, image: Any, rng: np.random.Generator) -> Any:
        """Features with noise, ``(C, 16, 16)``."""
        features = self._encoder.encode_crop(image)[0].whole()
        spread = features.std((1, 2), keepdims=True)
        noise = rng.standard_normal(features.shape, np.float32)
        return features + np.float32(rng.uniform(0, NOISE)) * spread * noise


def grid_points_of_cells() -> Any:
    """Middles of the cells, ``(256, 2)``, row by row."""
    return (grid_points(CELLS, CELLS) * (CELLS - 1) + 0.5) / CELLS


def spline_matrix(device: str = "cpu") -> Tensor:
    """``(256, K)``: from the places of the control points to those of the cells' middles."""
    control = grid_points(CONTROL, CONTROL)
    columns = [
        fit_thin_plate(control, control, np.c_[unit, unit], np.ones(len(control)), 1e-9)
        for unit in np.eye(len(control))
    ]
    cells = grid_points_of_cells()
    matrix = np.stack([column(cells)[:, 0] for column in columns], axis=1)
    return torch.from_numpy(matrix.astype(np.float32)).to(device)


def _astray(weights: Tensor, batch: AlignmentBatch, centres: Tensor) -> Tensor:
    """Minus the log of the share of the trust that lies on true matches."""
    distance = (batch.true[:, :, None] - centres).square().sum(3)
    right = torch.exp(distance / (-2 * TRUE_WIDTH**2)) * batch.known[..., None]
    share = (weights * right).sum((1, 2)) / (weights.sum((1, 2)) + 1e-6)
    return -torch.log(share + 1e-3).mean()


def _error(placed: Tensor, batch: AlignmentBatch) -> Tensor:
    """Mean distance of points ``(B, 256, 2)`` from their true places, large ones damped."""
    distance = torch.sqrt((placed - batch.true).square().sum(2) + 1e-6)
    damped = distance / (distance + SOFT) * batch.known
    return (damped.sum(1) / batch.known.sum(1)).mean()
