"""Weights rounded to eight bits, so that a file can hold them in a quarter of the space.

Only the stored weights are rounded; the network computes in floating point as before.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)

COMPACT = "int8"
"""How a manifest names this storage."""

LEVELS = 127
SMALLEST = 1024
"""Weights of fewer elements are left as they are: there is nothing to save."""


def round_weights(module: Module) -> Module:
    """Round the weights of every large convolution to int8 times a factor per output channel.

    Batch normalisation must be folded before. Works in place and returns the module; rounding
    twice changes nothing.
    """
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d) and layer.weight.numel() >= SMALLEST:
                factor = channel_factors(layer.weight)
                layer.weight.copy_(torch.round(layer.weight / factor) * factor)
    return module


def channel_factors(weight: Tensor) -> Tensor:
    """The factor ``(O, 1, 1, 1)`` between int8 and the weights ``(O, I, h, w)``."""
    largest = weight.abs().amax((1, 2, 3), keepdim=True)
    return (largest / LEVELS).clamp_min(torch.finfo(weight.dtype).tiny)
