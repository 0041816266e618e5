"""``qatm eval``: compare methods on folders of pairs with known answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..runtime.errors import InputError
from .console import Group, complain, json_line, print_line, progress
from .eval_options import (
    DeviceOption,
    Folder,
    JsonOption,
    MethodOption,
    ModelOption,
    Options,
    ProcessesOption,
    ProtocolOption,
    SaveOption,
    WeightsOption,
    read_options,
)
from .eval_run import Chunk, Outcome, Task, run_chunk, runner, split
from .match_command import Device
from .pairs import Pair, PairFolder, read_pairs, strangers

Results = dict[str, list[Outcome]]

eval_app = typer.Typer(
    name="eval",
    cls=Group,
    no_args_is_help=False,
    help="Compare methods on pairs of frames with known answers.",
)


@eval_app.command("otb")
def otb(
    folder: Folder,
    *,
    method: MethodOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    weights: WeightsOption = None,
    protocol: ProtocolOption = None,
    as_json: JsonOption = False,
    save: SaveOption = None,
    processes: ProcessesOption = None,
) -> None:
    """How exactly is the object found?

    AUC is the mean success rate at IoU thresholds 0, .05 ... .95. Unusable pairs are named and
    left out; a pair that a method cannot handle counts with an IoU of 0.

    Exit status: 0 evaluated, 2 wrong usage or no usable pair.
    """
    from .eval_records import otb_record
    from .eval_report import plot_success

    options = read_options(method, protocol, (model, device, weights), processes, as_json, save)
    found = _usable(folder)
    tasks = [Task(pair.name, pair.video, pair.template, pair.search) for pair in found.pairs]

    def record(name: str, protocol: str, outcomes: list[Outcome]) -> dict[str, Any]:
        return otb_record(name, protocol, outcomes, len(found.problems))

    _evaluate("otb", tasks, options, record, plot_success)


@eval_app.command("motb")
def motb(
    folder: Folder,
    *,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Chooses the absent objects.")] = 0,
    method: MethodOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    weights: WeightsOption = None,
    protocol: ProtocolOption = None,
    as_json: JsonOption = False,
    save: SaveOption = None,
    processes: ProcessesOption = None,
) -> None:
    """Is the object there at all?

    Each pair is searched once as it is, and once for the template of another video. Precision,
    recall and false alarms of qatm are those of its own answer (score from .5); other methods get
    the threshold with the best F1 on these very data, which flatters them. A failure counts as a
    wrong answer. In protocol gt-size the window for an absent object has the size of the object
    that is there.

    Exit status: 0 evaluated, 2 wrong usage or no usable pair.
    """
    from .eval_records import motb_record
    from .eval_report import plot_roc

    options = read_options(method, protocol, (model, device, weights), processes, as_json, save)
    found = _usable(folder)

    def record(name: str, protocol: str, outcomes: list[Outcome]) -> dict[str, Any]:
        return motb_record(name, protocol, seed, outcomes, len(found.problems))

    _evaluate("motb", _with_absent(found.pairs, seed), options, record, plot_roc)


def _with_absent(pairs: Sequence[Pair], seed: int) -> list[Task]:
    """Each pair as it is and with the template of another video.

    Raises:
        InputError: all pairs are of one video.
    """
    tasks: list[Task] = []
    for pair, other in zip(pairs, strangers(pairs, seed), strict=True):
        if other is None:
            raise InputError(
                f"all pairs are of video {pair.video!r}; absent objects need pairs of another one"
            )
        tasks.append(Task(pair.name, pair.video, pair.template, pair.search))
        tasks.append(Task(pair.name, pair.video, other.template, pair.search, present=False))
    return tasks


def _usable(folder: Path) -> PairFolder:
    """The pairs of a folder; says on stderr which are skipped.

    Raises:
        InputError: none is usable.
    """
    found = read_pairs(folder)
    for problem in found.problems:
        complain(f"skipped {problem}")
    if not found.pairs:
        raise InputError(f"{folder} holds no usable pair ({len(found.problems)} skipped)")
    return found


def _evaluate(
    name: str,
    tasks: Sequence[Task],
    options: Options,
    record_of: Callable[[str, str, list[Outcome]], dict[str, Any]],
    plot: Callable[[Path, Results, Sequence[str]], None],
) -> None:
    """Run the methods, print a record for each method and protocol, and save the details."""
    from .eval_records import BEST_F1, table_head, table_line

    start = time.perf_counter()
    results: Results = {method: [] for method in options.methods}
    maps = options.save is not None
    chunks = split(options.methods, tasks, options.setup, options.protocols, maps=maps)
    first = True
    with runner(options.processes) as run, progress(chunks, "evaluating") as (items, emit):
        # The bar moves on when the next chunk is asked for, so its results come first.
        for outcomes, chunk in zip(run(run_chunk, chunks), items, strict=False):
            done = _collect(results, chunk, outcomes, emit)
            if len(done) < len(tasks):
                continue
            for protocol in options.protocols:
                record = record_of(chunk.method, protocol, done)
                if first and not options.as_json:
                    emit(table_head(record))
                first = False
                emit(json_line(record) if options.as_json else table_line(record))
    if not options.as_json:
        if name == "motb":
            print_line(f"* at the threshold with the {BEST_F1}")
        print_line(f"{len(tasks)} searches a method in {time.perf_counter() - start:.0f} s")
    if options.save is not None:
        _save(name, options.save, results, options.protocols, plot)


def _collect(
    results: Results, chunk: Chunk, outcomes: Sequence[Outcome], emit: Callable[..., None]
) -> list[Outcome]:
    """Add the outcomes of a chunk, name the failures, and return the method's so far."""
    for outcome in outcomes:
        if outcome.error:
            emit(f"{outcome.method} failed with {outcome.task.name}: {outcome.error}", complain)
    results[chunk.method] += outcomes
    return results[chunk.method]


def _save(
    name: str,
    folder: Path,
    results: Results,
    protocols: Sequence[str],
    plot: Callable[[Path, Results, Sequence[str]], None],
) -> None:
    """Write the details of an evaluation into a folder."""
    from .eval_report import write_csv
    from .eval_sheet import contact_sheet, worst
    from .saving import save_picture

    write_csv(folder / f"{name}-pairs.csv", results, protocols)
    plot(folder / f"{name}-curves.png", results, protocols)
    for method, outcomes in results.items():
        for protocol in protocols:
            sheet = contact_sheet(worst(outcomes, protocol), protocol)
            save_picture(folder / f"{name}-worst-{method}-{protocol}.jpg", sheet)
