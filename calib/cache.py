"""Keeps what was measured on a calibration set, so that the next export need not measure again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.files import whole
from ..runtime.json_values import list_of, member, number_of, object_of, parse_json, text_of
from ..runtime.saved_arrays import array_of, read_arrays, text_of_array
from .artefacts import Calibration
from .calibration import CalibrationOptions
from .rounding import RoundedWeight

LOG = logging.getLogger(__name__)

MOST_NAMES = 100_000

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
        return _read(read_arrays(path), key)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        LOG.warning("calibration cache %s is damaged (%s); measuring again", path, error)
        return None


def _read(arrays: Mapping[str, Any], key: str) -> Calibration:
    """What is in an opened file.

    Raises:
        ValueError: it is damaged, or belongs to another calibration.
    """
    head = object_of(parse_json(text_of_array(arrays, "head")), "head")
    if member(head, "key") != key:
        raise ValueError("it belongs to another calibration")
    ranges: dict[str, tuple[float, float]] = {}
    for entry in list_of(member(head, "ranges"), "ranges", MOST_NAMES):
        name, low, high = (*list_of(entry, "a range", 3), None, None, None)[:3]
        lowest = number_of(low, "a range")
        ranges[text_of(name, "a name")] = (lowest, number_of(high, "a range", lowest))
    nodes, scaled = (
        [text_of(name, kind) for name in list_of(member(head, kind), kind, MOST_NAMES)]
        for kind in ("nodes", "scaled")
    )
    weights = {node: _weight(arrays, index) for index, node in enumerate(nodes)}
    scales: dict[str, Any] = {}
    for index, name in enumerate(scaled):
        scales[name] = array_of(arrays, f"scales.{index}", "f", (None,))
    return Calibration(ranges, weights, scales)


def _weight(arrays: Mapping[str, Any], index: int) -> RoundedWeight:
    """One rounded weight: each of its output channels has a scale and a shift.

    Raises:
        ValueError: they do not fit together.
    """
    values = array_of(arrays, f"{index}.values", "i", (None, None, None, None))
    scale, shift = (
        array_of(arrays, f"{index}.{part}", "f", (len(values),)) for part in ("scale", "shift")
    )
    return RoundedWeight(values, scale, shift)


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
