"""Manners of the command line: one line per error, exit statuses, JSON lines, progress."""

from __future__ import annotations

import errno
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import typer
from typer.core import TyperCommand, TyperGroup

from ..runtime.errors import QatmError

FOUND = 0
NOT_FOUND = 1
WRONG_INPUT = 2
INTERRUPTED = 130


class Emit(Protocol):
    """Writes one line of results while a progress bar may be on the screen."""

    def __call__(self, line: str, write: Callable[[str], None] = ...) -> None:
        """Write a line with ``write``, by default to stdout."""
        ...


class OneLineErrors:
    """Turns every expected failure of a command into one line on stderr and an exit status.

    Wrong usage, :class:`QatmError` and failing output files end with status 2, Ctrl-C with 130.
    Anything else is a defect and keeps its traceback.
    """

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command; the parameters are those of typer's own ``main``."""
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)  # pyright: ignore[reportAttributeAccessIssue]
        try:
            status = super().main(*args, standalone_mode=False, **extra)  # pyright: ignore[reportAttributeAccessIssue]
        except (typer.Abort, KeyboardInterrupt):
            complain("interrupted")
            sys.exit(INTERRUPTED)
        except Exception as error:
            message = describe(error)
            if message is None:
                raise
            complain(message)
            sys.exit(WRONG_INPUT)
        sys.exit(status if isinstance(status, int) else 0)


class Group(OneLineErrors, TyperGroup):
    """A typer application with subcommands and one-line errors."""


class Command(OneLineErrors, TyperCommand):
    """A typer application of one command, with one-line errors."""


def describe(error: Exception) -> str | None:
    """The line to show for an expected failure, or ``None`` for a defect in the program."""
    if isinstance(error, QatmError):
        return one_line(str(error))
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        return one_line(f"{error.filename or 'output'}: {error.strerror or error}")
    # Typer either depends on click or carries a copy, so its errors are told by what they can do.
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return usage_line(error)
    return None


def usage_line(error: Any) -> str:
    """One line for a usage error of typer, ending in where to read more."""
    context = getattr(error, "ctx", None)
    hint = f" (see '{context.command_path} --help')" if context is not None else ""
    return one_line(error.format_message()).rstrip(".") + hint


def one_line(text: str) -> str:
    """Join the lines of a message."""
    return " ".join(text.split())


def complain(message: str) -> None:
    """Write one line to stderr."""
    typer.secho(f"error: {message}", err=True, fg=typer.colors.RED)


def finite(value: float | None) -> float | None:
    """Option callback: refuse NaN, which passes every range check."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to compare with.")
    return value


def json_line(record: Mapping[str, Any]) -> str:
    """A record as one line of strict JSON."""
    return json.dumps(record, allow_nan=False)


def print_line(line: str) -> None:
    """Write one line to stdout at once, so that a reader of the pipe need not wait."""
    encoding = sys.stdout.encoding or "utf-8"
    typer.echo(line.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def print_with(line: str, write: Callable[[str], None] = print_line) -> None:
    """Write a line at once: what :class:`Emit` is where there is no progress bar."""
    write(line)


@contextmanager
def progress(items: Sequence[Any], label: str) -> Iterator[tuple[Iterator[Any], Emit]]:
    """Go through items with a progress bar on stderr.

    The bar appears only for several items and on a terminal. Yields the items to go through, and
    the function that writes a line of results without disturbing the bar.
    """
    if len(items) < 2 or not sys.stderr.isatty():
        yield iter(items), print_with
        return
    from rich.console import Console
    from rich.progress import Progress

    # Redirecting stdout, rich's default, would send the results to stderr.
    bar = Progress(
        console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )

    def emit(line: str, write: Callable[[str], None] = print_line) -> None:
        bar.stop()
        write(line)
        bar.start()

    with bar:
        yield iter(bar.track(items, description=label)), emit
