"""Batch normalisation folded into the convolution before it."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Module = TypeVar("Module", bound=nn.Module)


def fold_batch_norm(module: Module) -> Module:
    """Fold every ``BatchNorm2d`` that follows a ``Conv2d`` in a ``Sequential``, in place.

    The outputs stay the same up to float rounding; each folded normalisation becomes an
    ``Identity``, so a state dict saved before no longer fits.

    Returns:
        ``module`` itself.

    Raises:
        ValueError: if the module is in training mode, where batch statistics are not constants.
    """
    if module.training:
        raise ValueError("cannot fold batch normalisation in training mode; call .eval() first")
    for sequence in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for index, following in pairwise(range(len(sequence))):
            conv, norm = sequence[index], sequence[following]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index] = fuse_conv_bn_eval(conv, norm)
                sequence[following] = nn.Identity()
    return module
