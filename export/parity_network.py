"""Proof that the trained network of a bundle computes what PyTorch does with its weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..runtime.bundle import Bundle
from ..runtime.errors import ExportError
from .networks import KINDS, NETWORK_ROLE, WEIGHTS_ROLE
from .parity_judge import RELATIVE, Comparison, attempt
from .parity_runners import onnx_runner

Array = NDArray[Any]

LIMIT = 1e-3
"""Largest difference, relative to the largest value: the fits repeat and so enlarge rounding."""


def compare_network(bundle: Bundle) -> Iterator[Comparison]:
    """Run a bundle's network on made-up features of several sizes, in both ways.

    Nothing is compared where the bundle has no network.

    Raises:
        ExportError: the network is not known to this version.
        BundleError: a file is damaged or missing.
    """
    if NETWORK_ROLE not in {info.role for info in bundle.spec.files.values()}:
        return
    task = bundle.spec.network.get("task", "")
    if task not in KINDS:
        raise ExportError(
            f"the network of {bundle.path} is for {task!r}, which is not known to this version of "
            "qatm; check the bundle with the version that wrote it"
        )
    module = KINDS[task].make(bundle.spec.network["matching"])
    module.load_state_dict(_read_weights(bundle.file(WEIGHTS_ROLE, "fp32")))
    graph = KINDS[task].export(module.eval(), bundle.spec.backbone.channels)
    file = bundle.file(NETWORK_ROLE, "fp32")
    runner = onnx_runner(file, graph.outputs)
    for inputs in (graph.inputs, *graph.checks):
        with torch.no_grad():
            results = module(*inputs.values())
        truth = {k: v.numpy() for k, v in zip(graph.outputs, results, strict=True)}
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        found = attempt(lambda arrays=arrays: runner.run(arrays))
        size = ", ".join(f"{k} {'x'.join(map(str, v.shape))}" for k, v in arrays.items())
        for name in graph.outputs:
            error, where = _difference(name, found, truth)
            yield Comparison(
                artefact=file.name,
                precision="fp32",
                what=name,
                reference="PyTorch",
                candidate=runner.name,
                size=size,
                error=error,
                tolerance=LIMIT,
                unit=RELATIVE,
                where=where,
            )


def _read_weights(file: Path) -> dict[str, torch.Tensor]:
    with np.load(file, allow_pickle=False) as data:
        return {name: torch.from_numpy(data[name]) for name in data.files}


def _difference(name: str, found: Any, truth: dict[str, Array]) -> tuple[float, str]:
    """The largest difference of an output relative to its largest value, and where it is."""
    if isinstance(found, str):
        return math.inf, f"did not run: {found}"
    if found[name].shape != truth[name].shape:
        return math.inf, f"shape {found[name].shape} instead of {truth[name].shape}"
    difference = np.abs(found[name] - truth[name])
    worst = np.unravel_index(int(difference.argmax()), difference.shape)
    place = ", ".join(str(int(index)) for index in worst)
    return float(difference[worst]) / (float(np.abs(truth[name]).max()) or 1.0), f"at {place}"
