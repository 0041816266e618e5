"""Options that ``qatm eval pose`` and ``qatm eval presence`` share."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.backends.devices import MOST_THREADS
from ...runtime.errors import InputError
from ..baselines import MethodOptions
from ..baselines.poses import POSE_METHODS, PoseSpan
from ..console import complain, print_line, progress, refuse_given
from ..evaluation.match.variants import OURS, read_changes
from ..evaluation.pose.posed_pictures import Border
from .eval_shared import ALL, ProcessesOption
from .model_options import Device, DeviceOption, ModelOption

if TYPE_CHECKING:
    from ..evaluation.pose.pose_evaluation import PoseEvaluation, PoseMethods


BorderOption = Annotated[
    Border,
    typer.Option(
        "--border",
        help="What a turned frame shows where it ends: reflect (its mirror image, so that there is "
        "no edge) or mean (its mean colour, so that nothing is there twice).",
    ),
]


@dataclass(frozen=True)
class PoseFlags:
    """Which poses are drawn and searched."""

    rotation: Annotated[
        str,
        typer.Option(
            metavar="DEGREES",
            help="Turns: R for -R to R, or LO,HI; counter-clockwise as seen.",
        ),
    ] = "180"
    scale: Annotated[
        str,
        typer.Option(
            metavar="FACTOR", help="Sizes against the template's: S for 1/S to S, or LO,HI."
        ),
    ] = "2"
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Chooses turns, sizes and boxes.")
    ] = 0
    every: Annotated[int, typer.Option(metavar="N", min=1, help="Do only every N-th search.")] = 1

    def span(self) -> PoseSpan:
        """The range of poses.

        Raises:
            InputError: not one or two numbers, or no range that can be searched.
        """
        turn = _numbers("--rotation", self.rotation, "--rotation 180 or --rotation -30,60")
        size = _numbers("--scale", self.scale, "--scale 2 or --scale 0.5,1")
        if len(turn) == 1 and turn[0] < 0:
            raise InputError(
                f"--rotation {self.rotation} is negative; give --rotation {-turn[0]:g}"
            )
        if len(size) == 1 and size[0] < 1:
            raise InputError(
                f"--scale {self.scale} is below 1; a single number means 1/S to S, so give "
                "--scale LO,HI"
            )
        rotation = (-turn[0], turn[0]) if len(turn) == 1 else (turn[0], turn[1])
        return PoseSpan(rotation, (1 / size[0], size[0]) if len(size) == 1 else (size[0], size[1]))


@dataclass(frozen=True)
class PoseMethodFlags:
    """Which methods are compared, and on what."""

    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help=f"Methods to compare, repeated or separated by commas; '{ALL}' is every one that "
            f"can run here. Known: {', '.join(POSE_METHODS)}. Default: {OURS}.",
            show_default=False,
        ),
    ] = None
    model: ModelOption = None
    device: DeviceOption = Device.auto
    threads: Annotated[
        int,
        typer.Option(
            "--threads", metavar="N", min=1, max=MOST_THREADS, help="CPU threads of each process."
        ),
    ] = 1
    processes: ProcessesOption = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Change the recipe of {OURS}; may be repeated.",
            show_default=False,
        ),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line of the table.")
    ] = False
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="DIR",
            help="Write every search as CSV, the curves, and contact sheets of the worst ones.",
        ),
    ] = None

    def read(self, context: typer.Context) -> PoseMethods:
        """Which methods are meant, checked before any work.

        Raises:
            QatmError: unknown names, or options that no method listens to.
        """
        from ..destinations import check_figure_folder
        from ..evaluation.pose.pose_evaluation import PoseMethods

        options = MethodOptions(
            self.model,
            self.device.value,
            threads=self.threads,
            recipe=read_changes(self.settings or ()),
        )
        methods = PoseMethods(tuple(self.method or ()), options)
        if OURS not in methods.names():
            refuse_given(context, ("model", "device"), f"is for {OURS}; leave it out")
        if self.save is not None:
            check_figure_folder("--save", self.save)
        return methods


def _numbers(option: str, text: str, example: str) -> list[float]:
    """One or two numbers, separated by a comma.

    Raises:
        InputError: something else, or numbers that make no range.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise InputError(f"{option} {text!r} is not one or two numbers, for example {example}")
    return values


def print_searches(
    evaluation: PoseEvaluation,
    head: str,
    lines: Callable[[str], list[str]],
    note: str,
    *,
    as_json: bool,
) -> None:
    """Run an evaluation and print the lines of each method when it is done.

    Args:
        evaluation: to be run.
        head: line above, for people.
        lines: made of a method that is done.
        note: line below, for people.
        as_json: leave both of them out.
    """
    start = time.perf_counter()
    if not as_json:
        print_line(head)
    with progress() as bar, closing(evaluation.run(bar.each)) as steps:
        for step in steps:
            for failure in step.failures:
                bar.emit(failure, complain)
            for line in lines(step.done) if step.done is not None else ():
                bar.emit(line)
    if not as_json:
        print_line(note)
        searches = len(next(iter(evaluation.outcomes.values())))
        print_line(f"{searches} searches a method in {time.perf_counter() - start:.0f} s")
