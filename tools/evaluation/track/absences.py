"""Test videos in which the object goes away and comes back, made from sequences."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ....runtime.boxes import Box
from .footage import CUT, HIDE, Shot, TestVideo
from .sequences import TrackSequence
from .track_metrics import PROMPT

AWAY = 30
"""Frames for which the object is absent."""

BEFORE = (20, 30)
"""Fewest and most frames before it goes away first."""

BETWEEN = (20, 40)
"""Fewest and most frames from its return to its next absence, or to the end."""

MOST_ABSENCES = 3


@dataclass
class _Plan:
    """A video in the making."""

    shots: list[Shot] = field(default_factory=list)
    truth: list[NDArray[np.float64]] = field(default_factory=list)
    absences: list[tuple[int, int]] = field(default_factory=list)

    def show(self, sequence: TrackSequence, first: int, last: int) -> None:
        """Append frames of a sequence as they are."""
        self.shots += [Shot(path) for path in sequence.frames[first:last]]
        self.truth += list(sequence.truth[first:last])

    def leave_out(self, shots: Sequence[Shot]) -> None:
        """Append frames without the object."""
        start = len(self.shots)
        self.shots += shots
        self.truth += [np.full(4, np.nan)] * len(shots)
        self.absences.append((start, start + len(shots)))

    def video(self, name: str, kind: str) -> TestVideo | None:
        """The video, if the object goes away in it."""
        if not self.absences:
            return None
        return TestVideo(name, kind, tuple(self.shots), np.array(self.truth), tuple(self.absences))


def presence_videos(
    sequences: Sequence[TrackSequence], seed: int
) -> tuple[list[TestVideo], list[str]]:
    """Make up to two test videos of each sequence.

    In ``hide`` the object is covered with the background beside it for 30 frames at a time, while
    the sequence goes on: it comes back where it has got to. In ``cut`` 30 frames of another
    sequence are put in, after which the sequence continues where it stopped. Either happens up to
    three times. Only the frames before the object is first absent by itself are used.

    Args:
        sequences: at least one; ``cut`` takes two.
        seed: chooses when, and what is cut to. A sequence's choices do not depend on the others,
            but for what is cut to.

    Returns:
        The videos, and the reasons why some could not be made.
    """
    videos: list[TestVideo] = []
    problems: list[str] = []
    for sequence in sequences:
        name = sequence.name
        absent = np.flatnonzero(np.isnan(sequence.truth).any(axis=1))
        usable = int(absent[0]) if len(absent) else len(sequence.frames)
        others = [other for other in sequences if other is not sequence]
        rng = np.random.default_rng([seed, zlib.crc32(os.fsencode(name))])
        hidden = hiding(sequence, usable, rng)
        if hidden is None:
            problems.append(f"{name} is too short to hide its object ({usable} usable frames)")
        cut = cutting(sequence, others, usable, rng) if others else None
        if not others:
            problems.append(f"{name} has no other sequence to cut to")
        elif cut is None:
            problems.append(f"{name} is too short for a cut ({usable} usable frames)")
        videos += [video for video in (hidden, cut) if video is not None]
    return videos, problems


def hiding(sequence: TrackSequence, usable: int, rng: np.random.Generator) -> TestVideo | None:
    """The sequence with its object removed now and then; ``None`` if it is too short."""
    plan = _Plan()
    shown = 0
    start = int(rng.integers(BEFORE[0], BEFORE[1] + 1))
    if start + AWAY + PROMPT > usable:
        start = BEFORE[0]
    while start + AWAY + PROMPT <= usable and len(plan.absences) < MOST_ABSENCES:
        plan.show(sequence, shown, start)
        shown = start + AWAY
        plan.leave_out(
            [
                Shot(sequence.frames[i], hide=Box(*map(float, sequence.truth[i])))
                for i in range(start, shown)
            ]
        )
        start = shown + int(rng.integers(BETWEEN[0], BETWEEN[1] + 1))
    plan.show(sequence, shown, min(start, usable))
    return plan.video(sequence.name, HIDE)


def cutting(
    sequence: TrackSequence,
    others: Sequence[TrackSequence],
    usable: int,
    rng: np.random.Generator,
) -> TestVideo | None:
    """The sequence with pieces of others put in; ``None`` if it is too short."""
    plan = _Plan()
    shown = 0
    start = int(rng.integers(BEFORE[0], BEFORE[1] + 1))
    if start + PROMPT > usable:
        start = BEFORE[0]
    while start + PROMPT <= usable and len(plan.absences) < MOST_ABSENCES:
        plan.show(sequence, shown, start)
        shown = start
        frames = others[int(rng.integers(len(others)))].frames
        first = int(rng.integers(max(1, len(frames) - AWAY + 1)))
        chosen = [frames[(first + i) % len(frames)] for i in range(AWAY)]
        plan.leave_out([Shot(path, size=sequence.size) for path in chosen])
        start = shown + int(rng.integers(BETWEEN[0], BETWEEN[1] + 1))
    plan.show(sequence, shown, min(start, usable))
    return plan.video(sequence.name, CUT)
