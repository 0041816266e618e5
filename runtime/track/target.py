"""What a tracker knows of how its target looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..images import Image, is_flat
from ..kinds import Numeric
from ..patches.agreement import rigid_agreement
from ..patches.encoder import Encoder
from ..patches.grid import PatchGrid, cut_grid
from ..patches.quality import Qualities, qualities
from ..patches.region import Region, RegionFeatures
from ..patches.similarity import Comparison
from ..patches.taps import Cells, DenseCells
from ..patches.windows import (
    cells_around,
    highest_peak,
    window_mean,
    window_response,
)
from .box_evidence import box_evidence
from .box_network import BoxNetwork, joined
from .colours import NONE, ObjectColours, colour_numbers, window_shares
from .compared_region import ComparedRegion
from .encoding import encode_region, encode_regions
from .options import TrackerOptions
from .patch_motion import MotionReading, PatchReading, read_patches, together

Array = NDArray[Any]

FINE_POOL: Numeric[int] = 500
"""Fine cells around the target among which what competes with its patches is sought."""


MOST_TURNED: Numeric[float] = 2.0
"""Degrees of a turn beyond which the network, which has hardly seen any, is not asked."""


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
        self.region_size = self._working_size()
        self.centre = box.centre
        first = self.encode(frame, Region.around(self.centre, self.scale, *self.region_size))
        placed = first.region.box_to_working(box)
        pool = options.competitor_pool
        self.coarse = self.cut(DenseCells(first.coarse), placed, encoder.coarse_stride, pool)
        self.recent = self._newer = self.coarse
        self._compared: ComparedRegion | None = None
        self._kept = self._since = self._unseen = 0
        self._patches = self.cut(first.fine, placed, encoder.stride)
        self.colours = ObjectColours.of(colour_numbers(first.image), placed)
        own = self.cut(first.fine, placed, encoder.stride, FINE_POOL)
        self.first_patches = self._recent_patches = self._newer_patches = own
        self._older_patches = self._next_older_patches = own
        self._reads_older = False
        self._network = BoxNetwork.of(encoder.session) if options.network_weight else None

    def encode(self, frame: Image, region: Region) -> RegionFeatures:
        """Features of a region of a frame."""
        return encode_region(self.encoder, frame, region)

    def encode_all(self, frame: Image, regions: Sequence[Region]) -> list[RegionFeatures]:
        """Features of several regions of a frame, encoded together."""
        return encode_regions(self.encoder, frame, regions)

    def look(self, seen: RegionFeatures, expected: tuple[float, float] | None = None) -> Sighting:
        """The best place in a region; the nearer to the expected one, the better.

        Args:
            seen: features of the region, at a scale that gives the target its working size.
            expected: predicted centre in pixels of the frame, or ``None`` for no preference.
        """
        grid, stride = self.coarse, self.encoder.coarse_stride
        quality, other = self._qualities(seen)
        response = self._response(quality, other)
        if self.options.colour_weight:
            response = response * self._coloured(response.shape, seen)
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
        recent = first if other is quality else self._evidence(other, self.recent, x, y)
        return Sighting(centre, first, recent, agreement)

    def remember(self, seen: RegionFeatures, centre: tuple[float, float]) -> None:
        """Keep how the target looks now, to know it by when it has changed.

        What is kept is used only after :attr:`TrackerOptions.recent_after` more looks, so that what
        slowly covers the target is not taken for it.

        Args:
            seen: features of a region that surely shows the target.
            centre: of the target, in pixels of the frame.
        """
        frames = 1 + self._unseen
        self._since += frames
        self.renew_colours(seen, centre)
        # It is due in this look rather than in the next one, as many frames later.
        if not 0 < self.options.recent_after <= self._since + frames / 2:
            return
        self._kept, self._since = self._kept + 1, 0
        box = self._box_in(seen.region, centre)
        self.recent = self._newer
        self._recent_patches = self._newer_patches
        every = self.options.older_every
        if every and self._kept % every == 0:
            self._older_patches = self._next_older_patches
            self._next_older_patches = self._recent_patches
        pool, stride = self.options.competitor_pool, self.encoder.coarse_stride
        self._newer = self.cut(DenseCells(seen.coarse), box, stride, pool)
        self._newer_patches = self.cut(seen.fine, box, self.encoder.stride, FINE_POOL)

    def passed(self) -> None:
        """A frame showed the target, and was not looked at."""
        self._unseen += 1

    def renew_colours(self, seen: RegionFeatures, centre: tuple[float, float]) -> None:
        """Take in the colours that the target has now, in a region that surely shows it."""
        if self.options.colour_weight or self.options.again_colours:
            box = self._box_in(seen.region, centre)
            part = 1 - (1 - self.options.colour_gain) ** (1 + self._unseen)
            self.colours = self.colours.renewed(self.compared(seen).colours, box, part)
        self._unseen = 0

    def colour_likeness(self, seen: RegionFeatures, centre: tuple[float, float]) -> float:
        """How like the target's of late the colours of a place are, 0 to 1.

        Args:
            seen: features of a region that shows the place.
            centre: of the place, in pixels of the frame.
        """
        return self.colours.likeness(self.compared(seen).colours, self._box_in(seen.region, centre))

    def _box_in(self, region: Region, centre: tuple[float, float]) -> Box:
        """The target's box in a region, in working pixels."""
        at, scale = region.to_working(*centre), self.scale
        return Box.around(at, self.box.w * scale, self.box.h * scale)

    def read_motion(
        self, seen: RegionFeatures, centre: tuple[float, float]
    ) -> MotionReading | None:
        """How the target's size and place differ from what is supposed, by its patches.

        Args:
            seen: features of a region that shows the target.
            centre: of the target, in pixels of the frame.

        Returns:
            Size relative to what the region's scale supposes, and place; ``None`` if the patches
            say nothing.
        """
        box = self._box_in(seen.region, centre)
        corner, sides = (box.x, box.y), (box.w, box.h)
        later = self._older_patches if self._reads_older else self._recent_patches
        # In turn, for each takes as long: the recent one knows what has just changed, and the older
        # one has lagged behind for less long.
        self._reads_older = not self._reads_older and self._older_patches is not self.first_patches
        session, stride = self.encoder.session, self.encoder.stride

        def read(look: PatchGrid) -> PatchReading:
            return read_patches(session, look, seen, corner, sides, stride, self.alpha)

        first = read(self.first_patches)
        sure = first.trust > math.exp(self.options.first_sure)
        others = [] if sure or later is self.first_patches else [read(later)]
        said = together(first, others, self.options)
        if self._network is None or (said is not None and abs(said.turn) > MOST_TURNED):
            return said
        told = self._network.read(box_evidence(self, seen, centre))
        x, y = (
            at + part * side
            for at, part, side in zip(box.centre, (told.across, told.down), sides, strict=True)
        )
        return joined(said, told, seen.region.to_frame(x, y), centre, self.options)

    def _working_size(self) -> tuple[int, int]:
        """Width and height of a region, in working pixels that need no padding."""
        align, border = self.encoder.align, 2 * self.options.margin * self.options.side
        width, height = (
            align * max(2, round((length * self.scale + border) / align))
            for length in (self.box.w, self.box.h)
        )
        return width, height

    def cut(self, features: Cells, placed: Box, stride: int, pool: int = 0) -> PatchGrid:
        """The target's patches, with what competes with them or without.

        Args:
            features: of a region that shows the target.
            placed: the target in it, in working pixels.
            stride: working pixels per cell.
            pool: cells around the target among which competitors are sought; 0 for none.
        """
        count = self.options.competitors if pool else 0
        return cut_grid(features, placed, None, stride, count, pool)

    def _qualities(self, seen: RegionFeatures) -> tuple[Qualities, Qualities]:
        """Quality maps of a region for the first look of the target and for the recent one."""
        first, recent = self.compared(seen).cosines
        quality = qualities(first, int(self.coarse.target.sum()), self.alpha)
        if self.recent is self.coarse:
            return quality, quality
        return quality, qualities(recent, int(self.recent.target.sum()), self.alpha)

    def compared(self, seen: RegionFeatures) -> ComparedRegion:
        """A region beside the first look and the recent one."""
        at_hand = self._compared
        if at_hand is None or at_hand.seen is not seen or at_hand.recent is not self.recent:
            self._compared = at_hand = ComparedRegion(seen, self.coarse, self.recent)
        return at_hand

    def _response(self, quality: Qualities, recent: Qualities) -> Array:
        """Responses of both looks, averaged geometrically; what neither shows cannot win."""
        part, footprint = self.options.recent_weight, self.coarse.footprint
        apart = recent is quality or self.recent.footprint.shape != footprint.shape
        if part == 0 or apart:
            return window_response(quality.contested, footprint)
        response = window_response(quality.contested, footprint)
        other = window_response(recent.contested, self.recent.footprint)
        return response ** np.float32(1 - part) * other ** np.float32(part)

    def _evidence(self, quality: Qualities, grid: PatchGrid, x: float, y: float) -> Evidence:
        """What quality maps say of a box's corner, given in working pixels."""
        column, row = (round(at) for at in grid.window_at(x, y, self.encoder.coarse_stride))
        (height, width), shape = grid.footprint.shape, quality.contested.shape
        # The box lies between cells, and its true place is known to about one.
        i = min(max(row, 0), shape[0] - height)
        j = min(max(column, 0), shape[1] - width)
        near = cells_around(j, i, (height, width), shape, 1)
        values = np.dstack([near.cut(values) for values in quality])
        contested, alone = window_mean(values, grid.footprint).max((0, 1))
        return Evidence(float(contested), float(alone))

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

    def _coloured(self, shape: tuple[int, ...], seen: RegionFeatures) -> Array:
        """How likely each window is by the colours in it."""
        stride = self.encoder.coarse_stride
        x, y = self.coarse.box_at(0, 0, stride)
        lefts, tops = (
            begin + stride * np.arange(count) for begin, count in ((x, shape[1]), (y, shape[0]))
        )
        sides = self.box.w * self.scale, self.box.h * self.scale
        shares = window_shares(self.compared(seen).likely(self.colours), lefts, tops, sides)
        weight = np.float32(self.options.colour_weight)
        return (np.maximum(shares, np.float32(0)) + np.float32(NONE)) ** weight

    def _refine(self, seen: RegionFeatures, x: float, y: float) -> tuple[float, float, float]:
        """Where exactly the box begins, in working pixels, and how well its patches agree."""
        grid, stride = self._patches, self.encoder.stride
        column, row = (round(at) for at in grid.window_at(x, y, stride))
        margin, shape = self.options.place_margin, grid.footprint.shape
        around = cells_around(column, row, shape, seen.fine.shape, margin)
        compared = Comparison(grid.sums, around.cut(seen.fine.features))
        peak = highest_peak(rigid_agreement(compared, grid.rows, grid.footprint))
        corner = peak.x + around.left, peak.y + around.top
        return *grid.box_at(*corner, stride), peak.response
