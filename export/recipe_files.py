"""The recipe of each backbone: what differs from the usual one, and what its scores were fitted to.

``recipes/NAME.json`` holds, for the backbone of that name, ``recipes`` (fields that differ, by
task) and ``fits`` (a :class:`~..runtime.bundle.fits.FitRecord` each). A fit belongs to certain taps
and a temperature; with others the bundle is not calibrated.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..runtime.bundle.fits import FitRecord
from ..runtime.bundle.recipes import Recipes
from ..runtime.errors import ExportError, InputError


def recipe_file(backbone: str) -> Path:
    """Where the recipe of a backbone is, if it has one."""
    return Path(__file__).with_name("recipes") / f"{backbone}.json"


def recipes_for(backbone: str, alpha: float | None = None) -> Recipes:
    """How the runtime computes with a backbone.

    Args:
        backbone: its name.
        alpha: factor on the similarity; ``None`` is the recipe's own.

    Raises:
        ExportError: the factor is not usable.
    """
    recipes = Recipes.from_dict(_read(backbone).get("recipes", {}))
    if alpha is None:
        return recipes
    try:
        return replace(recipes, match=replace(recipes.match, alpha=alpha))
    except InputError as error:
        raise ExportError(f"{error} (usual: 25)") from error


def fits_for(label: str) -> tuple[FitRecord, ...]:
    """What the scores of a network and its taps were fitted to; empty if they were not.

    Args:
        label: of the backbone, as ``name:tap+tap``.
    """
    backbone = label.partition(":")[0]
    fits = [FitRecord.from_dict(entry) for entry in _read(backbone).get("fits", [])]
    return tuple(fit for fit in fits if fit.backbone == label)


def _read(backbone: str) -> dict[str, Any]:
    """The file of a backbone; empty if there is none."""
    path = recipe_file(backbone)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
