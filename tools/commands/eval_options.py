"""What the evaluations of ``qatm eval`` are asked: their options, checked before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.errors import InputError, QatmError
from ...runtime.files import check_folder
from ..baselines import METHODS, MethodOptions, open_method
from ..console import complain
from ..evaluation.match.match_runs import PROTOCOLS
from ..evaluation.match.variants import OURS, Variant, ablation, plain_variants, read_changes
from .model_options import Device

ALL = "all"
MOST_PROCESSES = 4


class Protocol(str, Enum):
    """How much a method is told about the object's size in the picture."""

    gt_size = "gt-size"
    template_size = "template-size"


@dataclass(frozen=True)
class EvaluationOptions:
    """What both evaluations share.

    Attributes:
        variants: methods and their setups, in the order of the table.
        protocols: in the order of the table.
        processes: how many at once.
        as_json: print JSON lines.
        save: folder for the details.
        ablation: the variants are those of the ablation, timed against each other.
    """

    variants: tuple[Variant, ...]
    protocols: tuple[str, ...]
    processes: int
    as_json: bool
    save: Path | None
    ablation: bool = False


Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="Folder of pairs: pairNNNN_frm1_VIDEO_FRAME.jpg, and a .txt of x,y,w,h a frame.",
        show_default=False,
    ),
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="NAME",
        help=f"Methods to compare, repeated or separated by commas; '{ALL}' is every one that can "
        f"run here. Known: {', '.join(METHODS)}. Default: {OURS}.",
        show_default=False,
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where to compute our features.")]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        envvar="QATM_VGG19",
        help="ImageNet weights of VGG19 (.npz, .h5 or .pth), which paper-qatm needs.",
    ),
]
ProtocolOption = Annotated[
    list[Protocol] | None,
    typer.Option(
        "--protocol",
        help="gt-size: window and box have the true size; template-size: only the template is "
        "known. Default: both.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per method and protocol.")
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="DIR",
        help="Write every pair as CSV, the curves, and contact sheets of the worst cases.",
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

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change the recipe of qatm, for example competitors=0; may be repeated.",
        show_default=False,
    ),
]


def read_options(
    methods: Sequence[str] | None,
    protocols: Sequence[Protocol] | None,
    model: tuple[Path | None, Device, Path | None],
    processes: int | None,
    as_json: bool,
    save: Path | None,
    settings: Sequence[str] | None = None,
    ablate: bool = False,
) -> EvaluationOptions:
    """Check the options that both commands share, before any work is done."""
    setup = MethodOptions(model[0], model[1].value, model[2], recipe=read_changes(settings or ()))
    chosen = {protocol.value for protocol in protocols or ()} or set(PROTOCOLS)
    if ablate:
        if methods:
            raise InputError("--ablation compares variants of qatm; leave --method out")
        variants = ablation(setup)
        for variant in variants:
            open_method(variant.method, variant.setup).close()
    else:
        variants = plain_variants(usable_methods(methods or [OURS], setup), setup)
        if settings and OURS not in [variant.method for variant in variants]:
            raise InputError(f"--set changes the recipe of {OURS}, which is not among the methods")
    if save is not None:
        make_folder(save)
    count = processes or min(MOST_PROCESSES, os.cpu_count() or 1)
    ordered = tuple(protocol for protocol in PROTOCOLS if protocol in chosen)
    return EvaluationOptions(variants, ordered, count, as_json, save, ablate)


def usable_methods(wanted: Sequence[str], setup: MethodOptions) -> tuple[str, ...]:
    """The methods asked for, each opened once to see that it works.

    Of ``all``, those that cannot run here are named on stderr and left out.

    Raises:
        QatmError: a method asked for by its name is unknown or cannot run here.
    """
    names = [part.strip() for entry in wanted for part in entry.split(",") if part.strip()]
    if not names:
        raise InputError(f"--method names no method; choose from {', '.join(METHODS)} or {ALL}")
    usable: list[str] = []
    for name in dict.fromkeys(METHODS if ALL in names else names):
        try:
            open_method(name, setup).close()
        except QatmError as error:
            if name in names:
                raise
            complain(f"{name} is left out: {error}")
        else:
            usable.append(name)
    return tuple(usable)


def make_folder(folder: Path) -> None:
    """Create the folder for the results and see that plots can be drawn, before any work.

    Raises:
        InputError: it cannot be written to, or matplotlib is missing.
    """
    if find_spec("matplotlib") is None:
        raise InputError('--save draws with matplotlib: pip install "qatm[eval]"')
    check_folder(folder, f"--save {folder}", make=True)
