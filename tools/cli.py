"""The ``qatm`` command: puts the subcommands together."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .commands.align import align
from .commands.bench import bench
from .commands.calib import app as calib
from .commands.check import check
from .commands.doctor import doctor
from .commands.eval_otb import eval_app
from .commands.match import match
from .commands.track import track
from .commands.train_align import train_app
from .commands.train_refine import refine as train_refine
from .commands.train_verify import verify as train_verify
from .commands.verify import verify
from .console import WRONG_INPUT, Group

EPILOG = "Exit status: 0 found or passed, 1 not found or failed, 2 wrong usage or unreadable input."

app = typer.Typer(
    name="qatm",
    cls=Group,
    help="Find a given object in images: quality-aware template matching.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("match")(match)
app.command("track")(track)
app.command("verify")(verify)
app.command("align")(align)
app.command("check")(check)
app.command("bench")(bench)
app.command("doctor")(doctor)
train_app.command("verify")(train_verify)
train_app.command("refine")(train_refine)
app.add_typer(eval_app, name="eval")
app.add_typer(train_app, name="train")
app.add_typer(calib)


def _show_version(wanted: bool) -> None:
    """Print the version and stop, for ``--version``."""
    if wanted:
        from ..runtime.version import __version__

        typer.echo(f"qatm {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None:
    """Find a given object in images: quality-aware template matching."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(WRONG_INPUT)


def main() -> None:
    """Entry point of the console script ``qatm``."""
    app(prog_name="qatm")


if __name__ == "__main__":
    sys.exit(main())
