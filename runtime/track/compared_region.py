"""A region compared with what is known of a target, each part once for all that ask for it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from ..patches.grid import PatchGrid
from ..patches.region import RegionFeatures
from ..patches.similarity import Comparison
from .colours import ObjectColours, colour_numbers

Array = NDArray[Any]


class ComparedRegion:
    """A region beside two looks of a target; nothing is computed before it is asked for.

    Args:
        seen: features of the region.
        first: coarse patches of the first look, and what competes with them.
        recent: those of a recent one, or the first again.

    Attributes:
        seen: as given.
        first: as given.
        recent: as given.
    """

    def __init__(self, seen: RegionFeatures, first: PatchGrid, recent: PatchGrid) -> None:
        self.seen, self.first, self.recent = seen, first, recent
        self._likely: tuple[ObjectColours, Array] | None = None

    @cached_property
    def cosines(self) -> tuple[Array, Array]:
        """Cosine similarity of both looks' patches with the cells, ``(M, H, W)`` float32 each.

        Channels are standardised with the first look's patches for both.
        """
        cells = Comparison(self.first.sums, self.seen.coarse)
        first = cells.cosine(self.first.rows)
        if self.recent is self.first:
            return first, first
        return first, cells.cosine(self.recent.rows)

    @property
    def looks(self) -> list[tuple[PatchGrid, Array]]:
        """Each look and its similarities; one where the first look is the recent one, too."""
        first, recent = self.cosines
        if self.recent is self.first:
            return [(self.first, first)]
        return [(self.first, first), (self.recent, recent)]

    @cached_property
    def colours(self) -> Array:
        """The number of each pixel's colour, ``(H, W)`` int32."""
        return colour_numbers(self.seen.image)

    def likely(self, known: ObjectColours) -> Array:
        """How likely each pixel is the target's by its colour, ``(H, W)`` float32 in [0, 1].

        Args:
            known: colours of the target, and of what is around it.
        """
        if self._likely is None or self._likely[0] is not known:
            self._likely = known, known.likely(self.colours)
        return self._likely[1]
