"""``qatm match``: find a template in images, one answer per image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.images import Image, as_bgr, read_image, read_values
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
from ..drawing.answer_pictures import match_picture
from ..drawing.draw import cut
from ..drawing.saving import plan_pictures, save_picture
from ..inputs import list_images, naming, parse_box
from ..shown_files import ShownFile, parse_limits, read_shown, value_note
from .model_options import Device, DeviceOption, ModelOption, Precision, PrecisionOption
from .value_option import ValueRangeOption

if TYPE_CHECKING:
    from ...runtime import Match, Matcher
    from ...runtime.value_range import ValueRange

MASK_LEVEL = 127


@dataclass(frozen=True)
class Wanted:
    """What to look for: a picture of it, or a frame with a box; and an optional mask.

    ``pixels`` are in the type of their file.
    """

    pixels: NDArray[Any]
    box: Box | None
    mask: NDArray[np.bool_] | None
    files: tuple[Path, ...]

    def picture(self, values: ValueRange | None) -> Image:
        """The template alone, with what the mask leaves out darkened."""
        crop = as_bgr(self.pixels, value_range=values).copy()
        if self.mask is not None and self.mask.shape == crop.shape[:2]:
            crop[~self.mask] //= 4
        return crop if self.box is None else cut(crop, self.box)


@dataclass(frozen=True)
class MatchQuestion:
    """What is asked of each image: how many matches, from which score on, in which part."""

    top: int
    min_score: float | None
    region: Box | None


@dataclass(frozen=True)
class MatchLine:
    """The matches in one image, best first, and the time that finding them took."""

    name: str
    shown: ShownFile
    matches: list[Match]
    milliseconds: float
    calibrated: bool

    @property
    def found(self) -> bool:
        """Whether the template is in the image."""
        return any(match.found for match in self.matches)

    def record(self) -> dict[str, Any]:
        """The answer as ``--json`` prints it."""
        return {
            "image": self.name,
            "found": self.found,
            "matches": [
                {
                    "box": [round(float(value), 2) for value in match.box],
                    "score": round(float(match.score), 4),
                    "found": bool(match.found),
                }
                for match in self.matches
            ],
            **self.shown.field(),
            "calibrated": self.calibrated,
            "ms": round(self.milliseconds, 1),
        }

    def lines(self) -> list[str]:
        """The answer for people: one line per match."""
        lines = []
        for match in self.matches:
            box = ",".join(f"{value:.2f}" for value in match.box)
            verdict = "found" if match.found else "not found, best candidate"
            lines.append(f"{self.name}: {verdict}, score {match.score:.4f}, box {box}")
        lines[0] += f" ({self.milliseconds:.1f} ms)"
        return lines


def match(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="Images to search: files, folders, or quoted patterns such as 'shots/*.jpg'.",
            show_default=False,
        ),
    ],
    *,
    template: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Picture of the object alone, cut out tightly."),
    ] = None,
    frame: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Picture that shows the object in its surroundings; mark it with --box. "
            "More accurate than --template.",
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="Where the object is in --frame: left, top, width and height in pixels.",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Picture of the size of --template or --frame, white where the object is; "
            "for objects that are not rectangular.",
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="List up to N matches per image.")
    ] = 1,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            min=0.0,
            max=1.0,
            callback=finite,
            help="Score from which a match counts as found, 0 to 1. Default: the model's own.",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="Search only this part of each image: left, top, width and height in pixels.",
        ),
    ] = None,
    value_range: ValueRangeOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per image and line.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Save a picture of the result with the quality map beside it: a .png or .jpg "
            "file for one image, a folder for several.",
        ),
    ] = None,
) -> None:
    """Find an object in images.

    Show the object with --template, or with --frame and --box. Each image gives its best match;
    when the object is not there, the best candidate is listed as not found.

    Exit status: 0 found in at least one image, 1 found in none, 2 wrong usage or unreadable input.
    """
    from ...runtime import Matcher

    wanted = read_wanted(template, frame, box, mask)
    limits = parse_limits(value_range)
    part = None if region is None else parse_box(region, "--region")
    asked = MatchQuestion(top, min_score, part)
    files, unreadable = list_images(images)
    pictures = plan_pictures(save, files, wanted.files)
    found: list[bool] = []
    with Matcher(model, device=device.value, precision=precision.value) as matcher, while_read():
        calibrated = note_scores(matcher.info)
        looked_for = matcher.set_template(
            wanted.pixels, box=wanted.box, mask=wanted.mask, value_range=limits
        )
        values = looked_for.value_range
        if values is not None and wanted.pixels.dtype != np.uint8:
            shown_in = values.low, values.high
            tell(value_note(str(wanted.files[0]), wanted.pixels.dtype, shown_in))
        with progress() as bar:
            note = partial(bar.emit, write=tell)
            for file, picture in bar.each(list(zip(files, pictures, strict=True)), "matching"):
                try:
                    shown = read_shown(file, [values], note)
                    answer = search(matcher, str(file), shown, asked, calibrated)
                except InputError as error:
                    unreadable += 1
                    bar.emit(naming(file, error), complain)
                    continue
                found.append(answer.found)
                for line in [json_line(answer.record())] if as_json else answer.lines():
                    bar.emit(line)
                if picture is not None:
                    quality = matcher.quality_map(shown.image)
                    drawn = wanted.picture(values)
                    parts = (drawn, str(file), shown.image, answer.matches, quality)
                    save_picture(picture, match_picture(*parts))
    if unreadable:
        raise typer.Exit(WRONG_INPUT)
    raise typer.Exit(FOUND if any(found) or not found else NOT_FOUND)


def read_wanted(
    template: Path | None, frame: Path | None, box: str | None, mask: Path | None
) -> Wanted:
    """Read the object to look for from the options.

    Raises:
        InputError: the options do not go together, or one of them cannot be used.
    """
    source = template or frame
    if source is None or (template is not None and frame is not None):
        raise InputError(
            "show the object either with --template FILE, or with --frame FILE and --box X,Y,W,H"
        )
    if template is not None and box is not None:
        raise InputError("--box marks the object in a --frame; --template is the object alone")
    if frame is not None and box is None:
        raise InputError("--frame needs --box X,Y,W,H: where the object is in it")
    return Wanted(
        pixels=read_values(source),
        box=None if box is None else parse_box(box),
        mask=None if mask is None else read_image(mask).max(axis=2) > MASK_LEVEL,
        files=tuple(path for path in (source, mask) if path is not None),
    )


def search(
    matcher: Matcher,
    name: str,
    shown: ShownFile,
    asked: MatchQuestion,
    calibrated: bool,
) -> MatchLine:
    """Match one image and take the time, reading the file not included."""
    start = time.perf_counter()
    matches = matcher.match(shown.image, asked.top, asked.min_score, region=asked.region)
    spent = (time.perf_counter() - start) * 1000.0
    return MatchLine(name, shown, matches, spent, calibrated)
