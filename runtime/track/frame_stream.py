"""Streams as they are: frames that come twice, and frames that change their size on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image, resize_to
from ..kinds import Bound, Numeric
from ..limits import PICTURE_PIXELS
from ..patches.windows import clamped
from .presence import Point, Track

Array = NDArray[Any]

POINTS: Bound[int] = 96
"""Rows and columns of pixels of a frame that are kept, to know it by; its size does not count."""

NEAR: Bound[int] = 48
"""The same of an object and what is around it."""

AROUND: Numeric[float] = 2.0
"""Sides of the object that count as around it."""

CUT_MARGIN: Bound[float] = 0.2
"""Correlation by which a frame of another size has to fit better as a part than as a whole."""


LEAST_SIDE: Bound[int] = 8
"""Rows and columns that show by how much a picture has moved."""

SURELY_MOVED: Bound[float] = 0.1
"""Response of the phase correlation from which a move may be one; pictures of different things have
less in half of the cases, and frames one after the other hardly ever."""


class FrameChange(NamedTuple):
    """What became of the frame before.

    Attributes:
        repeated: it came again, pixel for pixel.
        resized: the new one has another size.
        cut: it is not the picture in another resolution, but lost or gained rows and columns at the
            right and at the bottom: pixels stay where they are.
    """

    repeated: bool = False
    resized: bool = False
    cut: bool = False


class Sample(NamedTuple):
    """Some pixels of a frame: which, and what they show."""

    rows: slice
    columns: slice
    pixels: Array

    @classmethod
    def of(cls, frame: Image, rows: tuple[int, int], columns: tuple[int, int], most: int) -> Sample:
        """At most so many rows and columns out of a range of each, evenly spaced."""
        steps = [max(1, -(-(stop - start) // most)) for start, stop in (rows, columns)]
        down, across = slice(*rows, steps[0]), slice(*columns, steps[1])
        return cls(down, across, frame[down, across].copy())

    def shown_by(self, frame: Image) -> bool:
        """Whether a frame of the same size has the same pixels there."""
        row = len(self.pixels) // 2
        line = frame[self.rows.start + row * self.rows.step, self.columns]
        # One row tells of nearly every frame that it is another one.
        return np.array_equal(line, self.pixels[row]) and np.array_equal(
            frame[self.rows, self.columns], self.pixels
        )


class FrameStream:
    """Knows the frame before by some of its pixels, of all of it and around the object.

    What it costs depends on the frame's size and on the object's as little as following does.
    """

    def __init__(self) -> None:
        self._size = (0, 0)
        self._samples: tuple[Sample, ...] = ()

    def keep(self, frame: Image, box: Box) -> None:
        """Remember a frame, ``(H, W, 3)`` uint8 BGR, that shows the object in a box."""
        height, width = self._size = frame.shape[:2]
        (x, y), w, h = box.centre, AROUND * box.w, AROUND * box.h
        rows = clamped(round(y - h / 2), round(y + h / 2), 1, height)
        columns = clamped(round(x - w / 2), round(x + w / 2), 1, width)
        self._samples = (
            Sample.of(frame, (0, height), (0, width), POINTS),
            Sample.of(frame, rows, columns, NEAR),
        )

    def change(self, frame: Image) -> FrameChange:
        """How a frame differs from the one that was kept."""
        if not self._samples:
            return FrameChange()
        if frame.shape[:2] == self._size:
            return FrameChange(repeated=all(sample.shown_by(frame) for sample in self._samples))
        return FrameChange(resized=True, cut=self._is_cut(frame))

    def moved(self, frame: Image) -> Point | None:
        """How far what the frame that was kept shows has moved, right and down, in pixels.

        That of most of the picture, which is the camera's motion: phase correlation of C. D. Kuglin
        and D. C. Hines, "The phase correlation image alignment method", 1975, up to half the
        frame's sides, to about one of :data:`POINTS` parts of them. ``None`` where nothing is sure.
        """
        if not self._samples or frame.shape[:2] != self._size:
            return None
        kept = self._samples[0]
        before, now = (_grey(pixels) for pixels in (kept.pixels, frame[kept.rows, kept.columns]))
        if min(before.shape) < LEAST_SIDE or not (np.ptp(before) and np.ptp(now)):
            return None
        window = cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F)
        (across, down), response = cv2.phaseCorrelate(before, now, window)
        if not response >= SURELY_MOVED:
            return None
        return across * kept.columns.step, down * kept.rows.step

    def _is_cut(self, frame: Image) -> bool:
        """Whether the frame before goes on pixel by pixel, not in another resolution."""
        sample = self._samples[0]
        (height, width), (rows, columns) = frame.shape[:2], self._size
        down = np.arange(0, rows, sample.rows.step)
        across = np.arange(0, columns, sample.columns.step)
        whole = frame[down * height // rows][:, across * width // columns]
        down, across = down[down < height], across[across < width]
        part = frame[down][:, across]
        kept = sample.pixels[: len(down), : len(across)]
        return _likeness(part, kept) > _likeness(whole, sample.pixels) + CUT_MARGIN


class StreamView:
    """What one object's follower sees of a stream: frames of one size.

    A follower keeps places, moves, sizes and looks in pixels. When the stream goes on in another
    resolution, frames are brought to the size of those before, and what is found in them back to
    their own: all that is kept stays as it is, and a picture that is stretched keeps its outlines.

    Args:
        frame: the first one, ``(H, W, 3)`` uint8 BGR.
        track: the object in it.

    Attributes:
        size: width and height of the frames that the follower sees.
        factors: their pixels per pixel of the stream, across and down.
        repeated: whether the last frame was the one before once more.
        latest: what was said of the last frame, in its pixels.
    """

    def __init__(self, frame: Image, track: Track) -> None:
        self.size = frame.shape[1], frame.shape[0]
        self.factors = 1.0, 1.0
        self.repeated = False
        self._stream = FrameStream()
        self._stream.keep(frame, track.box)
        self.latest = track

    def take(self, frame: Image) -> None:
        """The stream goes on with a frame, of whatever size."""
        change = self._stream.change(frame)
        self.repeated = change.repeated
        if change.resized:
            height, width = frame.shape[:2]
            if change.cut:
                across, down = self.factors
                size = max(1, round(width * across)), max(1, round(height * down))
                # After frames of a few pixels, the whole of a large one would be enormous.
                self.size = self.size if PICTURE_PIXELS.refusal(size[0] * size[1]) else size
            self.factors = self.size[0] / width, self.size[1] / height

    def shown(self, frame: Image) -> Image:
        """The frame as the follower sees it."""
        return resize_to(frame, *self.size)

    def moved(self, frame: Image) -> Point | None:
        """How far all that a frame shows has moved since the one before, as the follower sees it.

        ``None`` where nothing is sure; see :meth:`FrameStream.moved`.
        """
        moved = self._stream.moved(frame)
        return moved and (moved[0] * self.factors[0], moved[1] * self.factors[1])

    def conclude(self, frame: Image, track: Track) -> Track:
        """What the follower says of the frame, in the frame's own pixels."""
        if self.factors != (1.0, 1.0):
            across, down = self.factors
            track = track.scaled(1 / across, 1 / down)
        self._stream.keep(frame, track.box)
        # A follower knows how its object looks, and not what it is called.
        self.latest = replace(track, name=self.latest.name)
        return self.latest


def _likeness(one: Array, other: Array) -> float:
    """Correlation of the pixels of two pictures, -1 to 1; 0 where one shows a single colour."""
    if min(one.shape[:2]) < 2:  # noqa: PLR2004
        return 0.0
    a, b = (_grey(part) for part in (one, other))
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def _grey(pixels: Array) -> Array:
    """Mean of the colours ``(H, W, 3)``, ``(H, W)`` float32."""
    return pixels.astype(np.float32).mean(2)
