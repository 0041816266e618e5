"""The training of :class:`~qatm.model.verification_net.VerificationNet` on made-up places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...model.matching import MatchingKind
from ...model.verification_net import VerificationNet
from ...runtime.bundle.folder import Bundle
from ...runtime.patches.encoder import Encoder
from ...runtime.session import Session
from ...runtime.verify.reference import PlaceEncoder
from .loop import seeded, shared_config
from .pictures import TrainingImages
from .place_scenes import Photos, SceneSizes, make_scenes

QUERIES = 2
"""Queries for each reference; every query is compared with every reference of a batch."""


SCALAR_RATE = 100.0
"""How much faster the temperatures learn than weights: at the usual 30 they end on their way."""

SIZES = (SceneSizes(128, 128, 384), SceneSizes(128, 192, 512), SceneSizes(128, 96, 320))
"""Each batch has one of these: in use, references are compared at several sizes."""


class PlaceBatch(NamedTuple):
    """Every pair of a query and a reference.

    Attributes:
        queries: ``(Q, C, h, w)`` features.
        references: ``(R, C, H, W)`` features.
        regions: ``(Q * R, H, W)`` the share of each cell that shows what the query shows.
        same: ``(Q * R,)`` 1 the same place, 0 another one.
        counts: ``(Q * R,)`` 0 where it is neither.
    """

    queries: Tensor
    references: Tensor
    regions: Tensor
    same: Tensor
    counts: Tensor


class PlacesTask:
    """See the module.

    Args:
        images: what the places are made of.
        matching: the matching layer.
        seed: of the network's first weights.
        device: of PyTorch.
        threads: CPU threads of the features.
        sizes: of the pictures that are compared; each batch has one of them.
    """

    name = "verify"

    def __init__(
        self,
        images: TrainingImages,
        matching: MatchingKind = "qatm",
        *,
        seed: int = 0,
        device: str = "cpu",
        threads: int | None = None,
        sizes: Sequence[SceneSizes] = SIZES,
    ) -> None:
        self._photos: Photos = images
        self._device = device
        self._sizes = tuple(sizes)
        bundle = Bundle.load()
        # The features are the runtime's own: those the network will be given.
        encoder = Encoder(Session(bundle, "cpu", precision="fp32", threads=threads))
        self._encoder = PlaceEncoder(encoder, bundle.spec.recipes.verify)
        self._stride = encoder.coarse_stride
        self.network: nn.Module = seeded(lambda: VerificationNet(matching), seed).to(device)
        self.config: Mapping[str, Any] = {
            **shared_config(matching, bundle, images),
            "scalar_rate": SCALAR_RATE,
            "sizes": [list(vars(size).values()) for size in self._sizes],
        }

    def batch(self, rng: np.random.Generator, size: int) -> PlaceBatch:
        """Every pair of ``size`` references and the queries for each of them."""
        sizes = self._sizes[int(rng.integers(len(self._sizes)))]
        scenes = make_scenes(self._photos, rng, sizes, size, QUERIES)
        queries = [self._encoder.padded(query.image) for query in scenes.queries]
        references = [self._encoder.padded(one.image, wraps=True) for one in scenes.references]
        regions = cell_shares(scenes.regions, self._stride)
        arrays = (
            *(np.stack(queries), np.stack(references), regions.reshape(-1, *regions.shape[2:])),
            *(scenes.same.ravel(), scenes.counts.ravel()),
        )
        return PlaceBatch(
            *(torch.from_numpy(np.float32(array)).to(self._device) for array in arrays)
        )

    def loss(self, batch: PlaceBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of the decision and of the region, both places weighing the same."""
        decision, region = compare_all(self.network, batch.queries, batch.references)
        weight = pair_weights(batch.same, batch.counts)
        wrong = F.binary_cross_entropy_with_logits(decision, batch.same, reduction="none")
        astray = F.binary_cross_entropy_with_logits(region, batch.regions, reduction="none")
        parts = {
            "decision": (wrong * weight).sum(),
            "region": (astray.mean((1, 2)) * weight).sum(),
        }
        right = (decision.detach() > 0) == (batch.same > 0)
        values = {name: float(value.detach()) for name, value in parts.items()}
        values["right"] = float((right * weight).sum())
        return parts["decision"] + parts["region"], values


def compare_all(network: nn.Module, queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """Every query with every reference, the pairs of one query together."""
    count, others = len(queries), len(references)
    return network(queries.repeat_interleave(others, 0), references.repeat(count, 1, 1, 1))


def pair_weights(same: Tensor, counts: Tensor) -> Tensor:
    """Weights ``(B,)``: pairs of the same place have one half in all, the others the other."""
    shares = same * counts, (1 - same) * counts
    return sum((share / (2 * share.sum().clamp_min(1)) for share in shares), torch.zeros_like(same))


def cell_shares(regions: Any, stride: int) -> Any:
    """Regions ``(..., H, W)`` bool to the share of each cell, ``(..., H / s, W / s)``."""
    *rest, height, width = regions.shape
    cells = regions.reshape(*rest, height // stride, stride, width // stride, stride)
    return cells.mean((-3, -1))
