"""Folders of pairs: two frames of one video and the object's box in each.

A pair is the two pictures whose names begin with the same number, as
``pair0001_frm1_bolt_0032.jpg`` and ``pair0001_frm2_bolt_0052.jpg`` do: a number, a video, and the
number of the frame. The lower frame shows the template. Each has a text file ``x,y,w,h``; the
text files and the pictures of a pair belong together in the order of their frames.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....runtime.boxes import Box, as_box, box_in_frame
from ....runtime.errors import BoxError, InputError
from ....runtime.images import IMAGE_SUFFIXES, read_image

NAME = re.compile(r"(?P<number>[A-Za-z]*\d+)_(?:frm\d+_)?(?P<video>.+)_(?P<frame>\d+)")
BOX_SUFFIX = ".txt"


@dataclass(frozen=True)
class FrameView:
    """One frame: picture, the object's box, and the picture's width and height."""

    path: Path
    box: Box
    size: tuple[int, int]


@dataclass(frozen=True)
class FramePair:
    """A frame that shows the template, and one to search."""

    name: str
    video: str
    template: FrameView
    search: FrameView


@dataclass(frozen=True)
class PairFolder:
    """The usable pairs of a folder, and why others were left out."""

    pairs: list[FramePair]
    problems: list[str]


@dataclass(frozen=True)
class _Name:
    """What a file name says."""

    path: Path
    number: str
    video: str
    frame: int

    @property
    def key(self) -> tuple[int, str]:
        return self.frame, self.path.name


def read_pairs(folder: Path) -> PairFolder:
    """Find and check the pairs of a folder, in the order of their names.

    Raises:
        InputError: no such folder, or it holds no file named as those of a pair.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give one that holds pairs of frames")
    groups: dict[str, list[_Name]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        found = NAME.fullmatch(path.stem)
        if found and path.suffix.lower() in (*IMAGE_SUFFIXES, BOX_SUFFIX):
            name = _Name(path, found["number"], found["video"], int(found["frame"]))
            groups[name.number].append(name)
    if not groups:
        raise InputError(
            f"{folder} holds no pairs; expected names like pair0001_frm1_video_0032.jpg with a "
            ".txt file of x,y,w,h for each"
        )
    pairs: list[FramePair] = []
    problems: list[str] = []
    for number, names in groups.items():
        try:
            pairs.append(_pair(number, names))
        except InputError as error:
            problems.append(f"{number}: {error}")
    return PairFolder(pairs, problems)


def holds_pairs(folder: Path) -> bool:
    """Whether files of a folder are named as those of pairs."""
    if not folder.is_dir():
        return False
    named = {path.suffix.lower() for path in folder.iterdir() if NAME.fullmatch(path.stem)}
    return BOX_SUFFIX in named and bool(named & set(IMAGE_SUFFIXES))


def usable_pairs(folder: Path, skipped: Callable[[str], None]) -> PairFolder:
    """The pairs of a folder, at least one.

    Args:
        folder: of the pairs.
        skipped: told about each pair that is left out, and why.

    Raises:
        InputError: none is usable.
    """
    found = read_pairs(folder)
    for problem in found.problems:
        skipped(problem)
    if not found.pairs:
        raise InputError(f"{folder} holds no usable pair ({len(found.problems)} skipped)")
    return found


def read_box(path: Path) -> Box:
    """Read a box ``x,y,w,h`` separated by commas or white space.

    Raises:
        BoxError: the file cannot be read, or does not hold four usable numbers.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BoxError(f"{path.name} cannot be read: {error.strerror}") from error
    parts = re.split(r"[,;\s]+", text.strip())
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) != 4:
        raise BoxError(f"{path.name} does not hold a box x,y,w,h but {text.strip()[:40]!r}")
    return as_box(values, path.name)


def strangers(pairs: Sequence[FramePair], seed: int) -> list[FramePair | None]:
    """For each pair one of another video, whose template shall be looked for in vain.

    Templates that fit into the picture are preferred.

    Args:
        pairs: of at least two videos.
        seed: of the choice.

    Returns:
        A pair for each, ``None`` where there is no other video.
    """
    rng = np.random.default_rng(seed)
    chosen: list[FramePair | None] = []
    for pair in pairs:
        others = [other for other in pairs if other.video != pair.video]
        width, height = pair.search.size
        fitting = [
            other
            for other in others
            if other.template.box.w <= width and other.template.box.h <= height
        ]
        choice = fitting or others
        chosen.append(choice[int(rng.integers(len(choice)))] if choice else None)
    return chosen


def _pair(number: str, names: Iterable[_Name]) -> FramePair:
    """Put one pair together and check everything that evaluating it needs."""
    ordered = sorted(names, key=lambda name: name.key)
    boxes = [name for name in ordered if name.path.suffix.lower() == BOX_SUFFIX]
    pictures = [name for name in ordered if name.path.suffix.lower() != BOX_SUFFIX]
    for kind, files in (("pictures", pictures), ("boxes (.txt)", boxes)):
        if len(files) != 2:
            have = ", ".join(name.path.name for name in files) or "none"
            raise InputError(f"needs two {kind}, has {have}")
    views = [_view(picture, box) for picture, box in zip(pictures, boxes, strict=True)]
    return FramePair(number, pictures[0].video, views[0], views[1])


def _view(picture: _Name, box: _Name) -> FrameView:
    """One frame with its box, both checked."""
    image = read_image(picture.path)
    height, width = image.shape[:2]
    placed = box_in_frame(read_box(box.path), width, height, box.path.name)
    return FrameView(picture.path, placed, (width, height))
