"""What every tracker of the comparison has in common: how it is opened, asked, and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from ...runtime.backends.graph import Device, Precision
from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.images import Image

TRACKING = "tracking"
LOST = "lost"


@dataclass(frozen=True)
class ComparedTrackerOptions:
    """What the trackers are opened with.

    Attributes:
        model: folder of our bundle; ``None`` is the one that comes with the package.
        device: for our tracker, as for ``Matcher``.
        precision: the same.
        threads: CPU threads of every tracker.
        nanotrack: folder of the two ONNX files of NanoTrack v2.
        nanotrack3: folder of those of NanoTrack v3.
        vittrack: VitTrack's ONNX file.
        recipe: choices of the bundle's recipe that differ, for our tracker; a switch is 0 or 1.
    """

    model: Path | None = None
    device: Device = "auto"
    precision: Precision = "auto"
    threads: int = 1
    nanotrack: Path | None = None
    nanotrack3: Path | None = None
    vittrack: Path | None = None
    recipe: tuple[tuple[str, float], ...] = ()


class Step(NamedTuple):
    """What a tracker said about one frame.

    Attributes:
        box: where the object is; ``None`` if the tracker gave none.
        score: how sure it is, on a scale of its own; NaN if it does not say.
        state: ``tracking``, ``uncertain`` or ``lost``.
    """

    box: Box | None
    score: float
    state: str


class ComparedTracker(Protocol):
    """One tracker, for one video."""

    def init(self, frame: Image, box: Box) -> None:
        """Begin with the object's box in a frame."""
        ...

    def update(self, frame: Image) -> Step:
        """Find it in the next frame."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


def files_in(folder: Path | None, tracker: str, files: Sequence[str]) -> list[Path]:
    """The files of a tracker in the folder that the option of its name gives.

    Raises:
        InputError: the folder is not given or lacks one of them.
    """
    if folder is None:
        raise InputError(f"{tracker} needs --{tracker} DIR, a folder with {' and '.join(files)}")
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise InputError(f"--{tracker} {folder} does not hold {' and '.join(missing)}")
    return [folder / file for file in files]
