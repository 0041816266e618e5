"""The QATM layer (Cheng, Wu, AbdAlmageed and Natarajan, CVPR 2019, arXiv 1903.07254).

With ``rho`` the cosine similarity of a template feature ``t`` and a search feature ``s``:

    L(t|s) = exp(alpha_t rho(t,s)) / sum over t' of exp(alpha_t rho(t',s))       (equation 3)
    L(s|t) = exp(alpha_s rho(t,s)) / sum over s' of exp(alpha_s rho(t,s'))
    QATM(s,t) = L(t|s) L(s|t)                                                    (equation 4)
    q(s) = max over t of QATM(s,t)                                               (equation 5)

Everything is computed from ``alpha (rho - 1) <= 0``, so that no running maximum is needed in FP32,
and the two softmaxes are never kept: only their normalisers are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

STD_EPSILON = 1e-6
"""Added to a channel's variance: a channel that never changes stays zero instead of noise."""

NORM_EPSILON = 1e-3
"""Added to a feature's squared length (about C): a featureless patch is similar to nothing."""

NEVER = 1e4
"""Subtracted from a competitor's log quality: more than any real difference."""


def joint_moments(template: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population variance of each channel over template and search positions together.

    Args:
        template: ``(..., M, C)``.
        search: ``(..., N, C)``.

    Returns:
        Two tensors ``(..., 1, C)``.
    """
    count = template.shape[-2] + search.shape[-2]
    mean = (template.sum(-2, keepdim=True) + search.sum(-2, keepdim=True)) / count
    spread = (template - mean).square().sum(-2, keepdim=True)
    spread = spread + (search - mean).square().sum(-2, keepdim=True)
    return mean, spread / count


def standardise(template: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
    """Standardise each channel jointly, then scale each feature to length one.

    Args:
        template: ``(..., M, C)`` raw features.
        search: ``(..., N, C)`` raw features.

    Returns:
        The two of the same shapes; dot products between them are cosine similarities.
    """
    mean, variance = joint_moments(template, search)
    scale = torch.rsqrt(variance + STD_EPSILON)
    return _unit((template - mean) * scale), _unit((search - mean) * scale)


def _unit(x: Tensor) -> Tensor:
    """Scale each feature to length one; a (nearly) zero feature stays (nearly) zero."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + NORM_EPSILON)


class QATM(nn.Module):
    """Log quality of each search position.

    Args:
        alpha: start value of both temperatures; it multiplies the similarity (paper: 28.4 for
            VGG19, 12.5 to 33.7 reasonable).
        block: number of search positions handled at once; ``None`` means all. Blocks bound the
            memory to ``M x block``, with gradients too (each block is computed again backwards).

    Attributes:
        alpha_t: learnable scalar of the softmax over the template.
        alpha_s: learnable scalar of the softmax over the search positions.
    """

    def __init__(self, alpha: float = 25.0, block: int | None = None) -> None:
        super().__init__()
        if not 0 < alpha < math.inf:
            raise ValueError(f"alpha is {alpha}; it must be positive and finite")
        if block is not None and block < 1:
            raise ValueError(f"block is {block}; it must be at least 1, or None")
        self.alpha_t = nn.Parameter(torch.tensor(float(alpha)))
        self.alpha_s = nn.Parameter(torch.tensor(float(alpha)))
        self.block = block

    def forward(self, template: Tensor, search: Tensor, target: Tensor | None = None) -> Tensor:
        """Match features that :func:`standardise` (or any unit scaling) prepared.

        Args:
            template: ``(..., M, C)`` unit features.
            search: ``(..., N, C)`` unit features, same leading dimensions.
            target: ``(..., M)``, true or 1 where a row may win the maximum; other rows are
                competitors and only take part in the softmax over the template. ``None``: all.

        Returns:
            ``(..., N)``, ``log q(s) <= 0``.

        Raises:
            TypeError: features of less than 32 bits, in which the exponentials underflow.
        """
        if template.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"features are {template.dtype}; QATM needs float32: call .float()")
        penalty = None
        if target is not None:
            penalty = (NEVER * (1.0 - target.to(template.dtype)))[..., None]
        alphas = self.alpha_t, self.alpha_s
        if self.block is None or self.block >= search.shape[-2]:
            rho = template @ search.transpose(-1, -2)
            return _finish(rho, _row_sums(rho, self.alpha_s), *alphas, penalty)
        blocks = search.split(self.block, dim=-2)
        sums = [_recomputed(_block_sums, template, b, self.alpha_s) for b in blocks]
        rows = torch.stack(sums).sum(0)
        parts = [_recomputed(_block_map, template, b, rows, *alphas, penalty) for b in blocks]
        return torch.cat(parts, dim=-1)


def _row_sums(rho: Tensor, alpha_s: Tensor) -> Tensor:
    """Normaliser of the softmax over the search positions, ``(..., M, 1)``."""
    return torch.exp(alpha_s * (rho - 1)).sum(-1, keepdim=True)


def _finish(
    rho: Tensor, row_sums: Tensor, alpha_t: Tensor, alpha_s: Tensor, penalty: Tensor | None
) -> Tensor:
    """Log quality from similarities ``(..., M, N)`` and the row normalisers."""
    tiny = torch.finfo(rho.dtype).tiny
    below = rho - 1
    column_sums = torch.exp(alpha_t * below).sum(-2)
    joint = (alpha_t + alpha_s) * below - torch.log(row_sums.clamp_min(tiny))
    if penalty is not None:
        joint = joint - penalty
    return joint.amax(-2) - torch.log(column_sums.clamp_min(tiny))


def _block_sums(template: Tensor, search: Tensor, alpha_s: Tensor) -> Tensor:
    """The part of one block in the row normalisers."""
    return _row_sums(template @ search.transpose(-1, -2), alpha_s)


def _block_map(template: Tensor, search: Tensor, row_sums: Tensor, *rest: Any) -> Tensor:
    """Log quality of one block; ``rest`` is that of :func:`_finish`."""
    return _finish(template @ search.transpose(-1, -2), row_sums, *rest)


def _recomputed(function: Callable[..., Tensor], *args: Tensor | None) -> Tensor:
    """Call a function, keeping nothing of its inside for the backward pass.

    Whatever it computes with must be an argument: at the time it is called again, a module's
    parameters may have other values.
    """
    if not torch.is_grad_enabled():
        return function(*args)
    result = checkpoint(function, *args, use_reentrant=False)
    assert isinstance(result, Tensor)
    return result
