"""MobileNetV2 with torchvision's parameter names.

Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


class BottleneckStage(NamedTuple):
    """A run of inverted residual blocks; only the first of them changes stride and width."""

    repeats: int
    stride: int
    expand: int
    channels: int


STAGES = (
    BottleneckStage(1, 1, 1, 16),
    BottleneckStage(2, 2, 6, 24),
    BottleneckStage(3, 2, 6, 32),
    BottleneckStage(4, 2, 6, 64),
    BottleneckStage(3, 1, 6, 96),
    BottleneckStage(3, 2, 6, 160),
    BottleneckStage(1, 1, 6, 320),
)


class ConvNormReLU6(nn.Sequential):
    """Convolution with symmetric padding, batch normalisation, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU6(),
        )


class InvertedResidual(nn.Module):
    """Expand (1x1), filter each channel (3x3), project (1x1); identity shortcut where it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        steps: list[nn.Module] = [ConvNormReLU6(inputs, hidden, 1)] if expand > 1 else []
        self.conv = nn.Sequential(
            *steps,
            ConvNormReLU6(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        y = self.conv(x)
        return x + y if self.shortcut else y


class MobileNetV2(nn.Module):
    """The network up to its deepest requested block.

    Args:
        taps: indices into ``features`` (0, the stem, to 18, the head), increasing, whose outputs
            are returned.

    ``forward`` takes normalised RGB ``(B, 3, H, W)`` float and returns one ``(B, C, H/s, W/s)``
    tensor per tap.
    """

    def __init__(self, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.taps = taps
        self.features = nn.ModuleList([ConvNormReLU6(3, STEM_CHANNELS, 3, stride=2)])
        channels = STEM_CHANNELS
        for stage in STAGES:
            for repeat in range(stage.repeats):
                if len(self.features) > max(taps):
                    break
                stride = stage.stride if repeat == 0 else 1
                block = InvertedResidual(channels, stage.channels, stride, stage.expand)
                self.features.append(block)
                channels = stage.channels
        if len(self.features) == max(taps):
            self.features.append(ConvNormReLU6(channels, HEAD_CHANNELS, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Outputs of the taps, in the order of depth."""
        outputs: list[Tensor] = []
        for index, block in enumerate(self.features):
            x = block(x)
            if index in self.taps:
                outputs.append(x)
        return outputs


def convert_torchvision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Torchvision's keys are this module's own; only the classifier is left out."""
    return {key: value for key, value in weights.items() if not key.startswith("classifier.")}
