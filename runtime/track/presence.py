"""Whether a followed object is there: the states, and the belief behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..answers import PlainAnswer, plain_box, rounded
from ..boxes import Box
from ..bundle.log_odds import log_odds
from ..bundle.recipes import TrackRecipe

TRACKING = "tracking"
UNCERTAIN = "uncertain"
LOST = "lost"


@dataclass(frozen=True)
class Track(PlainAnswer):
    """Where a followed object is in one frame.

    Attributes:
        box: ``(x, y, w, h)`` in pixels of the frame; of a lost object, its last box.
        score: 0 to 1; how surely it is the object.
        state: ``tracking``, ``uncertain`` (out of sight for a moment, or hardly recognisable) or
            ``lost``.
        ms: milliseconds that the frame took, of several objects all together; ``None`` of a first
            frame. Equal tracks may differ in it.
    """

    box: Box
    score: float
    state: str
    ms: float | None = field(default=None, compare=False)

    @property
    def found(self) -> bool:
        """Whether the object is not lost."""
        return self.state != LOST

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as ``qatm track --json`` has it; the box in pixels."""
        return {
            "box": plain_box(self.box),
            "score": rounded(self.score, 4),
            "state": self.state,
        }

    def __repr__(self) -> str:
        return f"Track({self.box!r}, score={self.score:.4f}, state={self.state!r})"


class Belief:
    """How surely the object is followed, in log-odds, from the scores of the frames so far.

    Attributes:
        state: ``tracking``, ``uncertain`` or ``lost``.

    Args:
        recipe: how fast the belief changes, and what it takes for each state.
    """

    def __init__(self, recipe: TrackRecipe) -> None:
        self.state = TRACKING
        self._recipe = recipe
        self._odds = recipe.most_odds

    def weigh(self, score: float) -> None:
        """Weigh a frame's score with those before it."""
        recipe = self._recipe
        seen = self._bounded(log_odds(score))
        self._odds = recipe.inertia * self._odds + (1 - recipe.inertia) * seen
        if self._odds >= self._bounded(log_odds(recipe.found_score)):
            self.state = TRACKING
        elif self._odds < self._bounded(log_odds(recipe.lost_score)):
            self.state = LOST
        else:
            self.state = UNCERTAIN

    def begin_again(self, odds: float) -> None:
        """Believe what was found, with the log-odds of what is seen there."""
        self.state, self._odds = TRACKING, self._bounded(odds)

    def give_up(self) -> None:
        """Believe that it is out of sight."""
        self.state, self._odds = LOST, -self._recipe.most_odds

    def _bounded(self, odds: float) -> float:
        """Log-odds within what is believed at most."""
        return min(max(odds, -self._recipe.most_odds), self._recipe.most_odds)
