"""Words on a command line: what the help calls them, and what is wrong with them that every check
of a single option would pass."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ..runtime.arguments import as_count
from ..runtime.errors import InputError

EMPTY_VALUE = re.compile("--[a-z][a-z-]*=")
"""An option with nothing behind its sign."""


def check_words(parameters: Sequence[Any], words: Sequence[str]) -> None:
    """Refuse empty arguments, and a second value where only the last would count.

    Args:
        parameters: of the command.
        words: of the command line.

    Raises:
        InputError: an argument is empty, which would stand for the current folder; or an option
            that takes one value is given twice.
    """
    options = {name: one for one in parameters for name in one.opts}
    _check_repeats(options, words)
    for before, argument in zip(["", *words], words, strict=False):
        if EMPTY_VALUE.fullmatch(argument):
            option = argument[:-1]
        elif argument:
            continue
        else:
            option = before if before.startswith("-") else ""
        # Other options say by themselves what they take; commands in a group, all of theirs.
        if not option or _names_path(options.get(option)):
            what = f"{option} has no value" if option else "an argument is empty"
            raise InputError(f"{what}; give one, '.' for the current folder")


def _check_repeats(options: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuse an option with one value that is given twice: both were meant, and one is dropped."""
    seen: set[int] = set()
    for word in words:
        if word == "--":
            return
        name = word.partition("=")[0]
        option = options.get(name) if name.startswith("--") else None
        if option is None or option.multiple or getattr(option, "is_flag", False):
            continue
        if id(option) in seen:
            raise InputError(f"{name} is given twice, and takes one value")
        seen.add(id(option))


def check_numbers(parameters: Sequence[Any], read: dict[str, Any]) -> None:
    """Refuse numbers that are none, or that nothing here can count with.

    Args:
        parameters: of the command.
        read: their values by name.

    Raises:
        InputError: a number is not finite, which would pass every check of its range, or is whole
            and has more than 64 bits, of which the command would speak by another name.
    """
    for parameter in parameters:
        values = read.get(parameter.name)
        for value in values if isinstance(values, (list, tuple)) else (values,):
            name = max(parameter.opts, key=len)
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{name} is {value}; give a finite number")
            if isinstance(value, int) and not isinstance(value, bool):
                as_count(value, name)


def _names_path(parameter: Any) -> bool:
    """Whether a parameter of typer takes the path of a file or folder."""
    described = getattr(parameter, "type_descriptor", None)
    kind = getattr(parameter, "type", None) if described is None else described.annotation
    return parameter is not None and "path" in repr(kind).lower()


def name_values(parameters: Iterable[Any]) -> None:
    """Say in the help what each parameter takes.

    Typer writes ``<bool>`` behind flags, as if they took a value, and the types of Python, such as
    ``<list[str]>``, in angle brackets behind others.
    """
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
        if hasattr(parameter, "display_type_rich"):  # typer from 0.27
            shown = type(parameter).display_type_rich
            parameter.display_type_rich = partial(_plain_type, parameter, shown)


def _plain_type(parameter: Any, shown: Callable[..., str | None], ctx: Any) -> str | None:
    """What the help says that a parameter takes: of an argument its name alone says it."""
    if parameter.param_type_name == "argument":
        return None
    text = shown(parameter, ctx)
    return text if text is None else text.removeprefix("<").removesuffix(">")
