"""What the proof of a network says of weights that are none of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_copies import seal

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from qatm.export.parity.network_proof import compare_network
from qatm.runtime import Bundle, BundleError
from qatm.runtime.bundle.folder import MANIFEST, default_align_path
from qatm.runtime.saved_arrays import read_arrays

Weights = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_align_path(), tmp_path / "bundle"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.popitem(), "Missing key"),
        (lambda weights: weights.update(more=np.zeros(3)), "Unexpected key"),
        (lambda weights: weights.update({next(iter(weights)): np.zeros((1, 2, 3))}), "size mism"),
        (lambda weights: weights.update(more=np.array("text")), "can't convert"),
    ],
)
def test_weights_of_another_network_are_named(
    folder: Path, change: Callable[[Weights], Any], words: str
) -> None:
    weights: Weights = dict(read_arrays(folder / "network.npz"))
    change(weights)
    np.savez(folder / "network.npz", **weights)
    seal(folder, "network.npz")
    with pytest.raises(BundleError, match=rf"network\.npz does not fit the network .*{words}"):
        next(compare_network(Bundle.load(folder)))


def test_weights_are_read_without_trust(folder: Path) -> None:
    (folder / "network.npz").write_bytes(b"PK no archive")
    seal(folder, "network.npz")
    with pytest.raises(BundleError, match="no archive of arrays"):
        next(compare_network(Bundle.load(folder)))


@pytest.mark.parametrize("matching", [None, 5, "unheard-of"])
def test_a_network_without_a_known_matching_layer_is_named(folder: Path, matching: Any) -> None:
    data = json.loads((folder / MANIFEST).read_text())
    data["network"]["matching"] = matching
    (folder / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(BundleError, match=r"does not fit the network .*matching"):
        next(compare_network(Bundle.load(folder)))
