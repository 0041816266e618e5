"""``qatm calib report``: what the INT8 artefacts of a bundle cost."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..runtime.bundle import Bundle
from .console import json_line, print_line

if TYPE_CHECKING:
    from ..calib.options import Progress
    from ..calib.report import Cost

app = typer.Typer(
    name="calib", help="INT8 calibration: what it costs.", pretty_exceptions_enable=False
)


@app.callback()
def start() -> None:
    """INT8 calibration: what it costs."""


@app.command("report")
def report(
    bundle: Annotated[Path, typer.Argument(help="Folder written by qatm-export --int8.")],
    calib: Annotated[
        list[str] | None,
        typer.Option(
            help="Images, folder, glob, video or .npy to compare on; may be repeated. Better not "
            "those used to calibrate. Default: photographs that scikit-image carries."
        ),
    ] = None,
    images: Annotated[int, typer.Option(help="How many to compare on.", min=4, max=10_000)] = 12,
    seed: Annotated[int, typer.Option(help="Of the choice of images.", min=0)] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per artefact.")
    ] = False,
) -> None:
    """Say what INT8 costs: features, quality maps, boxes, against the float model of the bundle.

    Exit status: 0, or 2 if it cannot be measured.
    """
    from ..calib.options import CalibrationOptions
    from ..calib.report import quantisation_report

    options = CalibrationOptions(sources=tuple(calib or ()), images=images, seed=seed)
    with progress_bar() as progress:
        costs, used = quantisation_report(Bundle.load(bundle), options, progress)
    for name, reason in used.skipped.items():
        typer.echo(f"skipped {name}: {reason}", err=True)
    if as_json:
        for cost in costs:
            print_line(json_line({**cost.as_dict(), "source": used.source}))
    else:
        _print_table(costs, used.source)


def _print_table(costs: Sequence[Cost], source: str) -> None:
    """The table for people."""
    for line in table_lines(costs, source):
        print_line(line)


def table_lines(costs: Sequence[Cost], source: str) -> Iterator[str]:
    """What each artefact costs, one figure a line."""
    yield f"INT8 against FP32 on {costs[0].images} views of {source}"
    yield _row("", [cost.precision for cost in costs])
    rows: tuple[tuple[str, str, str], ...] = (
        ("features, SQNR (dB)", "sqnr", ".1f"),
        ("features, worst image (dB)", "sqnr_worst", ".1f"),
        ("quality map, mean error", "quality_mean", ".4f"),
        ("quality map, largest error", "quality_max", ".3f"),
        ("boxes with IoU > 0.8", "boxes_agree", ".1%"),
        ("largest box shift (px)", "box_shift", ".1f"),
        ("largest score difference", "score_max", ".3f"),
        ("size (MB)", "megabytes", ".2f"),
        ("size of FP32 (MB)", "float_megabytes", ".2f"),
    )
    for title, field, style in rows:
        values: list[Any] = [getattr(cost, field) for cost in costs]
        yield _row(title, [format(value, style) for value in values])


def _row(title: str, cells: Sequence[str]) -> str:
    """A title and columns."""
    return f"  {title:<28}" + "".join(f"{cell:>12}" for cell in cells)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda label, done, total: None  # noqa: ARG005
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(label, total=total)
            bar.update(tasks[label], completed=done, total=total)

        yield show
