"""Frames that need no look: the object was surely seen, and hardly changes."""

from __future__ import annotations

from ..kinds import Numeric
from .options import TrackerOptions

KEPT: Numeric[float] = 0.7
"""Part of a sum of changes that a further reading keeps."""


class Calm:
    """Whether the frame at hand may do without a look.

    Args:
        options: how sure is sure, and how little is hardly.
    """

    def __init__(self, options: TrackerOptions) -> None:
        self._options = options
        self._left = 0
        self._trends: tuple[float, ...] = (0.0, 0.0, 0.0)

    @property
    def still(self) -> bool:
        """Whether the next frame may do without."""
        return self._left > 0

    def begin_again(self) -> None:
        """Look in the next frame."""
        self._left = 0

    def passed(self) -> None:
        """A frame did without."""
        self._left -= 1

    def surely(self, score: float, moved: float) -> bool:
        """Whether the object was surely seen near a place.

        Args:
            score: of the frame.
            moved: distance from the place, in sides of the object.
        """
        needed = self._options.sure_score
        return needed < 1 and score >= needed and moved <= self._options.sure_move

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
        self._left = self._options.still_frames if still else 0
