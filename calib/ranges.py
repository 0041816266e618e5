"""Activation ranges: the least and largest values that quantisation keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from ..runtime.errors import CalibrationError
from .calibration import CalibrationOptions, Progress, silent
from .float_graph import FloatGraph, open_model, with_taps
from .image_set import CalibrationSet
from .moments import Moments, MomentSums

Array = NDArray[Any]
Range = tuple[float, float]

BINS = 2048
LEVELS = 256
FRACTIONS = np.linspace(0.3, 1.0, 57)
"""Parts of the full range that the entropy method tries."""


def measure(
    graph: FloatGraph,
    images: CalibrationSet,
    options: CalibrationOptions,
    progress: Progress = silent,
) -> tuple[dict[str, Range], dict[str, Moments]]:
    """Run a set through a graph.

    Args:
        graph: the float graph; its input ``image`` is ``(1, H, W, 3)`` uint8 BGR.
        images: what to run.
        options: the method and the seed.
        progress: told about every image.

    Returns:
        Ranges by tensor, and mean and covariance of what each convolution reads, by node.

    Raises:
        CalibrationError: an activation is not finite, or every one is constant.
    """
    tensors = graph.tensors
    session = open_model(with_taps(graph.model, tensors))
    known = image_ranges(graph)
    full: dict[str, Range] = dict.fromkeys(tensors, (0.0, 0.0)) | known
    sums = MomentSums(graph.layers, len(images), options.seed)
    for done, image in enumerate(images, 1):
        values = dict(zip(tensors, session.run({"image": image[None]}, tensors), strict=True))
        for name, array in values.items():
            # numpy's minimum hands NaN on, Python's drops it.
            low, high = (
                np.minimum(full[name][0], array.min()),
                np.maximum(full[name][1], array.max()),
            )
            full[name] = (float(low), float(high))
        _check_finite(full)
        sums.add(values)
        progress("measuring ranges", done, len(images))
    _check_varied({name: limits for name, limits in full.items() if name not in known})
    if options.method == "minmax":
        return full, sums.finish()
    counts = {name: np.zeros(BINS) for name in tensors}
    for done, image in enumerate(images, 1):
        for name, array in zip(tensors, session.run({"image": image[None]}, tensors), strict=True):
            counts[name] += histogram(array, full[name])
        progress("counting values", done, len(images))
    narrowed = {name: _narrow(counts[name], full[name], options) for name in tensors}
    return narrowed | known, sums.finish()


def image_ranges(graph: FloatGraph) -> dict[str, Range]:
    """Ranges of what is only moved and subtracted from an image, which is bytes."""
    image = graph.model.graph.input[0].name
    found: dict[str, Range] = {image: (0.0, 255.0)}
    for node in graph.model.graph.node:
        low, high = found.get(node.input[0], (0.0, 0.0)) if node.input else (0.0, 0.0)
        if low == high:
            continue
        if node.op_type in ("Cast", "Transpose"):
            found[node.output[0]] = (low, high)
        elif node.op_type == "Sub" and node.input[1] in graph.constants:
            values = numpy_helper.to_array(graph.constants[node.input[1]])
            ends = low - float(values.max()), high - float(values.min())
            found[node.output[0]] = ends
    return {name: found[name] for name in graph.tensors if name in found}


def _check_finite(ranges: Mapping[str, Range]) -> None:
    """Refuse weights that make numbers which are none."""
    for name, (low, high) in ranges.items():
        if not np.isfinite([low, high]).all():
            raise CalibrationError(
                f"activation {name} reaches {low:g} to {high:g} on the calibration images; the "
                "weights are damaged: export again"
            )


def _check_varied(ranges: Mapping[str, Range]) -> None:
    """Refuse ranges that cannot be divided into steps."""
    if all(low == high for low, high in ranges.values()):
        raise CalibrationError(
            "every activation is zero on the calibration images, so there is no range to divide; "
            "use other images or other weights"
        )


def _narrow(counts: Array, full: Range, options: CalibrationOptions) -> Range:
    """The range that a method keeps of a histogram.

    Activation functions cut off by themselves, and a network computes with where they do: a tenth
    less than all of their range costs 8 dB. So only what has both signs is narrowed.
    """
    if full[0] >= 0 or full[1] <= 0:
        return full
    if options.method == "percentile":
        return percentile_range(counts, full, options.percentile)
    return entropy_range(counts, full)


def histogram(values: Array, limits: Range) -> Array:
    """How many values fall into each of :data:`BINS` equal steps of a range; ends included."""
    low, high = limits
    if low == high:
        return np.zeros(BINS)
    beyond = float(np.nextafter(np.float32(high), np.float32(np.inf)))
    column = np.ascontiguousarray(values, np.float32).reshape(-1, 1)
    return cv2.calcHist([column], [0], None, [BINS], [low, beyond]).astype(np.float64).reshape(-1)


def percentile_range(counts: Array, full: Range, percentile: float) -> Range:
    """The range that holds ``percentile`` % of all values, as much cut off at both ends.

    A range that starts or ends at zero is cut at its other end only; zero is always inside.
    """
    edges = np.linspace(full[0], full[1], BINS + 1)
    share = np.cumsum(counts) / max(counts.sum(), 1.0)
    ends = int(full[0] < 0) + int(full[1] > 0)
    tail = (1 - percentile / 100) / max(ends, 1)
    low, high = full
    if full[0] < 0:
        low = min(0.0, float(edges[np.searchsorted(share, tail, side="right")]))
    if full[1] > 0:
        last = min(int(np.searchsorted(share, 1 - tail, side="left")), BINS - 1)
        high = max(0.0, float(edges[last + 1]))
    return low, high


def entropy_range(counts: Array, full: Range) -> Range:
    """The part of the range whose quantised distribution is nearest to the real one.

    Nearest in the sense of the Kullback-Leibler divergence; values outside count at the ends.
    """
    centres = np.linspace(full[0], full[1], 2 * BINS + 1)[1::2]
    best, chosen = np.inf, full
    for fraction in FRACTIONS:
        low, high = full[0] * fraction, full[1] * fraction
        inside = (centres >= low) & (centres <= high)
        divergence = _divergence(counts, inside)
        # A wider range is preferred unless a narrower one is better by more than rounding.
        if divergence <= best + 1e-9:
            best, chosen = divergence, (low, high)
    return chosen


def _divergence(counts: Array, inside: Array) -> float:
    """Divergence of a histogram from what is left of it after quantising the inner part."""
    first, last = np.flatnonzero(inside)[[0, -1]]
    real = counts[first : last + 1].copy()
    level = np.arange(len(real)) * LEVELS // len(real)
    used = real > 0
    sums = np.bincount(level, real, LEVELS)
    sizes = np.bincount(level, used, LEVELS)
    quantised = np.where(used, sums[level] / np.maximum(sizes[level], 1), 0.0)
    real[0] += counts[:first].sum()
    real[-1] += counts[last + 1 :].sum()
    used = real > 0
    p = real[used] / real.sum()
    q = np.maximum(quantised[used] / max(quantised.sum(), 1.0), 1e-12)
    return float((p * np.log(p / q)).sum())


def digest_of(ranges: Mapping[str, Range]) -> str:
    """SHA-256 of ranges."""
    text = "\n".join(f"{name} {low!r} {high!r}" for name, (low, high) in sorted(ranges.items()))
    return hashlib.sha256(text.encode()).hexdigest()
