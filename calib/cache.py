"""Keeps what was measured on a calibration set, so that the next export need not measure again."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import zipfile
from pathlib import Path

import numpy as np

from ..runtime.files import whole
from .artefacts import Calibration
from .calibration import CalibrationOptions
from .rounding import RoundedWeight

LOG = logging.getLogger(__name__)

FORMAT = 3
"""Raised whenever the same inputs would give another result."""


def cache_folder(options: CalibrationOptions) -> Path:
    """The folder of the cache."""
    if options.cache_folder is not None:
        return options.cache_folder
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "qatm"


def cache_key(model_hash: str, data_hash: str, options: CalibrationOptions) -> str:
    """What a measurement depends on, as one hash."""
    parts = [FORMAT, model_hash, data_hash, options.method, options.percentile, options.seed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def load(folder: Path, key: str) -> Calibration | None:
    """What was kept under a key; ``None`` if nothing was, or if it is damaged."""
    path = _path(folder, key)
    try:
        # From memory: of a damaged file numpy leaves the handle open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            if head["key"] != key:
                raise ValueError("it belongs to another calibration")
            ranges = {name: (low, high) for name, low, high in head["ranges"]}
            weights = {
                node: RoundedWeight(data[f"{i}.values"], data[f"{i}.scale"], data[f"{i}.shift"])
                for i, node in enumerate(head["nodes"])
            }
            scales = {name: data[f"scales.{i}"] for i, name in enumerate(head["scaled"])}
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        LOG.warning("calibration cache %s is damaged (%s); measuring again", path, error)
        return None
    return Calibration(ranges, weights, scales)


def store(folder: Path, key: str, calibration: Calibration) -> None:
    """Keep a measurement; a cache that cannot be written is only logged."""
    nodes, scaled = list(calibration.weights), list(calibration.scales)
    ranges = [[name, low, high] for name, (low, high) in calibration.ranges.items()]
    head = {"key": key, "ranges": ranges, "nodes": nodes, "scaled": scaled}
    arrays = {"head": np.array(json.dumps(head))}
    for index, node in enumerate(nodes):
        weight = calibration.weights[node]
        arrays[f"{index}.values"] = weight.values
        arrays[f"{index}.scale"] = weight.scale
        arrays[f"{index}.shift"] = weight.shift
    for index, name in enumerate(scaled):
        arrays[f"scales.{index}"] = calibration.scales[name]
    path = _path(folder, key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part, part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        LOG.warning("calibration cache %s cannot be written: %s", path, reason)


def _path(folder: Path, key: str) -> Path:
    """The file of a key."""
    return folder / "calibration" / f"{key}.npz"
