"""``qatm track``: follow objects through a video, one result per frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.errors import InputError
from ...runtime.images import Image
from ...runtime.track.records import Kind
from ...runtime.video.video import Video
from ..console import FOUND, NOT_FOUND, finite, note_scores, print_line, tell, while_read
from ..drawing.following import FollowOptions, Summary, follow_video
from ..drawing.track_outputs import Outputs, Wishes
from ..drawing.window import Window
from ..inputs import NamedBox, parse_named_box
from ..process import quiet_video, warnings_last
from ..shown_files import parse_limits, value_note
from .model_options import Device, DeviceOption, ModelOption, Precision, PrecisionOption
from .value_option import ValueRangeOption


def track(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Video file, folder of frames, quoted pattern such as 'shots/*.png', camera index "
            "such as 0, URL (rtsp, http), GStreamer pipeline, or - for standard input.",
            show_default=False,
        ),
    ],
    *,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]X,Y,W,H",
            help="Where the object is in the first frame: left, top, width and height in pixels. "
            "Given often, as with --multi: several objects. A name goes with what is written.",
        ),
    ] = None,
    multi: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]X,Y,W,H",
            help="A further object; may be given often. Objects get numbers.",
        ),
    ] = None,
    select: Annotated[
        bool, typer.Option("--select", help="Draw the box with the mouse in a window.")
    ] = False,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="VIDEO",
            help="Save the video with the boxes drawn: .mp4, .mov, .mkv or .avi. Only .avi and "
            ".mkv survive a kill or power cut.",
        ),
    ] = None,
    trail: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="In a saved or shown video, draw where each object was in the last N frames.",
        ),
    ] = 25,
    as_json: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Write one JSON object per frame and line; - for stdout."
        ),
    ] = None,
    as_csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a table, one row per frame.")
    ] = None,
    as_mot: Annotated[
        Path | None,
        typer.Option(
            "--mot", metavar="FILE", help="Write MOTChallenge lines, lost frames left out."
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show the frames in a window; q or Esc ends.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Always take the newest frame; drop those that came meanwhile."
        ),
    ] = False,
    start: Annotated[
        int, typer.Option(metavar="N", min=0, help="Begin with frame N, counted from 0.")
    ] = 0,
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after N frames.")
    ] = None,
    value_range: ValueRangeOption = None,
    fps: Annotated[
        float | None,
        typer.Option(
            metavar="F",
            callback=finite,
            help="Frames per second of sources without a rate of their own, such as pictures. "
            "Default: 25.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Follow an object through a video.

    Mark it in the first frame with --box, or with --select and the mouse. Every frame gives its
    box, a score and whether it is tracking, uncertain or lost; a lost object is searched for until
    it is back. Ctrl-C, a request to terminate or a closed terminal ends and completes the files.

    Example: qatm track video.mp4 --box 120,80,64,64 --save tracked.mp4

    Exit status: 0 an object was found again in at least one later frame, 1 in none, 2 wrong usage,
    unreadable input or a source that broke off, 130 interrupted.
    """
    first, further = (box or [None])[0], [*(box or [])[1:], *(multi or [])]
    boxes = read_boxes(first, further, select)
    options = FollowOptions(model, device.value, precision.value, several=bool(further))
    files: dict[Kind, Path | None] = {"jsonl": as_json, "csv": as_csv, "mot": as_mot}
    records: dict[Kind, Path] = {kind: file for kind, file in files.items() if file is not None}
    wishes = Wishes(save, records, trail)
    limits = parse_limits(value_range)
    summary = Summary()
    with quiet_video(), warnings_last(), ExitStack() as stack:
        video = stack.enter_context(
            Video(source, live=live, start=start, fps=fps, value_range=limits)
        )
        check_rate(video, fps)
        name = f"qatm track {video.name}"
        window = stack.enter_context(Window(name, "--show")) if show else None
        outputs = stack.enter_context(Outputs(wishes, source, video, window))
        following = stack.enter_context(options.open())
        outputs.calibrated = note_scores(following.info)
        try:
            mark = noting_values(video, marking(boxes, name if select else None))
            with while_read() as audience:
                follow_video(video, following, mark, outputs, summary, frames)
        finally:
            with while_read():
                for line in () if wishes.prints else summary.lines(video.name, video.dropped):
                    print_line(line)
    unknown = audience.gone and summary.frames < 2
    raise typer.Exit(FOUND if summary.found or unknown else NOT_FOUND)


def check_rate(video: Video, fps: float | None) -> None:
    """Refuse a rate for a source that has its own.

    Raises:
        InputError: it has.
    """
    if fps is not None and video.fps != fps:
        raise InputError(
            f"--fps {fps:g} is for sources without a rate of their own, and {video.name} has "
            f"{video.fps:g} frames a second; leave --fps out"
        )


def read_boxes(box: str | None, multi: Sequence[str], select: bool) -> list[NamedBox]:
    """The boxes that were given as text.

    Raises:
        InputError: no object is marked, one is marked twice, or a name is empty.
        BoxError: a box is malformed.
    """
    if select and box is not None:
        raise InputError("give either --box X,Y,W,H or --select, not both")
    given = [] if box is None else [parse_named_box(box)]
    further = [parse_named_box(text, "--multi") for text in multi]
    if not given and not further and not select:
        raise InputError(
            "mark the object in the first frame: --box X,Y,W,H, or --select to draw the box"
        )
    return given + further


def marking(boxes: list[NamedBox], title: str | None) -> Callable[[Image], list[NamedBox]]:
    """What gives the boxes in the first frame; with a title, the first one is drawn in a window."""

    def mark(image: Image) -> list[NamedBox]:
        if title is None:
            return boxes
        with Window(title, "--select") as window:
            tell("draw a box around the object, then press Enter (c: cancel)")
            return [NamedBox(None, window.select(image)), *boxes]

    return mark


def noting_values(
    video: Video, mark: Callable[[Image], list[NamedBox]]
) -> Callable[[Image], list[NamedBox]]:
    """The same marking; before it, stderr says how a first frame of more than 8 bits is shown."""

    def noted(image: Image) -> list[NamedBox]:
        values, dtype = video.value_range, video.stored_dtype
        if values is not None and dtype is not None:
            tell(value_note(f"first frame of {video.name}", dtype, (values.low, values.high)))
        return mark(image)

    return noted
