"""Following objects through an opened video, to its end or as long as somebody watches."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ...runtime import MatcherInfo, MultiTracker, Tracker
from ...runtime.backends.graph import Device, Precision
from ...runtime.errors import plain
from ...runtime.images import Image
from ...runtime.track.presence import LOST, TRACKING, UNCERTAIN, Track
from ...runtime.video.video import Frame, Video
from ..console import progress
from ..inputs import NamedBox
from .track_outputs import Outputs

Tracks = Mapping[int | None, Track]

STATES = (TRACKING, UNCERTAIN, LOST)
RATE_FRAMES = 30


@dataclass(frozen=True)
class FollowOptions:
    """Which model to follow with, and whether one object or several."""

    model: Path | None
    device: Device
    precision: Precision
    several: bool

    def open(self) -> Following:
        """Load the model."""
        kind = MultiTracker if self.several else Tracker
        return Following(kind(self.model, self.device, precision=self.precision))


class Following:
    """One object or several behind one face."""

    def __init__(self, tracker: Tracker | MultiTracker) -> None:
        self._tracker = tracker

    @property
    def info(self) -> MatcherInfo:
        """What it runs on."""
        return self._tracker.info

    def start(self, image: Image, objects: Sequence[NamedBox]) -> Tracks:
        """Mark the objects in the first frame."""
        tracks = [Track(box, 1.0, TRACKING, name=name or "") for name, box in objects]
        if isinstance(self._tracker, MultiTracker):
            return {self._tracker.add(image, one.box, name=one.name): one for one in tracks}
        (track,) = tracks
        self._tracker.init(image, track.box, name=track.name)
        return {None: track}

    def step(self, image: Image) -> Tracks:
        """Find the objects in the next frame."""
        found = self._tracker.track(image)
        return {**found} if isinstance(found, dict) else {None: found}

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        self._tracker.close()


@dataclass
class Summary:
    """What became of the objects.

    Attributes:
        frames: how many frames were looked at.
        states: per object, in how many frames after the first it was in which state.
        names: per object, what it is called; empty if it has no name.
        seconds: spent in the tracker, the first frame left out.
    """

    frames: int = 0
    states: dict[int | None, Counter[str]] = field(default_factory=dict)
    names: dict[int | None, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def found(self) -> bool:
        """Whether any object was seen again after the first frame."""
        return any(sum(count.values()) > count[LOST] for count in self.states.values())

    def add(self, tracks: Tracks, seconds: float) -> None:
        """Count a frame; the first one only starts the counting."""
        for number, track in tracks.items():
            count = self.states.setdefault(number, Counter())
            self.names[number] = track.name
            if self.frames:
                count[track.state] += 1
        self.seconds += seconds if self.frames else 0.0
        self.frames += 1

    def lines(self, name: str, dropped: int) -> Iterator[str]:
        """The summary for people: a line per object."""
        later = max(0, self.frames - 1)
        gone = f", {dropped} dropped" if dropped else ""
        rate = f", tracker {later / self.seconds:.1f} fps" if self.seconds > 0 else ""
        size = f"{self.frames} frame{'' if self.frames == 1 else 's'}{gone}"
        for number, count in self.states.items():
            called = ["" if number is None else f"object {number}", self.names[number]]
            which = "".join(f" {word}:" for word in called if word)
            states = ", ".join(f"{state} {count[state]}" for state in STATES if count[state])
            yield plain(f"{name}:{which} {size}; after the first: {states or 'nothing'}{rate}")


def follow_video(
    video: Video,
    following: Following,
    mark: Callable[[Image], Sequence[NamedBox]],
    outputs: Outputs,
    summary: Summary,
    limit: int | None = None,
) -> None:
    """Follow objects to the end of a video, or until the viewer or the limit ends it.

    Args:
        video: opened, at its first frame.
        following: the tracker.
        mark: gives the objects in the first frame.
        outputs: take every frame.
        summary: counted up frame by frame, so that it holds whatever happens.
        limit: end after so many frames.
    """
    total = limit
    if video.count is not None:
        left = max(0, video.count - video.start)
        total = left if limit is None else min(left, limit)
    frames: Iterable[Frame] = video if limit is None else islice(video, limit)
    name, note = Path(video.name).name or video.name, RateNote()
    with progress() as bar:
        for frame in frames:
            marked = mark(frame.image) if summary.frames == 0 else ()
            start = time.perf_counter()
            tracks = following.start(frame.image, marked) if marked else following.step(frame.image)
            summary.add(tracks, time.perf_counter() - start)
            bar(name, summary.frames, total, note(tracks))
            if not outputs.take(frame, tracks):
                break


class RateNote:
    """What the progress bar says beside the count: frames per second lately, and the states."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque([time.perf_counter()], maxlen=RATE_FRAMES)

    def __call__(self, tracks: Tracks) -> str:
        """The note after a frame."""
        moments = self._moments
        moments.append(time.perf_counter())
        rate = (len(moments) - 1) / max(moments[-1] - moments[0], 1e-9)
        return f"{rate:.1f} fps  {states_in_short(tracks)}"


def states_in_short(tracks: Tracks) -> str:
    """The state of one object; of several, how many are in which state."""
    if len(tracks) == 1:
        return next(iter(tracks.values())).state
    count = Counter(track.state for track in tracks.values())
    return ", ".join(f"{count[state]} {state}" for state in STATES if count[state])
