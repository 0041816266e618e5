"""Puts a trained network into a copy of a bundle that exists."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from ..runtime.bundle.folder import MANIFEST, Bundle
from ..runtime.bundle.manifest import COMPARE_ROLE
from ..runtime.bundle.publishing import publish
from ..runtime.errors import ExportError
from .bundle import describe, write_manifest
from .graphs import DEFAULT_OPSET, write_onnx
from .networks import TrainedNetwork
from .staging import staging_folder


def add_network(bundle: Bundle, network: TrainedNetwork, folder: Path) -> Bundle:
    """Write a bundle that has the files of another one and a network.

    One of the same role is replaced; one of the other role stays beside it.

    Args:
        bundle: with the features that the network was trained on; stays as it is.
        network: what to add.
        folder: of the new bundle; made if missing.

    Raises:
        ExportError: other features, a graph that failed its check, or a network that compares
            pixels for a bundle whose ``find.onnx`` holds another one.
        OSError: the folder cannot be written.
    """
    info = bundle.spec.backbone
    if network.kind.role == COMPARE_ROLE and bundle.precisions("find"):
        raise ExportError(
            f"find.onnx of {bundle.path} holds the network that compares pixels; give a bundle "
            "that was exported without --find"
        )
    network.check_features(info.name, info.taps, bundle.spec.recipes.match.alpha)
    graph = network.graph(info.channels)
    with staging_folder(folder) as stage:
        for name, file in bundle.spec.files.items():
            shutil.copyfile(bundle.file(file.role, file.precision), stage / name)
        path = stage / graph.file_name
        write_onnx(graph, path, DEFAULT_OPSET)
        files = {
            **bundle.spec.files,
            path.name: describe(path, graph.role, graph.precision, graph.least),
        }
        files.update([network.write_weights(stage)])
        spec = network.told_in(replace(bundle.spec, files=files))
        write_manifest(stage / MANIFEST, spec)
        Bundle.load(stage)
        publish(stage, folder)
    return Bundle.load(folder)
