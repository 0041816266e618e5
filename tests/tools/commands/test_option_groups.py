"""Dataclasses of options: the command line and Python say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from qatm.tools.commands.option_groups import grouped, names_of
from qatm.tools.console import Command


@dataclass(frozen=True)
class TeachFlags:
    """How something is taught."""

    steps: Annotated[int, typer.Option(min=1, help="Steps.")]
    rate: Annotated[float, typer.Option("--learning-rate")] = 0.1


@dataclass(frozen=True)
class LookFlags:
    """How it looks."""

    colour: Annotated[str | None, typer.Option()] = None


USUAL = TeachFlags(steps=7)


def command(given: list[Any]) -> Any:
    @grouped
    def teach(
        name: str, *, loud: bool = False, teaching: TeachFlags = USUAL, look: LookFlags
    ) -> None:
        """Teach something."""
        given.append((name, loud, teaching, look))

    return teach


def test_the_command_line_and_python_say_the_same():
    given: list[Any] = []
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(cls=Command)(command(given))

    def cli(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    assert cli("dog").exit_code == 0
    assert given.pop() == ("dog", False, USUAL, LookFlags())
    assert cli("dog", "--loud", "--steps", 3, "--colour", "red").exit_code == 0
    assert given.pop() == ("dog", True, TeachFlags(3), LookFlags("red"))
    command(given)("dog", loud=True, steps=3, colour="red")
    assert given.pop() == ("dog", True, TeachFlags(3), LookFlags("red"))
    assert cli("dog", "--steps", 0).exit_code == 2
    assert given == []
    shown = cli("--help").stdout
    assert shown.index("--loud") < shown.index("--steps") < shown.index("--learning-rate")
    assert "Teach something." in shown
    assert "7" in shown


def test_a_field_without_a_default_is_required():
    @grouped
    def teach(*, teaching: TeachFlags) -> None:
        """Teach."""
        assert teaching.steps == 2

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(cls=Command)(teach)
    assert CliRunner().invoke(app, []).exit_code == 2
    assert CliRunner().invoke(app, ["--steps", "2"]).exit_code == 0


def test_names_are_those_of_the_fields():
    assert names_of(TeachFlags, LookFlags) == ("steps", "rate", "colour")
