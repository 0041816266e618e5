"""The trackers that can be compared, behind one interface: ours, and those of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.images import Image
from .compared_tracker import ComparedTracker, ComparedTrackerOptions, Step
from .opencv_trackers import nanotrack_parameters, open_opencv_tracker

OURS = "qatm"
NANOTRACK = "nanotrack"


class TrackerInfo(NamedTuple):
    """A tracker of the comparison.

    Attributes:
        opencv: its name in OpenCV, empty if it is not from there.
        paper: where it comes from.
    """

    opencv: str
    paper: str


TRACKERS: Mapping[str, TrackerInfo] = MappingProxyType(
    {
        OURS: TrackerInfo("", "this project"),
        "csrt": TrackerInfo("CSRT", "Lukezic et al., CVPR 2017"),
        "kcf": TrackerInfo("KCF", "Henriques et al., PAMI 2015"),
        "mil": TrackerInfo("MIL", "Babenko et al., CVPR 2009"),
        NANOTRACK: TrackerInfo("Nano", "HonglinChu, NanoTrack v2"),
        "mosse": TrackerInfo("MOSSE", "Bolme et al., CVPR 2010"),
        "medianflow": TrackerInfo("MedianFlow", "Kalal et al., ICPR 2010"),
        "tld": TrackerInfo("TLD", "Kalal et al., PAMI 2012"),
        "boosting": TrackerInfo("Boosting", "Grabner et al., BMVC 2006"),
    }
)
"""Name of a tracker -> what it is."""


class QatmTracker:
    """``runtime.Tracker``."""

    def __init__(self, options: ComparedTrackerOptions) -> None:
        from ...runtime import Tracker as Ours

        self.tracker = Ours(
            options.model, options.device, precision=options.precision, threads=options.threads
        )

    def init(self, frame: Image, box: Box) -> None:
        """Begin with the object's box in a frame."""
        self.tracker.init(frame, box)

    def update(self, frame: Image) -> Step:
        """Find it in the next frame."""
        track = self.tracker.track(frame)
        return Step(Box(*track.box), float(track.score), str(track.state))

    def close(self) -> None:
        """Release the model."""
        self.tracker.close()


def open_tracker(name: str, options: ComparedTrackerOptions) -> ComparedTracker:
    """Make a tracker ready.

    Raises:
        InputError: an unknown name, a tracker that this OpenCV lacks, or files that it needs are
            not given or cannot be read.
        QatmError: our bundle or device cannot be used.
    """
    info = TRACKERS.get(name)
    if info is None:
        raise InputError(f"tracker {name!r} is unknown; choose from {', '.join(TRACKERS)}")
    if name == OURS:
        return QatmTracker(options)
    if name == NANOTRACK:
        return open_opencv_tracker(
            info.opencv, name, lambda: nanotrack_parameters(options.nanotrack)
        )
    return open_opencv_tracker(info.opencv, name)


def names_asked(wanted: Sequence[str], everything: str) -> tuple[list[str], bool]:
    """The names of trackers in a repeated or comma-separated option, and whether all are meant.

    Raises:
        InputError: none is named, or an unknown one.
    """
    names = [part.strip() for entry in wanted for part in entry.split(",") if part.strip()]
    if not names:
        raise InputError(f"--tracker names none; choose from {', '.join(TRACKERS)} or {everything}")
    for name in names:
        if name not in (*TRACKERS, everything):
            raise InputError(
                f"tracker {name!r} is unknown; choose from {', '.join(TRACKERS)} or {everything}"
            )
    return list(dict.fromkeys(names)), everything in names
