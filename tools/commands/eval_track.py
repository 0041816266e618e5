"""``qatm eval track``: compare trackers on folders of sequences with known answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.errors import InputError, QatmError
from ..baselines.trackers import (
    NANOTRACK_FILES,
    OURS,
    TRACKERS,
    TrackerSetup,
    names_asked,
    open_tracker,
)
from ..console import Emit, complain, json_line, print_line, progress
from ..evaluation.match.match_runs import runner
from ..evaluation.track.footage import AS_IT_IS, TestVideo, plain_video
from ..evaluation.track.sequences import TrackSequence, read_sequences
from ..evaluation.track.track_runs import Trace, TrackJob, default_threads, run_job
from .eval_options import ALL, DeviceOption, make_folder
from .model_options import Device, ModelOption, Precision

Results = dict[str, list[Trace]]


@dataclass(frozen=True)
class _Options:
    """What the evaluation is asked."""

    trackers: tuple[str, ...]
    setup: TrackerSetup
    processes: int
    as_json: bool
    save: Path | None


FolderArgument = Annotated[
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
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Of our tracker.")]
NanotrackOption = Annotated[
    Path | None,
    typer.Option(
        "--nanotrack",
        metavar="DIR",
        envvar="QATM_NANOTRACK",
        help=f"Folder with {' and '.join(NANOTRACK_FILES)}, which nanotrack needs.",
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
    folder: FolderArgument,
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
    setup = TrackerSetup(
        model, device.value, precision.value, threads or default_threads(processes), nanotrack
    )
    names = usable_trackers(tracker or [OURS], setup)
    if save is not None:
        make_folder(save)
    options = _Options(names, setup, processes, as_json, save)
    sequences, skipped = _usable_sequences(folder)
    _evaluate(_videos(sequences, presence, seed), options, skipped)


def usable_trackers(wanted: Sequence[str], setup: TrackerSetup) -> tuple[str, ...]:
    """The trackers asked for, each opened once to see that it works.

    Of ``all``, those that cannot run here are named on stderr and left out.

    Raises:
        QatmError: a tracker asked for by its name is unknown or cannot run here.
    """
    asked, everything = names_asked(wanted, ALL)
    usable: list[str] = []
    for name in TRACKERS if everything else asked:
        try:
            open_tracker(name, setup).close()
        except QatmError as error:
            if name in asked:
                raise
            complain(f"{name} is left out: {error}")
        else:
            usable.append(name)
    return tuple(usable)


def _usable_sequences(folder: Path) -> tuple[list[TrackSequence], int]:
    """The sequences of a folder, and how many are skipped; says on stderr which.

    Raises:
        InputError: none is usable.
    """
    found = read_sequences(folder)
    for problem in found.problems:
        complain(f"skipped {problem}")
    for remark in found.remarks:
        typer.echo(remark, err=True)
    if not found.sequences:
        raise InputError(f"{folder} holds no usable sequence ({len(found.problems)} skipped)")
    return found.sequences, len(found.problems)


def _videos(sequences: Sequence[TrackSequence], presence: bool, seed: int) -> list[TestVideo]:
    """What is to be followed: the sequences, and those in which the object goes away."""
    videos = [plain_video(sequence) for sequence in sequences]
    if presence:
        from ..evaluation.track.absences import presence_videos

        made, problems = presence_videos(sequences, seed)
        for problem in problems:
            complain(problem)
        videos += made
    return videos


def _evaluate(videos: Sequence[TestVideo], options: _Options, skipped: int) -> None:
    """Run the trackers, print a record for each with each sequence and the means, save."""
    start = time.perf_counter()
    # Video by video, so that a noisy machine disturbs the speed of all trackers alike.
    jobs = [TrackJob(name, options.setup, video) for video in videos for name in options.trackers]
    width = max(len(video.name) for video in videos)
    traces: list[Trace] = []
    if not options.as_json:
        from ..evaluation.track.track_figures import table_head

        print_line(table_head(width))
    with (
        runner(options.processes, options.setup.threads) as run,
        progress(jobs, "following") as (items, emit),
    ):
        # The bar moves on when the next job is asked for, so its result comes first.
        for trace, _ in zip(run(run_job, jobs), items, strict=False):
            traces.append(trace)
            _show(trace, options, width, emit)
    unreadable = {t.video.name for t in traces if t.unreadable and t.video.kind == AS_IT_IS}
    results = _by_tracker(traces, options.trackers, unreadable)
    _show_means(results, options, skipped + len(unreadable), width)
    if not options.as_json:
        spent = time.perf_counter() - start
        print_line(f"{options.setup.threads} threads a tracker, {len(jobs)} runs in {spent:.0f} s")
    if options.save is not None:
        from ..evaluation.track.track_files import save_all

        save_all(options.save, results)


def _show(trace: Trace, options: _Options, width: int, emit: Emit) -> None:
    """Print the record of a sequence, or what went wrong."""
    from ..evaluation.track.track_figures import sequence_record, table_line

    if trace.unreadable:
        emit(f"skipped {trace.video.title}: {trace.unreadable}", complain)
        return
    if trace.error:
        emit(f"{trace.tracker} failed with {trace.video.title}, {trace.error}", complain)
    if trace.video.kind == AS_IT_IS:
        record = sequence_record(trace)
        emit(json_line(record) if options.as_json else table_line(record, width))


def _by_tracker(traces: Sequence[Trace], names: Sequence[str], without: set[str]) -> Results:
    """The traces of each tracker, without videos that could not be read.

    Args:
        traces: of all trackers.
        names: the trackers.
        without: sequences that could not be read; the test videos made of them go too.

    Raises:
        InputError: none is left.
    """
    kept = [t for t in traces if not t.unreadable and t.video.name not in without]
    if not kept:
        raise InputError(f"none of the sequences can be read to the end ({len(without)} skipped)")
    return {name: [trace for trace in kept if trace.tracker == name] for name in names}


def _show_means(results: Results, options: _Options, skipped: int, width: int) -> None:
    """Print the means of each tracker, and what it knew about presence."""
    from ..evaluation.track.track_figures import (
        PRESENCE_NOTE,
        mean_record,
        presence_head,
        presence_line,
        table_line,
    )

    records = [
        mean_record(traces, skipped, options.setup.threads, options.processes)
        for traces in results.values()
    ]
    for record in records:
        print_line(json_line(record) if options.as_json else table_line(record, width))
    known = [record for record in records if "losses" in record]
    if known and not options.as_json:
        print_line(presence_head())
        for record in known:
            print_line(presence_line(record))
        print_line(PRESENCE_NOTE)
