"""The recipe of each backbone: what differs from the usual one, and what its scores were fitted to.

``recipes/NAME.json`` holds, for the backbone of that name, ``recipes`` (fields that differ, by
task) and ``fits`` (a :class:`~..runtime.bundle.fits.FitRecord` each). A fit belongs to certain taps
and a temperature; with others the bundle is not calibrated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ..runtime.bundle.fits import FitRecord
from ..runtime.bundle.recipes import Recipes
from ..runtime.errors import ExportError, InputError
from ..runtime.json_values import list_of, object_of, read_json

AnswerT = TypeVar("AnswerT")

MOST_FITS = 64


def recipe_file(backbone: str) -> Path:
    """Where the recipe of a backbone is, if it has one."""
    return Path(__file__).with_name("recipes") / f"{backbone}.json"


def recipes_for(backbone: str, alpha: float | None = None) -> Recipes:
    """How the runtime computes with a backbone.

    Args:
        backbone: its name.
        alpha: factor on the similarity; ``None`` is the recipe's own.

    Raises:
        ExportError: the factor is not usable, or the file of the backbone is damaged.
    """
    recipes = _read(backbone, _recipes)
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

    Raises:
        ExportError: the file of the backbone is damaged.
    """
    fits = _read(label.partition(":")[0], _fits)
    return tuple(fit for fit in fits if fit.backbone == label)


def _recipes(data: dict[str, Any]) -> Recipes:
    """The recipes of a file.

    Raises:
        ValueError: a field is unknown or outside its range.
    """
    return Recipes.from_dict(object_of(data.get("recipes", {}), "recipes"))


def _fits(data: dict[str, Any]) -> list[FitRecord]:
    """All fits of a file.

    Raises:
        ValueError: one of them is none.
    """
    entries = list_of(data.get("fits", []), "fits", MOST_FITS)
    return [FitRecord.from_dict(object_of(entry, "a fit")) for entry in entries]


def _read(backbone: str, read: Callable[[dict[str, Any]], AnswerT]) -> AnswerT:
    """What is read from the file of a backbone, which is empty if there is none.

    Raises:
        ExportError: it is damaged.
    """
    path = recipe_file(backbone)
    try:
        data = read_json(path) if path.exists() else {}
        return read(object_of(data, "it"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read ({error}); install qatm again") from error
