"""Sequences with known answers: folders of frames with one true box a frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....runtime.boxes import Box, box_in_frame
from ....runtime.errors import BoxError, InputError
from ....runtime.images import IMAGE_SUFFIXES, read_image

TRUTH = "groundtruth_rect.txt"
FRAMES = "img"
OTHER_SOURCE = "otb"
"""Source of the sequences whose names say nothing else."""

MOST_UNPAIRED = 0.1
"""Share of frames without a box (or boxes without a frame) at the end that is left out; where more
differ, which belong together is anyone's guess."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrackSequence:
    """A video, frame by frame.

    Attributes:
        name: of its folder.
        frames: picture files in their order.
        truth: ``(N, 4)`` boxes x, y, w, h in pixels; NaN where the object is absent.
        size: width and height of the first frame.
    """

    name: str
    frames: tuple[Path, ...]
    truth: Array
    size: tuple[int, int]

    @property
    def start(self) -> Box:
        """The box in the first frame."""
        return Box(*map(float, self.truth[0]))

    def thinned(self, every: int) -> TrackSequence:
        """One of each so many of its frames, from the first one on.

        Raises:
            InputError: fewer than two are left.
        """
        kept = replace(self, frames=self.frames[::every], truth=self.truth[::every])
        if len(kept.frames) < 2:
            raise InputError(f"has {len(self.frames)} frames, of which --every {every} leaves one")
        return kept


@dataclass(frozen=True)
class SequenceFolder:
    """Usable sequences of folders, why others were left out, and what else to know."""

    sequences: list[TrackSequence]
    problems: list[str]
    remarks: list[str]


def source_of(name: str) -> str:
    """The data set that a sequence is from: ``uav`` of ``uav_bike1``.

    That is what stands before the first underscore of its name, where these are small letters and
    digits only; any other sequence counts as one of OTB, whose names begin with a capital.
    """
    found = re.match(r"([a-z][a-z0-9]*)_.", name)
    return found[1] if found else OTHER_SOURCE


def usable_sequences(folder: Path, skipped: Callable[[str], None]) -> SequenceFolder:
    """The sequences of a folder, at least one; see :func:`usable_in_all`."""
    return usable_in_all([folder], skipped)


def usable_in_all(
    folders: Sequence[Path], skipped: Callable[[str], None], every: int = 1
) -> SequenceFolder:
    """The sequences of one or several folders, at least one.

    Args:
        folders: of the sequences.
        skipped: told about each sequence that is left out, and why. Of several with one name, which
            no table could tell apart, the first is taken.
        every: which of their frames are kept: all, every second one, ...

    Raises:
        InputError: a folder holds nothing that looks like a sequence, or none is usable in any.
    """
    taken: dict[str, TrackSequence] = {}
    problems: list[str] = []
    remarks: list[str] = []
    for folder in folders:
        found = read_sequences(folder)
        problems += found.problems
        remarks += found.remarks
        for sequence in found.sequences:
            if sequence.name in taken:
                other = taken[sequence.name].frames[0].parents[1]
                problems.append(f"{sequence.name}: {folder} has one of the same name as {other}")
                continue
            try:
                taken[sequence.name] = sequence.thinned(every)
            except InputError as error:
                problems.append(f"{sequence.name}: {error}")
    for problem in problems:
        skipped(problem)
    if not taken:
        places = ", ".join(map(str, folders))
        raise InputError(f"{places} holds no usable sequence ({len(problems)} skipped)")
    return SequenceFolder(list(taken.values()), problems, remarks)


def read_sequences(folder: Path) -> SequenceFolder:
    """Find and check the sequences of a folder, in the order of their names.

    A sequence is a folder that holds ``groundtruth_rect.txt`` and ``img/``; the folder given may
    be one itself.

    Raises:
        InputError: no such folder, or it holds nothing that looks like a sequence.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give one that holds sequences")
    homes = [home for home in (folder, *sorted(folder.iterdir())) if _looks_like_one(home)]
    if not homes:
        raise InputError(
            f"{folder} holds no sequences; expected folders with {FRAMES}/*.jpg and {TRUTH}, one "
            "line x,y,w,h a frame"
        )
    sequences: list[TrackSequence] = []
    problems: list[str] = []
    remarks: list[str] = []
    for home in homes:
        try:
            sequences.append(_sequence(home, remarks))
        except InputError as error:
            problems.append(f"{home.resolve().name}: {error}")
    return SequenceFolder(sequences, problems, remarks)


def read_truth(path: Path) -> Array:
    """Read one box ``x,y,w,h`` a line, separated by commas, semicolons, tabs or spaces.

    Returns:
        ``(N, 4)``; a line with a NaN or with no width or height says that the object is absent,
        and is NaN throughout.

    Raises:
        BoxError: the file cannot be read, is empty, or a line does not hold four numbers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise BoxError(f"{path.name} cannot be read: {error.strerror}") from error
    lines = text.rstrip().splitlines()
    if not lines:
        raise BoxError(f"{path.name} is empty; expected one line x,y,w,h a frame")
    return np.array([_row(line, number, path.name) for number, line in enumerate(lines, 1)])


def _row(line: str, number: int, name: str) -> list[float]:
    """The box of one line."""
    try:
        values = [float(part) for part in re.split(r"\s*[,;]\s*|\s+", line.strip())]
    except ValueError:
        values = []
    if len(values) != 4 or np.isinf(values).any():
        raise BoxError(f"line {number} of {name} does not hold x,y,w,h but {line.strip()[:40]!r}")
    if values[2] < 0 or values[3] < 0:
        raise BoxError(
            f"line {number} of {name} has width {values[2]:g} and height {values[3]:g}; the order "
            "is x,y,w,h, not two corners"
        )
    absent = np.isnan(values).any() or not values[2] or not values[3]
    return [float("nan")] * 4 if absent else values


def _looks_like_one(folder: Path) -> bool:
    """Whether a folder seems meant as a sequence."""
    return (folder / TRUTH).is_file() or (folder / FRAMES).is_dir()


def _sequence(home: Path, remarks: list[str]) -> TrackSequence:
    """Put one sequence together and check what can be checked without reading every frame."""
    for path, kind in ((home / TRUTH, "file"), (home / FRAMES, "folder")):
        if not path.exists():
            raise InputError(f"has no {kind} {path.name}")
    truth = read_truth(home / TRUTH)
    files = sorted(p for p in (home / FRAMES).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    count = min(len(files), len(truth))
    unpaired = max(len(files), len(truth)) - count
    if count < 2 or unpaired > MOST_UNPAIRED * count:
        raise InputError(
            f"{len(files)} frames and {len(truth)} boxes; it takes as many boxes as frames, at "
            "least two"
        )
    name = home.resolve().name
    if unpaired:
        remarks.append(
            f"{name} has {len(files)} frames and {len(truth)} boxes; the first {count} are used"
        )
    height, width = read_image(files[0]).shape[:2]
    if np.isnan(truth[0]).any():
        raise BoxError("the object is absent from the first frame, which has to show it")
    box_in_frame(truth[0], width, height, "the first box")
    return TrackSequence(name, tuple(files[:count]), truth[:count], (width, height))
