"""``qatm bench``: what our parts cost in time and memory, next to other ways of doing it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.backends.graph import named_device
from ...runtime.errors import InputError
from ..console import json_line, print_table, progress, tell
from ..destinations import check_drawing, check_new_file
from .model_options import Device, DeviceOption, ModelOption

if TYPE_CHECKING:
    from ..evaluation.speed.bench_files import BenchRun


class BenchGroup(str, Enum):
    """What can be measured by itself."""

    match = "match"
    memory = "memory"
    growth = "growth"
    large = "large"
    track = "track"
    startup = "startup"
    align = "align"
    verify = "verify"


def bench(
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    only: Annotated[
        list[BenchGroup] | None,
        typer.Option(
            "--only",
            metavar="GROUP",
            help=f"Measure this alone: {', '.join(group.value for group in BenchGroup)}; may be "
            "repeated.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few repeats and points: does it run at all?")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per measurement.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write everything into one JSON document, FILE.json."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Print ratios to what was saved in this file; see --save."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw how the cost grows into FILE.png."),
    ] = None,
) -> None:
    """Measure speed and memory of every part, side by side with other ways of doing it.

    Times are medians in milliseconds, and means of frames of trackers; what is compared is called
    in turn on the same pictures.
    Memory is the largest resident memory of a fresh process that does nothing else, in MiB;
    "growth" is the part of it that came on top of libraries, model and pictures.

    What needs a package that is missing (PyTorch, OpenCV's contrib trackers) is left out, and
    stderr says so. Without scikit-image the pictures are drawn.

    Exit status: 0 measured, 2 wrong usage or something cannot be used.
    """
    from ..evaluation.speed.bench_files import begin_run, read_run

    if save is not None:
        check_new_file("--save", save, (".json",))
    if plot is not None:
        check_drawing("--plot")
        check_new_file("--plot", plot, (".png",))
    then = None if against is None else read_run(against, "--against")
    groups = list(dict.fromkeys(group.value for group in only or BenchGroup))
    bundle = None if model is None else str(model)
    run = begin_run(bundle, device.value, groups, quick=quick)
    if then is not None and then.quick != quick:
        raise InputError(
            f"--against {against} was measured {'with' if then.quick else 'without'} --quick; "
            f"measure {'with' if then.quick else 'without'} it"
        )
    _measure(run, bundle, device.value, as_json=as_json)
    _report(run, then, against, as_json=as_json)
    if save is not None:
        run.save(save)
    if plot is not None:
        from ..evaluation.speed.growth_plot import plot as draw

        draw(run, plot)


def _measure(run: BenchRun, model: str | None, device: str, *, as_json: bool) -> None:
    """Fill a run with rows, and with what had to be left out."""
    from ..evaluation.speed.bench_pictures import DRAWN
    from ..evaluation.speed.benchmark import Benchmark
    from ..evaluation.speed.efforts import FULL, QUICK
    from ..evaluation.speed.jobs import LeftOut

    if run.pictures == DRAWN:
        tell('note: pictures are drawn: scikit-image is not installed; pip install "qatm[demo]"')
    benchmark = Benchmark(model, named_device(device), QUICK if run.quick else FULL)
    with progress() as bar:
        for step in bar.each(benchmark.steps(run.groups), "measuring"):
            try:
                rows = step.run()
            except LeftOut as reason:
                run.left_out.append({"what": step.what, "reason": str(reason)})
                bar.emit(f"left out: {step.what}: {reason}", tell)
                continue
            run.rows += rows
            if as_json:
                for row in rows:
                    bar.emit(json_line(row))
            benchmark.take_pace()
    run.pace_ms = benchmark.pace_ms


def _report(run: BenchRun, then: BenchRun | None, file: Path | None, *, as_json: bool) -> None:
    """Print tables, and ratios to an earlier run if there is one."""
    from ..evaluation.speed.bench_ratios import differences, ratios
    from ..evaluation.speed.bench_tables import ratio_table, tables

    records = [] if then is None else ratios(run, then)
    if as_json:
        with progress() as bar:
            for record in records:
                bar.emit(json_line(record))
    else:
        drawn = tables(run)
        print_table(*drawn, *([] if then is None else ratio_table(records, str(file))))
    for sentence in [] if then is None else differences(run, then):
        tell(f"note: {sentence}")
