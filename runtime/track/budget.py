"""How much of each frame's time the search for lost objects may take."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from ..kinds import Numeric

MILLISECOND: Numeric[float] = 1e-3
"""In the clock's seconds."""

REMEMBERED: Numeric[int] = 9
"""Measurements from which an estimate is made: single ones are disturbed."""

CAREFUL: Numeric[float] = 0.75
"""Part of the measurements of a kind of work that took no longer than its estimate."""

LEAST: Numeric[float] = 0.1
"""Of the ordinary looks' time, what a search gets where they alone take all of it: a lost object
would never be found again otherwise."""


class Work(Enum):
    """What a piece of work is for."""

    LOOK = auto()
    PART = auto()
    TARGET = auto()


class Piece(NamedTuple):
    """Work that is done in one frame.

    Attributes:
        pixels: working pixels that it encodes.
        work: a look at a place, the search of a part of the frame, or the target in another
            resolution.
    """

    pixels: float
    work: Work = Work.LOOK

    @property
    def kind(self) -> tuple[Work, int]:
        """Pieces of one kind take about as long per working pixel."""
        return self.work, int(self.pixels).bit_length()


class SearchBudget:
    """Shares the time that frames have left among the searches for lost objects.

    What a piece of work takes is estimated from its working pixels, by the pace at which the
    ordinary looks of the last frames were done, and by how many times as long a pixel took in
    pieces of its kind. Each piece is measured, and what it took is what the frame has less: an
    estimate that was wrong is made up for within the frame. Where the time of one frame is too
    short for any piece, it is saved until it is enough for the smallest one.

    Args:
        milliseconds: that a frame may take, ordinary looks included; 0 for no limit.
        clock: time in seconds, from any start.

    Attributes:
        idle: whether no search has done anything in this frame.
        whole: milliseconds that the search at hand had when it began.
        owed: whether its next piece is granted in any case.
    """

    def __init__(self, milliseconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.milliseconds = milliseconds
        self.idle = True
        self.whole = 0.0
        self.owed = False
        self._clock = clock
        self._paces: deque[float] = deque(maxlen=REMEMBERED)
        self._times: dict[tuple[Work, int], deque[float]] = {}
        self._doing: tuple[Piece, float] | None = None
        self._began = self._ends = self._share_ends = self._now
        self._saved = self._refused = 0.0

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.milliseconds > 0

    def begin(self) -> None:
        """A frame begins."""
        self._began = self._now
        self._doing = None

    def looked(self, pixels: int) -> None:
        """The ordinary looks of the frame are done; they had so many working pixels."""
        now = self._now
        spent = now - self._began
        if pixels:
            self._paces.append(max(spent, MILLISECOND) / pixels)
        spare = max(self.milliseconds - spent, LEAST * spent)
        if self.idle:
            # No more than a piece takes: frames that follow an idle one would take the time of two.
            spare = max(spare, min(self._saved + spare, self._refused))
        self._ends = self._share_ends = now + spare
        self._saved = self._refused = 0.0
        self.idle = True

    def share(self, searches: int, *, owed: bool = False) -> None:
        """Another search begins.

        Args:
            searches: so many are still to come in this frame, this one included.
            owed: its ordinary look was left out, so that its first piece is granted in any case.
        """
        now = self._now
        self.whole = max(0.0, self._ends - now) / searches
        self._share_ends = now + self.whole
        self.owed = owed

    def cost(self, piece: Piece) -> float:
        """Milliseconds that a piece of work is expected to take."""
        times = self._times_of(piece)
        return piece.pixels * self._pace * (1.0 if times is None else times)

    def knows(self, piece: Piece) -> bool:
        """Whether pieces like this one were measured, of any size."""
        return self._times_of(piece) is not None

    def take(self, piece: Piece) -> bool:
        """Ask for a piece of work; a granted one has to be done at once.

        A search may take more than its share if nothing was done yet in this frame: shares may all
        be smaller than any piece.
        """
        now, cost = self._now, self.cost(piece)
        ends = self._ends if self.idle else self._share_ends
        granted = self.owed or cost <= ends - now
        if granted:
            self.idle = self.owed = False
            self._doing = piece, now
        else:
            self._refused = min(self._refused or cost, cost)
            self._saved = max(0.0, self._ends - now)
        return granted

    def done(self) -> None:
        """The piece of work that was granted last is done."""
        if self._doing is None:
            return
        (piece, began), self._doing = self._doing, None
        usual = piece.pixels * self._pace
        if usual > 0:
            times = self._times.setdefault(piece.kind, deque(maxlen=REMEMBERED))
            times.append((self._now - began) / usual)

    def _times_of(self, piece: Piece) -> float | None:
        """How many times as long as in an ordinary look a pixel takes, if that is known."""
        alike = {
            size: sorted(times)[int(CAREFUL * (len(times) - 1))]
            for (work, size), times in self._times.items()
            if work is piece.work
        }
        # A pixel of a larger piece takes no longer: what is known of smaller ones goes for it too,
        # so that a large one that was disturbed once does not stay too dear to be tried again.
        smaller = [times for size, times in alike.items() if size <= piece.kind[1]]
        return min(smaller or alike.values(), default=None)

    @property
    def _pace(self) -> float:
        """Milliseconds that a working pixel of an ordinary look takes."""
        return statistics.median_low(self._paces) if self._paces else 0.0

    @property
    def _now(self) -> float:
        """Milliseconds from any start."""
        return self._clock() / MILLISECOND
