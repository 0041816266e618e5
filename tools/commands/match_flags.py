"""The options of ``qatm match`` in two groups: which objects, and how they are searched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.images import read_image
from ...runtime.match.pose import PoseRange
from ..console import finite, tell
from ..inputs import parse_box, parse_span
from ..wanted_objects import WantedObject, read_objects


class PlaneFit(str, Enum):
    """How an object may be bent in an image."""

    similarity = "similarity"
    affine = "affine"
    homography = "homography"


@dataclass(frozen=True)
class ObjectFlags:
    """Which objects are looked for."""

    template: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Picture of the object alone, cut out tightly. May be given often, for several "
            "objects in one search; each is called by its file's name.",
        ),
    ] = None
    frame: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Picture that shows the object in its surroundings; mark it with --box. "
            "More accurate than --template.",
        ),
    ] = None
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]X,Y,W,H",
            help="Where the object is in --frame: left, top, width and height in pixels. May be "
            "given often, for several objects. A name tells them apart.",
        ),
    ] = None
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Picture of the size of --template or --frame, white where the object is; "
            "for objects that are not rectangular. With several objects, one for all or one each.",
        ),
    ] = None

    select: Annotated[
        bool,
        typer.Option(
            "--select",
            help="Draw the box on --frame with the mouse, in a window, before the search.",
        ),
    ] = False

    @property
    def files(self) -> list[Path]:
        """All files that are named."""
        frames = [] if self.frame is None else [self.frame]
        return [*(self.template or []), *frames, *(self.mask or [])]

    def read(self) -> list[WantedObject]:
        """Read the objects.

        Raises:
            InputError: the options do not go together, or one of them cannot be used.
        """
        boxes = self.box or []
        if self.select:
            boxes = [*boxes, self._selected()]
        return read_objects(self.template or [], self.frame, boxes, self.mask or [])

    def _selected(self) -> str:
        """The box that the user draws on the frame.

        Raises:
            InputError: no frame, no display, an OpenCV without windows, or no box was drawn.
        """
        from ..drawing.window import Window

        if self.frame is None:
            raise InputError("--select draws the box on a --frame; name one")
        picture = read_image(self.frame)
        with Window(f"qatm match {self.frame.name}", "--select") as window:
            tell("draw a box around the object, then press Enter (c: cancel)")
            box = window.select(picture)
        text = ",".join(f"{value:g}" for value in box)
        tell(f"note: --box {text} is the box that was drawn")
        return text


@dataclass(frozen=True)
class SearchFlags:
    """What is asked of each image."""

    top: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="List up to N matches per image, of each object."),
    ] = 1
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            min=0.0,
            max=1.0,
            callback=finite,
            help="Score from which a match counts as found, 0 to 1. Default: the model's own.",
        ),
    ] = None
    region: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="Search only this part of each image: left, top, width and height in pixels.",
        ),
    ] = None
    rotation: Annotated[
        str | None,
        typer.Option(
            metavar="R|LO,HI",
            help="Look for the object turned by up to R degrees either way, 180 for any angle, or "
            "by LO to HI, counter-clockwise. Default: as it is, give or take a few degrees.",
            show_default=False,
        ),
    ] = None
    scale: Annotated[
        str | None,
        typer.Option(
            "--scale",
            metavar="S|LO,HI",
            help="Look for the object at 1/S to S times its size, or at LO to HI times. Default: "
            "at its own size, give or take a little.",
            show_default=False,
        ),
    ] = None
    fit: Annotated[
        PlaneFit,
        typer.Option(
            metavar="KIND",
            help="How a planar object that is found may be bent: similarity (not at all), or "
            "affine or homography for one that is seen from the side, kept where it fits clearly "
            "better.",
        ),
    ] = PlaneFit.similarity
    apart: Annotated[
        bool,
        typer.Option(
            "--apart",
            help="Give each place to one of several objects, the one that fits best there.",
        ),
    ] = False

    def read(self) -> MatchQuestion:
        """What is asked, in numbers.

        Raises:
            InputError: a region, rotation or scale that cannot be.
        """
        turn = "degrees to either side, or from lowest to highest", "180 or --rotation -30,30"
        zoom = "times its size and 1/S times it, or from lowest to highest", "2 or --scale 0.8,1.25"
        question = MatchQuestion(
            self.top,
            self.min_score,
            None if self.region is None else parse_box(self.region, "--region"),
            parse_span(self.rotation, "--rotation", "R or LO,HI", *turn),
            parse_span(self.scale, "--scale", "S or LO,HI", *zoom),
            self.fit,
            self.apart,
        )
        PoseRange.of(question.rotation, question.scale)
        return question


@dataclass(frozen=True)
class MatchQuestion:
    """What is asked of each image.

    Attributes:
        top: how many matches of each object.
        min_score: from which score on; ``None`` is the model's own.
        region: in which part; ``None`` is everywhere.
        rotation: at which angles, in degrees.
        scale: at which sizes.
        fit: how it may be bent.
        apart: whether a place is given to one object alone.
    """

    top: int
    min_score: float | None
    region: Box | None
    rotation: float | tuple[float, float] | None
    scale: float | tuple[float, float] | None
    fit: PlaneFit = PlaneFit.similarity
    apart: bool = False

    @property
    def posed(self) -> bool:
        """Whether objects may lie otherwise than they were shown."""
        searched = self.rotation is not None or self.scale is not None
        return searched or self.fit is not PlaneFit.similarity
