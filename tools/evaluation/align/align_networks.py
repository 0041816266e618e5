"""Trained networks for ``qatm eval align``: checkpoints and bundles, by the names of methods."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ....runtime.bundle.folder import MANIFEST, Bundle, default_align_path
from ....runtime.errors import InputError, QatmError

TASK = "align"
NEEDS = 'a checkpoint needs PyTorch and ONNX, and {} is not installed: pip install "qatm[export]"'


@contextmanager
def network_bundles(paths: Sequence[Path], model: Path | None) -> Iterator[dict[str, Path]]:
    """A bundle for each network, by method: ``network-qatm``, or ``network-qatm-2`` and so on.

    Args:
        paths: bundles that have a network, checkpoints, or folders of ``qatm train align``.
        model: the bundle with the features for checkpoints; ``None`` is the one inside the package.

    Raises:
        QatmError: one of them cannot be used, or PyTorch is missing.
    """
    with tempfile.TemporaryDirectory(prefix="qatm-networks-") as place:
        found: dict[str, Path] = {}
        for number, path in enumerate(paths):
            bundle = path
            if not is_bundle(path):
                bundle = _exported(path, model, Path(place) / str(number))
            name = f"network-{_matching(bundle)}"
            used = sum(known == name or known.startswith(f"{name}-") for known in found)
            found[f"{name}-{used + 1}" if used else name] = bundle
        yield found


def is_bundle(path: Path) -> bool:
    """Whether a path is that of a bundle, not of a checkpoint or training."""
    return (path / MANIFEST).is_file()


def _matching(folder: Path) -> str:
    """The matching layer of a bundle's network."""
    network = Bundle.load(folder).spec.network
    if network.get("task") != TASK:
        raise InputError(
            f"--network {folder} is a bundle without a network for {TASK}; give a checkpoint, or "
            f"export one: qatm-export --task {TASK} --network CHECKPOINT"
        )
    return str(network["matching"])


def _exported(checkpoint: Path, model: Path | None, folder: Path) -> Path:
    """A bundle made from a checkpoint."""
    try:
        from ....export.add_network import add_network
        from ....export.networks import load_network
    except ModuleNotFoundError as error:
        raise QatmError(NEEDS.format(error.name)) from error
    features = Bundle.load(default_align_path() if model is None else model)
    return add_network(features, load_network(checkpoint, TASK), folder).path
