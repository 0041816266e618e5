"""The trackers that can be compared, behind one interface: ours, and what OpenCV has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import cv2

from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.images import Image

TRACKING = "tracking"
LOST = "lost"
OURS = "qatm"
NANOTRACK = "nanotrack"
NANOTRACK_FILES = ("nanotrack_backbone_sim.onnx", "nanotrack_head_sim.onnx")

WHEELS = (
    "pip uninstall opencv-python-headless, then pip install opencv-contrib-python-headless "
    "(two OpenCV packages overwrite each other)"
)


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


class OpenCVTracker:
    """A tracker of OpenCV; ``found`` is all that it says about presence.

    Args:
        create: makes it.
        whole: whether it wants a box of whole pixels.
    """

    def __init__(self, create: Callable[[], Any], *, whole: bool) -> None:
        self.tracker: Any = create()
        self.whole = whole

    def init(self, frame: Image, box: Box) -> None:
        """Begin with the object's box in a frame.

        Raises:
            InputError: the tracker refuses the box.
        """
        # TLD and Boosting draw random numbers.
        cv2.setRNGSeed(0)
        given = tuple(round(value) for value in box) if self.whole else tuple(box)
        if self.tracker.init(frame, given) is False:
            raise InputError(f"the tracker refused box {given}")

    def update(self, frame: Image) -> Step:
        """Find it in the next frame."""
        found, box = self.tracker.update(frame)
        says = getattr(self.tracker, "getTrackingScore", None)
        score = float(says()) if says else -1.0
        # OpenCV 5 answers -1 for trackers without a score, older ones do not answer.
        score = score if score >= 0.0 else math.nan
        return Step(Box(*map(float, box)), score, TRACKING if found else LOST)

    def close(self) -> None:
        """Let go of it."""
        self.tracker = None


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
    create, whole = opencv_factory(info.opencv, name)
    if name == NANOTRACK:
        parameters = _nanotrack_parameters(options.nanotrack)
        return _opened(name, lambda: create(parameters), whole)
    return _opened(name, create, whole)


def opencv_factory(opencv: str, name: str) -> tuple[Callable[..., Any], bool]:
    """What makes a tracker in the OpenCV that is installed, and whether it wants whole pixels.

    ``cv2`` has some, ``cv2.legacy`` others; those under the old interface take boxes of floats.

    Raises:
        InputError: neither has it.
    """
    for home, whole in ((cv2, True), (getattr(cv2, "legacy", None), False)):
        create = getattr(home, f"Tracker{opencv}_create", None)
        create = create or getattr(getattr(home, f"Tracker{opencv}", None), "create", None)
        if create is not None:
            return create, whole
    raise InputError(
        f"tracker {name} is not in the OpenCV {cv2.__version__} that is installed: {WHEELS}"
    )


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


def _nanotrack_parameters(folder: Path | None) -> Any:
    """NanoTrack's parameters with its two files.

    Raises:
        InputError: the folder is not given or lacks one of them.
    """
    if folder is None:
        raise InputError(
            f"nanotrack needs --nanotrack DIR, a folder with {' and '.join(NANOTRACK_FILES)}"
        )
    missing = [file for file in NANOTRACK_FILES if not (folder / file).is_file()]
    if missing:
        raise InputError(f"--nanotrack {folder} does not hold {' and '.join(missing)}")
    # Like the trackers themselves, it is not in every OpenCV.
    parameters: Any = getattr(cv2, "TrackerNano_Params")()  # noqa: B009
    parameters.backbone, parameters.neckhead = (str(folder / file) for file in NANOTRACK_FILES)
    return parameters


def _opened(name: str, create: Callable[[], Any], whole: bool) -> ComparedTracker:
    """Make one of OpenCV's.

    Raises:
        InputError: OpenCV cannot read the tracker's files.
    """
    try:
        with _fewer_warnings():
            return OpenCVTracker(create, whole=whole)
    except cv2.error as error:
        reason = " ".join(str(error).split())
        raise InputError(f"tracker {name} cannot be made: {reason}") from error


@contextmanager
def _fewer_warnings() -> Iterator[None]:
    """Keep OpenCV 5 from warning of every network that it loads; OpenCV 4.8 has no such switch."""
    levels = getattr(cv2.utils, "logging", None)
    if levels is None:
        yield
        return
    before = levels.setLogLevel(levels.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        levels.setLogLevel(before)
