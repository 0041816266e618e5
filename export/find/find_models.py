"""The graphs that find objects by themselves, made of a bundle's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import onnx

from ...runtime.bundle.manifest import COMPARE_ROLE, BundleSpec
from ...runtime.errors import ExportError
from ...runtime.match.judging import BoxEvidence
from .encode_graph import encode_model
from .find_graph import find_model
from .patch_nodes import Networks

FIND, ENCODE = "find", "encode"
"""Roles of the two."""

PARTS = ("features", "match", "place")
"""Roles of the graphs that they are made of, beside the one that compares pixels."""

EVIDENCE = len(fields(BoxEvidence))
"""Pieces that a judge weighs who knows what that one says."""

MODELS: dict[str, Callable[[Networks, int, int], onnx.ModelProto]] = {
    ENCODE: encode_model,
    FIND: find_model,
}


def find_models(folder: Path, spec: BundleSpec) -> dict[str, onnx.ModelProto]:
    """Both graphs, by role.

    Args:
        folder: where the graphs are that they are made of, in FP32.
        spec: what the bundle says of them, and its recipe.

    Raises:
        ExportError: the recipe's judge weighs what a network says that the bundle lacks.
    """
    features, match, place = (onnx.load(str(folder / f"{role}.onnx")) for role in PARTS)
    compare = _comparing(folder, spec)
    networks = Networks(features, match, place, spec.backbone, spec.recipes.match, compare)
    models = {}
    for role, make in MODELS.items():
        models[role] = make(networks, spec.opset, features.ir_version)
        onnx.checker.check_model(models[role], full_check=True)
    return models


def _comparing(folder: Path, spec: BundleSpec) -> onnx.ModelProto | None:
    """The graph that compares pixels, if the judge weighs what it says; see ``comparer_for``.

    Raises:
        ExportError: the bundle lacks it.
    """
    if len(spec.recipes.match.judge_centre) < EVIDENCE:
        return None
    if COMPARE_ROLE not in {info.role for info in spec.files.values()}:
        raise ExportError("the judge weighs what a network says that the bundle lacks")
    return onnx.load(str(folder / f"{COMPARE_ROLE}.onnx"))
