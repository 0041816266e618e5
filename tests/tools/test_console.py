"""Manners of the command line: errors of one line, help, options without effect, progress."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from qatm.runtime import QatmError, __version__
from qatm.tools import console
from qatm.tools.cli import app as qatm_app
from qatm.tools.commands.export import app as export_app

PROGRAMS = {"qatm": qatm_app, "qatm-export": export_app}


def refused(result, *words):
    """Wrong input: status 2, one line on stderr with these words, nothing on stdout."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("error: ")
    for word in words:
        assert word in result.stderr


def toy(command, *arguments):
    """Run a program of one command."""
    program = typer.Typer(pretty_exceptions_enable=False)
    program.command(cls=console.Command)(command)
    return CliRunner().invoke(program, [str(argument) for argument in arguments])


def failing(error):
    """A program whose only command fails in a given way."""

    def fail() -> None:
        raise error

    return toy(fail)


def test_expected_failures_are_one_line():
    refused(failing(QatmError("first\n second")), "error: first second")
    refused(failing(OSError(errno.EROFS, "Read-only file system", "/out")), "/out: Read-only")
    refused(failing(OSError(errno.ENOSPC, "No space left on device")), "output: No space")


def test_interruption_is_130():
    assert failing(KeyboardInterrupt()).exit_code == 130
    assert failing(typer.Abort()).exit_code == 130


def test_defects_keep_their_traceback():
    result = failing(ZeroDivisionError())
    assert isinstance(result.exception, ZeroDivisionError)


# --- both programs


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_both_programs_have_the_same_help(program, option):
    result = CliRunner().invoke(PROGRAMS[program], [option], env={"COLUMNS": "200"})
    assert (result.exit_code, result.stderr) == (0, "")
    assert console.EPILOG in result.stdout
    assert "--version" in result.stdout
    assert "<bool>" not in result.stdout, "a flag takes no value"


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_programs_have_a_version(program):
    result = CliRunner().invoke(PROGRAMS[program], ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{program} {__version__}\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_programs_refuse_in_one_line(program):
    refused(CliRunner().invoke(PROGRAMS[program], ["--bogus"]), "--bogus", "--help'")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["match", "a.png", "--device", "tpu"],
            ["'--device': 'tpu' is not one of 'auto', 'gpu', 'cpu'"],
        ),
        (["match", "a.png", "--precision", "fp8"], ["'fp8' is not one of"]),
        (["match", "a.png", "--top", "many"], ["'many'", "integer"]),
        (["match", "a.png", "--top", "0"], ["'0'", "1"]),
        (["bench", "--device", "tpu"], ["'tpu' is not one of"]),
        (["eval", "otb", "x", "--protocol", "mine"], ["'mine' is not one of"]),
        (["eval", "track", "x", "--device", "tpu"], ["'tpu' is not one of"]),
        (["train", "align", "--out", "x", "--device", "tpu"], ["'tpu' is not one of"]),
        (["train", "align", "--out", "x", "--learning-rate", "much"], ["'much'", "number"]),
    ],
)
def test_a_wrong_value_is_named_in_plain_words(arguments, words):
    result = CliRunner().invoke(qatm_app, arguments)
    refused(result, *words)
    assert "Value error" not in result.stderr
    assert "Input should" not in result.stderr


def test_without_a_command_the_help_is_an_error_and_stdout_stays_empty():
    result = CliRunner().invoke(qatm_app, [])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "match" in result.stderr
    refused(CliRunner().invoke(qatm_app, ["eval"]), "qatm eval --help")


def test_help_is_broken_by_the_terminal_only():
    def command() -> None:
        """Do it.

        A paragraph that is longer
        than a line.

        And another one.
        """

    result = toy(command, "--help")
    assert "A paragraph that is longer than a line." in result.stdout
    assert "than a line. And" not in result.stdout


# --- options without effect


def test_only_what_was_written_is_refused(monkeypatch):
    def command(
        context: typer.Context,
        *,
        seed: Annotated[int, typer.Option("--seed", "-s")] = 0,
        file: Annotated[str, typer.Option(envvar="TOY_FILE")] = "",
    ) -> None:
        console.refuse_given(context, ("seed", "file"), "has no effect")

    monkeypatch.setenv("TOY_FILE", "x")
    assert toy(command).exit_code == 0
    refused(toy(command, "--seed", 0), "error: --seed has no effect")
    refused(toy(command, "-s", 1), "error: --seed has no effect")
    refused(toy(command, "--file", "y"), "error: --file has no effect")


# --- progress


def test_progress_needs_a_terminal(monkeypatch, capsys):
    with console.progress() as bar:
        for item in bar.each([1, 2], "counting"):
            bar.emit(str(item))
    assert capsys.readouterr() == ("1\n2\n", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with console.progress() as bar:
        for item in bar.each([1, 2], "counting"):
            bar.emit(str(item))
    output = capsys.readouterr()
    assert output.out == "1\n2\n"
    assert "counting" in output.err


def test_a_single_item_has_no_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with console.progress() as bar:
        assert list(bar.each(["one"], "counting")) == ["one"]
    assert capsys.readouterr().err == ""


def test_the_bar_is_a_plain_function_of_steps(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with console.progress() as bar:
        bar("[building] features", 1, 3)
        bar("[building] match", 2, 3)
    shown = capsys.readouterr().err
    assert "[building] features" in shown, "brackets are no markup"
    assert "1/3" in shown
    assert "2/3" in shown
    with console.progress() as bar:
        bar("film", 7, None, "12.5 fps")
    shown = capsys.readouterr().err
    assert "7/?" in shown
    assert "12.5 fps" in shown
