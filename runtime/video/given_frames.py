"""Frames that a program has already: a generator, a list, an array of them."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any

from numpy.typing import NDArray

from ..arguments import as_number
from ..errors import ImageError
from ..images import checked_pixels

END = object()
"""What comes after the last frame: a missing one is no end."""


class GivenReader:
    """A reader on frames that are given one after another; the attributes are those of a reader.

    The frames are left to their owner: nothing is closed.

    Args:
        frames: arrays ``(H, W, 3)`` BGR, ``(H, W)`` grey or ``(H, W, 4)`` BGRA of any integer or
            float type; or what has such an ``image`` and a ``time`` in seconds, such as ``Frame``.
    """

    def __init__(self, frames: Iterable[Any]) -> None:
        self.count: int | None = len(frames) if isinstance(frames, Sized) else None
        self.name = "frames" if self.count is None else f"{self.count} frames"
        self.fps: float | None = None
        self.endless = False
        self.damaged = 0
        self._frames = iter(frames)
        self._given = 0
        self._time: float | None = None

    def read(self) -> NDArray[Any] | None:
        """The next frame; ``None`` at the end.

        Raises:
            ImageError: it is not a usable image; the message says which it is.
            InputError: its time is no finite number.
        """
        frame = next(self._frames, END)
        if frame is END:
            return None
        name = f"frame {self._given}"
        self._given += 1
        time = getattr(frame, "time", None)
        self._time = None if time is None else as_number(time, f"time of {name}")
        try:
            return checked_pixels(getattr(frame, "image", frame), name)
        except ImageError as error:
            raise ImageError(f"{error}; the source gives frames as numpy arrays") from error

    def skip(self) -> bool:
        """Pass over a frame; whether there was one."""
        self._given += 1
        return next(self._frames, END) is not END

    def position(self) -> float | None:
        """Time of the last frame, where it says one."""
        return self._time

    def close(self) -> None:
        """Forget the frames."""
        self._frames = iter(())
