"""The network that follows boxes, taken over from the bundle inside the package.

It is trained on the evidence that the package's own features give; a bundle with just these
features gets it too, so that it tracks as the package's bundle does.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from ..runtime.bundle.folder import Bundle
from ..runtime.bundle.manifest import FOLLOW_ROLE, BackboneInfo, BundleSpec, FileInfo

TAKEN = (FOLLOW_ROLE, f"{FOLLOW_ROLE}-weights")
"""Roles of the files."""


def take_follow(spec: BundleSpec, folder: Path, source: Bundle) -> BundleSpec:
    """Copy the files of the network where the features are those that it was trained on.

    Args:
        spec: manifest of a bundle that is being written.
        folder: where its files are.
        source: the bundle to take them from.

    Returns:
        The manifest with them; ``spec`` itself where the features differ or ``source`` has none.

    Raises:
        BundleError: a file of the network is damaged or missing.
        OSError: the folder cannot be written.
    """
    theirs = source.spec
    if not same_features(spec, theirs):
        return spec
    files = {name: info for name, info in theirs.files.items() if info.role in TAKEN}
    return _copied(spec, folder, source, files) if files else spec


def same_features(one: BundleSpec, other: BundleSpec) -> bool:
    """Whether two bundles encode alike: network, layers, weights and factor on the similarity."""
    alike = one.recipes.match.alpha == other.recipes.match.alpha
    return alike and _features(one.backbone) == _features(other.backbone)


def _features(info: BackboneInfo) -> tuple[str, tuple[str, ...], str | None]:
    """What decides the features, but for how the weights are stored."""
    return info.name, info.taps, info.weights.get("sha256")


def _copied(
    spec: BundleSpec, folder: Path, source: Bundle, files: dict[str, FileInfo]
) -> BundleSpec:
    """Copy files, and list them in a manifest."""
    for name, info in files.items():
        shutil.copyfile(source.file(info.role, info.precision), folder / name)
    return replace(spec, files={**spec.files, **files}, follow=source.spec.follow)
