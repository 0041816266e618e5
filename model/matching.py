"""The matching layer of networks that compare two feature maps, with QATM as one choice of three.

All three start from ``rho``, the cosine similarity of a source and a target cell, and return a
correlation volume of the same shape, so that replacing one by another is one constructor argument:

    cosine       rho
    correlation  relu(rho), each target cell's column of source cells scaled to length one
                 (Rocco, Arandjelovic and Sivic, CVPR 2017, arXiv 1703.05593, section 3.2)
    qatm         exp(alpha_t (rho - 1)) / sum over source  x  exp(alpha_s (rho - 1)) / sum over
                 target: equation 4 of QATM (CVPR 2019, arXiv 1903.07254)
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from .qatm import standardise

MatchingKind = Literal["qatm", "correlation", "cosine"]
KINDS: tuple[MatchingKind, ...] = get_args(MatchingKind)

COLUMN_EPSILON = 1e-6
"""Added to the squared length of a correlation column: one without any agreement stays zero."""


class MatchingLayer(nn.Module):
    """Correlation volume of two feature maps.

    Args:
        kind: ``qatm``, ``correlation`` or ``cosine``.
        alpha: start value of QATM's two temperatures; it multiplies the similarity.
        root: return the square root of the QATM score, the geometric mean of its two likelihoods,
            whose values spread more evenly over [0, 1]; the other kinds do not change.

    Attributes:
        alpha_t: learnable scalar of the softmax over the source cells (``qatm`` only).
        alpha_s: learnable scalar of the softmax over the target cells (``qatm`` only).

    Raises:
        ValueError: an unknown kind, or an alpha that is not positive.
    """

    def __init__(
        self, kind: MatchingKind = "qatm", *, alpha: float = 20.0, root: bool = True
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"matching kind {kind!r} is unknown; choose from {', '.join(KINDS)}")
        if not 0 < alpha < math.inf:
            raise ValueError(f"alpha is {alpha}; it must be positive and finite")
        self.kind = kind
        self.root = root
        if kind == "qatm":
            self.alpha_t = nn.Parameter(torch.tensor(float(alpha)))
            self.alpha_s = nn.Parameter(torch.tensor(float(alpha)))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Compare every source cell with every target cell.

        Args:
            source: ``(B, C, h, w)`` raw features, float32 or float64.
            target: ``(B, C, H, W)`` raw features.

        Returns:
            ``(B, h * w, H, W)``: channel ``y * w + x`` is source cell ``(y, x)``. Cosine lies in
            [-1, 1], the other kinds in [0, 1].

        Raises:
            TypeError: features of less than 32 bits, in which the exponentials underflow.
        """
        if source.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"features are {source.dtype}; matching needs float32: call .float()")
        rows, cells = standardise(
            source.flatten(2).transpose(1, 2), target.flatten(2).transpose(1, 2)
        )
        volume = self._volume(rows @ cells.transpose(1, 2))
        return volume.unflatten(2, target.shape[-2:])

    def _volume(self, rho: Tensor) -> Tensor:
        """What the kind makes of similarities ``(B, source, target)``."""
        if self.kind == "cosine":
            return rho
        if self.kind == "correlation":
            positive = rho.relu()
            lengths = positive.square().sum(1, keepdim=True)
            return positive * torch.rsqrt(lengths + COLUMN_EPSILON)
        log_score = torch.log_softmax(self.alpha_t * rho, 1)
        log_score = log_score + torch.log_softmax(self.alpha_s * rho, 2)
        return torch.exp(0.5 * log_score if self.root else log_score)
