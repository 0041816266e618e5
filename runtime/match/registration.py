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
from ..patches.agreement import cells_at_shifts
from ..patches.encoder import Encoder, FeatureMap
from ..patches.quality import TINY, exponent
from ..patches.similarity import Comparison
from ..patches.windows import CellRange, cells_around, summit, vertex_offset
from .pose import Pose, upright_crop
from .template import TemplateLevel

Array = NDArray[Any]

WIDTHS: Numeric[tuple[float, ...]] = (12.0, 8.0, 5.0, 4.0)
"""Working pixels of disagreement at which a patch counts half, in each round of the fit."""

LEAST_WEIGHT: Numeric[float] = 1e-6
"""Of a patch that is found nowhere."""

MOST_TURN: Numeric[float] = 30.0
"""Degrees that one fit may turn a pose."""

MOST_ZOOM: Numeric[float] = 1.33
"""Factor by which one fit may resize it."""


@dataclass(frozen=True)
class UprightLook:
    """An object looked at upright.

    Attributes:
        pose: in which it was looked at.
        placed: the same pose moved to where the template fits best without being bent.
        better: the pose in which its patches lie where they should.
        likelihood: mean log-likelihood that cells are the patches at their places, at most 0.
        similarity: mean cosine of the patches with the cells at their places.
        likeness: mean over the cells of the cosine with the patch that they resemble most.
        support: part of the patches that agree with the better pose, weighted, in [0, 1].
    """

    pose: Pose
    placed: Pose
    better: Pose
    likelihood: float
    similarity: float
    likeness: float
    support: float


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

    def look(
        self,
        image: Image,
        level: TemplateLevel,
        size: tuple[float, float],
        poses: Sequence[Pose],
    ) -> list[UprightLook]:
        """Look at an object in several poses.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            level: the template, at the resolution of the looks.
            size: of the template, in pixels.
            poses: in which to look.
        """
        width, height = self._sides(level, size)
        crops = [
            np.ascontiguousarray(
                upright_crop(image, pose, level.scale, width, height, cv2.BORDER_REPLICATE)
            )
            for pose in poses
        ]
        working = (size[0] * level.scale, size[1] * level.scale)
        corner = (width - working[0]) / 2, (height - working[1]) / 2
        stride, margin = self.encoder.stride, self.recipe.pose_margin
        at = level.fine.window_at(*corner, stride)
        encoded = self.encoder.encode_crops(crops)

        def sighting(index: int) -> UprightLook:
            taps = encoded[index][0]
            shape = level.fine.footprint.shape
            cells = cells_around(*at, shape, taps.shape, margin)
            found = taps.window(cells)
            return self._look(level, found, cells, (width, height), working, poses[index])

        return self.encoder.session.side_by_side(sighting, range(len(poses)))

    def seen(
        self,
        features: FeatureMap,
        level: TemplateLevel,
        size: tuple[float, float],
        pose: Pose,
    ) -> UprightLook:
        """What is seen of an upright object of the template's size in an image that is encoded.

        Args:
            features: of the image, at the template's own resolution.
            level: the template.
            size: of the template, in pixels.
            pose: without a turn, of scale 1.
        """
        width, height = size[0] * features.scale_x, size[1] * features.scale_y
        x = pose.x * features.scale_x - width / 2
        y = pose.y * features.scale_y - height / 2
        grid, stride = level.fine, self.encoder.stride
        shape = self.encoder.fine_shape(features)
        at = grid.window_at(x, y, stride)
        cells = cells_around(*at, grid.footprint.shape, shape, self.recipe.pose_margin)
        found = self.encoder.fine_window(features, cells)
        # As if the image were a look whose middle is the object's.
        centre = (2 * pose.x * features.scale_x, 2 * pose.y * features.scale_y)
        return self._look(level, found, cells, centre, (width, height), pose)

    def _sides(self, level: TemplateLevel, size: tuple[float, float]) -> tuple[int, int]:
        """Width and height of a look, in working pixels."""
        align, recipe = self.encoder.align, self.recipe
        sides = (
            align
            * math.ceil(
                (side * level.scale * (1 + 2 * recipe.look_share) + 2 * recipe.pose_border) / align
            )
            for side in size
        )
        return next(sides), next(sides)

    def _look(
        self,
        level: TemplateLevel,
        cells: Array,
        where: CellRange,
        sides: tuple[float, float],
        working: tuple[float, float],
        pose: Pose,
    ) -> UprightLook:
        """What is seen in an encoded look."""
        grid, alpha, stride = level.fine, self.recipe.alpha, self.encoder.stride
        compared = Comparison(grid.rows, cells)
        cosine = compared.cosine(grid.rows)
        below = exponent(cosine, alpha)
        crowd = np.log(np.maximum(np.exp(below).sum(0), TINY))
        own = below[: len(grid.own_rows)]
        certain = own - crowd
        places, shifts = cells_at_shifts(grid.footprint, cells.shape[1:])
        flat = certain.reshape(len(own), -1)
        likelihood = np.take_along_axis(flat, places, 1).mean(0).reshape(shifts)
        y, x = summit(likelihood)
        shift = y * shifts[1] + x
        at_place = places[:, shift]
        at_own = own.reshape(len(own), -1)[np.arange(len(own)), at_place]
        nearest = own.max(0).reshape(-1)[at_place].mean() / alpha + 1
        ys, xs = np.nonzero(grid.footprint)
        dx, dy, weight = _displacements(own + certain, ys + y, xs + x, self.recipe.pose_margin)
        found = np.column_stack(
            [
                (where.left + xs + x + dx + 0.5) * stride - sides[0] / 2,
                (where.top + ys + y + dy + 0.5) * stride - sides[1] / 2,
            ]
        )
        template = np.column_stack(
            [
                (xs + 0.5) * stride - grid.offset[0] - working[0] / 2,
                (ys + 0.5) * stride - grid.offset[1] - working[1] / 2,
            ]
        )
        matrix, middle, support = fit_similarity(template, found, weight)
        matrix = _limited(matrix)
        moved = pose.matrix() @ (middle / level.scale)
        better = pose.moved(matrix, pose.x + float(moved[0]), pose.y + float(moved[1]))
        right, down = vertex_offset(likelihood, y, x)
        left, top = grid.box_at(where.left + x + right, where.top + y + down, stride)
        off = (left + working[0] / 2 - sides[0] / 2, top + working[1] / 2 - sides[1] / 2)
        across, along = pose.matrix() @ np.array(off) / level.scale
        return UprightLook(
            pose,
            Pose(pose.x + float(across), pose.y + float(along), pose.angle, pose.scale),
            better,
            float(likelihood[y, x]),
            float(at_own.mean()) / alpha + 1,
            float(nearest),
            support,
        )


def _displacements(
    values: Array, rows: Array, columns: Array, reach: int
) -> tuple[Array, Array, Array]:
    """Where patches lie, relative to their places.

    Args:
        values: ``(K, H, W)`` log quality of each patch and cell.
        rows: ``(K,)`` of the place of each patch.
        columns: the same.
        reach: cells around a place that are looked at.

    Returns:
        ``(K,)`` displacements across and down in cells, and how surely each patch is there.
    """
    _, height, width = values.shape
    offsets = np.arange(-reach, reach + 1)
    y = rows[:, None, None] + offsets[:, None]
    x = columns[:, None, None] + offsets
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    each = np.arange(len(values))[:, None, None]
    around = values[each, np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    around = np.where(inside, around, np.float32(-np.inf))
    highest = around.max((1, 2))
    share = np.exp(around - highest[:, None, None])
    share /= share.sum((1, 2), keepdims=True)
    across = (share * offsets).sum((1, 2))
    down = (share * offsets[:, None]).sum((1, 2))
    return across, down, np.exp(highest / 2) * share.max((1, 2)) + LEAST_WEIGHT


def fit_similarity(source: Array, target: Array, weight: Array) -> tuple[Array, Array, float]:
    """The similarity that takes points to others, disagreeing ones counting less.

    Args:
        source: ``(K, 2)``.
        target: ``(K, 2)``.
        weight: ``(K,)``, above 0.

    Returns:
        ``(2, 2)`` and where the origin goes ``(2,)``; and the weighted part that agrees.
    """
    used, agreeing = weight, weight
    matrix, origin = np.eye(2), np.zeros(2)
    for width in WIDTHS:
        share = used / used.sum()
        middle, goal = share @ source, share @ target
        a, b = source - middle, target - goal
        spread = float(share @ (a * a).sum(1)) + LEAST_WEIGHT
        c = float(share @ (a * b).sum(1)) / spread
        s = float(share @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])) / spread
        matrix = np.array([[c, -s], [s, c]])
        origin = goal - matrix @ middle
        residual = target - source @ matrix.T - origin
        agreeing = 1 / (1 + (residual * residual).sum(1) / width**2)
        used = weight * agreeing
    return matrix, origin, float((weight @ agreeing) / weight.sum())


def _limited(matrix: Array) -> Array:
    """A similarity that turns and resizes by no more than one fit can see."""
    c, s = float(matrix[0, 0]), float(matrix[1, 0])
    zoom = math.hypot(c, s)
    angle = math.radians(MOST_TURN)
    turn = min(max(math.atan2(s, c), -angle), angle)
    zoom = min(max(zoom, 1 / MOST_ZOOM), MOST_ZOOM)
    c, s = zoom * math.cos(turn), zoom * math.sin(turn)
    return np.array([[c, -s], [s, c]])
