"""Where fitted numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..json_values import member, number_of, object_of, shown, text_of
from .fields import Record, kind_of
from .recipes import TASKS

Number = float | tuple[float, ...]
"""A fitted number, or several of one kind."""


@dataclass(frozen=True)
class FitRecord:
    """What the fitted numbers of one task were fitted to.

    Attributes:
        task: whose recipe they belong to.
        backbone: network and taps that they were fitted for, as ``name:tap+tap``.
        alpha: factor on the similarity that they were fitted for.
        numbers: field of the recipe -> the value.
        data: what they were fitted to.
        command: fits them again, or measures what they are worth where they were set by hand.
        figures: what they are worth on that data.
    """

    task: str
    backbone: str
    alpha: float
    numbers: dict[str, Number]
    data: str
    command: str
    figures: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``json.dump``."""
        numbers = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.numbers.items()
        }
        return {**asdict(self), "numbers": numbers}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FitRecord:
        """Read what :meth:`as_dict` gave.

        Raises:
            ValueError: a field is missing or of the wrong type, or the task is unknown.
        """
        task = text_of(member(data, "task"), "task")
        if task not in TASKS:
            raise ValueError(f"a fit is for {shown(task)}; tasks are {', '.join(TASKS)}")
        backbone, source, command = (
            text_of(member(data, name), name) for name in ("backbone", "data", "command")
        )
        numbers, figures = (object_of(member(data, name), name) for name in ("numbers", "figures"))
        return cls(
            task=task,
            backbone=backbone,
            alpha=number_of(member(data, "alpha"), "alpha"),
            numbers={name: _number(value, name) for name, value in numbers.items()},
            data=source,
            command=command,
            figures={name: number_of(value, name) for name, value in figures.items()},
        )

    def covers(self, recipe: Record, backbone: str, alpha: float) -> bool:
        """Whether every fitted number of the task's recipe is the one of this fit.

        Args:
            recipe: of the task.
            backbone: network and taps in use, as ``name:tap+tap``.
            alpha: factor in use.
        """
        fitted = {
            entry.name: getattr(recipe, entry.name)
            for entry in fields(recipe)
            if kind_of(entry) == "fitted"
        }
        return (self.backbone, self.alpha, self.numbers) == (backbone, alpha, fitted)


def _number(value: Any, name: str) -> Number:
    """A number, or several, as it was stored."""
    if isinstance(value, (list, tuple)):
        return tuple(number_of(part, name) for part in value)
    return number_of(value, name)
