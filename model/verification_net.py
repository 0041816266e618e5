"""A network that says whether a query shows the place of a reference, and which part of it.

Features of both pictures (of a frozen backbone) go through a matching layer, whose kind is the only
thing that differs between twins. Of the correlation volume each reference cell keeps how well its
best query cell fits, how well query cells fit it on average, and whether its neighbours' best query
cells lie next to its own; a small convolutional network makes a region and a decision of that. It
is as large as the reference's feature map, so that pictures of any size can be compared.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .matching import MatchingKind, MatchingLayer

STEPS = (1, 2)
"""Distances, in cells, at which neighbours' best query cells are compared."""

NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))

MAPS = 2 + len(STEPS)
"""What is kept of a correlation volume for each reference cell."""

DILATIONS = (1, 2, 4)


class VerificationNet(nn.Module):
    """Decision and region from the features of a query and a reference.

    Columns continue from the last to the first, as those of a full panorama do.

    Args:
        matching: kind of the matching layer: ``qatm``, ``correlation`` or ``cosine``.
        width: channels of the convolutions.
        alpha: start value of QATM's two temperatures, which are learned.

    Raises:
        ValueError: an unknown kind, or an alpha that is not positive.
    """

    pickers: Tensor

    def __init__(
        self, matching: MatchingKind = "qatm", *, width: int = 16, alpha: float = 20.0
    ) -> None:
        super().__init__()
        self.matching = MatchingLayer(matching, alpha=alpha)
        self.register_buffer("pickers", _pickers(), persistent=False)
        # The three kinds of volume have different ranges; the twins start from the same one.
        self.scale = nn.BatchNorm2d(MAPS)
        sizes = (MAPS, *[width] * len(DILATIONS))
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, dilation=step)
            for a, b, step in zip(sizes[:-1], sizes[1:], DILATIONS, strict=True)
        )
        self.region = nn.Conv2d(width, 1, 1)
        self.decision = nn.Sequential(
            nn.Linear(2 * width + 1, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def forward(self, query: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Compare queries with references, pair by pair.

        Args:
            query: ``(B, C, h, w)`` float32 raw features.
            reference: ``(B, C, H, W)`` float32 raw features; at least four cells wide.

        Returns:
            ``decision (B,)``, the log odds that it is the same place, and ``region (B, H, W)``,
            the log odds that a cell of the reference shows what the query shows.
        """
        volume = self.matching(query, reference)
        maps = self.scale(_summary(volume, query.shape[-1], self.pickers))
        for layer, step in zip(self.layers, DILATIONS, strict=True):
            maps = layer(_continued(maps, step)).relu()
        region = self.region(maps)
        return self.decision(_pooled(maps, region, volume.shape[1]))[:, 0], region[:, 0]


def _pooled(maps: Tensor, region: Tensor, cells: int) -> Tensor:
    """What the decision is made from, ``(B, 2 * width + 1)``, whatever the reference's size.

    The maps where the region is surest, the maps all over the region, and how large the region is
    beside the query, which has so many cells.
    """
    flat, logits = maps.flatten(2), region.flatten(2)
    inside = logits.sigmoid()
    area = inside.sum(-1)
    surest = (flat * logits.softmax(-1)).sum(-1)
    usual = (flat * inside).sum(-1) / (area + 1.0)
    return torch.cat([surest, usual, torch.log1p(area / cells)], 1)


def _summary(volume: Tensor, columns: int, pickers: Tensor) -> Tensor:
    """What is kept of a volume ``(B, h * w, H, W)``: ``(B, MAPS, H, W)``.

    Args:
        volume: of the matching layer.
        columns: of the query's features.
        pickers: of :func:`_pickers`.
    """
    best, index = volume.max(1)
    row = torch.div(index, columns, rounding_mode="floor")
    place = torch.stack([row, index - row * columns], 1).to(volume.dtype)
    maps = [best, volume.mean(1)]
    maps += [_coherence(best, place, pickers, step) for step in STEPS]
    return torch.stack(maps, 1)


def _coherence(best: Tensor, place: Tensor, pickers: Tensor, step: int) -> Tensor:
    """How well the best query cells of a cell's neighbours continue its own.

    Args:
        best: ``(B, H, W)``.
        place: ``(B, 2, H, W)`` row and column of each cell's best query cell.
        pickers: of :func:`_pickers`.
        step: distance of the neighbours, in cells.

    Returns:
        ``(B, H, W)``, the neighbours' values, each the less the further it lies off.
    """
    wide = _continued(torch.cat([best[:, None], place], 1), step)
    # A convolution picks the neighbours out; slices of unknown sizes take minutes to export.
    around = F.conv2d(wide, pickers, dilation=step).unflatten(1, (len(NEIGHBOURS), 3))
    off = around[:, :, 1:] - place[:, None]
    off = off - step * off.new_tensor(NEIGHBOURS)[:, :, None, None]
    return (around[:, :, 0] * torch.exp(-off.square().sum(2) / (2.0 * step))).sum(1)


def _pickers() -> Tensor:
    """Kernels ``(4 * 3, 3, 3, 3)``: for each neighbour one that copies each of three maps."""
    kernels = torch.zeros(len(NEIGHBOURS), 3, 3, 3, 3)
    for index, (down, right) in enumerate(NEIGHBOURS):
        for channel in range(3):
            kernels[index, channel, channel, 1 + down, 1 + right] = 1.0
    return kernels.flatten(0, 1)


def _continued(maps: Tensor, size: int) -> Tensor:
    """Maps with ``size`` further cells around: zeros above and below, the other end beside."""
    beside = torch.cat([maps[..., -size:], maps, maps[..., :size]], -1)
    return F.pad(beside, (0, 0, size, size))
