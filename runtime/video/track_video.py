"""Following one object through a source of frames."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ..boxes import BoxLike, as_box
from ..errors import InputError, seen
from ..track.presence import TRACKING, Track
from ..track.tracker import Tracker
from .sources import Source
from .video import Frame, Video


def track_video(
    source: Source,
    box: BoxLike,
    *,
    tracker: Tracker | None = None,
    live: bool = False,
    start: int = 0,
    fps: float | None = None,
    value_range: Sequence[float] | None = None,
) -> Generator[tuple[Frame, Track], None, None]:
    """Follow an object through a source.

    Args:
        source: see :class:`Video`.
        box: the object in the first frame, ``(x, y, w, h)`` in pixels.
        tracker: used and left open. Default: one of its own, closed at the end.
        live, start, fps, value_range: see :class:`Video`.

    Yields:
        Every frame with what the tracker says of it, the first one (the given box) included.

    Raises:
        BoxError: the box is malformed or outside the first frame.
        VideoError, ImageError, InputError: see :class:`Video`.
    """
    box = as_box(box)
    if not isinstance(tracker, Tracker | None):
        raise InputError(f"tracker is {seen(tracker)}; give a Tracker")
    with Video(source, live=live, start=start, fps=fps, value_range=value_range) as video:
        own = Tracker() if tracker is None else None
        following = own or tracker
        assert following is not None
        try:
            for place, frame in enumerate(video):
                if place == 0:
                    following.init(frame.image, box)
                    yield frame, Track(box, 1.0, TRACKING)
                else:
                    yield frame, following.track(frame.image)
        finally:
            if own is not None:
                own.close()
