"""EfficientNet-Lite0, the default backbone.

Tan and Le, "EfficientNet", ICML 2019; the Lite variant drops squeeze-and-excitation and replaces
swish with ReLU6, so that every layer survives quantisation and runs on small accelerators.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

BATCH_NORM_EPSILON = 1e-3
STEM_CHANNELS = 32

PARTS = {2: 6, 4: 3}
"""In how many parts a block whose input has this stride is computed to save memory; what has a
larger stride holds too little to be worth it."""

STEM_PARTS = 2
"""The same of the stem together with the first block."""


class MBConvStage(NamedTuple):
    """A run of inverted residual blocks; only the first of them changes stride and width."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


LITE0_STAGES = (
    MBConvStage(1, 3, 1, 1, 16),
    MBConvStage(2, 3, 2, 6, 24),
    MBConvStage(2, 5, 2, 6, 40),
    MBConvStage(3, 3, 2, 6, 80),
    MBConvStage(3, 5, 1, 6, 112),
    MBConvStage(4, 5, 2, 6, 192),
    MBConvStage(1, 3, 1, 6, 320),
)


def same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "same" padding (before, after) for an input whose size the stride divides."""
    total = kernel - stride if stride > 1 else kernel - 1
    return total // 2, total - total // 2


class SameConv(nn.Sequential):
    """Convolution with TensorFlow's asymmetric "same" padding, then batch normalisation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        before, after = same_padding(kernel, stride)
        symmetric = before == after
        conv = nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride,
            padding=before if symmetric else 0,
            groups=groups,
            bias=False,
        )
        norm = nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPSILON)
        pad = nn.Identity() if symmetric else nn.ZeroPad2d((before, after, before, after))
        super().__init__(pad, conv, norm)

    @property
    def pad(self) -> nn.Module:
        """What pads the input where the padding is asymmetric."""
        return self[0]

    @property
    def convolution(self) -> nn.Conv2d:
        """The convolution."""
        convolution = self[1]
        assert isinstance(convolution, nn.Conv2d)
        return convolution


class MBConv(nn.Module):
    """Expand (1x1), filter each channel (k x k), project (1x1); identity shortcut where it fits.

    Attributes:
        parts: the expanded channels, which are most of what a network holds at once, are computed
            in so many parts, whose projections are added. Needs folded batch normalisation.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.expand = SameConv(inputs, hidden, 1) if expand > 1 else None
        self.depthwise = SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self.project = SameConv(hidden, outputs, 1)
        self.shortcut = stride == 1 and inputs == outputs
        self.parts = 1

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        if self.expand is None or self.parts == 1:
            y = x if self.expand is None else F.relu6(self.expand(x))
            y = self.project(F.relu6(self.depthwise(y)))
        else:
            y = self.summed(self.expand.pad(x), self.expand, self.parts)
        return x + y if self.shortcut else y

    def summed(self, x: Tensor, expand: SameConv, parts: int) -> Tensor:
        """Expand, filter and project, some channels after the others, and add what comes out.

        Args:
            x: padded input of ``expand``.
            expand: convolution before the filters.
            parts: in how many parts.
        """
        wide, filters, project = expand.convolution, self.depthwise, self.project.convolution
        total = None
        step = -(-wide.out_channels // parts)
        for start in range(0, wide.out_channels, step):
            part = slice(start, min(start + step, wide.out_channels))
            y = F.relu6(_convolved(x, wide, wide.weight[part], wide.bias, part))
            y = filters.pad(y)
            depthwise = filters.convolution
            y = F.relu6(_convolved(y, depthwise, depthwise.weight[part], depthwise.bias, part))
            bias = project.bias if total is None else None
            y = F.conv2d(y, project.weight[:, part], bias)
            # In this order runtimes compute one part after the other and keep only their sum.
            total = y if total is None else y + total
        assert total is not None
        return total


class EfficientNetLite0(nn.Module):
    """The network up to its deepest requested block.

    Args:
        taps: block indices (0 to 15, increasing) whose outputs are returned.

    ``forward`` takes normalised RGB ``(B, 3, H, W)`` float and returns one ``(B, C, H/s, W/s)``
    tensor per tap; H and W are best multiples of the deepest tap's stride.
    """

    def __init__(self, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.taps = taps
        self.stem = SameConv(3, STEM_CHANNELS, 3, stride=2)
        self.stem_parts = 1
        self.blocks = nn.ModuleList()
        channels = STEM_CHANNELS
        for stage in LITE0_STAGES:
            for repeat in range(stage.repeats):
                if len(self.blocks) > max(taps):
                    break
                stride = stage.stride if repeat == 0 else 1
                self.blocks.append(
                    MBConv(channels, stage.channels, stage.kernel, stride, stage.expand)
                )
                channels = stage.channels

    def compute_in_parts(self, *, wanted: bool) -> EfficientNetLite0:
        """Hold the largest maps only in parts, or whole as a trained network does; see `MBConv`."""
        stride = 2
        for block in self.blocks:
            assert isinstance(block, MBConv)
            block.parts = PARTS.get(stride, 1) if wanted else 1
            stride *= block.depthwise.convolution.stride[0]
        self.stem_parts = STEM_PARTS if wanted else 1
        return self

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised RGB ``(B, 3, H, W)`` to one map per tap."""
        first = self.blocks[0]
        assert isinstance(first, MBConv)
        if self.stem_parts > 1:
            x = first.summed(self.stem.pad(x), self.stem, self.stem_parts)
        else:
            x = first(F.relu6(self.stem(x)))
        outputs: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x) if index else x
            if index in self.taps:
                outputs.append(x)
        return outputs


def _convolved(
    x: Tensor, like: nn.Conv2d, weight: Tensor, bias: Tensor | None, part: slice
) -> Tensor:
    """Some output channels of a convolution, of each channel by itself if ``like`` is."""
    if bias is None:
        raise ValueError("parts need folded batch normalisation; call fold_batch_norm() first")
    groups = 1 if like.groups == 1 else part.stop - part.start
    return F.conv2d(x, weight, bias[part], like.stride, like.padding, 1, groups)


def convert_state_dict(weights: dict[str, Tensor], taps: tuple[int, ...]) -> dict[str, Tensor]:
    """Rename the published checkpoint's keys to this module's; blocks past the last tap go."""
    layers = {
        "_conv_stem": "stem.1",
        "_bn0": "stem.2",
        "_expand_conv": "expand.1",
        "_depthwise_conv": "depthwise.1",
        "_bn1": "depthwise.2",
        "_project_conv": "project.1",
        "_bn2": "project.2",
    }
    converted: dict[str, Tensor] = {}
    for key, value in weights.items():
        head, _, rest = key.partition(".")
        if head in ("_conv_stem", "_bn0"):
            converted[f"{layers[head]}.{rest}"] = value
        elif head == "_blocks":
            index, layer, field = rest.split(".")
            name = "expand.2" if layer == "_bn0" else layers[layer]
            if int(index) <= max(taps):
                converted[f"blocks.{index}.{name}.{field}"] = value
    return converted
