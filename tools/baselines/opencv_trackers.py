"""The trackers of OpenCV, behind the interface of the comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.images import Image
from .compared_tracker import LOST, TRACKING, ComparedTracker, Step, files_in

NANOTRACK = "nanotrack"
NANOTRACK_FILES = ("nanotrack_backbone_sim.onnx", "nanotrack_head_sim.onnx")
VITTRACK = "vittrack"

WHEELS = (
    "pip uninstall opencv-python-headless, then pip install opencv-contrib-python-headless "
    "(two OpenCV packages overwrite each other)"
)


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


def nanotrack_parameters(folder: Path | None) -> Any:
    """What NanoTrack v2 is opened with.

    Raises:
        InputError: the folder is not given or lacks one of its files.
    """
    files = files_in(folder, NANOTRACK, NANOTRACK_FILES)
    # Like the trackers themselves, it is not in every OpenCV.
    parameters: Any = getattr(cv2, "TrackerNano_Params")()  # noqa: B009
    parameters.backbone, parameters.neckhead = map(str, files)
    return parameters


def vittrack_parameters(file: Path | None) -> Any:
    """What VitTrack is opened with.

    Raises:
        InputError: its file is not given, or there is none.
    """
    if file is None:
        raise InputError(f"{VITTRACK} needs --{VITTRACK} FILE, its network as an ONNX file")
    if not file.is_file():
        raise InputError(f"--{VITTRACK} {file} is no file; give its network as an ONNX file")
    parameters: Any = getattr(cv2, "TrackerVit_Params")()  # noqa: B009
    parameters.net = str(file)
    return parameters


def open_opencv_tracker(
    opencv: str, name: str, parameters: Callable[[], Any] | None = None
) -> ComparedTracker:
    """Make one of OpenCV's ready.

    Args:
        opencv: its name in OpenCV.
        name: its name in the comparison.
        parameters: makes what it is opened with, if it needs anything.

    Raises:
        InputError: this OpenCV lacks it, or its files are missing or cannot be read.
    """
    create, whole = opencv_factory(opencv, name)
    given = () if parameters is None else (parameters(),)
    try:
        with _fewer_warnings():
            return OpenCVTracker(lambda: create(*given), whole=whole)
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
