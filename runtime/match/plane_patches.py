"""From a similarity to a finer map of a planar object: where each patch of a template is found.

The object is looked at through a map, straightened, so that its patches look as they do in the
template. Each is sought among the cells around its place, as :mod:`.registration` has it, and a
step towards a better map is fitted to where they lie, patches that disagree counting less and less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bundle.match_recipe import MatchRecipe
from ..images import Image
from ..kinds import Numeric
from ..patches.agreement import fit_windows
from ..patches.encoder import Encoder
from ..patches.spread import WIDTHS, displacements
from ..patches.taps import Taps
from ..patches.windows import cells_around, summit
from .plane import (
    PARAMETERS,
    SIMILARITY,
    believable,
    half_side,
    moves,
    projected,
    step_matrix,
    straightened,
)
from .template import Template

Array = NDArray[Any]

HALVINGS: Numeric[int] = 3
"""How often a step that leads too far is tried, each time half as long."""


@dataclass(frozen=True)
class PlaneGlance:
    """A map through which an object is to be looked at.

    Attributes:
        template: of the object.
        matrix: the map.
        bent: ``(8,)``: what the steps to it add up to, those of a similarity left out.
    """

    template: Template
    matrix: Array
    bent: Array

    @classmethod
    def at(cls, template: Template, matrix: Array) -> PlaneGlance:
        """Through a map that is the first one."""
        return cls(template, matrix, np.zeros(PARAMETERS["homography"]))


@dataclass(frozen=True)
class StraightLook:
    """What is seen of an object that is looked at through a map.

    Attributes:
        glance: how it was looked at.
        likelihood: mean log-likelihood that cells are the patches at their places, at most 0.
        places: ``(K, 2)`` of the patches in the template.
        found: ``(K, 2)``: places at which they are seen.
        weight: ``(K,)``: how surely each is there.
        unit: working pixels per unit of places.
    """

    glance: PlaneGlance
    likelihood: float
    places: Array
    found: Array
    weight: Array
    unit: float

    @property
    def matrix(self) -> Array:
        """The map."""
        return self.glance.matrix


class PlaneRefiner:
    """Looks at planar objects through maps.

    Args:
        encoder: encodes the looks.
        recipe: of the bundle.
    """

    def __init__(self, encoder: Encoder, recipe: MatchRecipe) -> None:
        self.encoder = encoder
        self.recipe = recipe

    def admits(self, template: Template) -> bool:
        """Whether looks at a template can be encoded."""
        width, height = self._sides(template)
        return self.encoder.in_one_piece(height, width)

    def stages(
        self, image: Image, starts: Sequence[PlaneGlance], counts: Sequence[int]
    ) -> list[list[StraightLook]]:
        """What is seen of objects through better and better maps.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            starts: in similarities.
            counts: rising numbers of parameters.

        Returns:
            For each object: the look in its similarity, and the best look for each number of
            parameters, which is one of fewer where more do not help.
        """
        looks = self.look(image, starts)
        stages = [[look] for look in looks]
        for count in counts:
            best = [stage[-1] for stage in stages]
            for _ in range(1 if count == SIMILARITY else self.recipe.plane_rounds):
                pairs = zip(looks, starts, strict=True)
                looks = self.look(image, [self._next(*pair, count) for pair in pairs])
                both = zip(best, looks, strict=True)
                best = [max(pair, key=lambda each: each.likelihood) for pair in both]
            looks = best
            for stage, look in zip(stages, best, strict=True):
                stage.append(look)
        return stages

    def look(self, image: Image, glances: Sequence[PlaneGlance]) -> list[StraightLook]:
        """Look at objects through maps, those of one size encoded together.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            glances: what to look at.
        """
        crops: list[Image] = []
        for glance in glances:
            unit, sides = self._unit(glance.template), self._sides(glance.template)
            crop = straightened(image, glance.matrix, unit, sides, cv2.INTER_LINEAR)
            crops.append(np.ascontiguousarray(crop))
        encoded = self.encoder.encode_each(crops)
        return self.encoder.session.side_by_side(
            lambda index: self._seen(glances[index], encoded[index][0]), range(len(glances))
        )

    def _seen(self, glance: PlaneGlance, taps: Taps) -> StraightLook:
        """Where the patches are in an encoded look."""
        template, margin, stride = glance.template, self.recipe.plane_margin, self.encoder.stride
        grid, unit = template.levels[0].fine, self._unit(template)
        middle = np.array(self._sides(template)) / 2
        half = np.array(template.size) * template.levels[0].scale / 2
        left, top = middle - half
        at = grid.window_at(float(left), float(top), stride)
        cells = cells_around(*at, grid.footprint.shape, taps.shape, margin)
        fit = fit_windows(self.encoder.session, grid, taps.window(cells), self.recipe.alpha)
        y, x = summit(fit.likelihood)
        rows, columns = np.nonzero(grid.footprint)
        across, down, weight = displacements(fit.pairs, rows + y, columns + x, margin)
        own = np.column_stack([columns, rows]) + 1 / 2
        shift = np.array([cells.left + x, cells.top + y])
        moved = own + shift + np.column_stack([across, down])
        return StraightLook(
            glance,
            float(fit.likelihood[y, x]),
            (own * stride - grid.offset - half) / unit,
            (moved * stride - middle) / unit,
            weight,
            unit,
        )

    def _next(self, look: StraightLook, start: PlaneGlance, count: int) -> PlaneGlance:
        """The map that the patches of a look ask for, as far as it can be one of the object."""
        glance = look.glance
        step = fit_step(look, np.array(self.recipe.plane_prior)[:count])
        for _ in range(HALVINGS):
            matrix = glance.matrix @ step_matrix(step)
            if believable(matrix, start.matrix, glance.template.size):
                bent = glance.bent.copy()
                bent[SIMILARITY:count] += step[SIMILARITY:]
                return PlaneGlance(glance.template, matrix / matrix[2, 2], bent)
            step = step / 2
        return glance

    def _unit(self, template: Template) -> float:
        """Working pixels per unit of places."""
        return half_side(template.size) * template.levels[0].scale

    def _sides(self, template: Template) -> tuple[int, int]:
        """Width and height of a look, in working pixels."""
        share, border = self.recipe.look_share, self.recipe.pose_border
        scale = template.levels[0].scale
        width, height = (
            self.encoder.look_side(side * scale, share, border) for side in template.size
        )
        return width, height


def fit_step(look: StraightLook, prior: Array) -> Array:
    """The step that takes patches to where they are found, disagreeing ones counting less.

    Args:
        look: what was seen.
        prior: ``(P,)``: patches that it counts as much as that no more than a similarity is needed,
            so that few or unsure patches cannot bend it wildly.

    Returns:
        ``(P,)``.
    """
    count = len(prior)
    basis, goal = moves(look.places)[:count], (look.found - look.places).T
    step, used = np.zeros(count), look.weight
    for width in WIDTHS:
        weighted = basis * used
        normal = np.einsum("pik,qik->pq", weighted, basis) + np.diag(prior)
        pull = np.einsum("pik,ik->p", weighted, goal) - prior * look.glance.bent[:count]
        step = np.linalg.solve(normal, pull)
        residual = (projected(step_matrix(step), look.places) - look.found) * look.unit
        used = look.weight / (1 + (residual * residual).sum(1) / width**2)
    return step
