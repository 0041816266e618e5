"""Weights to INT8: rounded so that the layer's output, not the weights, changes least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import ConvLayer
from .moments import Moments

Array = NDArray[Any]

LIMIT = 127
"""Symmetric: -128 is not used."""

DAMPING = 0.01
"""Part of the mean variance that is added to every variance, so that the inverse exists."""


@dataclass(frozen=True)
class RoundedWeight:
    """The INT8 weights of a convolution.

    Attributes:
        values: ``(O, I/groups, h, w)`` int8, -127 to 127.
        scale: ``(O,)`` float32; weight = value * scale.
        shift: ``(O,)`` float32, added to the bias: the mean error that rounding makes.
    """

    values: Array
    scale: Array
    shift: Array


def round_weights(layer: ConvLayer, moments: Moments) -> RoundedWeight:
    """Round the weights of a convolution one after the other.

    The error of each is made good by those not yet rounded, as far as the inputs of the two go
    together (Frantar et al. 2022, arXiv 2210.17323, applied to each group of a convolution); what
    remains on average goes into the bias (Nagel et al. 2019, arXiv 1906.04721, section 4.2).

    Args:
        layer: the convolution.
        moments: of what it reads.
    """
    groups = layer.groups
    weight = layer.weight.reshape(groups, len(layer.weight) // groups, -1).astype(np.float64)
    scale = np.maximum(np.abs(weight).max(axis=2), 1e-12) / LIMIT
    scale = scale.astype(np.float32).astype(np.float64)
    values = np.stack(
        [_round_group(weight[g], scale[g], moments.covariance[g]) for g in range(groups)]
    )
    error = weight - values * scale[:, :, None]
    shift = (error * moments.mean[:, None, :]).sum(axis=2)
    return RoundedWeight(
        values=values.reshape(layer.weight.shape).astype(np.int8),
        scale=scale.reshape(-1).astype(np.float32),
        shift=shift.reshape(-1).astype(np.float32),
    )


def _round_group(weight: Array, scale: Array, covariance: Array) -> Array:
    """Round ``(O, D)`` weights whose inputs have a covariance ``(D, D)``; the largest first."""
    size = weight.shape[1]
    variance = np.trace(covariance) / size
    order = np.argsort(-np.diag(covariance), kind="stable")
    damped = covariance[order][:, order] + np.eye(size) * (DAMPING * variance + 1e-9)
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, rounded = weight[:, order].copy(), np.empty_like(weight)
    for index in range(size):
        rounded[:, index] = np.clip(np.round(left[:, index] / scale), -LIMIT, LIMIT)
        error = (left[:, index] - rounded[:, index] * scale) / factor[index, index]
        left[:, index + 1 :] -= error[:, None] * factor[index, index + 1 :]
    result = np.empty_like(rounded)
    result[:, order] = rounded
    return result
