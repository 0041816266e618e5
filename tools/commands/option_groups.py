"""Commands whose options come in groups: a parameter that is a dataclass stands for its fields."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let typer see the fields of each dataclass among a command's parameters as options.

    The fields are annotated as options of typer are. A default of the parameter, which is an
    instance, gives this command's defaults; otherwise the fields have their own. From Python the
    command is called as it is typed, with the fields by name.
    """
    own = inspect.signature(command, eval_str=True).parameters
    groups = {name: option.annotation for name, option in own.items() if _is_group(option)}
    shown: list[inspect.Parameter] = []
    for name, option in own.items():
        shown += _options_of(option) if name in groups else [option]
    joint = inspect.Signature(shown)

    @functools.wraps(command)
    def run(*args: Any, **given: Any) -> None:
        bound = joint.bind(*args, **given)
        bound.apply_defaults()
        values = dict(bound.arguments)
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        command(**values)

    # What typer reads to make the command line.
    told: Any = run
    told.__signature__ = joint
    told.__annotations__ = {name: option.annotation for name, option in joint.parameters.items()}
    return run


def names_of(*groups: type[Any]) -> tuple[str, ...]:
    """The parameters that groups of options stand for."""
    return tuple(field.name for group in groups for field in fields(group))


def _is_group(option: inspect.Parameter) -> bool:
    return isinstance(option.annotation, type) and is_dataclass(option.annotation)


def _options_of(group: inspect.Parameter) -> list[inspect.Parameter]:
    """A parameter for each field of a group."""
    hints = get_type_hints(group.annotation, include_extras=True)
    options: list[inspect.Parameter] = []
    for field in fields(group.annotation):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        if group.default is not inspect.Parameter.empty:
            default = getattr(group.default, field.name)
        options.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=hints[field.name],
            )
        )
    return options
