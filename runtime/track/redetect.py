"""Looking for a lost target in the whole frame, with its first look."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..images import Image
from ..patches.grid import PatchGrid, cut_grid
from ..patches.quality import quality_map
from ..patches.region import Region
from ..patches.windows import find_peaks, window_response

if TYPE_CHECKING:
    from .target import TargetModel

SMALLEST = 20.0
"""Sides of the target below this many working pixels have too few patches to be found by."""

CANDIDATES = 5
"""Places of one search that are looked at more closely."""

ROUNDING = 8
"""Target sizes are rounded to this many steps per factor of two, so that encodings are reused."""


class WholeFrameSearch:
    """Proposes places for a target anywhere in a frame.

    Args:
        model: the target.
    """

    def __init__(self, model: TargetModel) -> None:
        self.model = model
        self._grids: dict[float, PatchGrid] = {}

    def candidates(self, frame: Image, size: float) -> list[tuple[tuple[float, float], float]]:
        """Likely places, best first of each size.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            size: the target's last size, relative to its first.

        Returns:
            Centres in pixels of the frame, and the size that goes with each.
        """
        found = []
        for factor in self.model.options.search_sizes:
            found += [(centre, size * factor) for centre in self._at_size(frame, size * factor)]
        return found

    def _at_size(self, frame: Image, size: float) -> list[tuple[float, float]]:
        """Likely centres of a target of one size."""
        model, stride = self.model, self.model.encoder.coarse_stride
        side = model.side * size
        pixels = frame.shape[0] * frame.shape[1]
        scale = math.sqrt(model.options.search_pixels / pixels)
        scale = min(max(scale, SMALLEST / side), model.options.side / side)
        grid = self._grid(side * scale)
        features = model.encoder.encode(frame, scale)
        height, width = grid.footprint.shape
        rows, columns = features.coarse.shape[1:]
        if height > rows or width > columns:
            return []
        session = model.encoder.session
        quality = quality_map(session, grid.rows, grid.target, features.coarse, model.alpha)
        response = window_response(quality, grid.footprint)
        return [
            (
                (peak.x + width / 2) * stride / features.scale_x,
                (peak.y + height / 2) * stride / features.scale_y,
            )
            for peak in find_peaks(response, (height, width), CANDIDATES)
        ]

    def _grid(self, side: float) -> PatchGrid:
        """The target's patches when its side is about this many working pixels."""
        rounded = 2 ** (round(ROUNDING * math.log2(side)) / ROUNDING)
        if rounded not in self._grids:
            self._grids[rounded] = self._encode(rounded)
        return self._grids[rounded]

    def _encode(self, side: float) -> PatchGrid:
        """Encode the first look again at another size."""
        model, align = self.model, self.model.encoder.align
        scale = model.scale * side / model.options.side
        # The same part of the first frame, or what is next to the target would lack.
        width, height = (
            align * max(2, math.ceil(length * scale / model.scale / align) + 2)
            for length in model.region_size
        )
        region = Region.around(model.centre, scale, width, height)
        features = model.encode(model.frame, region)
        placed, stride = region.box_to_working(model.box), model.encoder.coarse_stride
        return cut_grid(features.coarse, placed, None, stride, model.options.competitors)
