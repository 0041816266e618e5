"""``qatm train compare``: teach a network whether registered pixels show the same object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import tell
from ..train.training_options import PAIRS, torch_needed
from .option_groups import grouped
from .train_shared import USUAL_COMPARE, OutOption, TrainFlags


@grouped
def compare(
    sequences: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SEQUENCES",
            help="Folders of sequences, as for qatm eval track, whose frames are learned from too: "
            "one in six samples. Default: drawn scenes alone.",
            show_default=False,
        ),
    ] = None,
    *,
    out: OutOption,
    samples: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Pairs of pictures; one scene in 25 and one sequence in three are left out.",
        ),
    ] = PAIRS,
    sample_seed: Annotated[
        int, typer.Option(metavar="N", min=0, max=999, help="Decides which pairs are made.")
    ] = 0,
    training: TrainFlags = USUAL_COMPARE,
) -> None:
    """Train the network that tells an object from what nearly looks like it.

    It compares a template's pixels with those that were found, once they are registered. It learns
    from drawn scenes of every domain, which hold copies and near-duplicates of an object. The
    samples are made first, in a process for each thread, and kept in DIR/samples, about 25 a second
    and process and 25 KB each; a run that was interrupted there makes only the missing ones, with
    or without --resume. An interrupted training goes on with --resume, bit for bit. At the end, how
    well it ranks the pairs that were left out is told for each domain.

    Exit status: 0 trained, 2 wrong usage, unusable sequences, samples or checkpoints.
    """
    options = training.read(out)
    with torch_needed():
        from ..train.trainings import train_compare

    train_compare(sequences or [], samples, sample_seed, options, tell)
