"""Storing rounded weights: an int8 tensor and a factor per channel instead of the floats."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..model.compact import LEVELS, SMALLEST

CLOSE = 1e-3
"""Largest distance from a whole number, in steps of int8, of weights that were rounded."""


def store_compactly(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace each large convolution weight that :func:`round_weights` rounded, in place.

    ``DequantizeLinear`` turns it back when the file is loaded or run. Weights that were not rounded
    stay.
    """
    graph = model.graph
    used = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.name not in used or values.size < SMALLEST or values.dtype != np.float32:
            continue
        factor = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / LEVELS
        factor = np.maximum(factor, np.finfo(np.float32).tiny).astype(np.float32)
        steps = values / factor
        if np.abs(steps - np.round(steps)).max() > CLOSE:
            continue
        graph.initializer.remove(tensor)
        _add(graph, tensor.name, np.round(steps).astype(np.int8), factor)
    return model


def _add(graph: onnx.GraphProto, name: str, steps: np.ndarray, factor: np.ndarray) -> None:
    """The int8 tensor, its factors, and the node that makes the weight of them."""
    parts = {f"{name}.int8": steps, f"{name}.factor": factor.reshape(-1)}
    graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in parts.items())
    # TensorRT takes an int8 constant only in front of this node, not of a Cast.
    graph.node.insert(0, helper.make_node("DequantizeLinear", list(parts), [name], axis=0))
