"""Weights to INT8: rounded so that the layer's output, not the weights, changes least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .float_graph import ConvLayer
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
        scale: ``(O,)`` float32, half numbers; weight = value * scale.
        shift: ``(O,)`` float32, added to the bias: the mean error that rounding makes.
    """

    values: Array
    scale: Array
    shift: Array


def half_steps(steps: Array) -> Array:
    """The next half numbers, none of them zero, from some steps upward, as float32.

    An FP16 graph has no other scales, so weights are rounded in such steps from the start.
    """
    found = np.asarray(steps).astype(np.float16)
    found = np.where(found < steps, np.nextafter(found, np.float16(np.inf)), found)
    return np.maximum(found, np.finfo(np.float16).smallest_subnormal).astype(np.float32)


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
    scale = half_steps(np.abs(weight).max(axis=2) / LIMIT).astype(np.float64)
    values = _round_groups(weight, scale, moments.covariance)
    error = weight - values * scale[:, :, None]
    shift = (error * moments.mean[:, None, :]).sum(axis=2)
    return RoundedWeight(
        values=values.reshape(layer.weight.shape).astype(np.int8),
        scale=scale.reshape(-1).astype(np.float32),
        shift=shift.reshape(-1).astype(np.float32),
    )


def _round_groups(weight: Array, scale: Array, covariance: Array) -> Array:
    """Round ``(G, O, D)`` weights whose inputs have covariances ``(G, D, D)``; largest first."""
    size = weight.shape[2]
    variances = np.diagonal(covariance, axis1=1, axis2=2)
    order = np.argsort(-variances, axis=1, kind="stable")
    damping = DAMPING * variances.mean(axis=1) + 1e-9
    damped = covariance + np.eye(size) * damping[:, None, None]
    damped = np.take_along_axis(damped, order[:, :, None], axis=1)
    damped = np.take_along_axis(damped, order[:, None, :], axis=2)
    factor = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    left = np.take_along_axis(weight, order[:, None, :], axis=2)
    rounded = np.empty_like(weight)
    for index in range(size):
        steps = np.clip(np.round(left[:, :, index] / scale), -LIMIT, LIMIT)
        error = (left[:, :, index] - steps * scale) / factor[:, index, index, None]
        left[:, :, index + 1 :] -= error[:, :, None] * factor[:, None, index, index + 1 :]
        rounded[:, :, index] = steps
    result = np.empty_like(rounded)
    np.put_along_axis(result, np.broadcast_to(order[:, None, :], rounded.shape), rounded, axis=2)
    return result
