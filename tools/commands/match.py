"""``qatm match``: find objects in images, one answer per image."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from ...runtime.errors import InputError
from ...runtime.images import Image
from ..console import (
    FOUND,
    NOT_FOUND,
    WRONG_INPUT,
    complain,
    json_line,
    note_scores,
    progress,
    tell,
    warn,
    while_read,
)
from ..drawing.answer_pictures import match_picture, quality_picture, turned_back
from ..drawing.saving import plan_pictures, save_picture
from ..inputs import list_images, naming
from ..match_lines import MatchLine, check_table, write_table
from ..process import warnings_last
from ..shown_files import ShownFile, parse_limits, read_shown, value_note
from ..wanted_objects import WantedObject
from .match_flags import MatchQuestion, ObjectFlags, SearchFlags
from .model_options import Device, DeviceOption, ModelOption, Precision, PrecisionOption
from .option_groups import grouped
from .value_option import ValueRangeOption

if TYPE_CHECKING:
    from ...runtime import Matcher, Template
    from ...runtime.value_range import Limits


@grouped
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
    objects: ObjectFlags,
    search: SearchFlags,
    value_range: ValueRangeOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per image and line.")
    ] = False,
    as_csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write a table with a row per match, when all is done."
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Save a picture of the matches, with the quality map or, of objects that may be "
            "turned, what was found beside it: a .png or .jpg file for one image, a folder for "
            "several.",
        ),
    ] = None,
) -> None:
    """Find objects in images.

    Show an object with --template, or with --frame and --box (--select draws it); several with
    several of them. Each image gives the best match of each object; when it is not there, the best
    candidate is listed as not found. --rotation and --scale look for turned, larger and smaller
    ones too, --top for more than one. --fit follows planar objects that are seen from the side.

    Example: qatm match --frame first.jpg --box 120,80,64,64 scene.jpg

    Exit status: 0 found in at least one image, 1 found in none, 2 wrong usage or unreadable input.
    """
    from ...runtime import Matcher

    wanted, asked = objects.read(), search.read()
    limits = parse_limits(value_range)
    files, unreadable = list_images(images)
    pictures = plan_pictures(save, files, objects.files)
    if as_csv is not None:
        check_table(as_csv, (*files, *objects.files))
    found: list[bool] = []
    rows: list[tuple[str | float, ...]] = []
    with (
        warnings_last(),
        Matcher(model, device=device.value, precision=precision.value) as matcher,
        while_read() as audience,
    ):
        calibrated = note_scores(matcher.info)
        hunt = MatchHunt(matcher, wanted, limits)
        with progress() as bar:
            note = partial(bar.emit, write=tell)
            for file, picture in bar.each(list(zip(files, pictures, strict=True)), "matching"):
                try:
                    shown = hunt.read(file, note)
                    answer = hunt.search(str(file), shown, asked, calibrated)
                except InputError as error:
                    unreadable += 1
                    bar.emit(naming(file, error), complain)
                    continue
                found.append(answer.found)
                rows += answer.rows() if as_csv is not None else []
                for line in [json_line(answer.record())] if as_json else answer.lines():
                    bar.emit(line)
                if picture is not None:
                    save_picture(picture, hunt.picture(answer))
    if as_csv is not None:
        if audience.gone:
            warn(f"--csv {as_csv} is not written: not all images were searched")
        else:
            write_table(as_csv, rows)
    if unreadable:
        raise typer.Exit(WRONG_INPUT)
    raise typer.Exit(FOUND if any(found) or not found else NOT_FOUND)


class MatchHunt:
    """The objects of a call, encoded, and what is looked at for them.

    Args:
        matcher: encodes and finds.
        wanted: the objects.
        limits: values to show as black and white, if the user named them.

    Raises:
        InputError: an object that cannot be encoded.
    """

    def __init__(
        self, matcher: Matcher, wanted: Sequence[WantedObject], limits: Limits | None
    ) -> None:
        self.matcher = matcher
        self.wanted = wanted
        self.templates: list[Template] = []
        for one in wanted:
            called = f"{one.name} of {one.file}" if len(wanted) > 1 else str(one.file)
            try:
                template = matcher.encode_template(
                    one.pixels, one.box, one.mask, one.name, value_range=limits
                )
            except InputError as error:
                raise InputError(
                    str(error) if len(wanted) == 1 else f"{called}: {error}"
                ) from error
            self.templates.append(template)
            values = template.value_range
            if values is not None and one.pixels.dtype != np.uint8:
                tell(value_note(called, one.pixels.dtype, (values.low, values.high)))

    def read(self, file: Path, note: Callable[[str], None]) -> ShownFile:
        """Read an image as it is shown beside the objects.

        Raises:
            InputError: it cannot be read.
        """
        return read_shown(file, [template.value_range for template in self.templates], note)

    def search(
        self, name: str, shown: ShownFile, asked: MatchQuestion, calibrated: bool
    ) -> MatchLine:
        """Match one image and take the time, reading the file not included.

        Raises:
            InputError: the objects cannot be looked for in it.
        """
        start = time.perf_counter()
        matches = self.matcher.match(
            shown.image,
            asked.top,
            asked.min_score,
            self.templates,
            region=asked.region,
            rotation=asked.rotation,
            scale=asked.scale,
            fit=asked.fit.value,
            suppress="all" if asked.apart else "each",
        )
        spent = (time.perf_counter() - start) * 1000.0
        return MatchLine(
            name,
            shown,
            [replace(match, name=self.wanted[match.template].name) for match in matches],
            spent,
            calibrated,
            several=len(self.wanted) > 1,
            posed=asked.posed,
        )

    def picture(self, answer: MatchLine) -> Image:
        """The objects, an image with their matches, and the quality map or what was found."""
        image, matches = answer.shown.image, answer.matches
        shown = [
            one.picture(template.value_range)
            for one, template in zip(self.wanted, self.templates, strict=True)
        ]
        if answer.posed:
            beside = turned_back(image, matches)
        else:
            maps = [self.matcher.quality_map(image, one) for one in self.templates]
            beside = quality_picture(image, maps, matches)
        return match_picture(shown, answer.name, image, matches, beside)
