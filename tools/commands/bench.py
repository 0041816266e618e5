"""``qatm bench``: what matching costs in time and memory, next to other ways of doing it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import json_line, print_table, progress
from ..destinations import check_figure_folder
from ..evaluation.speed.bench_files import PLOT, RESULTS
from .model_options import Device, DeviceOption, ModelOption

Record = dict[str, Any]


def bench(
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few repeats and points: does it run at all?")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per measurement.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=f"Write {RESULTS} and a plot, {PLOT}, into this folder."),
    ] = None,
) -> None:
    """Measure speed and memory, side by side with other ways of doing it.

    Times are medians over interleaved calls on the same photographs, in milliseconds. Memory is
    the largest resident memory of a fresh process that does nothing else, in MiB; "growth" is the
    part of it that came on top of libraries, model and pictures.

    Exit status: 0 measured, 2 wrong usage or something is missing.
    """
    from ..evaluation.speed.bench_files import save_records
    from ..evaluation.speed.benchmark import FULL, QUICK, Benchmark, require_packages

    require_packages()
    if save is not None:
        check_figure_folder("--save", save)
    bundle = None if model is None else str(model)
    records: list[Record] = []
    steps = Benchmark(bundle, device.value, QUICK if quick else FULL).steps()
    with progress() as bar:
        for step in bar.each(steps, "measuring"):
            records.append(step())
            if as_json:
                bar.emit(json_line(records[-1]))
    if not as_json:
        print_tables(records)
    if save is not None:
        save_records(records, save)


def print_tables(records: Sequence[Record]) -> None:
    """Print the comparisons and the curve as tables on stdout."""
    print_table(
        comparison_table([r for r in records if r["name"] != "scaling"]),
        scaling_table([r for r in records if r["name"] == "scaling"]),
    )


def comparison_table(records: Sequence[Record]) -> Any:
    """A rich table of the comparisons, two lines each: ours and the other."""
    from rich.table import Table

    from ..evaluation.speed.benchmark import MEANINGS

    table = Table(title="Comparisons at 640 x 480, one 64 x 64 template", title_justify="left")
    table.add_column("what")
    for title in ("ms", "times faster", "peak MiB", "growth MiB"):
        table.add_column(title, justify="right")
    for record in records:
        ours, other = MEANINGS[record["name"]].split(" | ")
        faster = f"{record['speedup']:.2f}"
        table.add_row(ours, *_cells(record, "ours", faster))
        table.add_row(f"  vs {other}", *_cells(record, "other", ""), end_section=True)
        if "outside_percent" in record:
            share = record["outside_percent"]
            table.caption = f"{share:.1f} % of match() is spent outside ONNX Runtime"
    return table


def _cells(record: Record, side: str, faster: str) -> list[str]:
    """The numbers of one side of a comparison, as text."""
    memory = [_megabytes(record[f"{side}_{kind}_mb"]) for kind in ("peak", "growth")]
    return [f"{record[f'{side}_ms']:.1f}", faster, *memory]


def scaling_table(records: Sequence[Record]) -> Any:
    """A rich table of the curve."""
    from rich.table import Table

    table = Table(title="How match() grows", title_justify="left")
    for title in ("picture", "templates", "each", "ms", "peak MiB", "growth MiB"):
        table.add_column(title, justify="right")
    for r in records:
        table.add_row(
            f"{r['width']} x {r['height']}",
            str(r["templates"]),
            f"{r['template']} x {r['template']}",
            f"{r['ms']:.1f}",
            _megabytes(r["peak_mb"]),
            _megabytes(r["growth_mb"]),
        )
    return table


def _megabytes(value: float | None) -> str:
    """A number of MiB as text; nothing where it could not be measured."""
    return "" if value is None else f"{value:.0f}"
