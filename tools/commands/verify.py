"""``qatm verify``: was a photo taken at the place of a reference picture or panorama?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.errors import InputError, plain
from ...runtime.value_range import ValueRange
from ..console import (
    FOUND,
    NOT_FOUND,
    WRONG_INPUT,
    complain,
    finite,
    json_line,
    note_scores,
    progress,
    tell,
    while_read,
)
from ..drawing.answer_pictures import place_picture
from ..drawing.saving import plan_pictures, save_picture
from ..inputs import list_images, naming
from ..shown_files import ShownFile, parse_limits, read_shown
from .model_options import Device, DeviceOption, ModelOption, Precision, PrecisionOption
from .value_option import ValueRangeOption

if TYPE_CHECKING:
    from ...runtime import Verification, Verifier


class Decide(str, Enum):
    """What decides: the robust fit, or the network of the model."""

    fit = "fit"
    network = "network"


@dataclass(frozen=True)
class VerifyLine:
    """What was found out about one query, and the time that took."""

    query: str
    shown: ShownFile
    reference: str
    verification: Verification
    milliseconds: float
    calibrated: bool

    def record(self) -> dict[str, Any]:
        """The answer as ``--json`` prints it."""
        return {
            "query": self.query,
            "reference": self.reference,
            **self.verification.as_dict(),
            **self.shown.field(),
            "calibrated": self.calibrated,
            "ms": round(self.milliseconds, 1),
        }

    def line(self) -> str:
        """The answer for people."""
        verdict = "same place" if self.verification.same_place else "not the same place"
        box = self.verification.box
        where = "" if box is None else ", box " + ",".join(f"{value:.0f}" for value in box)
        text = f"{self.query}: {verdict}, score {self.verification.score:.4f}{where}"
        return plain(f"{text} ({self.milliseconds:.1f} ms)")


def verify(
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY",
            help="Photo to verify: a file, a folder, or a quoted pattern such as 'shots/*.jpg'.",
            show_default=False,
        ),
    ],
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="REFERENCE", help="Photo or panorama of the place.", show_default=False
        ),
    ],
    *,
    panorama: Annotated[
        bool | None,
        typer.Option(
            "--panorama/--no-panorama",
            help="The reference is (or is not) a full turn whose right edge continues at its left. "
            "Default: wide pictures' edges are looked at.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    decide: Annotated[
        Decide,
        typer.Option(
            help="fit: how many patches agree on one transform; network: the trained network of "
            "the model. The fit decides better."
        ),
    ] = Decide.fit,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            min=0.0,
            max=1.0,
            callback=finite,
            help="Score from which it is the same place, 0 to 1. Default: 0.5.",
            show_default=False,
        ),
    ] = None,
    value_range: ValueRangeOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per query and line.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Save a picture of query, reference with region, and quality map: a .png or .jpg "
            "file for one query, a folder for several.",
        ),
    ] = None,
) -> None:
    """Tell whether a photo was taken at the place of a reference photo or panorama.

    The region is the part of the reference that the photo shows. In a full panorama a box across
    the seam reaches beyond the picture's width: it continues at the left edge.

    Exit status: 0 at least one query shows the place, 1 none does, 2 wrong usage or unreadable
    input.
    """
    from ...runtime import Verifier

    limits = parse_limits(value_range)
    fixed = () if limits is None else (ValueRange.fixed(limits),)
    picture = read_shown(reference, fixed).image
    files, unreadable = list_images([query])
    drawings = plan_pictures(save, files, [reference])
    wraps = "auto" if panorama is None else panorama
    options = {"precision": precision.value, "panorama": wraps, "decide": decide.value}
    same: list[bool] = []
    with (
        Verifier(picture, model, device.value, **options) as verifier,
        while_read(),
        progress() as bar,
    ):
        calibrated = note_scores(verifier.info)
        note = partial(bar.emit, write=tell)
        for file, drawing in bar.each(list(zip(files, drawings, strict=True)), "verifying"):
            try:
                shown = read_shown(file, fixed, note)
                answer = _ask(verifier, str(file), str(reference), shown, min_score, calibrated)
            except InputError as error:
                unreadable += 1
                bar.emit(naming(file, error), complain)
                continue
            same.append(answer.verification.same_place)
            bar.emit(json_line(answer.record()) if as_json else answer.line())
            if drawing is not None:
                parts = (shown.image, picture, answer.reference, answer.verification)
                save_picture(drawing, place_picture(*parts))
    if unreadable:
        raise typer.Exit(WRONG_INPUT)
    raise typer.Exit(FOUND if any(same) or not same else NOT_FOUND)


def _ask(
    verifier: Verifier,
    name: str,
    reference: str,
    shown: ShownFile,
    min_score: float | None,
    calibrated: bool,
) -> VerifyLine:
    """Verify one query and take the time, reading the file not included."""
    start = time.perf_counter()
    answer = verifier.verify(shown.image, min_score)
    spent = (time.perf_counter() - start) * 1000.0
    return VerifyLine(name, shown, reference, answer, spent, calibrated)
