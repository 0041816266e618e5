"""What a tracker is shown: frames of a sequence as they are, without the object, or of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ....runtime.boxes import Box
from ....runtime.images import Image, read_image, resize_to
from .sequences import TrackSequence

AS_IT_IS = "sequence"
HIDE = "hide"
CUT = "cut"

MARGIN = 0.2
"""Of the box, on each side, that is hidden with it: true boxes are often a little tight."""

SOFT = 4
"""Width of the soft edge of what hides the object, in pixels."""


@dataclass(frozen=True)
class Shot:
    """One frame of a video.

    Attributes:
        path: the picture.
        hide: box of the object to remove, if any.
        size: width and height to resize to, for a frame of another video.
    """

    path: Path
    hide: Box | None = None
    size: tuple[int, int] | None = None

    def load(self) -> Image:
        """Read the frame, ``(H, W, 3)`` uint8 BGR.

        Raises:
            ImageError: it cannot be read.
        """
        image = read_image(self.path)
        if self.size is not None:
            image = resize_to(image, *self.size)
        return image if self.hide is None else hide_object(image, self.hide)


@dataclass(frozen=True, eq=False)
class TestVideo:
    """A video with known answers.

    Attributes:
        name: of the sequence.
        kind: ``sequence`` (as it is), ``hide`` or ``cut``.
        shots: its frames.
        truth: ``(N, 4)`` boxes x, y, w, h; NaN where the object is absent.
        absences: first frame of each absence made here, and first frame after it.
    """

    name: str
    kind: str
    shots: tuple[Shot, ...]
    truth: NDArray[np.float64]
    absences: tuple[tuple[int, int], ...] = ()

    @property
    def start(self) -> Box:
        """The box in the first frame."""
        return Box(*map(float, self.truth[0]))

    @property
    def title(self) -> str:
        """The name, with the kind if the video was made here."""
        return self.name if self.kind == AS_IT_IS else f"{self.name} ({self.kind})"


def plain_video(sequence: TrackSequence) -> TestVideo:
    """A sequence as it is."""
    shots = tuple(Shot(path) for path in sequence.frames)
    return TestVideo(sequence.name, AS_IT_IS, shots, sequence.truth)


def hide_object(image: Image, box: Box) -> Image:
    """Remove an object: cover its box, and a margin, with what lies beside it.

    The side with the most room lends its pixels, stretched where there are too few of them.

    Args:
        image: ``(H, W, 3)`` uint8 BGR; not changed.
        box: of the object, in pixels.

    Returns:
        ``(H, W, 3)`` uint8 BGR.
    """
    height, width = image.shape[:2]
    left, right = _grown(box.x, box.w, width)
    top, bottom = _grown(box.y, box.h, height)
    if right <= left or bottom <= top:
        return image
    strips = list(_strips(image, (left, top, right, bottom)))
    shape = (bottom - top, right - left)
    if strips:
        # Most of it in its own size; the first of equals.
        best = max(strips, key=lambda strip: strip.shape[0] * strip.shape[1])
        cover = cv2.resize(best, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    else:
        cover = np.broadcast_to(image.mean(axis=(0, 1)), (*shape, 3))
    down, across = _edge(top, bottom, height), _edge(left, right, width)
    weight = np.minimum(down[:, None], across[None, :])[..., None]
    result = image.copy()
    region = result[top:bottom, left:right]
    region[:] = np.rint(region * (1.0 - weight) + cover * weight).astype(np.uint8)
    return result


def _grown(start: float, length: float, limit: int) -> tuple[int, int]:
    """A side of a box with the margin, in whole pixels inside the frame."""
    margin = MARGIN * length + SOFT
    first, last = np.floor(start - margin), np.ceil(start + length + margin)
    return int(np.clip(first, 0, limit)), int(np.clip(last, 0, limit))


def _edge(first: int, last: int, limit: int) -> NDArray[np.float64]:
    """How much of the cover shows along one side: softly less at its ends inside the frame."""
    places = np.arange(first, last)
    near = places - first + 1 if first > 0 else np.full(len(places), SOFT)
    far = last - places if last < limit else np.full(len(places), SOFT)
    return np.minimum(np.minimum(near, far) / SOFT, 1.0)


def _strips(image: Image, region: tuple[int, int, int, int]) -> Iterator[Image]:
    """What lies left, right, above and below a region, at most as large as it."""
    left, top, right, bottom = region
    wide, tall = right - left, bottom - top
    sides = (
        image[top:bottom, max(0, left - wide) : left],
        image[top:bottom, right : right + wide],
        image[max(0, top - tall) : top, left:right],
        image[bottom : bottom + tall, left:right],
    )
    return (side for side in sides if side.size)
