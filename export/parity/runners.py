"""The implementations that must agree, each as a named callable from arrays to arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...model import QATM, Backbone, standardise
from ...model.exported import CANDIDATES, FeatureGraph, JointGraph, MatchGraph
from ...runtime.backends.onnx import OnnxGraph
from ...runtime.patches.agreement import fit_in_numpy
from ...runtime.patches.quality import stream_quality
from ...runtime.patches.taps import Taps
from ...runtime.patches.windows import find_peaks, window_response
from ..graphs import JOINT_OUTPUTS, MATCH_OUTPUTS, PLACE_OUTPUTS, feature_outputs
from .literal import literal_fit, literal_quality

Array = NDArray[Any]
Arrays = Mapping[str, Array]

JOINED = "joined"
"""The map of all taps at the finest stride, which no graph makes as a whole."""

SAME = 0.9
"""IoU above which two windows are one."""


@dataclass(frozen=True)
class Runner:
    """One implementation of one graph: named arrays in, named arrays out."""

    name: str
    run: Callable[[Arrays], dict[str, Array]]


def onnx_runner(path: Path, outputs: tuple[str, ...], *, as_written: bool = False) -> Runner:
    """A file on ONNX Runtime's CPU provider; ``as_written`` fuses no quantised operators."""
    session = OnnxGraph(path, "cpu", fold_weights=as_written)

    def run(inputs: Arrays) -> dict[str, Array]:
        return dict(zip(outputs, session.run(dict(inputs), list(outputs)), strict=True))

    return Runner("ONNX Runtime", run)


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


def numpy_joined(maps: Arrays, steps: tuple[int, ...]) -> dict[str, Array]:
    """The same by the runtime's.

    Args:
        maps: the features graph's outputs.
        steps: cells of the joined map that a cell of each tap covers along each side.
    """
    taps = [array for name, array in maps.items() if name.startswith("tap")]
    shape = taps[0].shape[2] * steps[0], taps[0].shape[3] * steps[0]
    return {
        JOINED: np.stack([Taps(each, steps, shape).whole() for each in zip(*taps, strict=True)])
    }


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


def numpy_match(alpha: float) -> Runner:
    """The paper's equations read literally in float64."""

    def run(inputs: Arrays) -> dict[str, Array]:
        search = inputs["search"]
        cells = search.reshape(search.shape[0], -1).T
        found = literal_quality(inputs["template"], inputs["target"], cells, alpha)
        return _as_maps(found._asdict(), search.shape[1:])

    return Runner("numpy", run)


def streamed_match(alpha: float) -> Runner:
    """The runtime's own arithmetic for images too large for the graph."""

    def run(inputs: Arrays) -> dict[str, Array]:
        search = inputs["search"]
        flat = search.reshape(search.shape[0], -1)
        found = stream_quality(inputs["template"], inputs["target"], flat, alpha)
        return _as_maps(found._asdict(), search.shape[1:])

    return Runner("numpy, streamed", run)


def _as_maps(found: Arrays, shape: tuple[int, ...]) -> dict[str, Array]:
    return {name: values.reshape(shape).astype(np.float32) for name, values in found.items()}


def numpy_place(alpha: float) -> Runner:
    """The definitions of how well a template fits, read literally in float64."""

    def run(inputs: Arrays) -> dict[str, Array]:
        search = inputs["search"]
        rows = search.reshape(search.shape[0], -1).T
        fit = literal_fit(inputs["template"], rows, inputs["cells"], alpha)
        return dict(zip(PLACE_OUTPUTS, fit, strict=True))

    return Runner("numpy", run)


def runtime_place(alpha: float) -> Runner:
    """The runtime's own arithmetic where there is no graph that places templates."""

    def run(inputs: Arrays) -> dict[str, Array]:
        fit = fit_in_numpy(inputs["template"], inputs["search"], inputs["cells"], alpha)
        return dict(zip(PLACE_OUTPUTS, fit, strict=True))

    return Runner("numpy, runtime", run)


def with_windows(maps: Arrays, window: tuple[int, int]) -> dict[str, Array]:
    """What matching gives, and the best windows that the runtime finds in it.

    Args:
        maps: ``contested`` and what else there is.
        window: rows and columns.

    Returns:
        The maps, ``scores`` ``(K,)``, best first, and ``boxes`` ``(K, 4)`` in cells.
    """
    rows, columns = window
    response = window_response(maps["contested"], np.ones(window, np.float32))
    peaks = find_peaks(response, window, CANDIDATES, SAME)
    return {
        **maps,
        "scores": np.array([peak.response for peak in peaks], np.float32),
        "boxes": np.array([[peak.x, peak.y, columns, rows] for peak in peaks], np.float32),
    }
