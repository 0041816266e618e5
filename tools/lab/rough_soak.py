"""A matcher and a tracker over many frames, good and bad: does anything of the process grow?

$ python -m qatm.tools.lab.rough_soak 100000

The object goes away for 30 of every 500 frames; the stream changes its size for 100 of every 700;
of every 97 frames one is damaged: noise, black, one colour, or no picture at all, which has to be
refused. One session serves both; the matcher looks at every fifth frame. Ten times a line of JSON
says what the process holds; exit status 1 if something grew.

An object half as large is lost first. Lost objects are searched for at the sizes that they may
have, up to so many working pixels, which only small ones reach: here it took 40,975 frames until
one was believed to be that small, and what such a search takes is no growth.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from ...runtime import ImageError, Matcher, QatmError, Session, Tracker
from ..evaluation.speed.process_memory import memory_mb
from .track_scene import MovingScene

WIDTH, HEIGHT, SIDE = 320, 240, 48
PERIOD, AWAY = 500, 30
RESIZED, SMALL_FOR = 700, 100
SMALLER = 0.75
DAMAGED = 97
MATCHED = 5
SEARCHES = 20
"""Frames without the small object: enough to be lost, and to be searched for at every size."""

REPORTS = 10
MOST_GROWTH = 2.0
"""MiB from the third report on that pass for flat: by then every size was met."""


@dataclass(frozen=True)
class Held:
    """What the process holds after some frames.

    Attributes:
        frames: so far.
        memory: resident, in MiB.
        descriptors: open files.
        threads: of the process, those of libraries too.
        refused: frames that were no pictures.
        lost: frames in which the tracker said "lost".
        matched: frames that the matcher answered, whatever the score.
    """

    frames: int
    memory: float
    descriptors: int
    threads: int
    refused: int
    lost: int
    matched: int


def rough_frame(scene: MovingScene, index: int) -> Any:
    """Frame of that number, good or bad."""
    if index % DAMAGED == 0:
        noise = np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        blank = np.zeros((0, WIDTH, 3), np.uint8)
        return (noise, noise * 0, noise * 0 + 90, blank)[index // DAMAGED % 4]
    frame = scene.frame(index, present=index % PERIOD < PERIOD - AWAY)
    if index % RESIZED < RESIZED - SMALL_FOR:
        return frame
    return cv2.resize(frame, None, fx=SMALLER, fy=SMALLER, interpolation=cv2.INTER_AREA)


def soak(frames: int) -> Iterator[Held]:
    """Show so many frames to a matcher and a tracker, and report ten times.

    Raises:
        QatmError: there is no ``/proc`` to read from.
    """
    scene = MovingScene(WIDTH, HEIGHT, SIDE)
    refused = lost = matched = 0
    with Session(device="cpu", threads=1) as session:
        _search_at_most(session)
        matcher, tracker = Matcher(session), Tracker(session)
        matcher.set_template(scene.frame(0), scene.box(0))
        tracker.init(scene.frame(0), scene.box(0))
        for index in range(1, frames + 1):
            frame = rough_frame(scene, index)
            try:
                lost += tracker.track(frame).state == "lost"
                if index % MATCHED == 0:
                    matched += bool(matcher.match(frame))
            except ImageError:
                refused += 1
            if index * REPORTS // frames > (index - 1) * REPORTS // frames:
                yield _held(index, refused, lost, matched)
        matcher.close()
        tracker.close()


def _search_at_most(session: Session) -> None:
    """Lose a small object, and look for it in as many working pixels as there may be."""
    scene = MovingScene(WIDTH, HEIGHT, SIDE // 2)
    with Tracker(session) as tracker:
        tracker.init(scene.frame(0), scene.box(0))
        for index in range(1, SEARCHES):
            tracker.track(scene.frame(index, present=False))


def _held(frames: int, refused: int, lost: int, matched: int) -> Held:
    memory = memory_mb("VmRSS")
    if memory is None:
        raise QatmError("what a process holds is read from /proc, which this system lacks")
    descriptors, threads = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("fd", "task"))
    return Held(frames, round(memory, 1), descriptors, threads, refused, lost, matched)


def grown(reports: list[Held]) -> bool:
    """Whether something grew from the third report on."""
    first, later = reports[2], reports[3:]
    return any(
        report.memory > first.memory + MOST_GROWTH
        or report.descriptors > first.descriptors
        or report.threads > first.threads
        for report in later
    )


def main() -> None:
    """Print the reports."""
    words = sys.argv[1:] or ["100000"]
    if not words[0].isdigit() or int(words[0]) < REPORTS:
        sys.exit(f"give the number of frames, {REPORTS} or more")
    reports: list[Held] = []
    for report in soak(int(words[0])):
        reports.append(report)
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
        sys.stdout.flush()
    sys.exit(grown(reports))


if __name__ == "__main__":
    main()
