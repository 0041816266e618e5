"""The graphs that find objects by themselves, made of a bundle's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx

from ...runtime.bundle.manifest import BundleSpec
from .encode_graph import encode_model
from .find_graph import find_model
from .patch_nodes import Networks

FIND, ENCODE = "find", "encode"
"""Roles of the two."""

PARTS = ("features", "match", "place")
"""Roles of the graphs that they are made of."""

MODELS: dict[str, Callable[[Networks, int, int], onnx.ModelProto]] = {
    ENCODE: encode_model,
    FIND: find_model,
}


def find_models(folder: Path, spec: BundleSpec) -> dict[str, onnx.ModelProto]:
    """Both graphs, by role.

    Args:
        folder: where the graphs are that they are made of, in FP32.
        spec: what the bundle says of them, and its recipe.
    """
    features, match, place = (onnx.load(str(folder / f"{role}.onnx")) for role in PARTS)
    networks = Networks(features, match, place, spec.backbone, spec.recipes.match)
    models = {}
    for role, make in MODELS.items():
        models[role] = make(networks, spec.opset, features.ir_version)
        onnx.checker.check_model(models[role], full_check=True)
    return models
