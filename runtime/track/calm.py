"""Frames of which less has to be looked at: the object was surely seen, and hardly changes."""

from __future__ import annotations

from ..kinds import Numeric
from .options import TrackerOptions

KEPT: Numeric[float] = 0.7
"""Part of a sum of changes that a further reading keeps."""


class Calm:
    """Whether less will do for the frame at hand.

    Args:
        options: how sure is sure, and how little is hardly.

    Attributes:
        near: whether the smaller region will do.
    """

    def __init__(self, options: TrackerOptions) -> None:
        self._options = options
        self.near = False
        self._unread = 0
        self._trends: tuple[float, ...] = (0.0, 0.0, 0.0)

    @property
    def still(self) -> bool:
        """Whether size, shape and turn need not be read in the next frame."""
        return self._unread > 0

    def begin_again(self) -> None:
        """Read everything in the next frame."""
        self._unread = 0

    def surely(self, score: float, moved: float) -> bool:
        """Whether the object was surely seen near a place.

        Args:
            score: of the frame.
            moved: distance from the place, in sides of the object.
        """
        needed = self._options.sure_score
        return needed < 1 and score >= needed and moved <= self._options.sure_move

    def reads(self, score: float, off: float) -> bool:
        """Whether size, shape and turn are read in this frame, or stay what they are.

        Args:
            score: of the frame.
            off: sides between where the object was expected and where it seems to be.
        """
        if not self.surely(score, off):
            self.begin_again()
        if self._unread == 0:
            return True
        self._unread -= 1
        return False

    def read(self, changes: tuple[float, float, float], moved: float) -> None:
        """Size, shape and turn were read in this frame.

        Args:
            changes: of the logarithms of size and shape, and of the turn in radians.
            moved: sides by which the place was corrected.
        """
        most = self._options.still_change
        # Noise comes and goes; what goes on adds up to as much as a change at once.
        self._trends = tuple(
            KEPT * before + now for before, now in zip(self._trends, changes, strict=True)
        )
        still = max(moved, *map(abs, changes), *map(abs, self._trends)) <= most
        self._unread = self._options.still_frames if still else 0
