"""A network that aligns two pictures of one kind of object: features in, affine map and spline out.

The shape of a geometric-matching network (Rocco, Arandjelovic and Sivic, CVPR 2017, arXiv
1703.05593), features -> matching layer -> small CNN -> affine map, then thin-plate spline, in which
the last step of each part has a closed form, so that little is learned and little data is needed:

1. The matching layer compares every source cell with every target cell.
2. A CNN looks at each pair together with its neighbours in both pictures and says how much it can
   be trusted: pairs whose neighbours match their neighbours support each other.
3. The affine map is a weighted least-squares fit to all pairs. From several starts, it is repeated
   with weights that also fall with the distance from the last map.
4. A second CNN turns what the map leaves over into displacements of the spline's control points.

The matching layer is a constructor argument; nothing else depends on it. Coordinates are fractions
of a picture's width and height.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .matching import MatchingKind, MatchingLayer

CELLS = 16
"""Cells of the grid along each side."""

CONTROL = 4
"""Control points of the spline along each side; they span the picture."""

WIDTHS = (0.3, 0.2, 0.15, 0.1, 0.08, 0.06)
"""Standard deviation of the distances believed in each round, in fractions of a picture."""

LEARNED_ROUNDS = 2
"""The last rounds, through which the weights learn."""

STARTS = (
    *((1.0, 1.0), (0.6, 0.6), (1.6, 1.6)),
    *((0.7, 1.1), (1.1, 0.7)),
)
"""Scales of width and height about the pictures' middles that the fit starts from."""

LARGEST = 0.15
"""No control point is moved further from its place under the affine map."""

DISTRUST = -4.0
"""Where trust starts, before the softplus: most pairs are no match."""

COFACTORS = (
    *([4, 5, 3, 2, 0, 1, 1, 2, 0], [8, 6, 7, 7, 8, 6, 5, 3, 4]),
    *([5, 3, 4, 1, 2, 0, 2, 0, 1], [7, 8, 6, 8, 6, 7, 4, 5, 3]),
)
"""Cofactors of a 3x3 matrix, row by row: the places of the factors of both products."""

RIDGE = 1e-4
TINY = 1e-8


class AlignmentNet(nn.Module):
    """Features of two pictures to an affine map and a thin-plate spline on top of it.

    Args:
        matching: ``qatm``, ``correlation`` or ``cosine``.
        channels: channels inside the two CNNs.

    Raises:
        ValueError: an unknown matching kind.
    """

    middles: Tensor
    centres: Tensor
    rows: Tensor
    squares: Tensor
    starts: Tensor
    corners: Tensor

    def __init__(self, matching: MatchingKind = "qatm", *, channels: int = 4) -> None:
        super().__init__()
        self.matching = MatchingLayer(matching)
        self.trust = PairTrust(channels)
        self.rest = Rest(4 * channels)
        centres = _grid(_middles(CELLS))
        rows = _rows(centres)
        scales = torch.tensor(STARTS) - 1
        starts = torch.cat([torch.diag_embed(scales), torch.zeros(len(scales), 1, 2)], dim=1)
        constants = {
            "middles": _middles(CELLS)[:, None],
            "centres": centres,
            "rows": rows,
            "squares": (rows[:, :, None] * rows[:, None]).flatten(1),
            "starts": starts,
            "corners": _grid(torch.linspace(0, 1, CONTROL)),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, source: Tensor, target: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
        """Align pictures.

        Args:
            source: ``(B, C, 16, 16)`` float32, raw features.
            target: ``(B, C, 16, 16)``.
            usable: ``(B, 16, 16)``, 1 for source cells that may be matched, 0 for others.

        Returns:
            ``affine (B, 2, 3)``, ``y = affine [x, 1]``, and ``placed (B, 16, 2)``: where the
            spline takes the control points, row by row.
        """
        weights = self.weights(source, target, usable)
        change = self.fit(weights)
        return affine_of(change), self.bend(weights, change)

    def weights(self, source: Tensor, target: Tensor, usable: Tensor) -> Tensor:
        """Trust ``(B, S, T)``, not negative, in each pair of a source and a target cell."""
        volume = self.matching(source, target).flatten(2)
        return volume.relu() * self.trust(volume) * usable.flatten(1)[..., None]

    def fit(self, weights: Tensor) -> Tensor:
        """The affine map along which most of the weights ``(B, S, T)`` lie.

        Returns:
            ``(B, 3, 2)``: how far a point ``(x, y)`` is moved is ``[x - 1/2, y - 1/2, 1] change``.
        """
        with torch.no_grad():
            change = self._best_start(weights)
        for width in WIDTHS[-LEARNED_ROUNDS:]:
            change = self._solve(weights * self.near(change, width))
        return change

    def bend(self, weights: Tensor, change: Tensor) -> Tensor:
        """Places ``(B, K, 2)`` of the control points."""
        near = weights * self.near(change, WIDTHS[-1])
        own = near.sum(2, keepdim=True)
        offsets = near @ self.centres - own * self.mapped(change)
        maps = torch.cat([own, offsets / LARGEST], dim=2) / (own.mean(1, keepdim=True) + TINY)
        straight = self.corners + _rows(self.corners) @ change
        return straight + LARGEST * self.rest(maps)

    def mapped(self, change: Tensor) -> Tensor:
        """Where a map takes the middles of the source's cells, ``(B, S, 2)``."""
        return self.centres + self.rows @ change

    def near(self, change: Tensor, width: float) -> Tensor:
        """Gaussian ``(B, S, T)`` of the distance of mapped source cells from target cells."""
        distance = self.mapped(change)[:, :, None] - self.middles
        x, y = torch.exp(distance.square() * (-0.5 / (width * width))).unbind(3)
        return (y[..., None] * x[:, :, None]).flatten(2)

    def _best_start(self, weights: Tensor) -> Tensor:
        """The start whose map most of the weights lie along after a few rounds."""
        count = self.starts.shape[0]
        change = self.starts.expand(weights.shape[0], count, 3, 2).flatten(0, 1)
        every = weights[:, None].expand(-1, count, -1, -1).flatten(0, 1)
        for width in WIDTHS[:-LEARNED_ROUNDS]:
            change = self._solve(every * self.near(change, width))
        support = (every * self.near(change, WIDTHS[-1])).sum((1, 2)).unflatten(0, (-1, count))
        best = support.argmax(1)[:, None, None, None].expand(-1, 1, 3, 2)
        return change.unflatten(0, (-1, count)).gather(1, best).squeeze(1)

    def _solve(self, weights: Tensor) -> Tensor:
        """Weighted least squares, drawn a little towards no change: ``(B, 3, 2)``."""
        own = weights.sum(2, keepdim=True)
        total = own.sum(1) + TINY
        normal = (
            own.squeeze(2) @ self.squares / total
            + RIDGE * torch.eye(3, device=weights.device).flatten()
        )
        right = self.rows.T @ (weights @ self.centres - own * self.centres)
        return inverse_of_symmetric(normal) @ (right / total[..., None])


class PairTrust(nn.Module):
    """How much each pair of cells can be trusted, from the volume around it.

    A pair has neighbours in the source and in the target: one convolution goes over the target,
    the next one over the source, which is a separable convolution over both.

    Args:
        channels: between the two.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.over_target = nn.Conv2d(1, channels, 3, padding=1)
        self.over_source = nn.Conv2d(channels, 1, 3, padding=1)
        assert self.over_source.bias is not None
        nn.init.constant_(self.over_source.bias, DISTRUST)

    def forward(self, volume: Tensor) -> Tensor:
        """``(B, S, T)`` of any scale to ``(B, S, T)``, not negative."""
        mean = volume.mean((1, 2), keepdim=True)
        spread = (volume - mean).square().mean((1, 2), keepdim=True)
        x = ((volume - mean) * torch.rsqrt(spread + TINY)).flatten(0, 1)
        x = F.relu(self.over_target(x.unflatten(1, (1, CELLS, CELLS))))
        # (B S, C, T) to (B T, C, S): the source's cells become the picture.
        x = x.flatten(2).unflatten(0, (-1, CELLS * CELLS)).transpose(1, 3).flatten(0, 1)
        x = self.over_source(x.unflatten(2, (CELLS, CELLS)))
        return F.softplus(x.flatten(1)).unflatten(0, (-1, CELLS * CELLS)).transpose(1, 2)


class Rest(nn.Module):
    """What an affine map leaves over to displacements of control points.

    Args:
        channels: inside.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, 2, 3, padding=1)
        # An untrained network leaves the affine map as it is.
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, S, 3)`` weight and weighted offset of each cell to ``(B, K, 2)`` in [-1, 1]."""
        x = maps.transpose(1, 2).unflatten(2, (CELLS, CELLS))
        x = F.relu(self.second(F.relu(self.first(x))))
        x = self.last(F.avg_pool2d(x, CELLS // CONTROL))
        return torch.tanh(x).flatten(2).transpose(1, 2)


def affine_of(change: Tensor) -> Tensor:
    """Maps as :meth:`AlignmentNet.fit` returns them to ``(B, 2, 3)``, ``y = affine [x, 1]``."""
    moved = change.transpose(1, 2)
    linear = moved[..., :2] + torch.eye(2, device=change.device)
    offset = moved[..., 2:] - 0.5 * moved[..., :2].sum(2, keepdim=True)
    return torch.cat([linear, offset], dim=2)


def inverse_of_symmetric(matrix: Tensor) -> Tensor:
    """Inverse ``(B, 3, 3)`` of positive matrices ``(B, 9)``, by cofactors."""
    first, second, third, fourth = (matrix[:, index] for index in COFACTORS)
    cofactors = first * second - third * fourth
    determinant = (matrix[:, :3] * cofactors[:, :3]).sum(1, keepdim=True)
    return (cofactors / determinant).unflatten(1, (3, 3))


def _rows(points: Tensor) -> Tensor:
    """``(N, 3)``: points from the picture's middle, and one."""
    return torch.cat([points - 0.5, torch.ones_like(points[:, :1])], dim=1)


def _middles(count: int) -> Tensor:
    return (torch.arange(count) + 0.5) / count


def _grid(values: Tensor) -> Tensor:
    """Points ``(N * N, 2)`` of a square grid, row by row, x first."""
    y, x = torch.meshgrid(values, values, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)
