"""What is compared: trackers as they are set up, and ours with several values of a setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ....runtime.errors import InputError
from ...baselines.compared_tracker import ComparedTrackerOptions
from ...baselines.trackers import OURS
from ..match.variants import read_changes


@dataclass(frozen=True)
class TrackVariant:
    """A line of the table: a tracker and how it is set up.

    Attributes:
        label: name in the table; unique.
        tracker: its name.
        options: what it is opened with.
    """

    label: str
    tracker: str
    options: ComparedTrackerOptions


@dataclass(frozen=True)
class Choice:
    """A number of the recipe, and the values of it that are compared.

    Attributes:
        name: field of the recipe.
        values: at least two, in the order given.
    """

    name: str
    values: tuple[float, ...]

    @classmethod
    def read(cls, text: str) -> Choice:
        """Read ``NAME=V1,V2``; whether the recipe has such a field is checked with the bundle.

        Raises:
            InputError: not of that form, fewer than two values, or one that is neither a number
                nor true or false.
        """
        name, equals, listed = (part.strip() for part in text.partition("="))
        settings = [f"{name}={value}" for value in listed.split(",")] if equals else [text]
        changes = [read_changes([setting], "--choose")[0] for setting in settings]
        values = tuple(dict.fromkeys(value for _, value in changes))
        if len(values) < 2:
            raise InputError(f"--choose {text!r} has one value; give several: NAME=V1,V2")
        return cls(changes[0][0], values)

    def label(self, value: float) -> str:
        """Our tracker's name with one of the values."""
        return f"{OURS} {self.name}={value:g}"


def track_variants(
    trackers: Sequence[str], options: ComparedTrackerOptions, choice: Choice | None
) -> list[TrackVariant]:
    """Each tracker as it is set up; ours once for each value of the choice.

    Raises:
        InputError: the recipe of our tracker is to be changed, and it is not among them.
    """
    if OURS not in trackers and (options.recipe or choice is not None):
        option = "--choose" if options.recipe == () else "--set"
        raise InputError(f"{option} changes the recipe of {OURS}, which is not among the trackers")
    variants: list[TrackVariant] = []
    for name in trackers:
        if name == OURS and choice is not None:
            for value in choice.values:
                recipe = dict(options.recipe) | {choice.name: value}
                changed = replace(options, recipe=tuple(recipe.items()))
                variants.append(TrackVariant(choice.label(value), name, changed))
        else:
            variants.append(TrackVariant(name, name, options))
    return variants
