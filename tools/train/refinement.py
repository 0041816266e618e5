"""Further training of an alignment network on pairs of pictures without marked points.

Weak supervision: it is only known that two pictures show the same kind of thing. What is made large
is the share of the matching layer's scores that lies where the network sends the source's cells
(:mod:`qatm.model.soft_inliers`), under the affine map and under the spline. The features stay as
they are, and the scores only judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...export.networks import TrainedNetwork, load_network
from ...model.alignment_net import CELLS, AlignmentNet
from ...model.soft_inliers import soft_inlier_count
from ...runtime.align.align_network import SIDE
from ...runtime.bundle.folder import Bundle, default_align_path, sha256_of
from ...runtime.errors import InputError
from ...runtime.images import resize_to
from ...runtime.patches.encoder import Encoder
from ...runtime.session import Session
from .alignment_training import spline_matrix
from .loop import shared_config
from .pictures import TrainingImages, open_images

MASK = 0.06
"""Standard deviation of the mask of inliers, in fractions of a picture: about one cell."""

HELD = 512 * 2**20
"""Bytes of features that are kept in memory; the others are computed again each time."""

TINY = 1e-6


class Pairs(NamedTuple):
    """Features of pairs of pictures of the same kind, ``(B, C, 16, 16)`` each."""

    source: Tensor
    target: Tensor


@dataclass(frozen=True)
class PictureGroups:
    """Pictures of several kinds of object.

    Attributes:
        images: all of them.
        groups: positions of the pictures of each kind, at least two, by name of the folder.
    """

    images: TrainingImages
    groups: dict[str, tuple[int, ...]]


class RefineTask:
    """See the module.

    Args:
        kinds: pictures to pair.
        start: checkpoint of the task ``align``, or the folder of its training.
        device: of PyTorch.
        threads: CPU threads of the features.

    Raises:
        InputError: a checkpoint that is missing, damaged, of another task or trained on other
            features than the model for alignment has.
        ExportError: weights that do not fit the network.
    """

    name = "align"

    def __init__(
        self,
        kinds: PictureGroups,
        start: Path,
        *,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self._images = kinds.images
        self._groups = tuple(kinds.groups.values())
        self._device = device
        bundle = Bundle.load(default_align_path())
        trained = load_network(start, self.name)
        _check_features(trained, bundle.file_hash("features", "fp32"))
        assert isinstance(trained.module, AlignmentNet)
        self.network = trained.module.to(device)
        self._encoder = Encoder(Session(bundle, "cpu", precision="fp32", threads=threads))
        self.config = {
            **shared_config(trained.checkpoint.config["matching"], bundle, kinds.images),
            "groups": {name: len(members) for name, members in kinds.groups.items()},
            "start": sha256_of(trained.checkpoint.path),
        }
        self._spline = spline_matrix(device)
        self._usable = torch.ones(1, CELLS, CELLS, device=device)
        self._held: dict[tuple[int, bool], Any] = {}
        self._room = HELD

    def batch(self, rng: np.random.Generator, size: int) -> Pairs:
        """``size`` ordered pairs, each of one kind, both pictures mirrored in half of them."""
        rows: list[tuple[Any, Any]] = []
        for _ in range(size):
            members = self._groups[int(rng.integers(len(self._groups)))]
            source, target = rng.permutation(len(members))[:2]
            mirrored = bool(rng.random() < 0.5)
            rows.append(tuple(self._encode(members[i], mirrored) for i in (source, target)))
        stacks = (np.stack(part) for part in zip(*rows, strict=True))
        return Pairs(*(torch.from_numpy(stack).to(self._device) for stack in stacks))

    def loss(self, batch: Pairs) -> tuple[Tensor, dict[str, float]]:
        """The shares of the scores that are no inliers of the affine map and of the spline."""
        network = self.network
        # Judged, not learned from: sharper scores have a larger share, whatever the transform.
        scores = network.matching(*batch).flatten(2).relu().detach()
        weights = network.weights(*batch, self._usable)
        change = network.fit(weights)
        total = scores.sum((1, 2)) + TINY
        parts = {}
        for name, placed in (
            ("affine", network.mapped(change)),
            ("spline", self._spline @ network.bend(weights, change)),
        ):
            count = soft_inlier_count(scores, placed, network.centres, MASK)
            parts[name] = 1 - (count / total).mean()
        values = {name: float(value.detach()) for name, value in parts.items()}
        return parts["affine"] + parts["spline"], values

    def _encode(self, index: int, mirrored: bool) -> Any:
        """Features ``(C, 16, 16)`` of a picture, or of its mirror image."""
        key = index, mirrored
        if key in self._held:
            return self._held[key]
        picture = resize_to(self._images[index], SIDE, SIDE)
        if mirrored:
            picture = np.ascontiguousarray(picture[:, ::-1])
        features = self._encoder.encode_crop(picture)[0].whole()
        if features.nbytes <= self._room:
            self._room -= features.nbytes
            self._held[key] = features
        return features


def open_groups(folder: Path) -> PictureGroups:
    """Read a folder with one subfolder for each kind of object.

    Raises:
        InputError: the folder is missing, has no subfolder with pictures, or a subfolder has a
            single usable picture.
    """
    images = open_images(folder, fewest=2)
    groups: dict[str, list[int]] = {}
    for index, file in enumerate(images.files):
        assert file is not None
        parts = file.relative_to(folder).parts
        if len(parts) == 1:
            images.skipped[str(file)] = f"{file} lies in no subfolder, so its kind is unknown"
            continue
        groups.setdefault(parts[0], []).append(index)
    if not groups:
        raise InputError(
            f"{folder} holds pictures but no subfolder with pictures; make one for each kind of "
            "object, because pairs are drawn within a kind"
        )
    for name, members in groups.items():
        if len(members) < 2:
            raise InputError(
                f"{folder / name} holds a single usable picture, which makes no pair; add another "
                "of the same kind of object, or remove the folder"
            )
    return PictureGroups(images, {name: tuple(members) for name, members in groups.items()})


def _check_features(trained: TrainedNetwork, features: str) -> None:
    """Refuse a network of other features."""
    stored = trained.checkpoint.config.get("features")
    if stored != features:
        raise InputError(
            f"{trained.checkpoint.path} was trained on features {str(stored)[:12]}, those of the "
            f"model for alignment are {features[:12]}; train it again with this version of qatm"
        )
