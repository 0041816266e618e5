"""From a nearly known place to an exact box."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..bundle.recipes import MatchRecipe
from ..images import Image
from ..patches.agreement import fit_windows
from ..patches.encoder import Encoder, FeatureMap
from ..patches.grid import PatchGrid
from ..patches.region import Region, cut_region
from ..patches.windows import CellRange, cells_around, summit, vertex_offset
from .template import TemplateLevel

Array = NDArray[Any]


@dataclass(frozen=True)
class Place:
    """Where a template's box lies.

    Attributes:
        x: its left edge, in working pixels.
        y: its top edge.
        likelihood: mean log-likelihood that cells are the patches at their places, at most 0.
        likeness: mean similarity of cells to the patch they resemble most, in [-1, 1].
    """

    x: float
    y: float
    likelihood: float
    likeness: float


class _Look(NamedTuple):
    """An object seen in one size: steps from the template's, its centre in pixels, likelihood."""

    steps: int
    x: float
    y: float
    likelihood: float


class Placer:
    """Places templates at the finer stride.

    Args:
        encoder: encodes parts of images again, at other sizes.
        recipe: of the bundle.
    """

    def __init__(self, encoder: Encoder, recipe: MatchRecipe) -> None:
        self.encoder = encoder
        self.recipe = recipe

    def place(self, grid: PatchGrid, features: FeatureMap, x: float, y: float) -> Place:
        """Where a template fits best within two cells.

        Args:
            grid: the template's patches at the finer stride.
            features: of the whole image.
            x: left edge of the box, in working pixels, known to about a coarse cell.
            y: top edge.
        """
        rows, columns = self.encoder.fine_shape(features)
        around = self._around(grid, (rows, columns), x, y, self.recipe.place_margin)
        return self._best(grid, self.encoder.fine_region(features, *around), around)

    def resize(self, level: TemplateLevel, image: Image, box: Box, likelihood: float) -> Box:
        """Estimate the size of what was found, and its place once more.

        The object is looked at one step smaller and one step larger, and further on while that
        fits clearly better. The boxes are averaged (sizes geometrically), each weighted with its
        likelihood: the mean of the posterior if all patches together count as one observation,
        for neighbours are far from independent. No box grows larger than the image. It is left as
        it is for a masked template, most of whose patches see what the mask hides, and where an
        engine takes no image so small.

        Args:
            level: the template at the resolution it was found at.
            image: ``(H, W, 3)`` uint8 BGR.
            box: found, of the template's size.
            likelihood: of that box.
        """
        scale = level.scale
        working = (self._working_side(box.w * scale), self._working_side(box.h * scale))
        masked = not level.fine.footprint.all()
        if masked or not self.encoder.in_one_piece(working[1], working[0]):
            return box
        looks = [_Look(0, *box.centre, likelihood)]
        for direction in (-1, 1):
            last = looks[0]
            for step in range(1, self.recipe.size_steps + 1):
                look = self._look(level, image, box, last, direction * step, working)
                looks.append(look)
                if look.likelihood < last.likelihood + self.recipe.clear_gain:
                    break
                last = look
        weights = np.exp(np.array([look.likelihood for look in looks]))
        shares = weights / weights.sum()
        steps, x, y = (float(v) for v in shares @ np.array([look[:3] for look in looks]))
        fitting = min(image.shape[1] / box.w, image.shape[0] / box.h)
        factor = min(self.recipe.size_step**steps, fitting)
        return Box.around((x, y), box.w * factor, box.h * factor)

    def _look(
        self,
        level: TemplateLevel,
        image: Image,
        box: Box,
        last: _Look,
        steps: int,
        working: tuple[int, int],
    ) -> _Look:
        """Look at the object, in a region of a working size, as if it had another size."""
        scale = level.scale / self.recipe.size_step**steps
        region = Region.around((last.x, last.y), scale, *working)
        cells = self.encoder.encode_crop(cut_region(image, region))[0]
        size = box.w * level.scale, box.h * level.scale
        middle = Box.around((region.width / 2, region.height / 2), *size)
        around = self._around(
            level.fine, cells.shape[1:], middle.x, middle.y, self.recipe.size_margin
        )
        place = self._best(level.fine, around.cut(cells), around)
        centre = region.to_frame(*Box(place.x, place.y, *size).centre)
        return _Look(steps, *centre, place.likelihood)

    def _working_side(self, side: float) -> int:
        """Working pixels of a region around a box, which need no padding."""
        align, recipe = self.encoder.align, self.recipe
        shown = side * (1 + 2 * recipe.look_share) + 2 * recipe.look_border
        return align * math.ceil(shown / align)

    def _around(
        self, grid: PatchGrid, shape: tuple[int, ...], x: float, y: float, margin: int
    ) -> CellRange:
        """Cells around the window of a box that begins at ``(x, y)`` working pixels."""
        at = grid.window_at(x, y, self.encoder.stride)
        return cells_around(*at, grid.footprint.shape, shape, margin)

    def _best(self, grid: PatchGrid, cells: Array, around: CellRange) -> Place:
        """The best shift over some cells."""
        fit = fit_windows(grid, cells, self.recipe.alpha)
        likelihood = fit.likelihood if self.recipe.exclusive else fit.similarity
        y, x = summit(likelihood)
        right, down = vertex_offset(likelihood, y, x)
        corner = around.left + x + right, around.top + y + down
        return Place(
            *grid.box_at(*corner, self.encoder.stride),
            float(likelihood[y, x]),
            float(fit.likeness[y, x]),
        )
