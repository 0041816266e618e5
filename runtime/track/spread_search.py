"""The search for a lost target spread over frames: one look or one part of a frame at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..images import Image
from .budget import SearchBudget
from .redetect import WholeFrameSearch

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
    """

    def __init__(self, search: WholeFrameSearch) -> None:
        self._search = search
        self._look = math.prod(search.model.region_size)
        self.begin_again()

    def begin_again(self) -> None:
        """Forget what was planned."""
        self._waiting: deque[LikelyPlace] = deque()
        self._turn = 0
        self._searched = 0.0

    def places(
        self, frame: Image, known: Sequence[Known], budget: SearchBudget
    ) -> Iterator[LikelyPlace]:
        """The places to look at in this frame, as long as the budget lasts.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            known: centres and sizes where the target was seen, the last one first.
            budget: is asked for every look, and for every part of the frame.
        """
        self._searched = 0.0
        # A generous budget allows no more than a search without one, which sees the frame once.
        while self._waiting or self._searched < 1:
            if not self._waiting:
                if self._turn % 2 == 0:
                    self._waiting.append(
                        LikelyPlace(*known[self._turn // 2 % len(known)], known=True)
                    )
                elif not self._search_part(frame, known[0], budget):
                    return
                self._turn += 1
            elif budget.take(self._look):
                yield self._waiting.popleft()
            else:
                return

    def _search_part(self, frame: Image, last: Known, budget: SearchBudget) -> bool:
        """Search the next part of the frame, if the budget allows."""
        model = self._search.model
        sizes = model.options.search_sizes
        size = last[1] * sizes[self._turn // 2 % len(sizes)]
        # Few sizes of parts, so that those of one size go on where the last one ended.
        least = self._look / 2
        doubled = math.floor(math.log2(max(budget.left, least) / least))
        most = min(model.options.search_pixels, least * 2**doubled)
        part = self._search.next_part(frame, last[0], size, int(most))
        if not budget.take(part.pixels):
            return False
        places = self._search.inside(frame, part, size)
        whole = frame.shape[0] * frame.shape[1]
        seen = part.width * part.height / whole
        self._searched += max(seen, most / model.options.search_pixels)
        # Half of the places that a search without a limit looks at, shared among the parts.
        kept = math.ceil(model.options.search_places * seen / 2)
        self._waiting += [LikelyPlace(centre, size, known=False) for centre in places[:kept]]
        return True
