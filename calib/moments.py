"""Mean and covariance of what each convolution reads, from patches at random places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .float_graph import ConvLayer

Array = NDArray[Any]

LEAST_PATCHES = 2048
"""Patches of a layer over the whole set, at least."""

PATCHES_FOR_EACH_WEIGHT = 6
MOST_PATCHES = 12_000


@dataclass(frozen=True)
class Moments:
    """Statistics of the patches that a convolution reads, for each of its ``G`` groups.

    Attributes:
        mean: ``(G, D)``, ``D`` weights for each output channel.
        covariance: ``(G, D, D)``.
    """

    mean: Array
    covariance: Array


class MomentSums:
    """Adds up the moments of several layers, image by image.

    Args:
        layers: the convolutions.
        images: how many images will be added.
        seed: of the places.
    """

    def __init__(self, layers: Sequence[ConvLayer], images: int, seed: int) -> None:
        self._layers = layers
        self._random = np.random.default_rng(seed)
        self._patches: dict[str, int] = {}
        self._first: dict[str, Array] = {}
        self._second: dict[str, Array] = {}
        self._count: dict[str, int] = {}
        for layer in layers:
            size = int(np.prod(layer.weight.shape[1:]))
            wanted = min(max(LEAST_PATCHES, PATCHES_FOR_EACH_WEIGHT * size), MOST_PATCHES)
            self._patches[layer.node] = math.ceil(wanted / max(images, 1))
            self._first[layer.node] = np.zeros((layer.groups, size))
            self._second[layer.node] = np.zeros((layer.groups, size, size))
            self._count[layer.node] = 0

    def add(self, values: Mapping[str, Array]) -> None:
        """Add the activations ``(1, C, H, W)`` of one image, by tensor."""
        for layer in self._layers:
            patches = sample_patches(
                layer, values[layer.source][0], self._patches[layer.node], self._random
            )
            self._first[layer.node] += patches.sum(axis=1)
            self._second[layer.node] += patches.transpose(0, 2, 1) @ patches
            self._count[layer.node] += patches.shape[1]

    def finish(self) -> dict[str, Moments]:
        """Moments by node."""
        return {layer.node: self._moments(layer.node) for layer in self._layers}

    def _moments(self, node: str) -> Moments:
        count = max(self._count[node], 1)
        mean = self._first[node] / count
        second = self._second[node] / count
        return Moments(mean, second - mean[:, :, None] * mean[:, None, :])


def sample_patches(
    layer: ConvLayer, activation: Array, count: int, random: np.random.Generator
) -> Array:
    """What a convolution reads at random places of its output.

    Args:
        layer: the convolution.
        activation: ``(C, H, W)``.
        count: number of places.
        random: chooses them.

    Returns:
        ``(G, count, D)`` float32, ordered as the weights are.
    """
    top, left, bottom, right = layer.pads
    height, width = layer.weight.shape[2:]
    padded = np.pad(activation, ((0, 0), (top, bottom), (left, right)))
    rows = (padded.shape[1] - (height - 1) * layer.dilations[0] - 1) // layer.strides[0] + 1
    columns = (padded.shape[2] - (width - 1) * layer.dilations[1] - 1) // layer.strides[1] + 1
    place = random.integers(0, rows * columns, count)
    y = place // columns * layer.strides[0]
    x = place % columns * layer.strides[1]
    taps = [
        padded[:, y + i * layer.dilations[0], x + j * layer.dilations[1]]
        for i in range(height)
        for j in range(width)
    ]
    patches = np.stack(taps, axis=-1)
    grouped = patches.reshape(layer.groups, -1, count, len(taps))
    return grouped.transpose(0, 2, 1, 3).reshape(layer.groups, count, -1)
