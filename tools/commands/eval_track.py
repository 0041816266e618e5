"""``qatm eval track``: compare trackers on folders of sequences with known answers."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import (
    complain,
    json_line,
    print_line,
    progress,
    refuse_given,
    skipped,
    tell,
)
from ..destinations import check_drawing, check_figure_folder, check_new_file
from .option_groups import grouped
from .tracker_flags import ComparedTrackerFlags, refuse_unused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..evaluation.track.track_evaluation import TrackEvaluation
    from ..evaluation.track.track_runs import Trace, TrackJob
    from ..evaluation.track.track_table import TrackTable

    Records = Sequence[dict[str, Any]]

SequencesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="DIR",
        help="Folders of sequences: NAME/img/*.jpg and NAME/groundtruth_rect.txt, one x,y,w,h a "
        "frame; NaN or no size where the object is absent. Their source is what stands in small "
        "letters before the first underscore of NAME, or else otb.",
        show_default=False,
    ),
]
PresenceOption = Annotated[
    bool,
    typer.Option(
        "--presence",
        help="Also let the object go away for 30 frames at a time, hidden or by a cut to another "
        "sequence, and see who notices and who finds it again.",
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="Chooses when the object goes away.")
]
EveryOption = Annotated[
    int,
    typer.Option(
        "--every",
        metavar="N",
        min=1,
        help="Show every N-th frame only, as a slow device or a stream that drops frames does.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per tracker and sequence, and means.")
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="DIR",
        help="Write every frame and loss as CSV, the curves, and the worst moments.",
    ),
]
PlotOption = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw the mean AUC of each tracker over sequences of each kind into a .png file.",
    ),
]


@grouped
def track(
    context: typer.Context,
    folders: SequencesArgument,
    *,
    trackers: ComparedTrackerFlags,
    every: EveryOption = 1,
    presence: PresenceOption = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    save: SaveOption = None,
    plot: PlotOption = None,
) -> None:
    """How well is an object followed that is shown in the first frame only?

    AUC is the mean share of the frames whose IoU exceeds 0, .05 ... 1; prec20 the share whose
    centre is at most 20 pixels off; nprec the mean share whose centre is at most 0, .01 ... .5
    times the object's width and height off. The first frame counts, frames without the object do
    not. fps are those of the tracker alone, without reading frames and without its init. A tracker
    that fails counts with its last box. Unusable sequences are named and left out.

    Of several sources there are means over the sequences of each, and their mean. With --choose,
    the value for a source is the one with the highest mean over the sequences of all others.

    AUC is also given over the sequences whose size (root of the area) changes by a factor of 1.4,
    whose aspect changes by 1.2, where neither does (steady), that are small (median size below 32
    pixels), fast (in a twentieth of the frames the centre moves by more than half the size) or
    leave.

    With --presence, an object counts as found again when the tracker does not say "lost" and its
    box overlaps the true one by an IoU of .3. False alarms are the frames in which it says "lost"
    with its box on the object. Trackers without states say "lost" where they find nothing.

    Exit status: 0 evaluated, 2 wrong usage or no usable sequence.
    """
    from ..evaluation.track.attribute_plot import plot_attributes
    from ..evaluation.track.left_out import check_sources, left_out_records
    from ..evaluation.track.sequences import usable_in_all
    from ..evaluation.track.track_evaluation import (
        TrackEvaluation,
        make_videos,
        tracker_names,
        unreadable_sequences,
        usable_variants,
    )
    from ..evaluation.track.track_figures import sequence_records, source_records
    from ..evaluation.track.track_files import save_all
    from ..evaluation.track.track_table import TrackTable

    refuse_unused(context, tracker_names(trackers.wanted))
    _check_options(context, save, plot, presence=presence)
    options, choice = trackers.options(), trackers.choice
    variants = usable_variants(trackers.wanted, options, choice, complain)
    evaluation = TrackEvaluation(variants, options.threads, trackers.processes)
    found = usable_in_all(folders, skipped, every)
    for remark in found.remarks:
        tell(remark)
    names = [sequence.name for sequence in found.sequences]
    if choice is not None:
        check_sources(names)
    start = time.perf_counter()
    jobs = evaluation.jobs(make_videos(found.sequences, complain, seed if presence else None))
    table = TrackTable.of([one.label for one in variants], names)
    traces = _followed(evaluation, jobs, table, as_json=as_json)
    results = evaluation.by_tracker(traces)
    unusable = len(found.problems) + len(unreadable_sequences(traces))
    means = evaluation.mean_records(results, unusable)
    # Those of one source beside each other.
    of_sources = [
        record
        for records in zip(*map(source_records, results.values()), strict=True)
        for record in records
    ]
    if as_json:
        for record in (*of_sources, *means):
            print_line(json_line(record))
    else:
        _print_summary(table, of_sources, means)
    if save is not None:
        save_all(save, results)
    if plot is not None:
        plot_attributes(plot, means)
    if choice is not None:
        kept = sequence_records(trace for traces in results.values() for trace in traces)
        left_out = left_out_records(choice, kept)
        for line in map(json_line, left_out) if as_json else table.left_out_lines(left_out):
            print_line(line)
    if not as_json:
        spent = time.perf_counter() - start
        print_line(f"{options.threads} threads a tracker, {len(jobs)} runs in {spent:.0f} s")


def _check_options(
    context: typer.Context, save: Path | None, plot: Path | None, *, presence: bool
) -> None:
    """See that each option has an effect, and that what is to be written can be.

    Raises:
        InputError: something is wrong with one, or matplotlib is missing.
    """
    if not presence:
        refuse_given(context, ("seed",), "chooses when the object goes away; give --presence too")
    if save is not None:
        check_figure_folder("--save", save)
    if plot is not None:
        check_drawing("--plot")
        check_new_file("--plot", plot, [".png"])


def _followed(
    evaluation: TrackEvaluation, jobs: Sequence[TrackJob], table: TrackTable, *, as_json: bool
) -> list[Trace]:
    """Run the jobs, and print the figures of each sequence as soon as they are known."""
    from ..evaluation.track.track_figures import sequence_records

    if not as_json:
        print_line(table.head())
    traces: list[Trace] = []
    with progress() as bar, closing(evaluation.run(jobs, bar.each)) as running:
        for trace in running:
            traces.append(trace)
            for problem in _problems(trace):
                bar.emit(problem, complain)
            for record in [] if trace.unreadable else sequence_records([trace]):
                bar.emit(json_line(record) if as_json else table.line(record))
    return traces


def _problems(trace: Trace) -> list[str]:
    """What went wrong with a tracker on a video."""
    if trace.unreadable:
        return [f"skipped {trace.video.title}: {trace.unreadable}"]
    if trace.error:
        return [f"{trace.tracker} failed with {trace.video.title}, {trace.error}"]
    return []


def _print_summary(table: TrackTable, of_sources: Records, means: Records) -> None:
    """Print what is known of each tracker when all is done."""
    for record in (*of_sources, *means):
        print_line(table.line(record))
    for lines in (table.attribute_lines, table.time_lines, table.presence_lines):
        for line in lines(means):
            print_line(line)
