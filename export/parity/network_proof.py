"""Proof that the trained networks of a bundle compute what PyTorch does with their weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...model.alignment_net import CELLS
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import ExportError
from ...runtime.images import resize_to
from ...runtime.patches.encoder import Encoder
from ...runtime.session import Session
from ..graphs import GraphExport
from ..networks import KINDS, PAIRS
from ..stored_network import stored_network
from .judge import RELATIVE, Deviation, attempt
from .pair_proof import PAIR_KINDS, make_pairs
from .runners import onnx_runner

Array = NDArray[Any]

LIMIT = 1e-3
"""Largest difference, relative to the largest value: the fits repeat and so enlarge rounding."""

SHOWN = MappingProxyType(
    {"source": "picture", "target": "view", "query": "view", "reference": "picture"}
)
"""Which picture of a pair an input gets the features of; other inputs keep their example."""


def compare_network(bundle: Bundle) -> Iterator[Deviation]:
    """Run a bundle's networks in both ways.

    One that compares two pictures is run on made-up features of several sizes and on pictures:
    made-up features that match exactly hide most of what a network has learned. One that reads
    boxes is run on made-up evidence.

    Nothing is compared where the bundle has no network, or, as packs, not its weights.

    Raises:
        ExportError: the network is not known to this version.
        BundleError: a file is damaged or missing.
    """
    roles = {info.role for info in bundle.spec.files.values()}
    for tasks in (PAIRS, ("follow",), ("compare",)):
        kind = KINDS[tasks[0]]
        if kind.role in roles:
            task = _known_task(bundle, kind.told(bundle.spec), tasks)
            if kind.weights_role in roles:
                yield from _compare(bundle, task)


def unproven(bundle: Bundle) -> list[str]:
    """Networks whose weights the bundle lacks, by their files.

    A pack for a device has the graphs without the weights, which nothing there reads.
    """
    files = bundle.spec.files.items()
    roles = {info.role for _, info in files}
    weights = {kind.role: kind.weights_role for kind in KINDS.values()}
    return [name for name, info in files if weights.get(info.role, info.role) not in roles]


def _known_task(bundle: Bundle, told: dict[str, Any], tasks: Sequence[str]) -> str:
    """The task of a network, as the manifest tells it.

    Raises:
        ExportError: it is none of those that such a network can have.
    """
    task = told.get("task", "")
    if task not in tasks:
        raise ExportError(
            f"the network of {bundle.path} is for {task!r}, which is not known to this version of "
            "qatm; check the bundle with the version that wrote it"
        )
    return task


def _compare(bundle: Bundle, task: str) -> Iterator[Deviation]:
    """Run the network of a task in both ways."""
    module = stored_network(bundle, task)
    graph = KINDS[task].export(module.eval(), bundle.spec.backbone.channels)
    file = bundle.file(KINDS[task].role, "fp32")
    runner = onnx_runner(file, graph.outputs)
    cases = [("made up", inputs) for inputs in (graph.inputs, *graph.checks)]
    if task in PAIRS:
        cases += _on_pictures(bundle, task, graph)
    for words, inputs in cases:
        with torch.no_grad():
            results = module(*inputs.values())
        truth = {k: v.numpy() for k, v in zip(graph.outputs, results, strict=True)}
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        found = attempt(lambda arrays=arrays: runner.run(arrays))
        shapes = ", ".join(f"{k} {'x'.join(map(str, v.shape))}" for k, v in arrays.items())
        for name in graph.outputs:
            error, where = _difference(name, found, truth)
            yield Deviation(
                artefact=file.name,
                precision="fp32",
                what=name,
                reference="PyTorch",
                candidate=runner.name,
                size=f"{words}: {shapes}",
                error=error,
                tolerance=LIMIT,
                unit=RELATIVE,
                where=where,
            )


def _on_pictures(
    bundle: Bundle, task: str, graph: GraphExport
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Words and inputs for each pair of pictures, of the size of an alignment network's grid."""
    side = CELLS * bundle.spec.backbone.stride
    with Session(bundle, "cpu", precision="fp32") as session:
        encoder = Encoder(session)
        for pair in make_pairs(PAIR_KINDS[task].views):
            inputs = dict(graph.inputs)
            for name in set(SHOWN) & set(inputs):
                picture = resize_to(getattr(pair, SHOWN[name]), side, side)
                taps, _ = encoder.encode_crop(picture)
                inputs[name] = torch.from_numpy(taps.whole()[None])
            yield pair.name, inputs


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
