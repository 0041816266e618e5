"""``qatm eval track``: compare trackers on folders of sequences with known answers."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..baselines.compared_tracker import ComparedTrackerOptions
from ..baselines.trackers import OURS, TRACKERS
from ..console import (
    complain,
    json_line,
    print_line,
    progress,
    refuse_given,
    skipped,
    tell,
)
from ..destinations import check_figure_folder
from ..evaluation.processes import threads_of_each
from .eval_shared import ALL
from .model_options import Device, DeviceOption, ModelOption, Precision, PrecisionOption
from .tracker_flags import NanotrackOption, refuse_unused

if TYPE_CHECKING:
    from ..evaluation.track.track_runs import Trace

SequencesArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="Folder of sequences: NAME/img/*.jpg and NAME/groundtruth_rect.txt, one x,y,w,h a "
        "frame; NaN or no size where the object is absent.",
        show_default=False,
    ),
]
TrackerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        help=f"Trackers to compare, repeated or separated by commas; '{ALL}' is every one that can "
        f"run here. Known: {', '.join(TRACKERS)}. Default: {OURS}.",
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
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        help="CPU threads of every tracker. Default: the cores there are for each process.",
        show_default=False,
    ),
]
ProcessesOption = Annotated[
    int,
    typer.Option(
        "--processes",
        metavar="N",
        min=1,
        help="Videos followed at a time; more than one disturbs the fps.",
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


def track(
    context: typer.Context,
    folder: SequencesArgument,
    *,
    tracker: TrackerOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    nanotrack: NanotrackOption = None,
    presence: PresenceOption = False,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    processes: ProcessesOption = 1,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """How well is an object followed that is shown in the first frame only?

    AUC is the mean share of the frames whose IoU exceeds 0, .05 ... 1; precision the share whose
    centre is at most 20 pixels off; the first frame counts, frames without the object do not. fps
    are those of the tracker alone, without reading frames and without its init. A tracker that
    fails counts with its last box. Unusable sequences are named and left out.

    With --presence, an object counts as found again when the tracker does not say "lost" and its
    box overlaps the true one by an IoU of .3. False alarms are the frames in which it says "lost"
    with its box on the object. Trackers without states say "lost" where they find nothing.

    Exit status: 0 evaluated, 2 wrong usage or no usable sequence.
    """
    from ..evaluation.track.sequences import usable_sequences
    from ..evaluation.track.track_evaluation import (
        TrackEvaluation,
        make_videos,
        tracker_names,
        unreadable_sequences,
        usable_trackers,
    )
    from ..evaluation.track.track_figures import table_head
    from ..evaluation.track.track_files import save_all

    wanted = tracker or [OURS]
    refuse_unused(context, tracker_names(wanted))
    if not presence:
        refuse_given(context, ("seed",), "chooses when the object goes away; give --presence too")
    if save is not None:
        check_figure_folder("--save", save)
    share = threads or threads_of_each(processes)
    options = ComparedTrackerOptions(model, device.value, precision.value, share, nanotrack)
    evaluation = TrackEvaluation(usable_trackers(wanted, options, complain), options, processes)
    found = usable_sequences(folder, skipped)
    for remark in found.remarks:
        tell(remark)
    start = time.perf_counter()
    jobs = evaluation.jobs(make_videos(found.sequences, complain, seed if presence else None))
    width = max(len(job.video.name) for job in jobs)
    if not as_json:
        print_line(table_head(width))
    traces: list[Trace] = []
    with progress() as bar, closing(evaluation.run(jobs, bar.each)) as running:
        for trace in running:
            traces.append(trace)
            for problem in _problems(trace):
                bar.emit(problem, complain)
            for record in _sequence_records(trace):
                bar.emit(_line(record, width, as_json))
    results = evaluation.by_tracker(traces)
    unusable = len(found.problems) + len(unreadable_sequences(traces))
    _print_means(evaluation.mean_records(results, unusable), width, as_json)
    if not as_json:
        spent = time.perf_counter() - start
        print_line(f"{share} threads a tracker, {len(jobs)} runs in {spent:.0f} s")
    if save is not None:
        save_all(save, results)


def _problems(trace: Trace) -> list[str]:
    """What went wrong with a tracker on a video."""
    if trace.unreadable:
        return [f"skipped {trace.video.title}: {trace.unreadable}"]
    if trace.error:
        return [f"{trace.tracker} failed with {trace.video.title}, {trace.error}"]
    return []


def _sequence_records(trace: Trace) -> list[dict[str, Any]]:
    """The record of a sequence as it is; nothing for other videos."""
    from ..evaluation.track.footage import AS_IT_IS
    from ..evaluation.track.track_figures import sequence_record

    shown = not trace.unreadable and trace.video.kind == AS_IT_IS
    return [sequence_record(trace)] if shown else []


def _line(record: dict[str, Any], width: int, as_json: bool) -> str:
    """A record as it is printed."""
    from ..evaluation.track.track_figures import table_line

    return json_line(record) if as_json else table_line(record, width)


def _print_means(records: list[dict[str, Any]], width: int, as_json: bool) -> None:
    """Print the means of each tracker, and what it knew about presence."""
    from ..evaluation.track.track_figures import PRESENCE_NOTE, presence_head, presence_line

    for record in records:
        print_line(_line(record, width, as_json))
    known = [record for record in records if "losses" in record]
    if known and not as_json:
        print_line(presence_head())
        for record in known:
            print_line(presence_line(record))
        print_line(PRESENCE_NOTE)
