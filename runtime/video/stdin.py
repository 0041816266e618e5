"""Standard input as a source: pictures one after another, or a video through a pipe or file."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cv2
from numpy.typing import NDArray

from ..decoding import decode_values
from ..errors import ImageError, VideoError
from ..kinds import Bound, Numeric

Fetch = Callable[[], bytes]
"""Gives the next bytes of a stream, as soon as there are some; none at its end."""

NAME = "standard input"
BLOCK: Numeric[int] = 1 << 16
HEAD: Numeric[int] = 4096
LARGEST_PICTURE: Bound[int] = 1 << 28
JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"
START = re.compile(re.escape(JPEG) + b"|" + re.escape(PNG))
# FF 00 is a data byte and FF D0 to FF D7 restart the decoder; neither ends the picture.
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
END_OF_IMAGE: Numeric[int] = 0xD9

LOG = logging.getLogger(__name__)


def open_stdin() -> PictureStream | PipedFile:
    """Look at the first bytes of standard input and open it accordingly.

    JPEG and PNG pictures are taken apart here, one after another, each as soon as it is complete.
    Anything else is a video for OpenCV: streamed through a pipe, except MP4 and QuickTime whose
    index comes last (and everything on Windows), which is first copied to a temporary file.

    Raises:
        VideoError: standard input is missing, a terminal or empty, or cannot be read.
    """
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        raise VideoError(f"{NAME} is closed; name a file instead of '-'") from None
    if os.isatty(descriptor):
        raise VideoError(f"{NAME} is a terminal; pipe pictures or a video into it")

    # sys.stdin itself would be locked by a thread that waits in it when Python ends.
    def fetch() -> bytes:
        try:
            return os.read(descriptor, BLOCK)
        except OSError as error:
            # As of a folder, or of what was opened to be written.
            raise VideoError(f"{NAME} cannot be read: {error.strerror}") from error

    head = fetch()
    while 0 < len(head) < HEAD and (head[4:8] == b"ftyp" or len(head) < len(PNG)):
        if not (more := fetch()):
            break
        head += more
    if not head:
        raise VideoError(f"{NAME} is empty (0 bytes)")
    if START.match(head):
        return PictureStream(fetch, head)
    if os.name == "nt" or (head[4:8] == b"ftyp" and not _index_first(head)):
        return _spooled(fetch, head)
    return _piped(fetch, head)


def _index_first(head: bytes) -> bool:
    """Whether the index of an MP4 comes before its pictures."""
    index, pictures = head.find(b"moov"), head.find(b"mdat")
    return index >= 0 and (pictures < 0 or index < pictures)


class PipedFile:
    """Something OpenCV can open that stands for standard input."""

    def __init__(self, path: str, discard: Callable[[], None]) -> None:
        self.name = NAME
        self.path = path
        self._discard = discard

    def close(self) -> None:
        """Give the pipe or the temporary file back; may be called twice."""
        discard, self._discard = self._discard, _nothing
        discard()


def _nothing() -> None:
    """What is left to do after closing."""


def _piped(fetch: Fetch, head: bytes) -> PipedFile:
    """Pass the stream on through a pipe, fed by a thread, as the first bytes are taken already."""
    outlet, inlet = os.pipe()

    def feed() -> None:
        with suppress(BrokenPipeError), os.fdopen(inlet, "wb", buffering=0) as pipe:
            data = head
            while data:
                pipe.write(data)
                data = fetch()

    threading.Thread(target=feed, name="qatm-stdin", daemon=True).start()
    return PipedFile(f"pipe:{outlet}", lambda: os.close(outlet))


def _spooled(fetch: Fetch, head: bytes) -> PipedFile:
    """Copy the stream to a temporary file."""
    handle, path = tempfile.mkstemp(prefix="qatm-", suffix=".video")
    try:
        with os.fdopen(handle, "wb") as file:
            data = head
            while data:
                file.write(data)
                data = fetch()
    except BaseException:
        os.unlink(path)
        raise
    return PipedFile(path, lambda: os.unlink(path))


class PictureStream:
    """A reader on JPEG or PNG pictures in a stream; bytes between two pictures are ignored.

    The attributes are those of :class:`.video_sources.Reader`.
    """

    def __init__(self, fetch: Fetch, head: bytes = b"") -> None:
        self.name = NAME
        self.fps: float | None = None
        self.count: int | None = None
        self.endless = False
        self.damaged = 0
        self._fetch = fetch
        self._data = bytearray(head)
        self._number = 0

    def read(self) -> NDArray[Any] | None:
        """The next picture, ``(H, W, 3)`` BGR or ``(H, W)`` grey, uint8 or uint16; ``None`` at the
        end.

        Raises:
            ImageError: the picture cannot be decoded, or is too large.
        """
        data = self._next()
        if data is None:
            return None
        try:
            image = decode_values(data)
        except ImageError as error:
            raise ImageError(f"picture {self._number} of {self.name} {error}") from error
        except cv2.error:
            image = None
        if image is None:
            raise ImageError(f"picture {self._number} of {self.name} cannot be decoded")
        return image

    def skip(self) -> bool:
        """Pass over a picture; whether there was one."""
        return self._next() is not None

    def position(self) -> float | None:
        """Pictures have no time stamps."""
        return None

    def close(self) -> None:
        """Forget what was read."""
        self._data.clear()

    def _next(self) -> bytes | None:
        """The bytes of the next picture; ``None`` at the end."""
        while (start := START.search(self._data)) is None:
            del self._data[: -len(PNG)]
            if not self._more():
                return None
        del self._data[: start.start()]
        self._number += 1
        find_end = _jpeg_end if self._data.startswith(JPEG) else _png_end
        at, complete = find_end(self._data, 2)
        while not complete:
            if len(self._data) > LARGEST_PICTURE:
                raise ImageError(f"picture {self._number} of {self.name} has no end")
            if not self._more():
                LOG.warning(
                    "%s ended inside picture %d, which is left out", self.name, self._number
                )
                return None
            at, complete = find_end(self._data, at)
        picture = bytes(self._data[:at])
        del self._data[:at]
        return picture

    def _more(self) -> bool:
        """Wait for more bytes; whether some came."""
        data = self._fetch()
        self._data += data
        return bool(data)


def _jpeg_end(data: bytearray, at: int) -> tuple[int, bool]:
    """Go on from a marker or from inside the pixels; where that led, and whether to the end.

    Segments between the markers are jumped over, as they may hold a whole small JPEG.
    """
    while (marker := MARKER.search(data, at)) is not None:
        if marker[0][1] == END_OF_IMAGE:
            return marker.end(), True
        after = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        if len(data) < marker.end() + 2 or after > len(data):
            return marker.start(), False
        at = after
    return max(at, len(data) - 1), False


def _png_end(data: bytearray, at: int) -> tuple[int, bool]:
    """Go on from the start of a chunk; where that led, and whether past the last chunk."""
    at = max(at, len(PNG))
    while len(head := data[at : at + 8]) == 8:  # noqa: PLR2004
        after = at + 12 + int.from_bytes(head[:4], "big")
        if after > len(data):
            break
        at = after
        if head[4:] == b"IEND":
            return at, True
    return at, False
