"""``qatm align``: bend one picture of an object onto a picture of another of its kind."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError, plain
from ...runtime.value_range import ValueRange
from ..console import FOUND, NOT_FOUND, json_line, note_scores, print_line, while_read
from ..destinations import which_file
from ..drawing.alignment_pictures import alignment_picture
from ..drawing.saving import plan_pictures, save_picture
from ..shown_files import parse_limits, read_shown
from .model_options import AlignModelOption, Device, DeviceOption, Precision, PrecisionOption
from .value_option import ValueRangeOption

if TYPE_CHECKING:
    from ...runtime import Alignment


class AlignMethod(str, Enum):
    """How the transform is found."""

    fit = "fit"
    network = "network"


def align(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Picture to bend.", show_default=False)
    ],
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="Picture to bend it onto.", show_default=False)
    ],
    *,
    model: AlignModelOption = None,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    method: Annotated[
        AlignMethod,
        typer.Option(
            help="fit, the robust fit, aligns better; network is the trained one of the model."
        ),
    ] = AlignMethod.fit,
    value_range: ValueRangeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save a picture of both, with a grid and where it goes, and of the bent source "
            "laid over the target: .png or .jpg.",
        ),
    ] = None,
    warped: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Save the source alone, bent onto the target: .png or .jpg."
        ),
    ] = None,
) -> None:
    """Align two pictures of the same kind of object, seen from a similar side.

    Prints the affine part of the transform, from source pixels to target pixels; --json adds the
    control points of the spline on top of it.

    Exit status: 0 aligned, 1 no reliable transform, 2 wrong usage or unreadable input.
    """
    from ...runtime import Aligner

    limits = parse_limits(value_range)
    fixed = () if limits is None else (ValueRange.fixed(limits),)
    files = [read_shown(path, fixed) for path in (source, target)]
    pictures = [file.image for file in files]
    (path,) = plan_pictures(save, [source], [source, target])
    (bent,) = plan_pictures(warped, [source], [source, target], "--warped")
    if path is not None and bent is not None and which_file(path) == which_file(bent):
        raise InputError(f"--save and --warped both name {save}; give two names")
    how = method.value
    with Aligner(model, device.value, precision=precision.value, method=how) as aligner:
        calibrated = note_scores(aligner.info)
        start = time.perf_counter()
        alignment = aligner.align(*pictures)
        milliseconds = (time.perf_counter() - start) * 1000.0
    if path is not None:
        save_picture(path, alignment_picture(pictures[0], pictures[1], target.name, alignment))
    if bent is not None:
        save_picture(bent, alignment.warp(pictures[0]))
    with while_read():
        names = {"source": str(source), "target": str(target)}
        if as_json:
            shown = {
                f"{role}_value_range": list(file.limits)
                for role, file in zip(("source", "target"), files, strict=True)
                if file.limits is not None
            }
            answer = {**alignment.as_dict(), **shown, "calibrated": calibrated}
            print_line(json_line({**names, **answer, "ms": round(milliseconds, 1)}))
        else:
            print_line(_line(str(source), str(target), alignment, milliseconds))
    raise typer.Exit(FOUND if alignment.found else NOT_FOUND)


def _line(source: str, target: str, alignment: Alignment, milliseconds: float) -> str:
    """The answer for people."""
    verdict = "aligned" if alignment.found else "no reliable transform"
    rows = "; ".join(
        ",".join(f"{value:.4g}" for value in row) for row in alignment.parameters.affine
    )
    return plain(
        f"{source} onto {target}: {verdict}, score {alignment.score:.4f}, affine {rows} "
        f"({milliseconds:.1f} ms)"
    )
