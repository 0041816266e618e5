"""The implementations that must agree, each as a named callable from arrays to arrays.

Those of a device are here, without PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.onnx import OnnxGraph
from ...runtime.patches.agreement import fit_in_numpy
from ...runtime.patches.quality import stream_quality
from ...runtime.patches.taps import Taps
from ...runtime.patches.windows import find_peaks, window_response
from .literal import literal_fit, literal_quality
from .parity_scenes import ParityPictures, batches

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


def encode(runner: Runner, pictures: ParityPictures) -> dict[str, Array]:
    """Features of both pictures, as many at once as the case says."""
    parts = [runner.run({"image": part}) for part in batches(pictures)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


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
        return literal_fit(inputs["template"], rows, inputs["cells"], alpha)._asdict()

    return Runner("numpy", run)


def runtime_place(alpha: float) -> Runner:
    """The runtime's own arithmetic where there is no graph that places templates."""

    def run(inputs: Arrays) -> dict[str, Array]:
        found = fit_in_numpy(inputs["template"], inputs["search"], inputs["cells"], alpha)
        return found._asdict()

    return Runner("numpy, runtime", run)


def with_windows(maps: Arrays, window: tuple[int, int], count: int) -> dict[str, Array]:
    """What matching gives, and the best windows that the runtime finds in it.

    Args:
        maps: ``contested`` and what else there is.
        window: rows and columns.
        count: of windows, at most.

    Returns:
        The maps, ``scores`` ``(K,)``, best first, and ``boxes`` ``(K, 4)`` in cells.
    """
    rows, columns = window
    response = window_response(maps["contested"], np.ones(window, np.float32))
    peaks = find_peaks(response, window, count, SAME)
    return {
        **maps,
        "scores": np.array([peak.response for peak in peaks], np.float32),
        "boxes": np.array([[peak.x, peak.y, columns, rows] for peak in peaks], np.float32),
    }
