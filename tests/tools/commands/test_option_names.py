"""Options have the names that users type, whichever version of typer reads them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import get_args

import pytest
import typer
from typer.models import OptionInfo

from qatm.tools.cli import app
from qatm.tools.commands.export import app as export_app
from qatm.tools.evaluation.device.gpu_report import app as report_app


def named_options(root: typer.Typer) -> Iterator[tuple[str, str, OptionInfo]]:
    """Give the command, the parameter and what is said of it, for each option."""
    for command in root.registered_commands:
        assert command.callback is not None
        for name, option in inspect.signature(command.callback, eval_str=True).parameters.items():
            for info in get_args(option.annotation)[1:]:
                if isinstance(info, OptionInfo):
                    yield command.callback.__name__, name, info
    for group in root.registered_groups:
        assert group.typer_instance is not None
        yield from named_options(group.typer_instance)


def is_named(info: OptionInfo) -> bool:
    # In an annotation the first argument, meant for the default value, is a name.
    declared = (info.default, *(info.param_decls or ()))
    return any(isinstance(part, str) and part.startswith("-") for part in declared)


@pytest.mark.parametrize("root", [app, export_app, report_app])
def test_no_option_takes_its_name_from_its_metavar(root: typer.Typer) -> None:
    # typer 0.27 writes an option without a name as its metavar where only the case differs.
    found = list(named_options(root))
    assert found
    unnamed = [
        f"{command}: {name}"
        for command, name, info in found
        if (info.metavar or "").lower() == name and not is_named(info)
    ]
    assert unnamed == []
