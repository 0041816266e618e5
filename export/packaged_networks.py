"""Trained networks that are taken over from the bundle inside the package.

The one that follows boxes is trained on the evidence that the package's own features give; a bundle
with just these features gets it too, so that it tracks as the package's bundle does. The one that
compares pixels sees nothing else, and every bundle gets it.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from ..runtime.bundle.folder import Bundle
from ..runtime.bundle.manifest import BackboneInfo, BundleSpec, FileInfo
from .file_entries import describe
from .graphs import write_onnx
from .networks import KINDS
from .stored_network import stored_network


def take_networks(spec: BundleSpec, folder: Path, source: Bundle) -> BundleSpec:
    """Copy the files of the networks that suit a bundle's features.

    Graphs of another opset are written again from the weights.

    Args:
        spec: manifest of a bundle that is being written.
        folder: where its files are.
        source: the bundle to take them from.

    Returns:
        The manifest with them; ``spec`` itself where ``source`` has none that suits.

    Raises:
        BundleError: a file of the network is damaged or missing.
        ExportError: a graph that was written again failed its check.
        OSError: the folder cannot be written.
    """
    theirs = source.spec
    for task in ("compare", *(["follow"] if same_features(spec, theirs) else [])):
        kind = KINDS[task]
        roles = kind.role, kind.weights_role
        files = {name: info for name, info in theirs.files.items() if info.role in roles}
        for name, info in files.items():
            if info.role != kind.role or spec.opset == theirs.opset:
                shutil.copyfile(source.file(info.role, info.precision), folder / name)
            else:
                files[name] = _written_again(source, task, folder / name, spec)
        if files:
            told = {kind.role: kind.told(theirs)}
            spec = replace(spec, files={**spec.files, **files}, **told)
    return spec


def _written_again(source: Bundle, task: str, path: Path, spec: BundleSpec) -> FileInfo:
    """The graph of a bundle's network, in the opset of another bundle."""
    graph = KINDS[task].export(stored_network(source, task), spec.backbone.channels)
    write_onnx(graph, path, spec.opset)
    return describe(path, graph.role, graph.precision, graph.least)


def same_features(one: BundleSpec, other: BundleSpec) -> bool:
    """Whether two bundles encode alike: network, layers, weights and factor on the similarity."""
    alike = one.recipes.match.alpha == other.recipes.match.alpha
    return alike and _features(one.backbone) == _features(other.backbone)


def _features(info: BackboneInfo) -> tuple[str, tuple[str, ...], str | None]:
    """What decides the features, but for how the weights are stored."""
    return info.name, info.taps, info.weights.get("sha256")
