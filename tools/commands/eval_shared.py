"""Options and printing that ``qatm eval otb`` and ``qatm eval motb`` share."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..baselines import METHODS, MethodOptions, methods_using
from ..console import complain, json_line, print_line, progress, refuse_given
from ..evaluation.match.variants import OURS, read_changes
from ..evaluation.processes import MOST_PROCESSES
from .model_options import Device, DeviceOption, ModelOption

if TYPE_CHECKING:
    from ..evaluation.match.match_evaluation import MatchEvaluation
    from ..evaluation.match.match_options import EvaluationOptions, EvaluationRequest

ALL = "all"


class Protocol(str, Enum):
    """How much a method is told about the object's size in the picture."""

    gt_size = "gt-size"
    template_size = "template-size"


PairsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="Folder of pairs: pairNNNN_frm1_VIDEO_FRAME.jpg, and a .txt of x,y,w,h a frame.",
        show_default=False,
    ),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="N",
        min=1,
        help=f"Processes, of one thread each. Default: one per core, at most {MOST_PROCESSES}.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class ComparisonFlags:
    """Which methods are compared, how, and what is written."""

    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help=f"Methods to compare, repeated or separated by commas; '{ALL}' is every one that "
            f"can run here. Known: {', '.join(METHODS)}. Default: {OURS}.",
            show_default=False,
        ),
    ] = None
    model: ModelOption = None
    device: DeviceOption = Device.auto
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            envvar="QATM_VGG19",
            help="ImageNet weights of VGG19 (.npz, .h5 or .pth), which paper-qatm needs.",
        ),
    ] = None
    protocol: Annotated[
        list[Protocol] | None,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="gt-size: window and box have the true size; template-size: only the template is "
            "known. Default: both.",
            show_default=False,
        ),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per method and protocol.")
    ] = False
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="DIR",
            help="Write every pair as CSV, the curves, and contact sheets of the worst pairs.",
        ),
    ] = None
    processes: ProcessesOption = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Change the recipe of {OURS}, for example competitors=0; may be repeated.",
            show_default=False,
        ),
    ] = None

    def read(self, context: typer.Context, *, ablation: bool = False) -> EvaluationOptions:
        """What is to be done, checked before any work.

        Raises:
            QatmError: options that do not go together, or a method that cannot run here.
        """
        from ..evaluation.match.match_options import EvaluationRequest

        request = EvaluationRequest(
            methods=tuple(self.method or ()),
            protocols=tuple(protocol.value for protocol in self.protocol or ()),
            options=MethodOptions(
                self.model,
                self.device.value,
                self.weights,
                recipe=read_changes(self.settings or ()),
            ),
            processes=self.processes,
            save=self.save,
            ablation=ablation,
        )
        _refuse_unused(context, request)
        return request.check(complain)


def _refuse_unused(context: typer.Context, request: EvaluationRequest) -> None:
    """Refuse options that none of the methods listens to."""
    names = request.names()
    on_features, on_weights = methods_using("features"), methods_using("weights")
    if not set(names) & set(on_features):
        reason = f"is for methods on features of a bundle ({', '.join(on_features)}); leave it out"
        refuse_given(context, ("model", "device"), reason)
    if not set(names) & set(on_weights):
        refuse_given(context, ("weights",), f"is for {', '.join(on_weights)}; leave it out")


def print_evaluation(evaluation: MatchEvaluation, searches: int, as_json: bool) -> None:
    """Run an evaluation and print each record when it is complete."""
    from ..evaluation.match.match_figures import BEST_F1, table_head, table_line

    start = time.perf_counter()
    first, flattered = True, False
    with progress() as bar, closing(evaluation.run(bar.each)) as steps:
        for step in steps:
            for failure in step.failures:
                bar.emit(failure, complain)
            for record in step.records:
                if first and not as_json:
                    bar.emit(table_head(record))
                first = False
                flattered |= record.get("threshold_from") == BEST_F1
                bar.emit(json_line(record) if as_json else table_line(record))
    if as_json:
        return
    if flattered:
        print_line(f"* at the threshold with the {BEST_F1}")
    print_line(f"{searches} searches a method in {time.perf_counter() - start:.0f} s")
