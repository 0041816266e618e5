"""Whether a followed object is there: the states, and the belief behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from ..answers import PlainAnswer, plain_box, rounded
from ..boxes import Box
from ..bundle.log_odds import log_odds
from ..bundle.track_recipe import TrackRecipe
from ..kinds import Numeric

TRACKING = "tracking"
UNCERTAIN = "uncertain"
LOST = "lost"

HALF_TURN: Numeric[float] = 180.0
"""Angles of objects lie within it, in degrees."""

Point = tuple[float, float]
Corners = tuple[Point, Point, Point, Point]


@dataclass(frozen=True)
class Track(PlainAnswer):
    """Where a followed object is in one frame.

    Attributes:
        box: ``(x, y, w, h)`` in pixels of the frame; of a lost object, its last box.
        score: 0 to 1; how surely it is the object; of a still one that of the last look at it, see
            :attr:`.TrackerOptions.still_frames`.
        state: ``tracking``, ``uncertain`` (out of sight for a moment, or hardly recognisable) or
            ``lost``.
        angle: degrees by which it is turned since the first frame, counter-clockwise as seen;
            ``None`` where it is not sure, as the next two are.
        scale: its size relative to the first frame.
        corners: where its first box's top-left, top-right, bottom-right and bottom-left corner lie,
            in pixels of the frame.
        ms: milliseconds that the frame took, of several objects all together; ``None`` of a first
            frame. Equal tracks may differ in it.
        name: of the object's template, or what it was called; empty if it was not.
    """

    box: Box
    score: float
    state: str
    angle: float | None = None
    scale: float | None = None
    corners: Corners | None = None
    ms: float | None = field(default=None, compare=False)
    name: str = ""

    @property
    def found(self) -> bool:
        """Whether the object is not lost."""
        return self.state != LOST

    def scaled(self, across: float, down: float) -> Track:
        """The same in a picture that is so much wider and higher."""
        box = self.box.scaled(across, down)
        if self.corners is None or self.scale is None:
            return replace(self, box=box)
        first, second, third, fourth = ((x * across, y * down) for x, y in self.corners)
        scale = self.scale * math.sqrt(across * down)
        return replace(self, box=box, scale=scale, corners=(first, second, third, fourth))

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as ``qatm track --json`` has it, in pixels.

        ``template`` is the name, where there is one; the pose is there where it is sure.
        """
        return {
            **({"template": self.name} if self.name else {}),
            "box": plain_box(self.box),
            "score": rounded(self.score, 4),
            "state": self.state,
            **self.pose(),
        }

    def pose(self) -> dict[str, Any]:
        """Angle, scale and corners as plain data, where they are sure; or nothing."""
        if self.corners is None:
            return {}
        corners = [[rounded(x, 2), rounded(y, 2)] for x, y in self.corners]
        return {
            "angle": rounded(self.angle or 0.0, 2),
            "scale": rounded(self.scale or 0.0, 4),
            "corners": corners,
        }

    def __repr__(self) -> str:
        which = f", template={self.name!r}" if self.name else ""
        return f"Track({self.box!r}, score={self.score:.4f}, state={self.state!r}{which})"


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
