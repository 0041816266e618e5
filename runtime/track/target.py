"""What a tracker knows of how its target looks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image, is_flat
from ..patches.agreement import rigid_agreement
from ..patches.encoder import Encoder
from ..patches.grid import PatchGrid, cut_grid
from ..patches.quality import Qualities, qualities
from ..patches.region import Region, RegionFeatures, cut_region
from ..patches.similarity import Comparison
from ..patches.taps import Cells, DenseCells
from ..patches.windows import (
    CellRange,
    cells_around,
    highest,
    highest_peak,
    parabola_vertex,
    window_mean,
    window_response,
)
from .options import TrackerOptions

Array = NDArray[Any]


class Evidence(NamedTuple):
    """How well one look of the target explains the place where it seems to be.

    Attributes:
        contested: mean quality in the window, with competitors in the softmax, in [0, 1].
        alone: the same without competitors, at least as large.
    """

    contested: float
    alone: float


@dataclass(frozen=True)
class Sighting:
    """The best place for the target in a region.

    Attributes:
        centre: of the target, in pixels of the frame.
        first: evidence of how it looked in the first frame.
        recent: of how it looked some frames ago.
        agreement: mean similarity of each patch of the first look with the cell at its own place,
            in [0, 1].
    """

    centre: tuple[float, float]
    first: Evidence
    recent: Evidence
    agreement: float


NOTHING = Evidence(0.0, 0.0)


def encode_region(encoder: Encoder, frame: Image, region: Region) -> RegionFeatures:
    """Features of a region of a frame."""
    pixels = cut_region(frame, region)
    return RegionFeatures(region, pixels, *encoder.encode_crop(pixels))


class TargetModel:
    """Patches of one target at a fixed working size, and how well regions agree with them.

    Args:
        encoder: encodes regions.
        alpha: factor on the cosine similarity inside both softmaxes.
        options: see there.
        frame: ``(H, W, 3)`` uint8 BGR; a copy is kept for searches at other sizes.
        box: the target in it.
    """

    def __init__(
        self, encoder: Encoder, alpha: float, options: TrackerOptions, frame: Image, box: Box
    ) -> None:
        self.encoder = encoder
        self.alpha = alpha
        self.options = options
        self.frame = frame.copy()
        self.box = box
        self.flat = is_flat(frame, box, None)
        self.side = math.sqrt(box.w * box.h)
        self.scale = options.side / self.side
        self.region_size = self._working_size(options.margin, options.side)
        self.centre = box.centre
        first = self.encode(frame, Region.around(self.centre, self.scale, *self.region_size))
        placed = first.region.box_to_working(box)
        self.coarse = self.cut(
            DenseCells(first.coarse), placed, encoder.coarse_stride, compete=True
        )
        self.fine = self.cut(first.taps, placed, encoder.stride, compete=False)
        self.recent = self._newer = self.coarse
        self._looks = 0
        self._sizes = self._other_sizes() if options.scale_step > 1 else []

    def encode(self, frame: Image, region: Region) -> RegionFeatures:
        """Features of a region of a frame."""
        return encode_region(self.encoder, frame, region)

    def look(self, seen: RegionFeatures, expected: tuple[float, float] | None = None) -> Sighting:
        """The best place in a region; the nearer to the expected one, the better.

        Args:
            seen: features of the region, at a scale that gives the target its working size.
            expected: predicted centre in pixels of the frame, or ``None`` for no preference.
        """
        grid, stride = self.coarse, self.encoder.coarse_stride
        compared = Comparison(grid.rows, seen.coarse)
        quality = self._qualities(compared, grid)
        response = window_response(quality.contested, grid.footprint)
        other, same = quality, self.recent is grid
        if not same:
            other = self._qualities(compared, self.recent)
            response = self._mixed(response, other)
        if expected is not None and self.options.locality:
            response = response * self._prior(response.shape, seen.region, expected)
        peak = highest_peak(response)
        x, y, agreement = self._refine(seen, *grid.box_at(peak.x, peak.y, stride))
        box = Box(x, y, self.box.w * self.scale, self.box.h * self.scale)
        centre = seen.region.to_frame(*box.centre)
        # What is left of a single colour are effects of the border, and those match one to one.
        if self.flat or is_flat(seen.image, box, None):
            return Sighting(centre, NOTHING, NOTHING, 0.0)
        first = self._evidence(quality, grid, x, y)
        recent = first if same else self._evidence(other, self.recent, x, y)
        return Sighting(centre, first, recent, agreement)

    def remember(self, seen: RegionFeatures, centre: tuple[float, float]) -> None:
        """Keep how the target looks now, to know it by when it has changed.

        What is kept is used only after :attr:`TrackerOptions.recent_after` more looks, so that what
        slowly covers the target is not taken for it.

        Args:
            seen: features of a region that surely shows the target.
            centre: of the target, in pixels of the frame.
        """
        after = self.options.recent_after
        if after == 0:
            return
        self._looks += 1
        if self._looks % after == 0:
            self.recent = self._newer
            at, scale = seen.region.to_working(*centre), self.scale
            box = Box.around(at, self.box.w * scale, self.box.h * scale)
            stride = self.encoder.coarse_stride
            self._newer = self.cut(DenseCells(seen.coarse), box, stride, compete=True)

    def measure_size(self, seen: RegionFeatures, centre: tuple[float, float]) -> float:
        """The target's size, relative to its first, as its patches fit a region best.

        Args:
            seen: features of a region that shows the target.
            centre: of the target, in pixels of the frame.

        Returns:
            A size within one step of what the region's scale supposes.
        """
        step, cost = self.options.scale_step, self.options.scale_cost
        supposed = self.scale / seen.region.scale
        at = seen.region.to_working(*centre)
        worth = []
        for factor, grid in self._sizes:
            width, height = (side * self.scale * factor for side in (self.box.w, self.box.h))
            box = Box.around(at, width, height)
            fit = highest(self._agreement(grid, seen, box.x, box.y, self.options.size_margin)[1])
            worth.append(fit - cost * abs(math.log(supposed * factor)))
        if worth[1] < max(worth):
            return float(supposed * step ** (int(np.argmax(worth)) - 1))
        return float(supposed * step ** parabola_vertex(np.asarray(worth), 1))

    def _other_sizes(self) -> list[tuple[float, PatchGrid]]:
        """The target's patches when it looks one step smaller, as it is, and one step larger."""
        grids = []
        for power in (-1, 0, 1):
            factor = self.options.scale_step**power
            region = Region.around(self.centre, self.scale * factor, *self.region_size)
            seen = self.encode(self.frame, region)
            placed = region.box_to_working(self.box)
            grids.append((factor, self.cut(seen.taps, placed, self.encoder.stride, compete=False)))
        return grids

    def _agreement(
        self, grid: PatchGrid, seen: RegionFeatures, x: float, y: float, margin: int
    ) -> tuple[CellRange, Array]:
        """How well patches agree around a box's corner: which cells, and each shift over them."""
        column, row = (round(at) for at in grid.window_at(x, y, self.encoder.stride))
        shape = grid.footprint.shape
        around = cells_around(column, row, shape, seen.taps.shape, margin)
        compared = Comparison(grid.rows, seen.taps.window(around))
        return around, rigid_agreement(compared, grid.rows, grid.footprint)

    def _working_size(self, margin: float, side: float) -> tuple[int, int]:
        """Width and height of a region, in working pixels that need no padding."""
        factor = side / math.sqrt(self.box.w * self.box.h)
        align = self.encoder.align
        width, height = (
            align * max(2, round((length * factor + 2 * margin * side) / align))
            for length in (self.box.w, self.box.h)
        )
        return width, height

    def cut(self, features: Cells, placed: Box, stride: int, *, compete: bool) -> PatchGrid:
        """The target's patches, with what competes with them or without.

        Args:
            features: of a region that shows the target.
            placed: the target in it, in working pixels.
            stride: working pixels per cell.
            compete: whether patches around the target join.
        """
        count = self.options.competitors if compete else 0
        return cut_grid(features, placed, None, stride, count, self.options.competitor_pool)

    def _qualities(self, compared: Comparison, grid: PatchGrid) -> Qualities:
        """Quality maps of a region for one look of the target."""
        return qualities(compared.cosine(grid.rows), int(grid.target.sum()), self.alpha)

    def _mixed(self, response: Array, recent: Qualities) -> Array:
        """Responses of both looks, averaged geometrically; what neither shows cannot win."""
        part = self.options.recent_weight
        if part == 0 or self.recent.footprint.shape != self.coarse.footprint.shape:
            return response
        other = window_response(recent.contested, self.recent.footprint)
        return response ** np.float32(1 - part) * other ** np.float32(part)

    def _evidence(self, quality: Qualities, grid: PatchGrid, x: float, y: float) -> Evidence:
        """What quality maps say of a box's corner, given in working pixels."""
        column, row = (round(at) for at in grid.window_at(x, y, self.encoder.coarse_stride))
        values = []
        for values_of in quality:
            means = window_mean(values_of, grid.footprint)
            # The box lies between cells, and its true place is known to about one.
            i = min(max(row, 0), means.shape[0] - 1)
            j = min(max(column, 0), means.shape[1] - 1)
            near = cells_around(j, i, (1, 1), means.shape, 1).cut(means)
            values.append(float(near.max()))
        return Evidence(*values)

    def _prior(
        self, shape: tuple[int, ...], region: Region, expected: tuple[float, float]
    ) -> Array:
        """How likely each window is, before looking: 1 at the expected place."""
        stride, grid = self.encoder.coarse_stride, self.coarse
        x, y = region.to_working(*expected)
        x -= self.box.w * self.scale / 2 + grid.offset[0]
        y -= self.box.h * self.scale / 2 + grid.offset[1]
        reach = self.options.reach * self.options.side
        across = np.exp(-(((np.arange(shape[1]) * stride - x) / reach) ** 2) / 2)
        down = np.exp(-(((np.arange(shape[0]) * stride - y) / reach) ** 2) / 2)
        prior = 1 - self.options.locality * (1 - down[:, None] * across)
        return prior.astype(np.float32)

    def _refine(self, seen: RegionFeatures, x: float, y: float) -> tuple[float, float, float]:
        """Where exactly the box begins, in working pixels, and how well its patches agree."""
        grid, stride = self.fine, self.encoder.stride
        around, agreement = self._agreement(grid, seen, x, y, self.options.place_margin)
        peak = highest_peak(agreement)
        corner = peak.x + around.left, peak.y + around.top
        return *grid.box_at(*corner, stride), peak.response
