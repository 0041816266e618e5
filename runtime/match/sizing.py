"""The size that a found object has in an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..boxes import Box
from ..bundle.match_recipe import MatchRecipe
from ..images import Image
from ..patches.region import Region
from .placing import Look, Place, Placer
from .template import TemplateLevel


@dataclass(frozen=True)
class SizedBox:
    """A box that was found, of the template's size.

    Attributes:
        level: the template at the resolution at which it was placed.
        box: in pixels of the image.
        likelihood: of its place.
    """

    level: TemplateLevel
    box: Box
    likelihood: float


class _Sight(NamedTuple):
    """An object seen in one size: steps from the template's, its centre in pixels, likelihood."""

    steps: int
    x: float
    y: float
    likelihood: float


@dataclass
class _Search:
    """The sizes that one object was looked at in, and those that are looked at next."""

    found: SizedBox
    sights: list[_Sight]
    last: dict[int, _Sight] = field(default_factory=dict)

    @classmethod
    def begin(cls, found: SizedBox) -> _Search:
        """Smaller and larger sizes are to come."""
        first = _Sight(0, *found.box.centre, found.likelihood)
        return cls(found, [first], {-1: first, 1: first})


class SizeEstimator:
    """Estimates sizes by looking at what was found in other ones.

    Args:
        placer: looks.
        recipe: of the bundle.
    """

    def __init__(self, placer: Placer, recipe: MatchRecipe) -> None:
        self.placer = placer
        self.recipe = recipe

    def estimate(self, image: Image, found: Sequence[SizedBox]) -> list[Box]:
        """Estimate sizes, and places once more.

        Each object is looked at one step smaller and one step larger, and further on while that
        fits clearly better; all objects' next looks are encoded together. The boxes are averaged
        (sizes geometrically), each weighted with its likelihood: the mean of the posterior if all
        patches together count as one observation, for neighbours are far from independent. No box
        grows larger than the image. It is left as it is for a masked template, most of whose
        patches see what the mask hides, and where an engine takes no image so small.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            found: what was found in it.

        Returns:
            Boxes in their order, in pixels of the image.
        """
        searches = [_Search.begin(each) if self._usable(each) else None for each in found]
        while looks := list(self._next([search for search in searches if search])):
            places = self.placer.look(image, [look for *_, look in looks])
            for (search, direction, _), place in zip(looks, places, strict=True):
                self._take(search, direction, place)
        height, width = image.shape[:2]
        return [
            each.box if search is None else self._mean(search, width, height)
            for each, search in zip(found, searches, strict=True)
        ]

    def _usable(self, found: SizedBox) -> bool:
        """Whether a size can be estimated."""
        region = self.placer.region_around(found.level, found.box)
        return bool(found.level.fine.footprint.all()) and self.placer.admits(region)

    def _next(self, searches: Sequence[_Search]) -> Iterator[tuple[_Search, int, Look]]:
        """The next looks in each direction that goes on."""
        recipe = self.recipe
        for search in searches:
            level, box = search.found.level, search.found.box
            size = box.w * level.scale, box.h * level.scale
            working = self.placer.region_around(level, box)
            for direction, last in search.last.items():
                scale = level.scale / recipe.size_step ** (last.steps + direction)
                region = Region.around((last.x, last.y), scale, working.width, working.height)
                yield search, direction, Look(level, size, region, recipe.size_margin)

    def _take(self, search: _Search, direction: int, place: Place) -> None:
        """Take in a look, and go on in its direction if it fits clearly better than the last."""
        last = search.last.pop(direction)
        steps = last.steps + direction
        factor = self.recipe.size_step**steps
        box = search.found.box
        centre = Box(place.x, place.y, box.w * factor, box.h * factor).centre
        sight = _Sight(steps, *centre, place.likelihood)
        search.sights.append(sight)
        better = sight.likelihood >= last.likelihood + self.recipe.clear_gain
        if better and abs(steps) < self.recipe.size_steps:
            search.last[direction] = sight

    def _mean(self, search: _Search, width: int, height: int) -> Box:
        """The mean of the posterior, inside an image."""
        weights = np.exp(np.array([sight.likelihood for sight in search.sights]))
        shares = weights / weights.sum()
        steps, x, y = (float(v) for v in shares @ np.array([s[:3] for s in search.sights]))
        box = search.found.box
        fitting = min(width / box.w, height / box.h)
        factor = min(self.recipe.size_step**steps, fitting)
        return Box.around((x, y), box.w * factor, box.h * factor)
