"""Does a tracker's time per frame depend on the size of the frames?

``python -m qatm.tools.lab.track_sizes``
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import typer

from ...runtime.boxes import box_iou
from ..baselines.trackers import OURS, ComparedTracker, TrackerSetup, open_tracker
from ..commands.model_options import ModelOption
from ..console import Command, json_line, print_line
from ..evaluation.track.track_metrics import FOUND_IOU
from ..evaluation.track.track_runs import default_threads
from .track_scene import MovingScene

SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
"""Widths and heights of the frames, in pixels; the first is what others are compared with."""

SIDE = 48
"""Of the object, in pixels, where it has the same size in all frames."""

PART = 5
"""Height of the frame over the side of the object, where it grows with the frame."""

WARM_UP = 5

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


class Timing(NamedTuple):
    """What one size cost.

    Attributes:
        width: of the frames, in pixels.
        height: the same.
        side: of the object, in pixels.
        ms: median time of an update.
        ratio: median over rounds of that time over the first size's in the same round.
        on_object: share of the frames in which the box was on the object.
    """

    width: int
    height: int
    side: int
    ms: float
    ratio: float
    on_object: float


@app.command(cls=Command)
def track_sizes(
    frames: Annotated[int, typer.Option(metavar="N", min=10, help="Updates at each size.")] = 100,
    tracker: Annotated[str, typer.Option(metavar="NAME", help="As for qatm eval track.")] = OURS,
    model: ModelOption = None,
    nanotrack: Annotated[
        Path | None, typer.Option(metavar="DIR", help="NanoTrack's files.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="CPU threads. Default: every core.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a size.")] = False,
) -> None:
    """Follow an object through generated videos of several sizes, one frame of each in turn.

    Once it has 48 pixels a side in all of them, once a fifth of the frame's height. The ratio is
    the time per frame over that at 320x240.
    """
    count = threads or default_threads(1)
    setup = TrackerSetup(model, threads=count, nanotrack=nanotrack)
    cv2.setNumThreads(count)
    if not as_json:
        print_line("frame       object    ms/frame  ratio  on the object")
    for sides in ([SIDE] * len(SIZES), [height // PART for _, height in SIZES]):
        for timing in measure(lambda: open_tracker(tracker, setup), sides, frames):
            print_line(json_line(timing._asdict()) if as_json else _line(timing))


def measure(
    create: Callable[[], ComparedTracker],
    sides: Sequence[int],
    frames: int,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> list[Timing]:
    """Time a tracker at several sizes in turn, so that a noisy machine disturbs all alike.

    Args:
        create: makes a tracker.
        sides: of the object at each size, in pixels.
        frames: timed updates at each size.
        sizes: widths and heights of the frames, in pixels.
    """
    scenes = [MovingScene(*size, side) for size, side in zip(sizes, sides, strict=True)]
    trackers: list[ComparedTracker] = []
    try:
        for scene in scenes:
            trackers.append(create())
            trackers[-1].init(scene.frame(0), scene.box(0))
        rounds = [
            [_update(*pair, index) for pair in zip(trackers, scenes, strict=True)]
            for index in range(1, WARM_UP + frames + 1)
        ][WARM_UP:]
    finally:
        for tracker in trackers:
            tracker.close()
    return [
        Timing(
            *size,
            side,
            round(statistics.median(row[i][0] for row in rounds), 3),
            round(statistics.median(row[i][0] / row[0][0] for row in rounds), 3),
            round(statistics.fmean(row[i][1] for row in rounds), 4),
        )
        for i, (size, side) in enumerate(zip(sizes, sides, strict=True))
    ]


def _update(tracker: ComparedTracker, scene: MovingScene, index: int) -> tuple[float, bool]:
    """Milliseconds of an update, and whether the box was on the object."""
    frame = scene.frame(index)
    start = time.perf_counter()
    step = tracker.update(frame)
    spent = (time.perf_counter() - start) * 1000.0
    return spent, step.box is not None and box_iou(step.box, scene.box(index)) >= FOUND_IOU


def _line(timing: Timing) -> str:
    """One size for people."""
    size = f"{timing.width}x{timing.height}"
    return (
        f"{size:<10}  {timing.side:>3} px  {timing.ms:>10.2f}  {timing.ratio:>5.2f}  "
        f"{100 * timing.on_object:>11.1f} %"
    )


if __name__ == "__main__":
    app()
