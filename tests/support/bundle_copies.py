"""Copies of the bundles inside the package, changed for a test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qatm.runtime.bundle.folder import MANIFEST, Bundle, sha256_of

if TYPE_CHECKING:
    import onnx


def with_recipe(bundle: Bundle, task: str, **numbers: Any) -> Bundle:
    """Return the bundle with other numbers in the recipe of a task."""
    recipes = bundle.spec.recipes
    changed = replace(recipes, **{task: replace(recipes.of(task), **numbers)})
    return replace(bundle, spec=replace(bundle.spec, recipes=changed))


def without_network(source: Path, folder: Path) -> Path:
    """Copy a bundle and leave its trained networks out."""
    shutil.copytree(source, folder)
    data = json.loads((folder / MANIFEST).read_text())
    for name in [
        name
        for name, file in data["files"].items()
        if file["role"].split("-")[0] in ("network", "follow")
    ]:
        del data["files"][name]
        (folder / name).unlink()
    data["network"] = data["follow"] = {}
    (folder / MANIFEST).write_text(json.dumps(data))
    return folder


def add_precision(folder: Path, precision: str, change: Callable[[onnx.ModelProto], None]) -> Path:
    """List a changed copy of the features in a bundle as a file of another precision."""
    import onnx

    name = f"features.{precision}.onnx"
    model = onnx.load(str(folder / "features.onnx"))
    change(model)
    onnx.save(model, str(folder / name))
    data = json.loads((folder / MANIFEST).read_text())
    data["files"][name] = {**data["files"]["features.onnx"], "precision": precision}
    (folder / MANIFEST).write_text(json.dumps(data))
    seal(folder, name)
    return folder / name


def seal(folder: Path, name: str) -> None:
    """Make the manifest agree with a changed file."""
    data = json.loads((folder / MANIFEST).read_text())
    sealed = {"sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
    data["files"][name].update(sealed)
    (folder / MANIFEST).write_text(json.dumps(data))


def scale_weights(model: onnx.ModelProto, layer: int, factor: float) -> None:
    """Scale the weights of the layer of that number, counted among those stored in eight bits."""
    from onnx import numpy_helper

    factors = [tensor for tensor in model.graph.initializer if tensor.name.endswith(".factor")]
    values = numpy_helper.to_array(factors[layer])
    factors[layer].CopyFrom(numpy_helper.from_array(values * factor, factors[layer].name))
