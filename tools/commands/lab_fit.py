"""``qatm lab fit``: do the stored numbers of a score come out of the data again?"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.backends.devices import MOST_THREADS
from ..console import FOUND, NOT_FOUND, json_line, print_line, progress, skipped, while_read
from .model_options import Device, DeviceOption, ModelOption

if TYPE_CHECKING:
    from ...runtime.bundle.fits import Number
    from ..lab.score_fits import ScoreFit


class FittedTask(str, Enum):
    """Tasks whose scores are fitted."""

    match = "match"
    track = "track"
    verify = "verify"


def fit(
    task: Annotated[
        FittedTask, typer.Argument(metavar="TASK", help="Whose score to fit.", show_default=False)
    ],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="The data. match: a folder of folders of pairs (as for qatm eval otb) and of "
            "sequences; track: sequences, as for qatm eval track; verify: places, as for qatm eval "
            "verify.",
            show_default=False,
        ),
    ],
    *,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=MOST_THREADS, help="CPU threads. Default: every core."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object, with the record of the fit."),
    ] = False,
) -> None:
    """Fit the numbers of a score again, and compare them with those that the model stores.

    The score of matching is a small network fitted to boxes that are right and wrong, in footage
    and in drawn scenes of many domains; figures are means over the domains, and 'left out' is each
    domain judged by a fit to the others. The score of tracking is fitted by logistic regression to
    frames with and without the object; 'left out' is each video. Verifying scores one half at a
    support below which 99 in 100 pairs of different places lie. Log loss counts both kinds half.

    Exit status: 0 if no score differs by more than .03 between stored and fitted numbers, 1 if one
    does, 2 wrong usage or no usable data.
    """
    from ...runtime.session import Session
    from ..lab.task_fits import FITS

    with Session(model, device.value, threads=threads) as session, progress() as bar:
        found = FITS[task.value](session, folder, bar.each, skipped)
    with while_read():
        if as_json:
            print_line(json_line(found.as_dict()))
        else:
            for line in fit_lines(found):
                print_line(line)
    raise typer.Exit(FOUND if found.same else NOT_FOUND)


def fit_lines(found: ScoreFit) -> list[str]:
    """A fit for people."""
    record, figures = found.record, found.record.figures
    lines = [f"{record.task} on {record.backbone}: {record.data}", ""]
    lines.append(f"{'number':<18} {'stored':>8} {'fitted':>8}")
    for name, stored in found.stored.items():
        fitted = record.numbers[name]
        note = "held" if name in found.held else "" if fitted == stored else "differs"
        lines.append(f"{name:<18} {_shown(stored):>8} {_shown(fitted):>8}  {note}".rstrip())
    lines += [
        "",
        f"{figures['present']:.0f} samples with the object, {figures['absent']:.0f} without",
    ]
    known = [name for name in SHOWN if name in figures]
    lines += [f"{name.replace('_', ' '):<18} {_figure(figures, name)}" for name in known]
    verdict = "the same" if found.same else "DIFFERENT"
    lines += ["", f"{verdict}: stored and fitted scores differ by at most {found.apart:.3f}"]
    return lines


SHOWN = ("roc_auc", "log_loss", "calibration_error", "precision", "recall", "false_alarm_rate")


def _shown(number: Number) -> str:
    """A number, or how many there are."""
    return f"{len(number)} of them" if isinstance(number, tuple) else f"{number:g}"


def _figure(figures: dict[str, float], name: str) -> str:
    """One figure, and the same of videos that were left out of the fit."""
    left_out = figures.get(f"left_out_{name}")
    return f"{figures[name]:.4f}" + ("" if left_out is None else f"  (left out {left_out:.4f})")
