"""From a nearly known pose to a better one: where each patch of a template is found again.

The object is looked at upright and in the template's size, so that its patches look as they do in
the template. Each is sought among the cells around its place, weighted by how surely a cell is this
patch (paper, equation 3), and a similarity is fitted to where they lie, patches that disagree
counting less and less.
"""

from __future__ import annotations

import math
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
from ..patches.encoder import Encoder, FeatureMap
from ..patches.order_statistics import quantiles
from ..patches.spread import displacements, fit_similarity
from ..patches.windows import CellRange, cells_around, summit, vertex_offset
from ..session import WindowFit
from .placing import Place
from .pose import Pose, upright_crop
from .template import Template, TemplateLevel

Array = NDArray[Any]

MOST_TURN: Numeric[float] = 30.0
"""Degrees that one fit may turn a pose."""

MOST_ZOOM: Numeric[float] = 1.33
"""Factor by which one fit may resize it."""

SURENESS: Numeric[tuple[float, float, float]] = (0.1, 0.5, 0.9)
"""Quantiles of the patches that are told."""


@dataclass(frozen=True)
class UprightLook:
    """An object looked at upright.

    Attributes:
        placed: the pose in which it was looked at, moved to where the template fits best without
            being bent.
        better: the pose in which its patches lie where they should.
        likelihood: mean log-likelihood that cells are the patches at their places, at most 0.
        similarity: mean cosine of the patches with the cells at their places.
        likeness: mean over the cells of the cosine with the patch that they resemble most.
        support: part of the patches that agree with the better pose, weighted, in [0, 1].
        surest: log of how surely single patches are at their places, that of the worst tenth, of
            half and of nine tenths of them, at most 0.
    """

    placed: Pose
    better: Pose
    likelihood: float
    similarity: float
    likeness: float
    support: float
    surest: tuple[float, ...]

    def promise(self, recipe: MatchRecipe) -> float:
        """What makes one candidate better than another."""
        return self.likelihood + recipe.pose_similarity * self.similarity


@dataclass(frozen=True)
class Glance:
    """A pose in which an object is to be looked at.

    Attributes:
        level: the template, at the resolution of the look.
        size: of the template, in pixels.
        pose: in which to look.
    """

    level: TemplateLevel
    size: tuple[float, float]
    pose: Pose


def by_pixels(
    template: Template, image: Image, pose: Pose, recipe: MatchRecipe
) -> tuple[Pose, float]:
    """Where an object is exactly if it is rigid, otherwise the pose that was given.

    Args:
        template: of the object.
        image: ``(H, W, 3)`` uint8 BGR.
        pose: nearly known.
        recipe: of the bundle.

    Returns:
        The pose, and the correlation of the pixels once they are registered, in [-1, 1]; 0 where
        the template has none to register.
    """
    if template.pixels is None:
        return pose, 0.0
    fit = template.pixels.register(image, pose)
    found = fit.pose if fit.correlation >= recipe.rigid_correlation else pose
    if recipe.core_least <= fit.correlation < recipe.core_most and template.core is not None:
        # What shows in the corners, behind the object, pulls at it.
        inside = template.core.register(image, found)
        if inside.correlation >= recipe.core_correlation:
            found = inside.pose
    return found, fit.correlation


class PoseRefiner:
    """Looks at objects in poses that are nearly known.

    Args:
        encoder: encodes the looks.
        recipe: of the bundle.
    """

    def __init__(self, encoder: Encoder, recipe: MatchRecipe) -> None:
        self.encoder = encoder
        self.recipe = recipe

    def admits(self, level: TemplateLevel, size: tuple[float, float]) -> bool:
        """Whether looks at a template can be encoded."""
        width, height = self._sides(level, size)
        return self.encoder.in_one_piece(height, width)

    def look(self, image: Image, glances: Sequence[Glance]) -> list[UprightLook]:
        """Look at objects in several poses, those of one size encoded together.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            glances: what to look at.
        """
        crops: list[Image] = []
        for glance in glances:
            width, height = self._sides(glance.level, glance.size)
            scale, border = glance.level.scale, cv2.BORDER_REPLICATE
            crop = upright_crop(image, glance.pose, scale, width, height, border)
            crops.append(np.ascontiguousarray(crop))
        encoded = self.encoder.encode_each(crops)

        def look(index: int) -> UprightLook:
            glance, taps = glances[index], encoded[index][0]
            level, size = glance.level, glance.size
            width, height = self._sides(level, size)
            working = (size[0] * level.scale, size[1] * level.scale)
            corner = (width - working[0]) / 2, (height - working[1]) / 2
            at = level.fine.window_at(*corner, self.encoder.stride)
            margin = self.recipe.pose_margin
            cells = cells_around(*at, level.fine.footprint.shape, taps.shape, margin)
            found = taps.window(cells)
            fit = fit_windows(self.encoder.session, level.fine, found, self.recipe.alpha)
            return self._look(level, fit, cells, (width, height), working, glance.pose)

        return self.encoder.session.side_by_side(look, range(len(glances)))

    def seen(
        self,
        features: FeatureMap,
        level: TemplateLevel,
        size: tuple[float, float],
        place: Place,
    ) -> UprightLook:
        """What was seen of an upright object of the template's size when it was placed.

        Args:
            features: of the image, at the template's own resolution.
            level: the template.
            size: of the template, in pixels.
            place: in the image.
        """
        pose = Pose(place.x + size[0] / 2, place.y + size[1] / 2)
        # As if the image were a look whose middle is the object's.
        sides = (2 * pose.x * features.scale_x, 2 * pose.y * features.scale_y)
        working = (size[0] * features.scale_x, size[1] * features.scale_y)
        return self._look(level, place.fit, place.cells, sides, working, pose)

    def _sides(self, level: TemplateLevel, size: tuple[float, float]) -> tuple[int, int]:
        """Width and height of a look, in working pixels."""
        share, border = self.recipe.look_share, self.recipe.pose_border
        width, height = (self.encoder.look_side(side * level.scale, share, border) for side in size)
        return width, height

    def _look(
        self,
        level: TemplateLevel,
        fit: WindowFit,
        where: CellRange,
        sides: tuple[float, float],
        working: tuple[float, float],
        pose: Pose,
    ) -> UprightLook:
        """What is seen in an encoded look."""
        grid, alpha, stride = level.fine, self.recipe.alpha, self.encoder.stride
        y, x = summit(fit.likelihood)
        ys, xs = np.nonzero(grid.footprint)
        dx, dy, weight = displacements(fit.pairs, ys + y, xs + x, self.recipe.pose_margin)
        places = np.array([xs, ys], np.float64)
        # From the middles of the look and of the template to the first patch at its place.
        first = np.array([where.left + x + 0.5, where.top + y + 0.5]) * stride
        origin = np.array([0.5, 0.5]) * stride - grid.offset
        template = places * stride + (origin - np.array(working) / 2)[:, None]
        found = (places + np.array([dx, dy])) * stride + (first - np.array(sides) / 2)[:, None]
        matrix, middle, support = fit_similarity(template.T, found.T, weight)
        matrix = _limited(matrix)
        across, along = pose.offset(*(middle / level.scale).tolist())
        better = pose.moved(matrix, pose.x + across, pose.y + along)
        right, down = vertex_offset(fit.likelihood, y, x)
        left, top = grid.box_at(where.left + x + right, where.top + y + down, stride)
        across, along = pose.offset(
            (left + working[0] / 2 - sides[0] / 2) / level.scale,
            (top + working[1] / 2 - sides[1] / 2) / level.scale,
        )
        return UprightLook(
            Pose(pose.x + across, pose.y + along, pose.angle, pose.scale),
            better,
            float(fit.likelihood[y, x]),
            float(fit.similarity[y, x]) / alpha + 1,
            float(fit.likeness[y, x]),
            support,
            quantiles(fit.pairs[np.arange(len(ys)), ys + y, xs + x], SURENESS),
        )


def _limited(matrix: Array) -> Array:
    """A similarity that turns and resizes by no more than one fit can see."""
    c, s = float(matrix[0, 0]), float(matrix[1, 0])
    zoom = math.hypot(c, s)
    angle = math.radians(MOST_TURN)
    turn = min(max(math.atan2(s, c), -angle), angle)
    zoom = min(max(zoom, 1 / MOST_ZOOM), MOST_ZOOM)
    c, s = zoom * math.cos(turn), zoom * math.sin(turn)
    return np.array([[c, -s], [s, c]])
