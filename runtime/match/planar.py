"""Planar objects seen from the side: an affine map or a homography in the place of a similarity.

Patches lead to a map, pixels make it exact; it is kept only where the template fits clearly better
through it than in its similarity. What is rigid and planar explains its pixels nearly wholly; what
deforms does not, and keeps its similarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..bundle.match_recipe import MatchRecipe
from ..errors import InputError, seen
from ..images import Image
from ..kinds import Numeric
from ..patches.encoder import Encoder
from .matches import Match
from .pixels import grey_values
from .plane import PARAMETERS, SIMILARITY, believable, pixel_matrix, place_matrix
from .plane_patches import PlaneGlance, PlaneRefiner, StraightLook
from .plane_pixels import PlaneTemplate
from .pose import outline_overlap
from .template import Template

Array = NDArray[Any]

EXACT: Numeric[float] = 1e-9
"""What is left unexplained of pixels that are the same."""


@dataclass(frozen=True)
class PlaneRegistration:
    """A template's pixels registered with an image's through a map.

    Attributes:
        matrix: the map at which they fit best.
        correlation: zero-mean normalised cross-correlation there, in [-1, 1].
        before: the same in the similarity that was given.
    """

    matrix: Array
    correlation: float
    before: float

    @property
    def left(self) -> float:
        """What it leaves unexplained, as a share of what the similarity does."""
        return (1 - self.correlation) / max(1 - self.before, EXACT)


def checked_fit(fit: str) -> int:
    """How many parameters the map has that a caller names.

    Raises:
        InputError: an unknown one.
    """
    if not isinstance(fit, str) or fit not in PARAMETERS:
        raise InputError(f"fit is {seen(fit)}; choose from {', '.join(PARAMETERS)}")
    return PARAMETERS[fit]


class PlaneFitter:
    """Fits maps to planar objects that were found.

    Args:
        encoder: encodes looks at them.
        recipe: of the bundle.
    """

    def __init__(self, encoder: Encoder, recipe: MatchRecipe) -> None:
        self.recipe = recipe
        self.session = encoder.session
        self._refiner = PlaneRefiner(encoder, recipe)

    def fitted(
        self, image: Image, templates: Sequence[Template], matches: Sequence[Match], count: int
    ) -> list[Match]:
        """Matches with finer maps where those fit clearly better.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            templates: that were looked for.
            matches: in similarities, best first; what is not found stays as it is.
            count: parameters of the map; those of a similarity change nothing.

        Returns:
            The matches in their order, with their scores.
        """
        kept = list(matches)
        if count == SIMILARITY:
            return kept
        going = [
            index
            for index, match in enumerate(matches)
            if match.found and self._refiner.admits(templates[match.template])
        ]
        starts = [
            PlaneGlance.at(template, place_matrix(match.transform, template.size))
            for match in (matches[index] for index in going)
            for template in [templates[match.template]]
        ]
        for index, matrix in zip(going, self.maps(image, starts, count), strict=True):
            if matrix is None:
                continue
            match = kept[index]
            bent = match.bent(pixel_matrix(matrix, templates[match.template].size))
            # Two matches must not be bent into one.
            if all(
                outline_overlap(bent.corners, other.corners) <= self.recipe.overlap
                for other in kept[:index]
                if other.template == match.template
            ):
                kept[index] = bent
        return kept

    def maps(self, image: Image, starts: Sequence[PlaneGlance], count: int) -> list[Array | None]:
        """A finer map for each object, or ``None`` where its similarity is as good.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            starts: the objects in their similarities.
            count: parameters at most.
        """
        if not starts:
            return []
        counts = [each for each in sorted(PARAMETERS.values()) if each <= count]
        stages = self._refiner.stages(image, starts, counts)
        grey = grey_values(image)
        registered = self.session.side_by_side(
            lambda index: self._by_pixels(grey, stages[index], counts), range(len(starts))
        )
        looks = self._refiner.look(
            image,
            [
                PlaneGlance.at(start.template, fit.matrix)
                for start, fit in zip(starts, registered, strict=True)
            ],
        )
        every = zip(stages, looks, registered, strict=True)
        return [self._chosen(stage, look, fit) for stage, look, fit in every]

    def _chosen(
        self, stages: Sequence[StraightLook], look: StraightLook, fit: PlaneRegistration
    ) -> Array | None:
        """The map that fits clearly better than the similarity, if there is one.

        Args:
            stages: in the similarity that was given, in the best one, and through finer maps.
            look: through the map that was registered with the pixels.
            fit: how well they fit.
        """
        recipe, (first, similar, *finer) = self.recipe, stages
        if fit.correlation >= recipe.plane_correlation:
            better = fit.left <= recipe.plane_residual and look.likelihood >= first.likelihood
            return fit.matrix if better else None
        if fit.correlation > fit.before:
            finer.append(look)
        # A turn alone may help what deforms; only what goes beyond the best similarity counts.
        least = max(first.likelihood, similar.likelihood) + recipe.plane_likelihood
        best = max(finer, key=lambda each: each.likelihood)
        return best.matrix if best.likelihood >= max(least, recipe.plane_least) else None

    def _by_pixels(
        self, grey: Array, stages: Sequence[StraightLook], counts: Sequence[int]
    ) -> PlaneRegistration:
        """The map with the fewest parameters that explains the pixels about as well as any.

        Args:
            grey: ``(H, W)`` float32, the image.
            stages: in the similarity, and the best look for each number of parameters.
            counts: those numbers.
        """
        template, similar = stages[0].glance.template, stages[0].matrix
        levels = template.plane
        if not levels:
            return PlaneRegistration(similar, 0.0, 0.0)
        before = levels[-1].correlation(grey, similar)
        best = PlaneRegistration(similar, before, before)
        for count, stage in zip(counts, stages[1:], strict=True):
            starts = [similar, stage.matrix]
            if best.matrix is not similar:
                starts.append(best.matrix)
            coarse = [_registered(grey, levels[:-1] or levels, start, count) for start in starts]
            here, _ = max(coarse, key=lambda found: found[1])
            here, correlation = levels[-1].register(grey, here, count)
            if not believable(here, similar, template.size):
                continue
            if 1 - correlation <= self.recipe.plane_residual * (1 - best.correlation):
                best = PlaneRegistration(here, correlation, before)
        return best


def _registered(
    grey: Array, levels: Sequence[PlaneTemplate], start: Array, count: int
) -> tuple[Array, float]:
    """A map registered at one resolution after the other, and the last correlation."""
    here, correlation = start, -1.0
    for level in levels:
        here, correlation = level.register(grey, here, count)
    return here, correlation
