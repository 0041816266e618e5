"""Manners of the command line: help, one line per error, exit statuses, JSON lines, progress."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from ..runtime.errors import InputError, QatmError, plain
from ..runtime.opencv import opencv_problem
from .command_words import check_numbers, check_words, name_values
from .start import open_streams

if TYPE_CHECKING:
    from ..runtime.session_task import MatcherInfo

Item = TypeVar("Item")

FOUND = 0
NOT_FOUND = 1
WRONG_INPUT = 2
INTERRUPTED = 130

EPILOG = (
    "Exit status: 0 done, found or passed; 1 not found or failed; 2 wrong usage or unreadable "
    "input; 130 interrupted."
)
HELP_NAMES = ["-h", "--help"]

PYDANTIC_PREFIXES = ("Value error, ", "Assertion failed, ")
"""What pydantic, with which typer reads values, writes before the messages of others."""


class ClosedPipe(Exception):  # noqa: N818
    """Whoever read our output has gone, as ``head`` does when it has seen enough."""


class Mannered:
    """What all commands have in common: ``-h``, help in whole paragraphs, errors of one line.

    Wrong usage, :class:`QatmError` and failing output files end with status 2, Ctrl-C with 130, a
    reader of the output that has gone with 0. Anything else is a defect and keeps its traceback.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        given = options.get("context_settings") or {}
        options["context_settings"] = {"help_option_names": HELP_NAMES, **given}
        options["help"] = paragraphs(options.get("help"))
        super().__init__(*args, **options)

    def get_params(self, ctx: Any) -> Any:
        """The parameters, each with what the help says that it takes."""
        parameters = super().get_params(ctx)  # pyright: ignore[reportAttributeAccessIssue]
        name_values(parameters)
        return parameters

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line.

        Raises:
            InputError: an argument is empty, or a number is none.
        """
        check_words(ctx.command.params, args)
        rest = super().parse_args(ctx, args)  # pyright: ignore[reportAttributeAccessIssue]
        check_numbers(ctx.command.params, ctx.params)
        return rest

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command; the parameters are those of typer's own ``main``."""
        open_streams()
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)  # pyright: ignore[reportAttributeAccessIssue]
        try:
            status = super().main(*args, standalone_mode=False, **extra)  # pyright: ignore[reportAttributeAccessIssue]
        except (typer.Abort, KeyboardInterrupt):
            complain("interrupted")
            sys.exit(INTERRUPTED)
        except ClosedPipe:
            sys.exit(FOUND)
        except SystemExit as stop:
            # What typer and rich do where help cannot be written to the end.
            if not isinstance(stop.__context__, BrokenPipeError):
                raise
            _hush(sys.stdout)
            sys.exit(FOUND)
        except Exception as error:
            message = describe(error)
            if message is None:
                raise
            complain(message)
            sys.exit(WRONG_INPUT)
        sys.exit(status if isinstance(status, int) else FOUND)


class Group(Mannered, TyperGroup):
    """A program or part of one with several commands."""


class Command(Mannered, TyperCommand):
    """A command, or a program of one command."""


def command_group(name: str, text: str, *, epilog: str | None = None) -> typer.Typer:
    """A program with commands, or a group of commands; fill it with :func:`add_commands`.

    Args:
        name: as it is typed.
        text: what it is for, one line.
        epilog: last lines of its help.
    """
    return typer.Typer(
        name=name,
        cls=Group,
        help=text,
        epilog=epilog,
        no_args_is_help=False,
        pretty_exceptions_enable=False,
    )


def add_commands(group: typer.Typer, commands: Mapping[str, Callable[..., None]]) -> None:
    """Add commands to a group, by the name that is typed, in the order of its help."""
    for name, command in commands.items():
        group.command(name, cls=Command)(command)


def version_option(program: str) -> Any:
    """The option ``--version`` of a program."""

    def show(wanted: bool) -> None:
        if wanted:
            from ..runtime.version import __version__

            print_line(f"{program} {__version__}")
            raise typer.Exit

    return typer.Option(
        "--version", callback=show, is_eager=True, help="Show the version and stop."
    )


def paragraphs(text: str | None) -> str | None:
    """Help with each paragraph on a line of its own, which the terminal's width then breaks."""
    if text is None:
        return None
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def given(context: typer.Context, *names: str) -> list[str]:
    """Which of these parameters were written on the command line, as they are typed: ``--top``.

    What an environment variable says does not count: it holds for every command.
    """
    found: list[str] = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            found.append(max(parameter.opts, key=len))
    return found


def refuse_given(context: typer.Context, names: Sequence[str], reason: str) -> None:
    """Refuse parameters that would have no effect.

    Args:
        context: of the command.
        names: of the parameters, as the function calls them.
        reason: follows the option in the message.

    Raises:
        InputError: one of them was written on the command line.
    """
    for option in given(context, *names):
        raise InputError(f"{option} {reason}")


def note_scores(info: MatcherInfo) -> bool:
    """Whether the scores to come were fitted for the backbone; stderr says so where not."""
    if not info.calibrated:
        tell(
            f"note: no score was fitted for {info.backbone}: scores rank, but the threshold "
            f"{info.threshold:g} means little",
            typer.colors.YELLOW,
        )
    return info.calibrated


def describe(error: Exception) -> str | None:
    """The line to show for an expected failure, or ``None`` for a defect in the program."""
    if isinstance(error, QatmError):
        return one_line(str(error))
    if isinstance(error, (ImportError, AttributeError)) and (problem := opencv_problem()):
        return problem
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        # Nothing else than the folder that a program is in goes without its name.
        unnamed = "current folder" if error.errno == errno.ENOENT else "output"
        return one_line(f"{error.filename or unnamed}: {error.strerror or error}")
    # Typer either depends on click or carries a copy, so its errors are told by what they can do.
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return usage_line(error)
    return None


def usage_line(error: Any) -> str:
    """One line for a usage error of typer: the value seen, and where to read more."""
    context = getattr(error, "ctx", None)
    hint = f" (see '{context.command_path} --help')" if context is not None else ""
    message = getattr(error, "message", None)
    if message:
        error.message = _plain(message, error.__cause__)
    return one_line(error.format_message()).rstrip(".") + hint


def _plain(message: str, cause: Any) -> str:
    """A message about a value in our words, where pydantic wrote it."""
    for prefix in PYDANTIC_PREFIXES:
        message = message.removeprefix(prefix)
    if message.startswith("Input ") and hasattr(cause, "errors"):
        message = f"{cause.errors()[0]['input']!r}{message.removeprefix('Input')}"
    return message


def one_line(text: str) -> str:
    """Join the lines of a message; what cannot be printed is written out."""
    return plain(" ".join(text.split()))


def complain(message: str) -> None:
    """Write one line about something wrong to stderr."""
    tell(f"error: {plain(message)}", typer.colors.RED)


def skipped(problem: str) -> None:
    """Write one line about an input that is left out to stderr."""
    complain(f"skipped {problem}")


def warn(message: str) -> None:
    """Write one line about something doubtful to stderr."""
    tell(f"warning: {plain(message)}", typer.colors.YELLOW)


def tell(message: str, colour: str | None = None) -> None:
    """Write one line for people to stderr; where it cannot be written, the work goes on."""
    try:
        typer.secho(message, err=True, fg=colour)
    except OSError:
        _hush(sys.stderr)


def finite(value: float | None) -> float | None:
    """Option callback: refuse NaN, which passes every range check."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to compare with.")
    return value


def json_line(record: Mapping[str, Any]) -> str:
    """A record as one line of strict JSON."""
    return json.dumps(record, allow_nan=False)


def print_line(line: str) -> None:
    """Write one line to stdout at once, so that a reader of the pipe need not wait.

    Raises:
        ClosedPipe: nobody reads it any more.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        typer.echo(line.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError as error:
        _hush(sys.stdout)
        raise ClosedPipe from error


def print_table(*parts: Any) -> None:
    """Write what rich can draw to stdout, as wide and colourful as the terminal allows.

    Raises:
        ClosedPipe: nobody reads it any more.
    """
    from rich.console import Console

    console = Console()
    with console.capture() as drawn:
        for part in parts:
            console.print(part)
    print_line(drawn.get().removesuffix("\n"))


class Audience:
    """Who reads the output; ``gone`` says whether they stopped before its end."""

    gone = False


@contextmanager
def while_read() -> Iterator[Audience]:
    """Leave the block quietly when the reader of the output has gone.

    What the command knows by then decides its exit status.
    """
    audience = Audience()
    try:
        yield audience
    except ClosedPipe:
        audience.gone = True


def _hush(stream: Any) -> None:
    """Let a stream that nobody reads lead nowhere, or Python complains about it at its end."""
    with suppress(OSError, ValueError):
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


class ProgressBar:
    """A bar on stderr, drawn from the first step on; nothing where stderr is no terminal.

    Called with what is being done, the steps done, the steps in all (``None`` if nobody knows) and
    a note. It fits wherever such a function is asked for.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        """Draw a step."""
        if not self._terminal:
            return
        if self._bar is None:
            self._bar = _drawn_bar()
            self._task = self._bar.add_task(what, completed=done, total=total, note=note)
            self._bar.start()
        else:
            self._bar.update(self._task, description=what, completed=done, total=total, note=note)

    def each(self, items: Sequence[Item], what: str) -> Iterator[Item]:
        """Go through items; for a single one no bar is drawn."""
        for done, item in enumerate(items):
            if len(items) > 1:
                self(what, done, len(items))
            yield item

    def emit(self, line: str, write: Callable[[str], None] = print_line) -> None:
        """Write a line, by default to stdout, without disturbing the bar."""
        if self._bar is not None:
            self._bar.stop()
        write(line)
        if self._bar is not None:
            self._bar.start()

    def close(self) -> None:
        """Take the bar away; may be called twice."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def progress() -> Iterator[ProgressBar]:
    """The progress bar of a command."""
    bar = ProgressBar()
    try:
        yield bar
    finally:
        bar.close()


def _drawn_bar() -> Any:
    """What rich draws."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    # Redirecting stdout, rich's default, would send the lines of the results to stderr.
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
