"""VGG19, the backbone of the QATM paper.

Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015 (configuration E). Features
are taken after the ReLU of a convolution; the paper uses conv1_2 and conv3_4.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
"""Convolutions and channels of each block; blocks are separated by 2x2 max pooling."""

KERAS_LAYER = re.compile(r"block(\d+)_conv(\d+)")


class Layer(NamedTuple):
    """One 3x3 convolution: its place in the network and in torchvision's ``features`` list."""

    name: str
    stride: int
    inputs: int
    channels: int
    pooled: bool
    torchvision_index: int


def layers() -> tuple[Layer, ...]:
    """All sixteen convolutions in order, ``conv1_1`` to ``conv5_4``."""
    plan: list[Layer] = []
    channels, index = 3, 0
    for block, (count, width) in enumerate(BLOCKS):
        for number in range(count):
            pooled = block > 0 and number == 0
            name = f"conv{block + 1}_{number + 1}"
            plan.append(Layer(name, 2**block, channels, width, pooled, index))
            channels = width
            index += 2
        index += 1
    return tuple(plan)


class VGG19(nn.Module):
    """The network up to its deepest requested layer.

    Args:
        taps: layer names (``"conv1_2"``) whose outputs, after ReLU, are returned.

    ``forward`` takes preprocessed images ``(B, 3, H, W)`` float, in the channel order of the
    weights, and returns one ``(B, C, H/s, W/s)`` tensor per tap.
    """

    def __init__(self, taps: tuple[str, ...]) -> None:
        super().__init__()
        self.taps = taps
        plan = layers()
        deepest = max(index for index, layer in enumerate(plan) if layer.name in taps)
        self.plan = plan[: deepest + 1]
        self.convs = nn.ModuleDict(
            {
                layer.name: nn.Conv2d(layer.inputs, layer.channels, 3, padding=1)
                for layer in self.plan
            }
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Outputs of the taps, in the order of depth."""
        outputs: list[Tensor] = []
        for layer in self.plan:
            if layer.pooled:
                x = F.max_pool2d(x, 2)
            x = F.relu(self.convs[layer.name](x))
            if layer.name in self.taps:
                outputs.append(x)
        return outputs


def convert_keras(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename ``block1_conv1/kernel`` (HWIO) and ``.../bias`` to this module's keys (OIHW)."""
    converted: dict[str, Tensor] = {}
    for key, value in weights.items():
        layer, _, kind = key.partition("/")
        found = KERAS_LAYER.fullmatch(layer)
        name = f"convs.conv{found[1]}_{found[2]}" if found else layer
        if kind == "kernel":
            converted[f"{name}.weight"] = value.permute(3, 2, 0, 1).contiguous()
        else:
            converted[f"{name}.{kind}"] = value
    return converted


def convert_torchvision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename torchvision's ``features.N`` keys to this module's; the classifier is left out."""
    names = {f"features.{layer.torchvision_index}": layer.name for layer in layers()}
    converted: dict[str, Tensor] = {}
    for key, value in weights.items():
        if key.startswith("classifier."):
            continue
        module, _, field = key.rpartition(".")
        converted[f"convs.{names[module]}.{field}" if module in names else key] = value
    return converted
