"""``qatm lab``: experiments on the toolkit itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.backends.devices import MOST_THREADS
from ..baselines.compared_tracker import ComparedTrackerOptions
from ..baselines.trackers import OURS
from ..console import (
    FOUND,
    NOT_FOUND,
    add_commands,
    command_group,
    json_line,
    print_line,
    while_read,
)
from ..evaluation.processes import threads_of_each
from .lab_fit import fit
from .lab_scenes import scenes
from .model_options import ModelOption
from .option_groups import grouped
from .tracker_flags import Nanotrack3Option, NanotrackOption, VittrackOption, refuse_unused

if TYPE_CHECKING:
    from ..lab.track_sizes import Timing
    from ..lab.track_soak import SoakReport

lab_app = command_group("lab", "Experiments on the toolkit itself.")


@dataclass(frozen=True)
class OneTrackerFlags:
    """Which tracker is looked at."""

    tracker: Annotated[
        str, typer.Option(metavar="NAME", help="Tracker, as for qatm eval track.")
    ] = OURS
    model: ModelOption = None
    nanotrack: NanotrackOption = None
    nanotrack3: Nanotrack3Option = None
    vittrack: VittrackOption = None
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=MOST_THREADS, help="CPU threads. Default: every core."
        ),
    ] = None

    def read(self, context: typer.Context) -> ComparedTrackerOptions:
        """What the tracker is opened with.

        Raises:
            InputError: an option that the tracker does not listen to.
        """
        refuse_unused(context, [self.tracker])
        threads = self.threads or threads_of_each(1)
        return ComparedTrackerOptions(
            self.model,
            threads=threads,
            nanotrack=self.nanotrack,
            nanotrack3=self.nanotrack3,
            vittrack=self.vittrack,
        )


@grouped
def sizes(
    context: typer.Context,
    *,
    frames: Annotated[int, typer.Option(metavar="N", min=10, help="Updates at each size.")] = 100,
    one: OneTrackerFlags,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per size.")
    ] = False,
) -> None:
    """Does a tracker's time per frame depend on the size of the frames?

    An object is followed through generated videos of several sizes, one frame of each in turn. Once
    it has 48 pixels a side in all of them, once a fifth of the frame's height. The ratio is the
    time per frame over that at 320x240.

    Exit status: 0 measured, 2 wrong usage or something is missing.
    """
    from ..lab.track_sizes import time_sizes

    options = one.read(context)
    if not as_json:
        print_line("frame       object    ms/frame  ratio  on the object")
    for timing in time_sizes(one.tracker, options, frames):
        print_line(json_line(timing._asdict()) if as_json else _size_line(timing))


@grouped
def soak(
    context: typer.Context,
    *,
    frames: Annotated[int, typer.Option(metavar="N", min=1000, help="Updates.")] = 100_000,
    one: OneTrackerFlags,
) -> None:
    """Does a tracker's memory stay constant?

    An object is followed through a generated video, in which it goes away for 30 of every 500
    frames, and the memory of the process is printed ten times.

    Exit status: 0 if the memory grew by at most 8 MiB after the first absence, 1 if by more, 2
    wrong usage or something is missing.
    """
    from ..baselines.trackers import open_tracker
    from ..lab.track_soak import MOST_GROWTH, memory_growth, soak_tracker

    opened = open_tracker(one.tracker, one.read(context))
    reports: list[SoakReport] = []
    with while_read():
        try:
            for report in soak_tracker(opened, frames):
                reports.append(report)
                print_line(_soak_line(report))
        finally:
            opened.close()
    growth, since = memory_growth(reports)
    constant = growth <= MOST_GROWTH
    verdict = "constant" if constant else "GROWING"
    with while_read():
        print_line(f"{verdict}: {growth:+.1f} MiB after the first {since} frames")
    raise typer.Exit(FOUND if constant else NOT_FOUND)


add_commands(lab_app, {"fit": fit, "scenes": scenes, "sizes": sizes, "soak": soak})


def _size_line(timing: Timing) -> str:
    """One size for people."""
    size = f"{timing.width}x{timing.height}"
    return (
        f"{size:<10}  {timing.side:>3} px  {timing.ms:>10.2f}  {timing.ratio:>5.2f}  "
        f"{100 * timing.on_object:>11.1f} %"
    )


def _soak_line(report: SoakReport) -> str:
    """A report for people."""
    return (
        f"{report.frames:>9} frames  {report.memory:>8.1f} MiB  {report.fps:>7.1f} fps  on the "
        f"object {100 * report.on_object:5.1f} %  lost while away {100 * report.lost:5.1f} %"
    )
