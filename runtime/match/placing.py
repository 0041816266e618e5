"""From a nearly known place to an exact box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from ..boxes import Box
from ..bundle.match_recipe import MatchRecipe
from ..images import Image
from ..patches.agreement import fit_windows
from ..patches.encoder import Encoder, FeatureMap
from ..patches.grid import PatchGrid
from ..patches.region import Region, cut_region
from ..patches.taps import Taps
from ..patches.windows import CellRange, cells_around, summit, vertex_offset
from ..session import WindowFit
from .template import TemplateLevel

Array = NDArray[Any]


@dataclass(frozen=True)
class Place:
    """Where a template's box lies.

    Attributes:
        x: its left edge, in pixels of the image.
        y: its top edge.
        likelihood: mean log-likelihood that cells are the patches at their places, at most 0.
        likeness: mean similarity of cells to the patch they resemble most, in [-1, 1].
        fit: of the windows around it.
        cells: over which; in the map of the image, or of a part of it.
    """

    x: float
    y: float
    likelihood: float
    likeness: float
    fit: WindowFit = field(compare=False, repr=False)
    cells: CellRange = field(compare=False, repr=False)


@dataclass(frozen=True)
class Look:
    """A part of an image to be encoded by itself, and a template that should be in its middle.

    Attributes:
        level: the template.
        size: width and height of its box, in pixels at the level's resolution.
        region: the part, at the resolution at which the object has the template's size.
        margin: fine cells that the place may be off.
    """

    level: TemplateLevel
    size: tuple[float, float]
    region: Region
    margin: int


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
        shape = self.encoder.fine_shape(features)
        around = self._around(grid, shape, x, y, self.recipe.place_margin)
        place = self._best(grid, self.encoder.fine_window(features, around), around)
        return replace(place, x=place.x / features.scale_x, y=place.y / features.scale_y)

    def region_around(self, level: TemplateLevel, box: Box, reach: float = 0.0) -> Region:
        """The part of an image that shows a box and some of what surrounds it.

        Args:
            level: its scale is the part's resolution.
            box: in pixels of the image.
            reach: working pixels that the box may be off, on each side.
        """
        share, border = self.recipe.look_share, self.recipe.look_border
        working = (
            self.encoder.look_side(side * level.scale + 2 * reach, share, border)
            for side in (box.w, box.h)
        )
        return Region.around(box.centre, level.scale, *working)

    def look(self, image: Image, looks: Sequence[Look]) -> list[Place]:
        """Where templates fit best in parts of an image, encoded as many at once as may be.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            looks: what to look at.

        Returns:
            The places in their order. A part's resolution says in which size the object is seen.
        """
        encoded = self.encoder.encode_each([cut_region(image, look.region) for look in looks])
        return self.encoder.session.side_by_side(
            lambda index: self._seen(looks[index], encoded[index][0]), range(len(looks))
        )

    def _seen(self, look: Look, taps: Taps) -> Place:
        """Where a template fits best in an encoded part."""
        region, grid = look.region, look.level.fine
        middle = Box.around((region.width / 2, region.height / 2), *look.size)
        around = self._around(grid, taps.shape, middle.x, middle.y, look.margin)
        place = self._best(grid, taps.window(around), around)
        x, y = region.to_frame(place.x, place.y)
        return replace(place, x=x, y=y)

    def _around(
        self, grid: PatchGrid, shape: tuple[int, int], x: float, y: float, margin: int
    ) -> CellRange:
        """Cells around the window of a box that begins at ``(x, y)`` working pixels."""
        at = grid.window_at(x, y, self.encoder.stride)
        return cells_around(*at, grid.footprint.shape, shape, margin)

    def _best(self, grid: PatchGrid, cells: Array, around: CellRange) -> Place:
        """The best shift over some cells, in working pixels."""
        fit = fit_windows(self.encoder.session, grid, cells, self.recipe.alpha)
        likelihood = fit.likelihood if self.recipe.exclusive else fit.similarity
        y, x = summit(likelihood)
        right, down = vertex_offset(likelihood, y, x)
        corner = around.left + x + right, around.top + y + down
        return Place(
            *grid.box_at(*corner, self.encoder.stride),
            float(likelihood[y, x]),
            float(fit.likeness[y, x]),
            fit,
            around,
        )
