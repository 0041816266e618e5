"""Weight files: reading them, telling which network they belong to, loading them strictly.

Readable are Keras ``.npz`` and ``.h5`` files of VGG networks and PyTorch ``.pth`` and ``.pt``
state dicts. Nothing stored in a file is ever executed.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

KERAS_VGG = "Keras VGG"
TORCHVISION_VGG = "torchvision VGG"
TORCHVISION_MOBILENET = "torchvision MobileNetV2"
EFFICIENTNET_LITE = "EfficientNet-Lite"
UNKNOWN_LAYOUT = "an unknown network"

LAYOUT_MARKERS = (
    ("EfficientNet with squeeze-and-excitation", "_blocks.0._se_reduce.weight"),
    (EFFICIENTNET_LITE, "_conv_stem.weight"),
    (TORCHVISION_MOBILENET, "features.1.conv.0.0.weight"),
    ("torchvision VGG with batch normalisation", "features.1.running_mean"),
    (TORCHVISION_VGG, "features.0.weight"),
    (KERAS_VGG, "block1_conv1/kernel"),
    ("torchvision ResNet", "layer1.0.conv1.weight"),
)
"""Layout and the key that gives it away; the first that is found counts."""

KERAS_CONV = re.compile(r"(?:^|/)(block\d+_conv\d+)(?:/|_|$)")
KERAS_KINDS = {4: "kernel", 1: "bias"}
"""Meaning of an array by its number of dimensions; the names differ between Keras versions."""

LISTED_KEYS = 3
UNUSED_FIELD = "num_batches_tracked"


class WeightsError(ValueError):
    """A weight file is missing, unreadable, or of another network than the one asked for."""


class WeightsFile(NamedTuple):
    """What a file holds: ``tensors`` under the file's own keys and the ``layout`` they are in."""

    path: Path
    layout: str
    tensors: dict[str, Tensor]


def read_weights(path: str | PathLike[str]) -> WeightsFile:
    """Read a weight file and recognise its layout.

    Keras arrays get the keys ``block1_conv1/kernel`` (HWIO) and ``block1_conv1/bias``, whatever
    their nesting in the file.

    Raises:
        WeightsError: the file is missing, truncated or of a kind that is not read here.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"weight file not found: {path}; check the path given as weights")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(
            f"{path} is not a known kind of weight file ({path.suffix or 'no suffix'}); "
            f"readable are {', '.join(READERS)}"
        )
    try:
        tensors = reader(path)
    except WeightsError:
        raise
    except Exception as error:  # the parsers raise almost anything on damaged files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{path} cannot be read, it is damaged, incomplete or not a {path.suffix} file of "
            f"plain weights ({reason}); get the file again"
        ) from error
    if not tensors:
        raise WeightsError(f"{path} holds no weights of a known network; give another file")
    return WeightsFile(path, _layout(tensors), tensors)


def load_weights(
    network: nn.Module, complete: nn.Module, tensors: Mapping[str, Tensor], source: str
) -> None:
    """Copy ``tensors``, under the module's own keys, into ``network``, or refuse them whole.

    ``network`` may be the first part of the network ``complete`` (on the meta device will do); the
    file may end anywhere behind that part. Everything that it does hold must fit ``complete``, so
    that the weights of a relative with the same first layers are noticed.

    Args:
        source: what the error message calls the tensors.

    Raises:
        WeightsError: keys are missing or unexpected, or shapes differ.
    """
    expected = _shapes(complete.state_dict())
    found = _shapes(tensors)
    present = [index for index, key in enumerate(expected) if key in found]
    contiguous = list(expected)[: max(present, default=-1) + 1]
    required = dict.fromkeys([*contiguous, *_shapes(network.state_dict())])
    problems = {
        "missing": [key for key in required if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": [
            f"{key} {shape}, not {expected[key]}"
            for key, shape in found.items()
            if key in expected and shape != expected[key]
        ],
    }
    listed = [f"{problem}: {_summary(keys)}" for problem, keys in problems.items() if keys]
    if listed:
        raise WeightsError(
            f"{source} does not fit the network; {'; '.join(listed)}; "
            "give the complete weights of this network"
        )
    # Checked above; strict=False lets layers past the deepest tap go.
    network.load_state_dict(tensors, strict=False)


def packaged_file(package: str, inner: str, install: str) -> Path:
    """Path of a file inside an installed package, which is located but never imported.

    Args:
        inner: the file's path inside the package folder.
        install: the command that installs the package, for the error message.

    Raises:
        WeightsError: the package or the file in it is missing.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / inner
        if path.is_file():
            return path
    state = "lacks" if spec else "is not installed, which has"
    raise WeightsError(
        f"the package {package} {state} the weights {inner}; "
        f"run {install}, or give a weight file (--weights)"
    )


def _layout(keys: Iterable[str]) -> str:
    known = set(keys)
    return next((layout for layout, marker in LAYOUT_MARKERS if marker in known), UNKNOWN_LAYOUT)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {
        key: tuple(value.shape) for key, value in tensors.items() if not key.endswith(UNUSED_FIELD)
    }


def _summary(keys: list[str]) -> str:
    more = len(keys) - LISTED_KEYS
    return ", ".join(keys[:LISTED_KEYS]) + (f" and {more} more" if more > 0 else "")


def _read_npz(path: Path) -> dict[str, Tensor]:
    # NumPy leaves a file that it opened itself open when it turns out to be damaged.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return _keras_tensors((name, archive[name]) for name in archive.files if _is_conv(name))


def _read_h5(path: Path) -> dict[str, Tensor]:
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f'reading {path} needs h5py; run pip install "qatm[export]", or give an .npz file'
        ) from error
    arrays: list[tuple[str, np.ndarray]] = []

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and _is_conv(name):
            arrays.append((name, np.asarray(item)))

    with h5py.File(path, "r") as file:
        file.visititems(collect)
    return _keras_tensors(arrays)


def _is_conv(name: str) -> bool:
    # A saved training state repeats every layer's name below its optimizer.
    return KERAS_CONV.search(name) is not None and "optimizer" not in name


def _keras_tensors(arrays: Iterable[tuple[str, np.ndarray]]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, array in arrays:
        layer = KERAS_CONV.search(name)
        kind = KERAS_KINDS.get(array.ndim)
        if layer and kind:
            tensors[f"{layer[1]}/{kind}"] = torch.from_numpy(array.astype(np.float32))
    return tensors


def _read_torch(path: Path) -> dict[str, Tensor]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise WeightsError(
            f"{path} holds a {type(content).__name__}, not a state dict; "
            "save model.state_dict() instead"
        )
    return {
        str(key).removeprefix("module."): value
        for key, value in content.items()
        if isinstance(value, Tensor)
    }


READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    ".npz": _read_npz,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".pth": _read_torch,
    ".pt": _read_torch,
}
