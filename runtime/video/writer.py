"""Video out: frames into a file that stays readable when the writing ends early."""

from __future__ import annotations

import errno
import math
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np

from ..arguments import as_count, as_number, is_text
from ..errors import ImageError, InputError, VideoError
from ..files import (
    as_path,
    check_folder,
    check_target,
    move_over,
    part_name,
    remove_abandoned,
    whole,
    writing,
)
from ..images import AnyImage, Image, as_bgr, resize_to
from ..kinds import Bound, Numeric
from ..turns import CallLock, in_turn
from .finished import count_frames
from .rates import as_rate

CODECS = {
    ".mp4": ("mp4v", "avc1"),
    ".m4v": ("mp4v", "avc1"),
    ".mov": ("mp4v", "avc1"),
    ".mkv": ("mp4v", "MJPG"),
    ".avi": ("MJPG",),
}
"""Per container the codecs to try in turn; the first is in every FFmpeg that OpenCV uses."""

INDEX_AT_END = (".mp4", ".m4v", ".mov")
USUAL_RATE: Numeric[float] = 25.0
MIN_FREE: Bound[int] = 16 << 20
INDEX_BYTES: Numeric[int] = 64
LONGEST_GAP_S: Bound[float] = 10.0
"""Of live sources: a camera that was away for an hour is not worth an hour of one picture."""

MOST_GAP_S: Bound[float] = 1e9
"""Thirty years: how long a gap may be at most where a caller wants it whole."""


class VideoWriter:
    """Writes frames to a video file; use it in a ``with`` statement or call :meth:`close`.

    The ending of the name chooses the container, and nothing else is ever written instead:

    - ``.mp4``, ``.m4v``, ``.mov``: an index is written last, and without it the file is lost. The
      frames therefore go to a hidden ``.part`` file beside it, which gets its name when it is
      complete: after :meth:`close`, which an error, Ctrl-C and a full disk lead to as well. Only
      killing the process or cutting the power loses it.
    - ``.avi`` (each frame a JPEG picture) and ``.mkv``: under their name from the first frame on,
      where they take the place of a file of that name, and readable at every moment, except for
      the last quarter of a megabyte.

    A symbolic link is replaced, not followed, and another name of the same file keeps it.

    OpenCV does not tell when a frame cannot be written. So the writing ends, with the file
    complete, before the disk is full, and :meth:`close` opens the file and counts. Names are those
    of files, also where FFmpeg would take them for a protocol, as ``udp:x.avi``.

    The first frame sets the size (odd sizes lose a row or column); later ones of another size are
    fitted into it, with black margins. Calls from several threads wait for each other.

    Args:
        path: the file to write; one that is there is replaced.
        fps: frames per second, up to 1000.
        min_free: bytes of the disk to leave free.
        longest_gap: seconds for which a frame is repeated at most, where frames are written with
            their times.

    Attributes:
        path: as given.
        fps: as given.
        written: how many frames were written.

    Raises:
        InputError: an unknown ending, a rate or gap out of range, or a folder that cannot be
            written to.
        OSError: there is a device or pipe of that name.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float = USUAL_RATE,
        *,
        min_free: int = MIN_FREE,
        longest_gap: float = LONGEST_GAP_S,
    ) -> None:
        self.path = as_path(path, "video")
        self.fps = as_rate(fps)
        self.written = 0
        suffix = self.path.suffix.lower()
        if suffix not in CODECS:
            raise InputError(f"video {self.path} must end in {', '.join(CODECS)}")
        self._longest_gap = as_number(longest_gap, "longest_gap")
        if not 0 < self._longest_gap <= MOST_GAP_S:
            raise InputError(
                f"longest_gap {longest_gap} is no number of seconds above 0, up to {MOST_GAP_S:g}"
            )
        if self.path.is_dir():
            raise InputError(f"video {self.path} is a folder; name a file")
        if not str(self.path).isascii():
            _check_text(self.path)
        check_folder(self.path.parent, f"video {self.path}")
        check_target(self.path)
        remove_abandoned(self.path.parent)
        self._at_end = suffix in INDEX_AT_END
        # FFmpeg takes what stands before a colon for a protocol, but not in an absolute path.
        place = self.path.absolute()
        self._file = part_name(place) if self._at_end else place
        self._held = ExitStack()
        self._min_free = as_count(min_free, "min_free")
        self._writer: cv2.VideoWriter | None = None
        self._last: Image | None = None
        self._size = (0, 0)
        self._zero = 0.0
        self._closed = False
        self._turn = CallLock()

    @in_turn
    def write(self, image: AnyImage, time: float | None = None) -> None:
        """Add a frame.

        Args:
            image: ``(H, W, 3)`` uint8 BGR, or grey or BGRA.
            time: seconds, for frames that come irregularly. OpenCV writes one constant rate only,
                so the frame before is repeated, or this one left out, such that it is shown from
                its time on, to half a frame, and the video lasts as long (gaps above
                ``longest_gap`` are cut short).
                Frames that come at ``fps`` are written once each. Default: one frame after the
                other, whatever the clock says.

        Raises:
            VideoError: closed already, or no codec for this container.
            InputError: a time that is no finite number.
            OSError: the disk is full; what was written so far is complete and readable.
            ImageError: not a usable image.
        """
        if self._closed:
            raise VideoError(f"{self.path} is closed; open a new VideoWriter")
        time = None if time is None else as_number(time, "time")
        if isinstance(image, np.ndarray) and image.dtype != np.uint8:
            # Each in its own range would flicker.
            raise ImageError(
                f"frame has dtype {image.dtype}; a video has 8 bits: convert it to uint8, 0 to 255"
            )
        image = as_bgr(image, "frame")
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            self._zero = 0.0 if time is None else time
            self._check_room()
            self._writer = self._opened()
        fitted = fit_into(image, *self._size)
        copies = 1 if time is None else self._copies(time)
        # Until its time comes, the one before is shown.
        before = fitted if self._last is None else self._last
        for shown in chain(repeat(before, copies - 1), repeat(fitted, min(copies, 1))):
            self._check_room()
            self._writer.write(shown)
            self.written += 1
        if copies:
            self._last = None if time is None else fitted.copy()

    @in_turn
    def close(self) -> None:
        """Complete the file; may be called twice.

        Raises:
            VideoError: the file lacks frames that were given to OpenCV.
            OSError: it cannot get its name.
        """
        if self._closed:
            return
        self._closed = True
        with self._held:
            if self._writer is None:
                return
            self._writer.release()
            kept = count_frames(self._file)
            if kept > 0 and self._at_end:
                move_over(self._file, self.path)
        if kept < self.written:
            raise VideoError(
                f"{self.path} {self._loss(kept)}; free some room or try another ending"
            )

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> cv2.VideoWriter:
        """OpenCV's writer with the first codec that works."""
        codecs = CODECS[self.path.suffix.lower()]
        if self._at_end:
            self._held.enter_context(_passing(self._file))
        for codec in codecs:
            # Opening takes the place of a file that is there: not before it is known to work.
            if not self._at_end and not self._can_write(codec):
                continue
            if not self._at_end and _is_link(self.path):
                # OpenCV would write into the file behind it.
                with whole(self.path):
                    pass
            writer = self._writer_to(self._file, codec)
            if writer.isOpened():
                return writer
            writer.release()
        width, height = self._size
        other = "" if codecs == CODECS[".avi"] else "an .avi file, or "
        raise VideoError(
            f"{self.path} cannot be written at {width}x{height} and {self.fps:g} fps: OpenCV has "
            f"no codec for it here ({', '.join(codecs)} were tried); {other}another size or rate "
            "may work"
        )

    def _can_write(self, codec: str) -> bool:
        """Whether a codec opens beside the file."""
        with _passing(part_name(self._file)) as trial:
            writer = self._writer_to(trial, codec)
            works = writer.isOpened()
            writer.release()
        return works

    def _writer_to(self, file: Path, codec: str) -> cv2.VideoWriter:
        """OpenCV's writer, whether it opens or not."""
        return cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*codec), self.fps, self._size)

    def _loss(self, kept: int) -> str:
        """What became of frames that the finished file does not have."""
        why = "the disk or quota is full, or the codec failed"
        if kept:
            return f"has only {kept} of {self.written} frames: {why}"
        if not self._at_end:
            return f"could not be completed, and its last frames are missing: {why}"
        return f"could not be completed, and its {self.written} frames are lost: {why}"

    def _copies(self, time: float) -> int:
        """How often a frame has to be written to keep to the clock."""
        # Between finite times there may be more than a number can hold: infinitely many.
        steps = (time - self._zero) * self.fps + 0.5
        longest = math.ceil(self._longest_gap * self.fps)
        if steps >= self.written + longest:
            # As if this frame came just when the longest gap ends.
            self._zero = time - (self.written + longest - 1) / self.fps
            return longest
        return max(math.floor(steps) + 1 - self.written, 0) if steps > 0 else 0

    def _check_room(self) -> None:
        """Complete the file and complain before the disk is full."""
        free = shutil.disk_usage(self.path.parent).free
        if free >= self._min_free + INDEX_BYTES * self.written:
            return
        self.close()
        saved = f"the {self.written} frames so far are saved" if self.written else "nothing written"
        reason = f"disk full ({free / (1 << 20):.0f} MiB left); {saved}"
        raise OSError(errno.ENOSPC, reason, str(self.path))


def _is_link(path: Path) -> bool:
    """Whether a file is one, or has another name besides."""
    try:
        state = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(state.st_mode) or state.st_nlink > 1


def _check_text(path: Path) -> None:
    """Refuse a name that is no text, as those of files may be: OpenCV crashes over it.

    Raises:
        InputError: it is none.
    """
    if not is_text(str(path)):
        raise InputError(f"video {path} has a name that is no UTF-8; choose another")


@contextmanager
def _passing(file: Path) -> Iterator[Path]:
    """A hidden file that is gone afterwards, unless it has another name by then."""
    with writing(file):
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)


def fit_into(image: Image, width: int, height: int) -> Image:
    """Resize an image, its proportions kept, and centre it on black where it differs in shape."""
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_w = min(width, max(1, round(image.shape[1] * scale)))
    inner_h = min(height, max(1, round(image.shape[0] * scale)))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner_w) // 2, (height - inner_h) // 2
    canvas[top : top + inner_h, left : left + inner_w] = resize_to(image, inner_w, inner_h)
    return canvas
