"""Where in an image a template may be: at which resolution to look, and the best places there.

An image is searched as a whole at the template's own resolution while that has few enough pixels.
A larger one is searched at a lower resolution, at which the object still has enough patches, and
no image is enlarged as a whole when it is large: what looks best is then looked at by itself, at
the template's own resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..boxes import Box
from ..bundle.match_recipe import MatchRecipe
from ..errors import ImageError, TemplateError
from ..images import Image
from ..kinds import Bound
from ..patches.encoder import Encoder, FeatureMap
from ..patches.quality import TINY, quality_map
from ..patches.windows import Peak, find_peaks, window_mean, window_response
from .placing import Look, Place, Placer
from .template import Template, TemplateLevel

SMALL_MAP: Bound[int] = 20_000
"""Cells of an image up to which several templates are looked for side by side."""


@dataclass(frozen=True)
class MatchCandidate:
    """A place where a template may be.

    Attributes:
        peak: the best window of the coarse map, in coarse cells.
        place: where exactly.
        rival: response of the best window elsewhere, 0 where there is none.
    """

    peak: Peak
    place: Place
    rival: float = 0.0

    @property
    def margin(self) -> float:
        """How far the best other place is behind, in [0, 1]."""
        return min(1.0, max(0.0, 1.0 - self.rival / max(self.peak.response, TINY)))

    def promise(self, recipe: MatchRecipe) -> float:
        """What makes one candidate better than another: how exclusive its window is."""
        response = float(np.log(max(self.peak.response, TINY)))
        return response + recipe.likelihood_weight * self.place.likelihood


def search_level(
    template: Template, width: int, height: int, recipe: MatchRecipe, smallest: float = 1.0
) -> TemplateLevel:
    """The resolution at which an image is searched as a whole.

    The finest one that keeps to the recipe's pixels, or else the coarsest that the template has.

    Args:
        template: to look for.
        width: of the image, in pixels.
        height: the same.
        recipe: of the bundle.
        smallest: size, relative to the template, in which it is looked for.

    Raises:
        TemplateError: the template is larger than the image.
        ImageError: the image is too large even at the coarsest.
    """
    if template.size[0] * smallest > width or template.size[1] * smallest > height:
        size = f"{template.size[0]:g}x{template.size[1]:g}"
        raise TemplateError(
            f"the template ({size} px) is larger than the image ({width}x{height} px); "
            "search a larger image or use a smaller template"
        )
    pixels = [height * width * level.scale**2 for level in template.levels]
    if pixels[-1] > recipe.max_pixels:
        raise ImageError(
            f"image {width}x{height} px is too large to search for a template of "
            f"{template.size[0]:g}x{template.size[1]:g} px (limit {recipe.max_pixels:,} working "
            "pixels); search parts of it: region=(x, y, w, h)"
        )
    fitting = [
        level for level, n in zip(template.levels, pixels, strict=True) if n <= recipe.whole_pixels
    ]
    return fitting[0] if fitting else template.levels[-1]


class ImageSearch:
    """Looks for templates in one image, which is encoded once for each resolution.

    Args:
        encoder: encodes it.
        placer: places what was found.
        recipe: of the bundle.
        image: ``(H, W, 3)`` uint8 BGR.
    """

    def __init__(self, encoder: Encoder, placer: Placer, recipe: MatchRecipe, image: Image) -> None:
        self.encoder = encoder
        self.placer = placer
        self.recipe = recipe
        self.image = image
        self._encoded: dict[float, FeatureMap] = {}

    def candidates_of_each(
        self, templates: Sequence[Template], count: int
    ) -> list[list[MatchCandidate]]:
        """The same as :meth:`candidates` of several templates, side by side where that pays.

        Raises: as :func:`search_level`.
        """
        maps = [self.features(self.level(template)) for template in templates]
        # Large products are shared among threads well, and two at once would take the memory of
        # two.
        if max(features.coarse[0].size for features in maps) > SMALL_MAP:
            return [self.candidates(template, count) for template in templates]
        one_thread = len(templates) > 1

        def candidates(template: Template) -> list[MatchCandidate]:
            return self.candidates(template, count, one_thread=one_thread)

        return self.encoder.session.side_by_side(candidates, templates)

    def candidates(
        self, template: Template, count: int, *, one_thread: bool = False
    ) -> list[MatchCandidate]:
        """The best places of a template, best first: at least one.

        Args:
            template: to look for.
            count: places that are wanted; rivals of the best come on top.
            one_thread: keep to the calling thread, because others do the same at the same time.

        Raises: as :func:`search_level`.
        """
        recipe, stride = self.recipe, self.encoder.coarse_stride
        level = self.level(template)
        features = self.features(level)
        most = max(count, recipe.candidates)
        peaks = self._peaks(level, features, most, one_thread=one_thread)
        least = recipe.rival_share * peaks[0].response
        kept = [
            peak
            for rank, peak in enumerate(peaks)
            if rank < count or (rank < recipe.candidates and peak.response >= least)
        ]
        corners = [level.coarse.box_at(peak.x, peak.y, stride) for peak in kept]
        places = self._placed(template, level, features, corners)
        found = [
            MatchCandidate(peak, place, peaks[0 if rank else 1].response if peaks[1:] else 0.0)
            for rank, (peak, place) in enumerate(zip(kept, places, strict=True))
        ]
        if not recipe.refine:
            for index, (x, y) in enumerate(corners):
                moved = replace(places[index], x=x / features.scale_x, y=y / features.scale_y)
                found[index] = replace(found[index], place=moved)
        rivals = [each for each in found[: recipe.candidates] if each.peak.response >= least]
        rivals.sort(key=lambda each: -each.promise(self.recipe))
        return [*rivals, *found[len(rivals) :]]

    def level(self, template: Template, smallest: float = 1.0) -> TemplateLevel:
        """The resolution at which the image is searched for a template.

        Args and raises: as :func:`search_level`.
        """
        height, width = self.image.shape[:2]
        return search_level(template, width, height, self.recipe, smallest)

    def features(self, level: TemplateLevel) -> FeatureMap:
        """The image at a level's resolution."""
        if level.scale not in self._encoded:
            self._encoded[level.scale] = self.encoder.encode(self.image, level.scale)
        return self._encoded[level.scale]

    def _peaks(
        self, level: TemplateLevel, features: FeatureMap, count: int, *, one_thread: bool
    ) -> list[Peak]:
        """The best windows of the coarse map, in coarse cells, with their evidence.

        Competitors sharpen the place, but they also take quality away from true matches by how
        busy the surroundings are; presence is judged without them.
        """
        grid, recipe = level.coarse, self.recipe
        session = self.encoder.session
        quality = quality_map(
            session,
            grid.rows,
            grid.target,
            features.coarse,
            recipe.alpha,
            one_thread=one_thread,
        )
        response = window_response(quality.contested, grid.footprint)
        rows, columns = grid.footprint.shape
        peaks = find_peaks(response, (rows, columns), count, recipe.overlap)
        evidence = window_mean(quality.alone, grid.footprint)
        return [replace(p, evidence=float(evidence[round(p.y), round(p.x)])) for p in peaks]

    def _placed(
        self,
        template: Template,
        level: TemplateLevel,
        features: FeatureMap,
        corners: list[tuple[float, float]],
    ) -> list[Place]:
        """Exact places near corners that are given in working pixels of the whole image."""
        exact = template.levels[0]
        if exact is level:
            return [self.placer.place(level.fine, features, *corner) for corner in corners]
        # Known to about a coarse cell of the lower resolution.
        reach = self.encoder.coarse_stride * exact.scale / level.scale
        margin = self.recipe.place_margin + round(reach / self.encoder.stride) - 1
        size = template.size[0] * exact.scale, template.size[1] * exact.scale
        boxes = [
            Box(x / features.scale_x, y / features.scale_y, *template.size) for x, y in corners
        ]
        regions = [self.placer.region_around(exact, box, reach) for box in boxes]
        looks = [Look(exact, size, region, margin) for region in regions]
        return self.placer.look(self.image, looks)
