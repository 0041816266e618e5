"""The search for a lost target spread over frames: one look or one part of a frame at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..images import Image
from .budget import Piece, SearchBudget, Work
from .redetect import BESIDE_LOOKS, FramePart, WholeFrameSearch

Known = tuple[tuple[float, float], float]
"""A place where a target was seen: its centre in pixels of the frame, and its size there."""


class LikelyPlace(NamedTuple):
    """Where else a target may be.

    Attributes:
        centre: in pixels of the frame.
        size: of the target there, relative to its first.
        known: whether it was seen there, or only a search says so.
    """

    centre: tuple[float, float]
    size: float
    known: bool


class SpreadSearch:
    """Goes on, frame after frame, with the places where a lost target may be.

    In turn: a place where it was seen, then a part of the frame as large as the budget allows, then
    the likely places in that part. A place is looked at in the frame in which its turn comes.

    Args:
        search: finds likely places in parts of a frame.

    Attributes:
        refused: whether the time of the last frame was too short for anything.
    """

    def __init__(self, search: WholeFrameSearch) -> None:
        self._search = search
        self._look = Piece(math.prod(search.model.region_size))
        self.begin_again()

    def begin_again(self) -> None:
        """Forget what was planned."""
        self._waiting: deque[LikelyPlace] = deque()
        self._turn = 0
        self._searched = 0.0
        self.refused = False

    def places(
        self,
        frame: Image,
        known: Sequence[Known],
        budget: SearchBudget,
        sizes: Sequence[float],
    ) -> Iterator[LikelyPlace]:
        """The places to look at in this frame, as long as the budget lasts.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            known: centres and sizes where the target was seen, the last one first.
            budget: is asked for every look, and for every part of the frame.
            sizes: relative to the last one, at which the target is looked for in turn.
        """
        self._searched = 0.0
        self.refused, granted = False, False
        # Parts are of one size in frames with the ordinary look and in those without it.
        room = budget.whole - (budget.cost(self._look) if budget.owed else 0)
        # A generous budget allows no more than a search without one, which sees the frame once.
        while self._waiting or self._searched < 1:
            if not self._waiting:
                if self._turn % 2 == 0:
                    round_, which = divmod(self._turn // 2, len(known))
                    centre, size = known[which]
                    size *= sizes[round_ % len(sizes)]
                    self._waiting.append(LikelyPlace(centre, size, known=True))
                elif self._search_part(frame, known[0], room, budget, sizes):
                    granted = True
                else:
                    break
                self._turn += 1
            elif budget.take(self._look):
                granted = True
                yield self._waiting.popleft()
                budget.done()
            else:
                break
        self.refused = not granted

    def _search_part(
        self,
        frame: Image,
        last: Known,
        room: float,
        budget: SearchBudget,
        sizes: Sequence[float],
    ) -> bool:
        """Search the next part of the frame, if the budget allows.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            last: where the target was last seen.
            room: milliseconds that a part may take in a frame that does nothing else.
            budget: is asked.
            sizes: as for :meth:`places`.
        """
        model = self._search.model
        size = last[1] * self._search.in_turn(frame, last[1], sizes, BESIDE_LOOKS)
        # The smallest until one was measured; and few sizes, so that those of one size go on where
        # the last one ended.
        most = min(int(self._look.pixels / 2), model.options.search_pixels)
        part = self._search.next_part(frame, last[0], size, most)
        while most < model.options.search_pixels:
            twice = min(2 * most, model.options.search_pixels)
            larger = self._search.next_part(frame, last[0], size, twice)
            piece = Piece(larger.pixels, Work.PART)
            if not budget.knows(piece) or budget.cost(piece) > room:
                break
            most, part = twice, larger
        if not self._get_ready(part, size, budget):
            return False
        if not budget.take(Piece(part.pixels, Work.PART)):
            return False
        places = self._search.inside(frame, part, size)
        budget.done()
        self._search.go_on()
        whole = frame.shape[0] * frame.shape[1]
        seen = part.width * part.height / whole
        self._searched += max(seen, most / model.options.search_pixels)
        # Half of the places that a search without a limit looks at, shared among the parts.
        kept = math.ceil(model.options.search_places * seen / 2)
        self._waiting += [LikelyPlace(centre, size, known=False) for centre in places[:kept]]
        return True

    def _get_ready(self, part: FramePart, size: float, budget: SearchBudget) -> bool:
        """Encode the target for a part in another resolution, if the budget allows."""
        pixels = self._search.unready(part, size)
        if not pixels:
            return True
        granted = budget.take(Piece(pixels, Work.TARGET))
        if granted:
            self._search.get_ready(part, size)
            budget.done()
        return granted
