"""Video in: frames of any source, one at a time, with their number and time.

for frame in frames("video.mp4"):        # or a folder, "shots/*.png", 0 (camera), a URL, "-"
    frame.index, frame.time, frame.image  # 12, 0.48 (seconds), (H, W, 3) uint8 BGR
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import as_count, as_switch
from ..errors import InputError, VideoError
from ..images import Image
from ..kinds import Bound, Numeric
from ..turns import CallLock
from ..value_range import ValueRange
from .frame_values import FrameValues
from .live import Newest
from .rates import as_rate
from .sources import Reader, Source, open_reader

LOG = logging.getLogger(__name__)

USUAL_RATE: Numeric[float] = 25.0
CUT_SHARE: Bound[float] = 0.02
CUT_FRAMES: Bound[int] = 3


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a source.

    Attributes:
        index: number of the frame in the source, from 0; frames that were dropped, or could not be
            decoded, count.
        time: seconds since the start: the time stamp of a video file, the clock for a camera or
            broadcast (0 at its first frame), index / fps for pictures.
        image: ``(H, W, 3)`` uint8 BGR.
    """

    index: int
    time: float
    image: Image

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame(index={self.index}, time={self.time:.3f}, {width}x{height} px)"


class Video:
    """An opened source: an iterator of :class:`Frame` that holds one frame at a time.

    Threads that ask at once get one frame each; one that closes it waits for the frame at hand.

    Sources: a video file; a folder, pattern or list of pictures (sorted so that 10 follows 9; a
    list keeps its order); a camera by index (``0`` or ``"0"``) or device file; an RTSP or HTTP
    URL; a GStreamer pipeline (recognised by ``" ! "``; OpenCV has to be built with it); ``"-"``
    for standard input, which may be a video or JPEG and PNG pictures one after another; an opened
    ``cv2.VideoCapture``, which stays open; or frames that the program has: a generator, a list or
    an array ``(N, H, W, 3)`` of pictures, or of frames with their times.

    Frames may differ in size. Pictures of more than 8 bits are shown in the range of the first one,
    see :mod:`..value_range`. Frames of a video file that cannot be decoded are left out, with a
    warning in the log; one that is cut off gives the frames before and then ends with a warning. A
    picture file that cannot be read is an error that names it. A camera, or a stream of unknown
    length, that ends is an error, after its last frame.

    Args:
        source: what to open.
        live: give the newest frame and drop those that came in the meantime. A file is then
            played at its own speed, as if it were a camera.
        start: index of the first frame to give; those before it are passed over.
        fps: rate of pictures, which have none of their own, per second. Default: 25.
        value_range: ``(low, high)``, the values of pictures of more than 8 bits to show as black
            and white; ``None`` finds them in the first such picture.

    Attributes:
        name: what messages call the source (passwords left out).
        fps: frames per second.
        count: number of frames, counted from index 0; for a video a good guess, ``None`` if
            nobody knows.
        live, start: as given.
        endless: whether it is a camera or a stream of unknown length.

    Raises:
        VideoError: the source cannot be opened, read or decoded, or holds no frame.
        ImageError: a picture cannot be read, or a folder or pattern holds none.
        InputError: ``live``, ``start``, ``fps`` or ``value_range`` is none, or out of range.
    """

    def __init__(
        self,
        source: Source,
        *,
        live: bool = False,
        start: int = 0,
        fps: float | None = None,
        value_range: Sequence[float] | None = None,
    ) -> None:
        if as_count(start, "start") < 0:
            raise InputError(f"start {start} is negative; frames count from 0")
        live, fps = as_switch(live, "live"), None if fps is None else as_rate(fps)
        self._values = FrameValues(value_range)
        self._reader = reader = open_reader(source)
        self.name = reader.name
        self.fps = reader.fps or fps or USUAL_RATE
        self.count = reader.count
        self.live = live
        self.start = start
        self.endless = reader.endless
        clocked = reader.endless or (live and reader.fps is None and reader.count is None)
        numbered = _numbered(reader, self._values, start, self.fps, clocked=clocked)
        self._newest: Newest[Frame] | None = None
        if live:
            first = start / self.fps
            due = None if clocked else lambda frame: frame.time - first
            self._newest = Newest(numbered, reader.close, due)
        self._frames: Iterator[Frame] = self._newest or numbered
        self._closed = False
        self._turn = CallLock()

    @property
    def dropped(self) -> int:
        """How many frames were dropped so far because newer ones came; 0 if not live."""
        return 0 if self._newest is None else self._newest.dropped

    @property
    def value_range(self) -> ValueRange | None:
        """The range in which frames are shown; ``None`` as long as all had 8 bits."""
        return self._values.value_range

    @property
    def stored_dtype(self) -> np.dtype[Any] | None:
        """The type of the frames that are shown so; ``None`` as long as all had 8 bits."""
        return self._values.dtype

    def __repr__(self) -> str:
        count = "" if self.count is None else f", {self.count} frames"
        return f"Video({self.name!r}, {self.fps:g} fps{count})"

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if self._newest is not None and not self._closed:
            return next(self._newest)
        with self._turn.lock:
            if self._closed:
                raise StopIteration
            return next(self._frames)

    def close(self) -> None:
        """Release the source; may be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._newest is not None:
            self._newest.close()
        else:
            with self._turn.lock:
                self._reader.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def frames(
    source: Source,
    *,
    live: bool = False,
    start: int = 0,
    fps: float | None = None,
    value_range: Sequence[float] | None = None,
) -> Generator[Frame, None, None]:
    """Go through a source lazily; it is opened at the first frame and released at the end.

    Parameters, frames and errors are those of :class:`Video`. Leaving the loop early releases the
    source too, at the latest when the generator is closed or forgotten.
    """
    with Video(source, live=live, start=start, fps=fps, value_range=value_range) as video:
        yield from video


def _numbered(
    reader: Reader, values: FrameValues, start: int, fps: float, *, clocked: bool
) -> Iterator[Frame]:
    """Read frame by frame, and tell a source that is done from one that failed."""
    for skipped in range(start):
        if not reader.skip():
            raise VideoError(f"{reader.name} has {skipped} frames; there is no frame {start}")
    index, seconds, zero, step = start, -math.inf, None, 1.0 / fps
    while (image := reader.read()) is not None:
        if clocked:
            now = time.monotonic()
            zero = now if zero is None else zero
            seconds = now - zero
        else:
            before, seconds = seconds, _time_of(reader.position(), index, seconds, fps)
            step = max(step, seconds - before) if index > start else step
        index += reader.damaged
        yield Frame(index, seconds, values.shown(image, reader.name))
        index += 1
    _check_end(reader, index, start, seconds, step)


def _time_of(stamp: float | None, index: int, before: float, fps: float) -> float:
    """The time stamp of a frame; index / fps, or one step on, where it makes no sense."""
    if stamp is None or not math.isfinite(stamp) or stamp < 0:
        stamp = index / fps
    return stamp if stamp > before else before + 1.0 / fps


def _check_end(reader: Reader, index: int, start: int, seconds: float, step: float) -> None:
    """Complain of a source that should have gone on.

    Args:
        reader: at its end.
        index: of the frame that would be next.
        start: of the first one.
        seconds: time of the last one.
        step: longest time between two.
    """
    if index == start:
        more = f" from frame {start} on" if start else ""
        raise VideoError(f"{reader.name} gives no frame{more} that OpenCV can decode")
    if reader.endless:
        raise VideoError(f"{reader.name} stopped after frame {index - 1}")
    if reader.count is None or reader.fps is None:
        return
    # Counts are guessed from rate and length; with a varying rate only the times agree.
    whole, ended = reader.count / reader.fps, seconds + 1.0 / reader.fps
    if whole - ended > max(CUT_FRAMES / reader.fps, step, CUT_SHARE * whole):
        LOG.warning(
            "%s is damaged or cut off: it ends after frame %d, at %.2f of %.2f s",
            reader.name,
            index - 1,
            ended,
            whole,
        )
