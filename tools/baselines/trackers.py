"""The trackers that can be compared, behind one interface: ours, and those of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.images import Image
from .compared_tracker import ComparedTracker, ComparedTrackerOptions, Step
from .nanotrack_onnx import NANOTRACK3, NanoTrackOnnx
from .opencv_trackers import (
    NANOTRACK,
    VITTRACK,
    nanotrack_parameters,
    open_opencv_tracker,
    vittrack_parameters,
)

if TYPE_CHECKING:
    from ...runtime import TrackerOptions

OURS = "qatm"


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
        NANOTRACK3: TrackerInfo("", "HonglinChu, NanoTrack v3"),
        VITTRACK: TrackerInfo("Vit", "LPXTT, VitTrack in OpenCV"),
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

        changed = tracker_options(options.model, dict(options.recipe)) if options.recipe else None
        self.tracker = Ours(
            options.model,
            options.device,
            precision=options.precision,
            threads=options.threads,
            options=changed,
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


def tracker_options(model: Path | None, changes: Mapping[str, float]) -> TrackerOptions:
    """The options of a bundle's recipe with some of them changed.

    Args:
        model: folder of the bundle; ``None`` is the one that comes with the package.
        changes: field of :class:`TrackerOptions` -> value; 0 and 1 stand for a switch.

    Raises:
        BundleError: the bundle cannot be used.
        InputError: an unknown field, or a value with which nothing could be computed.
    """
    from ...runtime import TrackerOptions
    from ...runtime.bundle.folder import Bundle

    values = TrackerOptions.of(Bundle.load(model).spec.recipes.track).as_dict()
    for name, value in changes.items():
        values[name] = _as_before(values.get(name), value)
    return TrackerOptions.from_dict(values)


def _as_before(before: Any, value: float) -> Any:
    """A number as the kind of value that it replaces, where it can be one."""
    if isinstance(before, list):
        return [value]
    if isinstance(before, bool):
        return bool(value) if value in (0, 1) else value
    return int(value) if isinstance(before, int) and value == int(value) else value


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
    if name == NANOTRACK3:
        return NanoTrackOnnx(options.nanotrack3, options.threads)
    parameters = {
        NANOTRACK: lambda: nanotrack_parameters(options.nanotrack),
        VITTRACK: lambda: vittrack_parameters(options.vittrack),
    }
    return open_opencv_tracker(info.opencv, name, parameters.get(name))


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
