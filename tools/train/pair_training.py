"""The training of :class:`~qatm.model.pair_net.PairNet` on registered pairs of pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ...model.pair_net import PairNet
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import InputError
from ..evaluation.metrics import roc_auc
from ..evaluation.processes import usual_processes
from ..evaluation.track.sequences import TrackSequence
from .loop import seeded
from .pair_samples import Part, Progress, make_pairs, pair_origin
from .pair_scenes import PairMaker

Array = NDArray[Any]
Random = np.random.Generator

WIDTH = 20
"""Channels of the first convolutions."""

WEIGHT_DECAY = 2e-3
"""Share of the weights, times the rate, that a step takes away from them."""

WARM_UP = 0.15
"""Share of the steps during which the rate rises."""

UNSURE = 0.1
"""Standard deviation of the noise on the zooms."""

AT_ONCE = 512
"""Pairs that are ranked together."""


class PairBatch(NamedTuple):
    """Samples of one step, all of one size.

    Attributes:
        pictures: ``(B, 2, rows, columns, 3)``, 0 to 255.
        zooms: ``(B, 2)``.
        same: ``(B,)`` 1 the same object, 0 another one.
    """

    pictures: Tensor
    zooms: Tensor
    same: Tensor


class _Pool(NamedTuple):
    """Samples of one size; see :class:`.PairSamples`."""

    pictures: list[Array]
    zooms: Array
    same: Array
    domains: Array


class CompareTask:
    """See the module.

    Args:
        parts: samples; some are left out and only ranked, see :meth:`.PairSamples.left_out`.
        origin: what they follow from, of :func:`.pair_origin`.
        seed: of the network's first weights.
        device: of PyTorch.
        width: of the network.

    Raises:
        InputError: all samples are left out.
    """

    name = "compare"

    def __init__(
        self,
        parts: Sequence[Part],
        origin: Mapping[str, Any],
        *,
        seed: int = 0,
        device: str = "cpu",
        width: int = WIDTH,
    ) -> None:
        self._device = device
        self._learned = _pools(parts, left_out=False)
        self._others = _pools(parts, left_out=True)
        counts = [len(pool.pictures) for pool in self._learned]
        left_out = sum(len(pool.pictures) for pool in self._others)
        if not sum(counts):
            raise InputError(
                f"all {left_out} samples are left out, none is learned from; make more"
            )
        self._shares = np.array(counts) / sum(counts)
        self.network: nn.Module = seeded(lambda: PairNet(width), seed).to(device)
        self.config: Mapping[str, Any] = {
            **origin,
            "width": width,
            "samples": sum(counts),
            "left_out": left_out,
            "weight_decay": WEIGHT_DECAY,
            "warm_up": WARM_UP,
        }

    def batch(self, rng: Random, size: int) -> PairBatch:
        """Random pairs of one size, all turned, mirrored and recoloured in the same way."""
        pool = self._learned[int(rng.choice(len(self._learned), p=self._shares))]
        batch = self._batch(pool, rng.integers(len(pool.pictures), size=size))
        return changed(batch, rng)

    def loss(self, batch: PairBatch) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of the log-odds."""
        odds = self._odds(batch)
        right = (odds.detach() > 0) == (batch.same > 0)
        value = F.binary_cross_entropy_with_logits(odds, batch.same)
        return value, {"right": float(right.float().mean())}

    def ranked(self) -> dict[str, float]:
        """Area under the ROC curve of the pairs left out, by domain; NaN where all are alike."""
        self.network.eval()
        told: dict[str, list[tuple[bool, float]]] = defaultdict(list)
        for pool in self._others:
            for begin in range(0, len(pool.pictures), AT_ONCE):
                rows = np.arange(begin, min(begin + AT_ONCE, len(pool.pictures)))
                with torch.no_grad():
                    odds = self._odds(self._batch(pool, rows)).tolist()
                for row, value in zip(rows.tolist(), odds, strict=True):
                    told[str(pool.domains[row])].append((bool(pool.same[row]), value))
        return {domain: roc_auc(*zip(*told[domain], strict=True)) for domain in sorted(told)}

    def _odds(self, batch: PairBatch) -> Tensor:
        """What the network says."""
        (odds,) = self.network(batch.pictures[:, 0], batch.pictures[:, 1], batch.zooms)
        return odds

    def _batch(self, pool: _Pool, rows: Array) -> PairBatch:
        """Some of the pairs of one size."""
        pictures = np.stack([pool.pictures[row] for row in rows.tolist()])
        arrays = pictures, pool.zooms[rows], pool.same[rows]
        return PairBatch(
            *(torch.from_numpy(array).to(self._device, torch.float32) for array in arrays)
        )


def changed(batch: PairBatch, rng: Random) -> PairBatch:
    """The same pairs otherwise: what tells them apart stays what it is.

    Args:
        batch: is left as it is.
        rng: everything depends on it only.
    """
    pictures = batch.pictures
    rows, columns = pictures.shape[2:4]
    turns = int(rng.integers(4)) if rows == columns else 2 * int(rng.integers(2))
    pictures = torch.rot90(pictures, turns, (2, 3))
    if rng.random() < 0.5:
        pictures = pictures.flip(3)
    pictures = pictures[..., rng.permutation(3).tolist()]
    noise = torch.from_numpy(rng.normal(0, UNSURE, batch.zooms.shape)).to(batch.zooms)
    return PairBatch(pictures, batch.zooms + noise, batch.same)


def open_pairs(
    sequences: Sequence[TrackSequence],
    folder: Path,
    count: int,
    seed: int,
    processes: int | None,
    progress: Progress,
) -> tuple[list[Part], dict[str, Any]]:
    """Make what is missing of the samples of a training; see :func:`.make_pairs`.

    Args:
        sequences: that frames are taken from; there may be none.
        folder: of the samples.
        count: samples in all.
        seed: of the samples.
        processes: how many work at once; ``None`` for one for each core, up to a limit.
        progress: is told what is done.

    Returns:
        The samples, and what they follow from.

    Raises:
        InputError: parts or sequences that cannot be used.
    """
    recipe = Bundle.load().spec.recipes.match
    origin = pair_origin(recipe, sequences, seed)
    maker = PairMaker(recipe, tuple(sequences))
    work = processes or usual_processes()
    return make_pairs(folder, count, maker, origin, work, progress), origin


def _pools(parts: Sequence[Part], *, left_out: bool) -> list[_Pool]:
    """The pairs of each size that are left out, or the others; pictures are not copied."""
    pools: list[_Pool] = []
    for sized in zip(*parts, strict=True):
        chosen = [np.flatnonzero(samples.left_out() == left_out) for samples in sized]
        both = list(zip(sized, chosen, strict=True))
        pools.append(
            _Pool(
                [samples.pictures[row] for samples, rows in both for row in rows.tolist()],
                np.concatenate([samples.zooms[rows] for samples, rows in both]),
                np.concatenate([samples.same[rows] for samples, rows in both]),
                np.concatenate([samples.domains[rows] for samples, rows in both]),
            )
        )
    return pools
