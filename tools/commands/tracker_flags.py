"""Options of the commands that open trackers by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..baselines.opencv_trackers import NANOTRACK_FILES
from ..baselines.trackers import NANOTRACK, OURS
from ..console import refuse_given

NanotrackOption = Annotated[
    Path | None,
    typer.Option(
        "--nanotrack",
        metavar="DIR",
        envvar="QATM_NANOTRACK",
        help=f"Folder with {' and '.join(NANOTRACK_FILES)}, which {NANOTRACK} needs.",
    ),
]


def refuse_unused(context: typer.Context, trackers: Sequence[str]) -> None:
    """Refuse options that none of the trackers listens to.

    Raises:
        InputError: one was given.
    """
    if OURS not in trackers:
        reason = f"is for {OURS}, which is not among the trackers; leave it out"
        refuse_given(context, ("model", "device", "precision"), reason)
    if NANOTRACK not in trackers:
        reason = f"is for {NANOTRACK}, which is not among the trackers; leave it out"
        refuse_given(context, ("nanotrack",), reason)
