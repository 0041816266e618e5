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

from ...model import QATM, Backbone, standardise
from ...model.exported import FeatureGraph, JointGraph, MatchGraph, best_windows, window_means
from ...runtime.backends.onnx import OnnxGraph
from ...runtime.patches.quality import stream_quality
from ...runtime.patches.similarity import NORM_EPSILON, STD_EPSILON
from ...runtime.patches.windows import highest_peak, window_response

Array = NDArray[Any]
Arrays = Mapping[str, Array]

MATCH_OUTPUTS = ("quality", "scores", "boxes")
FEATURE_OUTPUTS = ("features", "coarse")


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
    return _module(name, FeatureGraph(backbone), FEATURE_OUTPUTS)


def torch_joint(backbone: Backbone, alpha: float) -> Runner:
    """Features and matching of a crop in PyTorch."""
    match = MatchGraph(alpha, alpha)
    graph = JointGraph(FeatureGraph(backbone), match, backbone.spec.stride)
    return _module("PyTorch", graph, MATCH_OUTPUTS)


def torch_match(alpha: float) -> Runner:
    """Matching with the trainable layer."""
    return _module("PyTorch", _LayerMatch(alpha), MATCH_OUTPUTS)


class _LayerMatch(nn.Module):
    """The matching graph's contract, kept by the trainable layer."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.layer = QATM(alpha)

    def forward(
        self, template: Tensor, target: Tensor, search: Tensor, window: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, cells = standardise(template, search.flatten(1).T)
        quality = self.layer(rows, cells, target).exp().reshape(search.shape[1:])
        scores, boxes = best_windows(*window_means(quality.sqrt(), window), window)
        return quality, scores, boxes


def _module(name: str, module: nn.Module, outputs: tuple[str, ...]) -> Runner:
    module = module.eval()

    def run(inputs: Arrays) -> dict[str, Array]:
        with torch.no_grad():
            results = module(*(torch.from_numpy(array) for array in inputs.values()))
        return {k: v.numpy() for k, v in zip(outputs, results, strict=True)}

    return Runner(name, run)


def numpy_match(alpha: float) -> Runner:
    """The paper's equations read literally in float64, and the runtime's own search for windows."""

    def run(inputs: Arrays) -> dict[str, Array]:
        search = inputs["search"]
        cells = search.reshape(search.shape[0], -1).T
        quality = literal_quality(inputs["template"], inputs["target"], cells, alpha)
        quality = quality.reshape(search.shape[1:]).astype(np.float32)
        rows, columns = (int(side) for side in inputs["window"])
        response = window_response(quality, np.ones((rows, columns), np.float32))
        best = highest_peak(response)
        box = np.array([[best.x, best.y, columns, rows]], np.float32)
        return {
            "quality": quality,
            "scores": np.array([best.response], np.float32),
            "boxes": box,
        }

    return Runner("numpy", run)


def streamed_match(alpha: float) -> Runner:
    """The runtime's own arithmetic for images too large for the graph; the quality only."""

    def run(inputs: Arrays) -> dict[str, Array]:
        search = inputs["search"]
        flat = search.reshape(search.shape[0], -1)
        quality = stream_quality(inputs["template"], inputs["target"], flat, alpha)
        return {"quality": quality.reshape(search.shape[1:])}

    return Runner("numpy, streamed", run)


def literal_quality(template: Array, target: Array, search: Array, alpha: float) -> Array:
    """Quality of each search position by the paper's equations 3 to 5, as they stand.

    Args:
        template: ``(M, C)`` raw features.
        target: ``(M,)``, 1 for rows that may win, 0 for competitors.
        search: ``(N, C)`` raw features.
        alpha: factor on the cosine similarity.

    Returns:
        ``(N,)`` float64 in [0, 1].
    """
    rows = np.concatenate([template, search]).astype(np.float64)
    rows = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + STD_EPSILON)
    rows /= np.sqrt(np.square(rows).sum(1, keepdims=True) + NORM_EPSILON)
    similarity = alpha * rows[: len(template)] @ rows[len(template) :].T
    product = _softmax(similarity, 0) * _softmax(similarity, 1)
    return product[target > 0].max(0)


def _softmax(values: Array, axis: int) -> Array:
    powers = np.exp(values - values.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)
