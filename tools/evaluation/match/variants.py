"""Variants of a method: one recipe against another, as ``--set`` and ``--ablation`` ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ....runtime.errors import InputError
from ...baselines import MethodOptions

Changes = Mapping[str, float]

OURS = "qatm"
PLAIN = "qatm-plain"
WORDS = MappingProxyType({"true": 1.0, "yes": 1.0, "on": 1.0, "false": 0.0, "no": 0.0, "off": 0.0})

ABLATION: Mapping[str, Changes] = MappingProxyType(
    {
        "no competitors": {"competitors": 0},
        "no exact placing": {"refine": False},
        "similarity only": {"exclusive": False},
        "one candidate": {"candidates": 1},
        "template's size": {"size_rounds": 0},
    }
)
"""Each idea of the default recipe, switched off: name of the variant -> changes of the recipe."""

ALL_OFF = "all five off"


@dataclass(frozen=True)
class Variant:
    """A line of the table: a method and how it is set up.

    Attributes:
        label: name in the table; unique.
        method: name of the method.
        options: with the changes of the recipe.
    """

    label: str
    method: str
    options: MethodOptions


def read_changes(settings: Sequence[str], option: str = "--set") -> tuple[tuple[str, float], ...]:
    """Read ``NAME=VALUE``; whether the recipe has such a field is checked with the bundle.

    Args:
        settings: what was written.
        option: its name.

    Raises:
        InputError: not of that form, or the value is neither a number nor true or false.
    """
    changes: dict[str, float] = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not name or not equals:
            raise InputError(f"{option} {setting!r} is not NAME=VALUE; for example competitors=0")
        try:
            changes[name] = WORDS[text.lower()] if text.lower() in WORDS else float(text)
        except ValueError:
            raise InputError(
                f"{option} {setting!r}: {text!r} is neither a number nor true or false"
            ) from None
    return tuple(changes.items())


def plain_variants(methods: Sequence[str], options: MethodOptions) -> tuple[Variant, ...]:
    """Each method as it is set up."""
    return tuple(Variant(method, method, options) for method in methods)


def ablation(options: MethodOptions) -> tuple[Variant, ...]:
    """The plain recipe, the default one, and the default one with each idea switched off."""

    def off(label: str, changes: Changes) -> Variant:
        recipe = dict(options.recipe) | dict(changes)
        return Variant(label, OURS, replace(options, recipe=tuple(recipe.items())))

    everything = {name: value for changes in ABLATION.values() for name, value in changes.items()}
    return (
        Variant(PLAIN, PLAIN, options),
        Variant(OURS, OURS, options),
        *(off(label, changes) for label, changes in ABLATION.items()),
        off(ALL_OFF, everything),
    )
