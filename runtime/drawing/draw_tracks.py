"""Pictures of tracks: each followed object with its box, score, state and trail on the frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import cv2

from ..arguments import as_count
from ..errors import InputError, seen
from ..images import AnyImage, Image, as_bgr
from ..kinds import Bound, Numeric
from ..track.presence import LOST, TRACKING, UNCERTAIN, Track
from ..track.record_checks import check_drawn
from .labels import FOUND_COLOUR, MISSED_COLOUR, Label, draw_labels, in_short
from .outlines import FURTHEST, INK, Colour, corners_of, draw_box, line_unit

LOST_COLOUR: Numeric[Colour] = (170, 170, 170)
COLOURS = {TRACKING: FOUND_COLOUR, UNCERTAIN: MISSED_COLOUR, LOST: LOST_COLOUR}

SUBPIXELS: Numeric[int] = 4
"""Binary digits of parts of a pixel that trails are drawn with."""

LONGEST_TRAIL: Bound[int] = 1_000_000_000
"""Frames."""

Tracks = Mapping[int, Track] | Mapping[int | None, Track]
"""By the number of the object; ``None`` is an object that is alone."""

Middle = tuple[float, float]


class Trails:
    """Where the middles of objects were in the last frames, for :func:`draw_tracks`.

    Args:
        length: how many frames back a trail reaches.

    Raises:
        InputError: ``length`` is no whole number from 1 to :data:`LONGEST_TRAIL`.
    """

    def __init__(self, length: int = 25) -> None:
        if not 1 <= (length := as_count(length, "length")) <= LONGEST_TRAIL:
            raise InputError(
                f"length {length} of trails is not a number of frames; give 1 to {LONGEST_TRAIL:,}"
            )
        self.length = length
        self._middles: dict[int | None, deque[Middle | None]] = {}

    def add(self, tracks: Tracks) -> None:
        """Take a frame's tracks; objects that are no longer among them have no trail any more.

        Where an object is lost, its trail has a gap.

        Raises:
            InputError: they are none.
        """
        _check(tracks)
        self._middles = {
            number: self._middles.get(number, deque(maxlen=self.length + 1)) for number in tracks
        }
        for number, track in tracks.items():
            self._middles[number].append(track.box.centre if track.found else None)

    def of(self, number: int | None) -> list[Middle | None]:
        """The middles of an object, oldest first, ``None`` where it was lost."""
        return list(self._middles.get(number, ()))


def draw_tracks(image: AnyImage, tracks: Track | Tracks, trails: Trails | None = None) -> Image:
    """Draw boxes on a copy of a frame: green tracking, orange uncertain, grey and dashed lost.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        tracks: what ``Tracker.track`` or ``MultiTracker.track`` gave: a track, or several by the
            number of their object, which is written beside name and score.
        trails: kept from frame to frame; this frame's tracks are added, and lines show where the
            objects came from, thinner the longer ago.

    Returns:
        ``(H, W, 3)`` uint8 BGR.

    Raises:
        ImageError: the image is not a usable array.
        InputError: ``tracks`` or ``trails`` are something else, or a track holds what no tracker
            gives.
    """
    canvas = as_bgr(image).copy()
    several: Tracks = {None: tracks} if isinstance(tracks, Track) else tracks
    _check(several)
    if not isinstance(trails, Trails | None):
        raise InputError(f"trails are {seen(trails)}; give Trails()")
    if trails is not None:
        trails.add(several)
        for number, track in several.items():
            _draw_trail(canvas, trails.of(number), COLOURS[track.state])
    order = list(several.items())[::-1]
    for _, track in order:
        draw_box(canvas, track.box, 1.0, COLOURS[track.state], dashed=track.state == LOST)
    # After all boxes: no line of one goes through the words of another.
    draw_labels(
        canvas,
        [
            Label(track.box, corners_of(track.box), _words(number, track), COLOURS[track.state])
            for number, track in several.items()
        ],
    )
    return canvas


def _check(tracks: Any) -> None:
    """Refuse what are no tracks.

    Raises:
        InputError: they are none.
    """
    if not isinstance(tracks, Mapping) or not all(
        isinstance(track, Track) for track in tracks.values()
    ):
        raise InputError(f"tracks are {seen(tracks)}; give what track() returned")
    for number, track in tracks.items():
        if number is not None:
            as_count(number, "the number of a track")
        check_drawn(track)


def _words(number: int | None, track: Track) -> str:
    """What is written beside a box: which object, how surely, and its state."""
    words = [
        "" if number is None else f"#{number}",
        in_short(track.name),
        "" if track.state == LOST else f"{track.score:.2f}",
        "" if track.state == TRACKING else track.state,
    ]
    return " ".join(word for word in words if word)


def _draw_trail(canvas: Image, middles: list[Middle | None], colour: Colour) -> None:
    """Draw a line through an object's middles, on a dark one that shows it on any ground."""
    widest = 4.0 * line_unit(canvas)
    for rim, ink in ((2, INK), (0, colour)):
        for place, (start, end) in enumerate(pairwise(middles), 1):
            if start is None or end is None:
                continue
            width = max(1, round(widest * place / len(middles))) + rim
            cv2.line(canvas, _fixed(start), _fixed(end), ink, width, cv2.LINE_AA, SUBPIXELS)


def _fixed(middle: Middle) -> tuple[int, int]:
    """A point with parts of a pixel, of which the middle of the first lies at 0 for OpenCV."""
    near = (min(max(value - 0.5, -FURTHEST), FURTHEST) for value in middle)
    x, y = (round(value * (1 << SUBPIXELS)) for value in near)
    return x, y
