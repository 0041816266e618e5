"""Pictures of tracks: each followed object with its box, score and state on the frame."""

from __future__ import annotations

from collections.abc import Mapping

from ...runtime.images import Image, as_bgr
from ...runtime.track.presence import LOST, TRACKING, UNCERTAIN, Track
from .draw import FOUND_COLOUR, MISSED_COLOUR, draw_label
from .outlines import draw_box

LOST_COLOUR = (170, 170, 170)
COLOURS = {TRACKING: FOUND_COLOUR, UNCERTAIN: MISSED_COLOUR, LOST: LOST_COLOUR}


def draw_tracks(image: Image, tracks: Mapping[int | None, Track]) -> Image:
    """Draw boxes on a copy of a frame: green tracking, orange uncertain, grey and dashed lost.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        tracks: by the id of the object, which is written beside the score; ``None`` for an object
            that is alone.

    Returns:
        ``(H, W, 3)`` uint8 BGR.

    Raises:
        ImageError: the image is not a usable array.
    """
    canvas = as_bgr(image).copy()
    for number, track in reversed(list(tracks.items())):
        colour = COLOURS[track.state]
        lost = track.state == LOST
        draw_box(canvas, track.box, 1.0, colour, dashed=lost)
        words = [
            "" if number is None else f"#{number}",
            "" if lost else f"{track.score:.2f}",
            "" if track.state == TRACKING else track.state,
        ]
        draw_label(canvas, track.box, 1.0, " ".join(word for word in words if word), colour)
    return canvas
