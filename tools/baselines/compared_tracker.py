"""What every tracker of the comparison has in common: how it is opened, asked, and answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from ...runtime.boxes import Box
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
        nanotrack: folder of NanoTrack's two ONNX files.
    """

    model: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    threads: int = 1
    nanotrack: Path | None = None


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
