"""The ``qatm`` command: puts the subcommands together."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from .commands.align import align
from .commands.bench import bench
from .commands.calib import calib_app
from .commands.check import check
from .commands.doctor import doctor
from .commands.eval_align import align as eval_align
from .commands.eval_motb import motb
from .commands.eval_otb import otb
from .commands.eval_pose import pose
from .commands.eval_presence import presence
from .commands.eval_track import track as eval_track
from .commands.eval_verify import verify as eval_verify
from .commands.lab import lab_app
from .commands.match import match
from .commands.pack_bundle import pack
from .commands.track import track
from .commands.train_align import align as train_align
from .commands.train_compare import compare as train_compare
from .commands.train_follow import follow as train_follow
from .commands.train_refine import refine as train_refine
from .commands.train_verify import verify as train_verify
from .commands.verify import verify
from .commands.verify_bundle import verify as verify_bundle
from .console import EPILOG, WRONG_INPUT, add_commands, command_group, version_option

app = command_group(
    "qatm", "Find a given object in images: quality-aware template matching.", epilog=EPILOG
)
bundle_app = command_group(
    "bundle", "Pack a finished bundle for the machine that it runs on, or verify that it is whole."
)
eval_app = command_group(
    "eval", "Compare methods on pairs of pictures, and trackers on sequences, with known answers."
)
train_app = command_group(
    "train", "Train a network on pictures; qatm-export --network puts it into a bundle."
)

add_commands(
    app,
    {
        "match": match,
        "track": track,
        "verify": verify,
        "align": align,
        "check": check,
        "bench": bench,
        "doctor": doctor,
    },
)
add_commands(bundle_app, {"pack": pack, "verify": verify_bundle})
add_commands(
    eval_app,
    {
        "otb": otb,
        "motb": motb,
        "pose": pose,
        "presence": presence,
        "track": eval_track,
        "align": eval_align,
        "verify": eval_verify,
    },
)
add_commands(
    train_app,
    {
        "align": train_align,
        "verify": train_verify,
        "follow": train_follow,
        "compare": train_compare,
        "refine": train_refine,
    },
)
for group in (bundle_app, eval_app, train_app, calib_app, lab_app):
    app.add_typer(group)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, version_option("qatm")] = False,  # noqa: ARG001
) -> None:
    """Find a given object in images: quality-aware template matching."""
    if context.invoked_subcommand is None:
        # Help goes to stdout only where it was asked for; rich writes it there by itself.
        with contextlib.redirect_stdout(sys.stderr):
            typer.echo(context.get_help())
        raise typer.Exit(WRONG_INPUT)


def main() -> None:
    """Entry point of the console script ``qatm``."""
    app(prog_name="qatm")


if __name__ == "__main__":
    sys.exit(main())
