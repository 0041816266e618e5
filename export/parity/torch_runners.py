"""The same implementations in PyTorch: what a bundle was exported from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...model import QATM, Backbone, standardise
from ...model.exported import FeatureGraph, JointGraph, MatchGraph
from ..graphs import JOINT_OUTPUTS, MATCH_OUTPUTS, feature_outputs
from .runners import JOINED, Array, Arrays, Runner


def torch_features(backbone: Backbone) -> Runner:
    """The features in PyTorch, batch normalisation not folded."""
    name = "PyTorch half" if backbone.dtype == torch.float16 else "PyTorch"
    return _module(name, _TapsAndMeans(backbone), feature_outputs(len(backbone.spec.tapped)))


class _TapsAndMeans(nn.Module):
    """The features graph's contract, its coarse map by definition: 2x2 means of the joined map."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        taps = self.backbone.taps(image.float().permute(0, 3, 1, 2))
        return (*taps, functional.avg_pool2d(self.backbone.joined(taps), 2))


def torch_joined(backbone: Backbone, maps: Arrays) -> dict[str, Array]:
    """The joined map ``(B, C, H, W)`` of taps, by PyTorch's interpolation."""
    taps = [torch.from_numpy(array) for name, array in maps.items() if name.startswith("tap")]
    return {JOINED: backbone.joined(taps).numpy()}


def torch_joint(backbone: Backbone, alpha: float) -> Runner:
    """Features and matching of a crop in PyTorch."""
    match = MatchGraph(alpha, alpha)
    graph = JointGraph(FeatureGraph(backbone), match, 2 * backbone.spec.stride)
    return _module("PyTorch", graph, JOINT_OUTPUTS)


def torch_match(alpha: float) -> Runner:
    """Matching with the trainable layer."""
    return _module("PyTorch", _LayerMatch(alpha), MATCH_OUTPUTS)


class _LayerMatch(nn.Module):
    """The matching graph's contract, kept by the trainable layer."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.layer = QATM(alpha)

    def forward(self, template: Tensor, target: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        rows, cells = standardise(template, search.flatten(1).T)
        own = target > 0
        contested = self.layer(rows, cells, target)
        alone = self.layer(rows[own], cells, target[own])
        shape = search.shape[1:]
        return contested.exp().reshape(shape), alone.exp().reshape(shape)


def _module(name: str, module: nn.Module, outputs: tuple[str, ...]) -> Runner:
    module = module.eval()

    def run(inputs: Arrays) -> dict[str, Array]:
        with torch.no_grad():
            results = module(*(torch.from_numpy(array) for array in inputs.values()))
        return {k: v.numpy() for k, v in zip(outputs, results, strict=True)}

    return Runner(name, run)
