"""Options of the commands that open trackers by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.backends.devices import MOST_THREADS
from ..baselines.compared_tracker import ComparedTrackerOptions
from ..baselines.nanotrack_onnx import NANOTRACK3, NANOTRACK3_FILES
from ..baselines.opencv_trackers import NANOTRACK, NANOTRACK_FILES, VITTRACK
from ..baselines.trackers import OURS, TRACKERS
from ..console import refuse_given
from ..evaluation.match.variants import read_changes
from ..evaluation.processes import threads_of_each
from .eval_shared import ALL
from .model_options import Device, DeviceOption, ModelOption, Precision, PrecisionOption

if TYPE_CHECKING:
    from ..evaluation.track.track_variants import Choice

NanotrackOption = Annotated[
    Path | None,
    typer.Option(
        "--nanotrack",
        metavar="DIR",
        envvar="QATM_NANOTRACK",
        help=f"Folder with {' and '.join(NANOTRACK_FILES)}, which {NANOTRACK} needs.",
    ),
]
Nanotrack3Option = Annotated[
    Path | None,
    typer.Option(
        f"--{NANOTRACK3}",
        metavar="DIR",
        envvar="QATM_NANOTRACK3",
        help=f"Folder with {' and '.join(NANOTRACK3_FILES)}, which {NANOTRACK3} needs.",
    ),
]
VittrackOption = Annotated[
    Path | None,
    typer.Option(
        f"--{VITTRACK}",
        metavar="FILE",
        envvar="QATM_VITTRACK",
        help=f"Network of {VITTRACK} as an ONNX file.",
    ),
]


@dataclass(frozen=True)
class ComparedTrackerFlags:
    """Which trackers are compared, and how they are set up."""

    tracker: Annotated[
        list[str] | None,
        typer.Option(
            "--tracker",
            metavar="NAME",
            help=f"Trackers to compare, repeated or separated by commas; '{ALL}' is every one that "
            f"can run here. Known: {', '.join(TRACKERS)}. Default: {OURS}.",
            show_default=False,
        ),
    ] = None
    model: ModelOption = None
    device: DeviceOption = Device.auto
    precision: PrecisionOption = Precision.auto
    nanotrack: NanotrackOption = None
    nanotrack3: Nanotrack3Option = None
    vittrack: VittrackOption = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Change the recipe of {OURS}, for example same_size=-5; may be repeated.",
            show_default=False,
        ),
    ] = None
    choose: Annotated[
        str | None,
        typer.Option(
            "--choose",
            metavar="NAME=V1,V2",
            help=f"Run {OURS} with each of these values in its recipe; for each source, say what "
            "the value is worth that is best on the other sources.",
            show_default=False,
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            max=MOST_THREADS,
            help="CPU threads of every tracker. Default: the cores there are for each process.",
            show_default=False,
        ),
    ] = None
    processes: Annotated[
        int,
        typer.Option(
            "--processes",
            metavar="N",
            min=1,
            help="Videos followed at a time; more than one disturbs the fps.",
        ),
    ] = 1

    @property
    def wanted(self) -> list[str]:
        """Names of trackers, also several in one, separated by commas."""
        return self.tracker or [OURS]

    @property
    def choice(self) -> Choice | None:
        """The values that are compared.

        Raises:
            InputError: there are no two, or they are no numbers.
        """
        from ..evaluation.track.track_variants import Choice

        return None if self.choose is None else Choice.read(self.choose)

    def options(self) -> ComparedTrackerOptions:
        """What the trackers are opened with.

        Raises:
            InputError: a setting that is none.
        """
        return ComparedTrackerOptions(
            self.model,
            self.device.value,
            self.precision.value,
            self.threads or threads_of_each(self.processes),
            self.nanotrack,
            self.nanotrack3,
            self.vittrack,
            read_changes(self.settings or ()),
        )


def refuse_unused(context: typer.Context, trackers: Sequence[str]) -> None:
    """Refuse options that none of the trackers listens to.

    Raises:
        InputError: one was given.
    """
    if OURS not in trackers:
        reason = f"is for {OURS}, which is not among the trackers; leave it out"
        refuse_given(context, ("model", "device", "precision"), reason)
    for name in (NANOTRACK, NANOTRACK3, VITTRACK):
        if name not in trackers:
            reason = f"is for {name}, which is not among the trackers; leave it out"
            refuse_given(context, (name,), reason)
