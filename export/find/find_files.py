"""Writes the graphs that find by themselves into a bundle, and refuses wrong ones."""

from __future__ import annotations

import logging
from pathlib import Path
from types import MappingProxyType

import onnx

from ...runtime.bundle.manifest import BundleSpec, FileInfo
from ..file_entries import describe
from ..graph_contract import annotate
from .find_models import find_models

LOG = logging.getLogger(__name__)

LEAST = MappingProxyType({"height": 1, "width": 1, "levels": 1})
"""Smallest sizes of dynamic dimensions; those of patches follow from the template."""


def write_find(folder: Path, spec: BundleSpec) -> dict[str, FileInfo]:
    """Write both graphs, and describe them.

    Args:
        folder: where the graphs are that they are made of.
        spec: what the bundle says of these, and its recipe.
    """
    written = {}
    for role, model in find_models(folder, spec).items():
        path = folder / f"{role}.onnx"
        LOG.info("writing %s", path.name)
        onnx.save(annotate(model, role, "fp32"), str(path))
        written[path.name] = describe(path, role, "fp32", LEAST)
    return written
