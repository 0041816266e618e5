"""The training of :class:`~qatm.model.box_net.BoxNet` on made-up objects that move."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...calib.photographs import TRAINING
from ...model.box_net import CHANGES, BoxNet
from ...runtime.bundle.folder import Bundle
from ...runtime.session import Session
from ...runtime.track.box_evidence import READINGS
from .box_samples import BoxSampler, BoxSamples, Progress, make_samples
from .cut_outs import open_cut_outs
from .loop import seeded
from .moving_objects import Pictures
from .moving_scenes import default_grounds
from .pictures import open_images

ACROSS, DOWN = (3, 10), (4, 11)
"""Maps that tell a distance to the right, and those that tell the same distance downwards."""

DOUBTS = (-5.0, 1.0)
"""Least and most doubt that counts."""


class BoxBatch(NamedTuple):
    """Samples of one step.

    Attributes:
        maps: ``(B, 16, 20, 20)``.
        readings: ``(B, K)``; the logarithm of width over height.
        changes: ``(B, 4)``.
    """

    maps: Tensor
    readings: Tensor
    changes: Tensor


@dataclass(frozen=True)
class Scenery:
    """What clips are made up from.

    Attributes:
        pictures: objects and backgrounds.
        told: plain values that say which they are.
        skipped: name of what was left out, and why.
    """

    pictures: Pictures
    told: dict[str, Any]
    skipped: dict[str, str]


def open_scenery(objects: Path, grounds: Path | None) -> Scenery:
    """Read the folders of a training.

    Args:
        objects: pictures with an alpha channel.
        grounds: photographs; ``None`` for those that scikit-image carries.

    Raises:
        InputError: a folder is missing, or has no usable picture.
    """
    cut_outs = open_cut_outs(objects)
    skipped = dict(cut_outs.skipped)
    if grounds is None:
        photographs = default_grounds()
        digest = hashlib.sha256()
        for photograph in photographs:
            digest.update(repr(photograph.shape).encode() + photograph.tobytes())
        words = (
            f"CC0 and public-domain photographs that scikit-image carries ({', '.join(TRAINING)})"
        )
        told, pictures = {"pictures": words, "images": digest.hexdigest()}, photographs
    else:
        images = open_images(grounds, fewest=1)
        skipped |= images.skipped
        told, pictures = {"pictures": images.content, "images": images.digest}, images
    told |= {"objects": cut_outs.content, "object_files": cut_outs.digest}
    return Scenery(Pictures(cut_outs, pictures), told, skipped)


def sample_origin(bundle: Bundle, scenery: Scenery) -> dict[str, Any]:
    """What samples follow from, as plain values: the features, and what clips are made up from."""
    backbone = bundle.spec.backbone
    return {
        "readings": READINGS,
        "backbone": backbone.name,
        "taps": list(backbone.taps),
        "features": bundle.file_hash("features", "fp32"),
        "alpha": bundle.spec.recipes.match.alpha,
        **scenery.told,
    }


def open_samples(
    scenery: Scenery, folder: Path, count: int, threads: int | None, progress: Progress
) -> tuple[BoxSamples, dict[str, Any]]:
    """Make what is missing of the samples of a training; see :func:`.make_samples`.

    Args:
        scenery: what clips are made up from.
        folder: of the samples.
        count: samples in all.
        threads: CPU threads of the features.
        progress: is told what is done.

    Returns:
        The samples, and what they follow from.

    Raises:
        InputError: objects or parts that cannot be used.
    """
    bundle = Bundle.load()
    origin = sample_origin(bundle, scenery)
    # The features are the runtime's own: those whose evidence the network will be given.
    with Session(bundle, "cpu", precision="fp32", threads=threads) as session:
        sampler = BoxSampler(session, scenery.pictures)
        return make_samples(folder, count, sampler, origin, progress), origin


class FollowTask:
    """See the module.

    Args:
        samples: to learn from.
        origin: what they follow from, of :func:`sample_origin`.
        seed: of the network's first weights.
        device: of PyTorch.
    """

    name = "follow"

    def __init__(
        self,
        samples: BoxSamples,
        origin: Mapping[str, Any],
        *,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self._samples = samples
        self._device = device
        self.network: nn.Module = seeded(lambda: BoxNet(samples.readings.shape[1]), seed).to(device)
        counts = {"samples": len(samples.maps), "clips": len(np.unique(samples.clips))}
        self.config: Mapping[str, Any] = {**origin, **counts}

    def batch(self, rng: np.random.Generator, size: int) -> BoxBatch:
        """Random samples, all of them mirrored and turned over in the same way."""
        chosen = rng.integers(len(self._samples.maps), size=size)
        arrays = (self._samples.maps, self._samples.readings, self._samples.changes)
        maps, readings, changes = (
            torch.from_numpy(array[chosen].astype(np.float32)).to(self._device) for array in arrays
        )
        batch = BoxBatch(maps, readings, changes)
        for change in (mirrored, upside_down, transposed):
            if rng.random() < 0.5:
                batch = change(batch)
        return batch

    def loss(self, batch: BoxBatch) -> tuple[Tensor, dict[str, float]]:
        """How unlikely the true changes are under Laplace distributions about what is said."""
        change, doubt = self.network(batch.maps, batch.readings)
        off = (change - batch.changes).abs()
        spread = doubt.clamp(*DOUBTS)
        size = (change - batch.changes)[:, 2:].mean(1).abs()
        values = {"place": off[:, : CHANGES // 2].mean(), "size": size.mean()}
        told = {name: float(value.detach()) for name, value in values.items()}
        return (off * torch.exp(-spread) + spread).mean(), told


def mirrored(batch: BoxBatch) -> BoxBatch:
    """The same seen in a mirror: right is left."""
    return _negated(batch, batch.maps.flip(3), ACROSS, 0)


def upside_down(batch: BoxBatch) -> BoxBatch:
    """The same with below above."""
    return _negated(batch, batch.maps.flip(2), DOWN, 1)


def transposed(batch: BoxBatch) -> BoxBatch:
    """The same with right below."""
    order = list(range(batch.maps.shape[1]))
    for across, down in zip(ACROSS, DOWN, strict=True):
        order[across], order[down] = down, across
    maps = batch.maps.transpose(2, 3)[:, order]
    return BoxBatch(maps, -batch.readings, batch.changes[:, [1, 0, 3, 2]])


def _negated(batch: BoxBatch, maps: Tensor, distances: tuple[int, ...], place: int) -> BoxBatch:
    """Mirrored maps with the distances in them, and a place, the other way round."""
    maps, changes = maps.clone(), batch.changes.clone()
    maps[:, list(distances)] *= -1
    changes[:, place] *= -1
    return BoxBatch(maps, batch.readings, changes)
