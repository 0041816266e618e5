"""How much of each frame's time the search for lost objects may take."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..kinds import Numeric

MILLISECOND: Numeric[float] = 1e-3
"""In the clock's seconds."""

SLOWER: Numeric[float] = 0.1
"""Part of a frame's pace that enters the estimate: single frames are disturbed."""

LEAST: Numeric[float] = 0.1
"""Of the ordinary looks' time, what a search gets where they alone take all of it: a lost object
would never be found again otherwise."""


class SearchBudget:
    """Shares the time that frames have left among the searches for lost objects.

    What a piece of work takes is estimated from its working pixels, by the pace at which the
    ordinary looks of the own frames were done. Where the time of one frame is too short for
    any piece, it is saved until it is enough for the smallest one.

    Args:
        milliseconds: that a frame may take, ordinary looks included; 0 for no limit.
        clock: time in seconds, from any start.

    Attributes:
        idle: whether no search has done anything in this frame.
    """

    def __init__(self, milliseconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.milliseconds = milliseconds
        self._clock = clock
        self._began = clock()
        self._pace = 0.0
        self._left = self._share = self._refused = 0.0
        self.idle = True

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.milliseconds > 0

    @property
    def left(self) -> float:
        """Working pixels that the search at hand may still take."""
        return self._share

    def begin(self) -> None:
        """A frame begins."""
        self._began = self._clock()

    def looked(self, pixels: int) -> None:
        """The ordinary looks of the frame are done; they had so many working pixels."""
        saved = self._left
        spent = max((self._clock() - self._began) / MILLISECOND, MILLISECOND)
        pace = pixels / spent
        self._pace += (pace - self._pace) * (SLOWER if self._pace else 1.0)
        spare = max(self.milliseconds - spent, LEAST * spent) * self._pace
        # No more than a piece takes: frames that follow an idle one would take the time of two.
        self._left = max(spare, min(saved + spare, self._refused))
        self._share = self._refused = 0.0
        self.idle = True

    def share(self, searches: int) -> None:
        """Another search begins, one of so many that are still to come in this frame."""
        self._share = self._left / searches

    def take(self, pixels: float) -> bool:
        """Ask for a piece of work of so many working pixels; a granted one counts as done.

        A search may take more than its share if nothing was done yet in this frame: shares may all
        be smaller than any piece.
        """
        granted = pixels <= self._share or (self.idle and pixels <= self._left)
        if granted:
            self.idle = False
            self._left -= pixels
            self._share -= pixels
        else:
            self._refused = min(self._refused or pixels, pixels)
        return granted
