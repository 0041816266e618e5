"""Where frames come from: video files, pictures, cameras, network streams, pipelines, stdin."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence, Sized
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arguments import as_count, is_row, is_text
from ..errors import SHOWN, VideoError, seen
from ..files import as_path
from ..images import IMAGE_SUFFIXES, AnyImage, Image, as_bgr, expand_sources, is_pattern
from ..kinds import Bound, Numeric
from ..limits import LONGEST_NUMBER, PICTURE_PIXELS
from .given_frames import GivenReader
from .picture_reader import PictureReader
from .protocols import FILES, NETWORK, check_scheme, is_chosen, only_protocols
from .rates import is_rate
from .stdin import PictureStream, PipedFile, open_stdin

STREAM_TIMEOUT_MS: Bound[int] = 10_000
LAST_CAMERA: Bound[int] = 9999
LONGEST_COUNT: Bound[float] = 1e9
MOST_PARTS: Bound[int] = 10_000
MOST_DAMAGED: Bound[int] = 25
"""Frames in a row that cannot be decoded, after which a video counts as cut off."""

MOVING_SUFFIXES = (".gif",)
"""Of files that are pictures in a folder, and videos by themselves."""

MOVIE_AXES: Numeric[int] = 4
"""Of an array of frames."""

URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
PIPELINE = " ! "

LOG = logging.getLogger(__name__)


class TimedImage(Protocol):
    """A frame with its time in seconds, such as ``Frame``."""

    @property
    def image(self) -> AnyImage: ...  # noqa: D102
    @property
    def time(self) -> float: ...  # noqa: D102


Source = (
    int | str | Path | Sequence[str | Path] | cv2.VideoCapture | Iterable[AnyImage | TimedImage]
)
"""Video file, folder, pattern, list of pictures, camera index, URL, pipeline, or ``-``; an opened
capture; or frames that a program has, such as a generator."""


class Reader(Protocol):
    """One opened source; used by one thread at a time.

    Attributes:
        name: what messages call it.
        fps: frames per second, ``None`` where the source has no rate of its own.
        count: number of frames, for a video a good guess; ``None`` if there is no telling.
        endless: a camera or broadcast: its end is a failure, and its clock is the wall's.
        damaged: how many frames just before the last one could not be decoded.
    """

    name: str
    fps: float | None
    count: int | None
    endless: bool
    damaged: int

    def read(self) -> NDArray[Any] | None:
        """The next frame, ``(H, W, 3)`` BGR or ``(H, W)`` grey, in the type that the source
        stores; ``None`` at the end."""
        ...

    def skip(self) -> bool:
        """Pass over a frame; whether there was one."""
        ...

    def position(self) -> float | None:
        """Time stamp of the last frame in seconds, where the source has time stamps."""
        ...

    def close(self) -> None:
        """Release the source; may be called twice."""
        ...


def open_reader(source: Source) -> Reader:
    """Open any source.

    Raises:
        VideoError: it cannot be opened; the message says why.
        ImageError: a folder or pattern holds no picture.
        InputError: an empty name, or one that no file can have.
    """
    if isinstance(source, int | np.integer) and not isinstance(source, bool) and source >= 0:
        return open_camera(as_count(source, "camera"))
    if isinstance(source, str | Path):
        as_path(source, "source")
        return _open_named(str(source))
    if isinstance(source, cv2.VideoCapture):
        return _given_capture(source)
    if isinstance(source, list | tuple) and source and isinstance(source[0], str | Path):
        return _listed_pictures(source)
    one = isinstance(source, np.ndarray) and source.ndim < MOVIE_AXES
    empty = not one and isinstance(source, Sized) and not len(source)
    if is_row(source) and not (one or empty):
        return GivenReader(cast("Iterable[Any]", source))
    given = f"an array of shape {source.shape}" if isinstance(source, np.ndarray) else seen(source)
    raise VideoError(
        f"source {given} is not a file, folder, pattern, camera index, URL, list of files, opened "
        "cv2.VideoCapture or frames one after another"
    )


def _listed_pictures(names: Sequence[Any]) -> Reader:
    """Pictures in the order of a list.

    Raises:
        InputError: one of the list is no name that a file can have.
    """
    files = [as_path(name, "picture") for name in names]
    return PictureReader(files, f"list of {len(files)} pictures")


def _given_capture(capture: cv2.VideoCapture) -> Reader:
    """A capture that a program opened; it stays open.

    Raises:
        VideoError: it is not open.
    """
    if not capture.isOpened():
        raise VideoError("the cv2.VideoCapture is not open: does its file or camera exist?")
    reader = CaptureReader(capture, "capture", owned=False)
    reader.endless = reader.count is None
    return reader


def _open_named(text: str) -> Reader:
    """Open what a name stands for."""
    there = os.path.exists(text)
    opens: Callable[[str], Reader] = open_file
    if text == "-":
        opens = open_piped
    # A file may have any name, also one that somebody else chose.
    elif not there and PIPELINE in text:
        opens = open_pipeline
    elif not there and URL.match(text):
        opens = open_stream
    elif os.path.isdir(text) or is_pattern(text):
        opens = open_pictures
    elif text.startswith("/dev/video") or (not there and re.fullmatch("[0-9]+", text)):
        opens = open_camera
    elif text.lower().endswith(IMAGE_SUFFIXES) and not text.lower().endswith(MOVING_SUFFIXES):
        opens = open_picture
    return opens(text)


def open_pictures(text: str) -> Reader:
    """Open a folder or pattern of pictures, in natural order."""
    return PictureReader(sorted(expand_sources([text]), key=natural_key), text)


def open_picture(text: str) -> Reader:
    """Open a single picture as a source of one frame."""
    return PictureReader([Path(text)], text)


def natural_key(path: Path) -> list[str | int]:
    """Sort key that puts ``frame10`` after ``frame9``: numbers in names count as numbers."""
    parts = re.split(r"([0-9]+)", path.as_posix().lower())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def open_camera(camera: int | str) -> Reader:
    """Open a camera by its index or device file."""
    name = f"camera {str(camera)[:SHOWN]}"
    # Python does not even read numbers of many thousands of digits.
    number = str(camera).lstrip("0")[:LONGEST_NUMBER] or "0"
    if number.isdigit() and int(number) > LAST_CAMERA:
        raise VideoError(f"{name} cannot be opened: cameras count from 0 to {LAST_CAMERA}")
    capture = _captured(int(number) if number.isdigit() else camera)
    if capture is None:
        known = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*")))
        there = f"; this machine has {known}" if known else ""
        raise VideoError(f"{name} cannot be opened: is it connected, free and permitted?{there}")
    return CaptureReader(capture, name, endless=True)


def open_stream(url: str) -> Reader:
    """Open a URL of the network; one without a known number of frames is endless."""
    name = re.sub(r"//[^/@]*@", "//", url)
    check_scheme(url, name)
    if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
        limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        settings = [value for limit in limits for value in (limit, STREAM_TIMEOUT_MS)]
        capture = _captured(url, cv2.CAP_FFMPEG, settings, protocols=NETWORK)
    else:
        capture = _captured(url, protocols=NETWORK)
    if capture is None:
        raise VideoError(
            f"{name} cannot be opened: check the address, the network, user and password"
        )
    reader = CaptureReader(capture, name)
    reader.endless = reader.count is None
    return reader


def open_pipeline(pipeline: str) -> Reader:
    """Open a GStreamer pipeline, which must end in ``appsink``."""
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise VideoError(
            f"pipeline {pipeline!r} needs an OpenCV that is built with GStreamer; this one "
            f"({cv2.__version__}) is not: use another build, or give a file or URL"
        )
    capture = _captured(pipeline, cv2.CAP_GSTREAMER)
    if capture is None:
        raise VideoError(
            f"pipeline {pipeline!r} does not start; it must end in appsink "
            "(gst-launch-1.0 tells more)"
        )
    return CaptureReader(capture, "pipeline")


def open_piped(_: str = "-") -> Reader:
    """Open standard input: JPEG or PNG pictures one after another, or a video."""
    piped = open_stdin()
    if isinstance(piped, PictureStream):
        return piped
    capture = _captured(piped.path, cv2.CAP_FFMPEG)
    if capture is None:
        piped.close()
        raise VideoError(f"{piped.name} is neither pictures nor a video that OpenCV can read")
    return CaptureReader(capture, piped.name, piped=piped)


def open_file(text: str) -> Reader:
    """Open a video file, and nothing else that a name could stand for, such as ``file:…``."""
    there = os.path.exists(text)
    capture = None
    if there or is_chosen():
        capture = _captured(os.path.abspath(text) if there else text)
    if capture is None:
        raise VideoError(f"{text} {what_is_wrong(Path(text))}")
    return CaptureReader(capture, text)


def what_is_wrong(path: Path) -> str:
    """Why a file cannot be opened as a video."""
    try:
        if path.is_fifo():
            raise OSError(errno.EINVAL, "it is a pipe; give - and pipe into standard input")
        with path.open("rb") as file:
            if path.is_file() and path.stat().st_size == 0:
                return "is empty (0 bytes)"
            unfinished = path.is_file() and _lacks_index(file)
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not is_text(os.path.abspath(path)):
        return "has a path that is no UTF-8, which OpenCV cannot open; rename it"
    if unfinished:
        return "is an unfinished video: the index at its end is missing; copy or record it again"
    return "is not a video that OpenCV can read: damaged, another kind of file, or an unknown codec"


def _lacks_index(file: BinaryIO) -> bool:
    """Whether a file is MP4 or QuickTime without its index (ISO/IEC 14496-12, box ``moov``)."""
    kinds: set[bytes] = set()
    whole = os.fstat(file.fileno()).st_size
    for _ in range(MOST_PARTS):
        if len(head := file.read(8)) < 8:  # noqa: PLR2004
            break
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        kinds.add(kind)
        rest = int.from_bytes(file.read(8), "big") - 16 if size == 1 else size - 8
        # Whoever wrote the file may have written any size, also one that no file can have.
        if b"ftyp" not in kinds or kind == b"moov" or not 0 <= rest < whole:
            break
        file.seek(rest, os.SEEK_CUR)
    return b"ftyp" in kinds and b"moov" not in kinds


def _captured(*arguments: Any, protocols: tuple[str, ...] = FILES) -> cv2.VideoCapture | None:
    """``cv2.VideoCapture(...)`` with these protocols, or ``None`` if it does not open."""
    # OpenCV crashes where a name is no text, as names of files may be.
    if not is_text(str(arguments[0])):
        return None
    try:
        with only_protocols(protocols):
            capture = cv2.VideoCapture(*arguments)
    except cv2.error:
        return None
    if capture.isOpened():
        return capture
    capture.release()
    return None


def _check_frames(capture: cv2.VideoCapture, name: str) -> None:
    """Refuse frames that are too large, before one is decoded.

    Raises:
        VideoError: they are.
    """
    sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    width, height = (max(0.0, capture.get(side)) for side in sides)
    if refusal := PICTURE_PIXELS.refusal(width * height):
        raise VideoError(f"{name} has frames of {width:.0f}x{height:.0f} px: one {refusal}")


class CaptureReader:
    """A reader on ``cv2.VideoCapture``; the attributes are those of :class:`Reader`.

    Raises:
        VideoError: its frames have more pixels than :mod:`..limits` allow.
    """

    def __init__(
        self,
        capture: cv2.VideoCapture,
        name: str,
        *,
        endless: bool = False,
        piped: PipedFile | None = None,
        owned: bool = True,
    ) -> None:
        self._capture, self._piped, self._owned = capture, piped, owned
        try:
            _check_frames(capture, name)
        except VideoError:
            self.close()
            raise
        fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.name = name
        self.fps: float | None = fps if is_rate(fps) else None
        self.count: int | None = int(count) if 0 < count < LONGEST_COUNT else None
        self.endless = endless
        self.damaged = 0
        self._passed = 0

    def read(self) -> Image | None:
        """The next frame that can be decoded, ``(H, W, 3)`` uint8 BGR; ``None`` at the end."""
        self.damaged = 0
        while (image := self._decoded()) is None:
            if not self._may_go_on():
                return None
            self.damaged += 1
        if self.damaged:
            LOG.warning(
                "%s: %d damaged frame%s before %.2f s left out",
                self.name,
                self.damaged,
                "" if self.damaged == 1 else "s",
                self.position(),
            )
        return as_bgr(image, self.name)

    def _decoded(self) -> Any:
        """The next frame; ``None`` if it cannot be decoded, or at the end."""
        self._passed += 1
        try:
            done, image = self._capture.read()
        except cv2.error as error:
            raise VideoError(f"{self.name} cannot be decoded: {error.err}") from error
        return image if done else None

    def _may_go_on(self) -> bool:
        """Whether there may be more frames after one that cannot be decoded."""
        if self.endless or self.count is None:
            return False
        return self._passed < self.count and self.damaged < MOST_DAMAGED

    def skip(self) -> bool:
        """Pass over a frame; whether there was one."""
        self._passed += 1
        return self._capture.grab()

    def position(self) -> float | None:
        """Time stamp of the last frame in seconds."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0

    def close(self) -> None:
        """Release the capture, unless it is somebody else's; may be called twice."""
        if self._owned:
            self._capture.release()
        if self._piped is not None:
            self._piped.close()
