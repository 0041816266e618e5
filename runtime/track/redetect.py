"""Looking for a lost target in the whole frame, with its first look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..images import Image
from ..kinds import Numeric
from ..patches.grid import PatchGrid
from ..patches.quality import quality_map
from ..patches.region import Region
from ..patches.taps import DenseCells
from ..patches.windows import clamped, find_peaks, window_response

if TYPE_CHECKING:
    from .target import TargetModel

ALONE: Numeric[int] = 2
"""Of so many parts of a frame that are searched one lies around the last place."""

BESIDE_LOOKS: Numeric[int] = 4
"""The same where the places where the target was seen are looked at between parts."""


class FramePart(NamedTuple):
    """What of a frame one search encodes: a rectangle in its pixels, and working pixels a pixel."""

    left: int
    top: int
    width: int
    height: int
    scale: float

    @property
    def pixels(self) -> float:
        """How many working pixels it has."""
        return self.width * self.height * self.scale**2

    def cut(self, frame: Image) -> Image:
        """Its pixels, ``(height, width, 3)`` uint8."""
        rows = frame[self.top : self.top + self.height]
        return np.ascontiguousarray(rows[:, self.left : self.left + self.width])


class WholeFrameSearch:
    """Proposes places for a target anywhere in a frame.

    A search shrinks the frame to :attr:`TrackerOptions.search_pixels` working pixels. A target
    that has too few patches then is looked for in parts of the frame of that many working pixels,
    one a search, in the lowest resolution that shows enough of it: around where it was last seen
    in every second search, in between in all parts of the frame one after the other.

    Args:
        model: the target.
    """

    def __init__(self, model: TargetModel) -> None:
        self.model = model
        self._grids: dict[float, PatchGrid] = {}
        self._searches = 0

    def candidates(
        self, frame: Image, last: tuple[float, float], size: float, sizes: Sequence[float]
    ) -> list[tuple[tuple[float, float], float]]:
        """Likely places in the part of a frame whose turn it is, best first.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            last: where the target was last seen, in pixels of the frame.
            size: its size then, relative to its first.
            sizes: relative to that, at which it is looked for, one a search.

        Returns:
            Centres in pixels of the frame, and the size that goes with each.
        """
        tried = size * self.in_turn(frame, size, sizes)
        part = self._part(frame, last, tried, self.model.options.search_pixels)
        found = [(centre, tried) for centre in self.inside(frame, part, tried)]
        self._searches += 1
        return found

    def next_part(
        self, frame: Image, last: tuple[float, float], size: float, most: int
    ) -> FramePart:
        """The part of a frame to be searched next, of at most so many working pixels."""
        return self._part(frame, last, size, most, BESIDE_LOOKS)

    def in_turn(
        self, frame: Image, size: float, sizes: Sequence[float], every: int = ALONE
    ) -> float:
        """Which of some sizes is looked for in the next search.

        Where a frame is searched part by part, a size stays for as many as show the whole frame.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            size: of the target when it was last seen, relative to its first.
            sizes: those in turn.
            every: every so many of the parts lies around the last place.
        """
        turn, around = self._searches, self._searches // every
        if len(sizes) > 1 and (count := len(self.parts(frame, size))) > 1:
            turn = around if turn % every == 0 else (turn - around - 1) // count
        return sizes[turn % len(sizes)]

    def parts(self, frame: Image, size: float) -> list[FramePart]:
        """The parts of a frame that together show all of it."""
        most = self.model.options.search_pixels
        height, width = frame.shape[:2]
        one = self._part(frame, (width / 2, height / 2), size, most)
        if (one.width, one.height) == (width, height):
            return [one]
        shared = self.model.options.search_overlap * self._side(size)
        spans, limits = (one.width, one.height), (width, height)
        starts = [_tile(0, spans, limits, shared)]
        while (start := _tile(len(starts), spans, limits, shared)) != starts[0]:
            starts.append(start)
        return [FramePart(*start, *spans, one.scale) for start in starts]

    def go_on(self) -> None:
        """The next part was searched: another one's turn."""
        self._searches += 1

    def unready(self, part: FramePart, size: float) -> int:
        """Working pixels of the target that are to be encoded before a part can be searched."""
        rounded = self._rounded(self._side(size) * part.scale)
        return 0 if rounded in self._grids else math.prod(self._sides(rounded))

    def get_ready(self, part: FramePart, size: float) -> None:
        """Encode what :meth:`unready` says is lacking."""
        self._grid(self._side(size) * part.scale)

    def _part(
        self, frame: Image, last: tuple[float, float], size: float, most: int, every: int = ALONE
    ) -> FramePart:
        """The part of a frame that this search looks at for a target of one size.

        Where parts are searched, every so many of them lies around the last place.
        """
        model, (height, width) = self.model, frame.shape[:2]
        side = self._side(size)
        scale = math.sqrt(most / (height * width))
        least = min(model.options.search_side, model.options.side) / side
        if scale >= least:
            return FramePart(0, 0, width, height, min(scale, model.options.side / side))
        spans = _spans(width, height, least, most, model.encoder.align)
        if self._searches % every == 0:
            starts = [
                clamped(round(at - span / 2), round(at + span / 2), span, limit)[0]
                for at, span, limit in zip(last, spans, (width, height), strict=True)
            ]
        else:
            starts = _tile(
                self._searches - self._searches // every - 1,
                spans,
                (width, height),
                model.options.search_overlap * side,
            )
        return FramePart(starts[0], starts[1], *spans, least)

    def inside(self, frame: Image, part: FramePart, size: float) -> list[tuple[float, float]]:
        """Likely centres of a target of one size in a part of a frame."""
        model, stride = self.model, self.model.encoder.coarse_stride
        if min(round(side * part.scale) for side in (part.width, part.height)) < 1:
            return []
        grid = self._grid(self._side(size) * part.scale)
        features = model.encoder.encode(part.cut(frame), part.scale)
        height, width = grid.footprint.shape
        rows, columns = features.coarse.shape[1:]
        if height > rows or width > columns:
            return []
        session = model.encoder.session
        rows, target, coarse = grid.rows, grid.target, features.coarse
        quality = quality_map(session, rows, target, coarse, model.alpha).contested
        response = window_response(quality, grid.footprint)
        return [
            (
                part.left + (peak.x + width / 2) * stride / features.scale_x,
                part.top + (peak.y + height / 2) * stride / features.scale_y,
            )
            for peak in find_peaks(
                response, (height, width), model.options.search_places, model.options.search_apart
            )
        ]

    def _side(self, size: float) -> float:
        """The target's side in pixels of a frame; what is smaller than a pixel counts as one."""
        return max(1.0, self.model.side * size)

    def _grid(self, side: float) -> PatchGrid:
        """The target's patches when its side is about this many working pixels."""
        rounded = self._rounded(side)
        if rounded not in self._grids:
            self._grids[rounded] = self._encode(rounded)
        return self._grids[rounded]

    def _rounded(self, side: float) -> float:
        steps = self.model.options.search_rounding
        return 2 ** (round(steps * math.log2(side)) / steps)

    def _sides(self, side: float) -> tuple[int, int]:
        """Width and height of the first look, in working pixels, at another size."""
        # The same part of the first frame, or what is next to the target would lack.
        model, align = self.model, self.model.encoder.align
        scale = model.scale * side / model.options.side
        width, height = (
            align * max(2, math.ceil(length * scale / model.scale / align) + 2)
            for length in model.region_size
        )
        return width, height

    def _encode(self, side: float) -> PatchGrid:
        """Encode the first look again at another size."""
        model = self.model
        scale = model.scale * side / model.options.side
        region = Region.around(model.centre, scale, *self._sides(side))
        features = model.encode(model.frame, region)
        placed, stride = region.box_to_working(model.box), model.encoder.coarse_stride
        pool = model.options.competitor_pool
        return model.cut(DenseCells(features.coarse), placed, stride, pool)


def _spans(width: int, height: int, scale: float, most: int, align: int) -> tuple[int, int]:
    """Width and height of a part of a frame, in pixels, as square as it fits.

    Its working pixels, with those that fill it up to multiples of ``align``, are ``most`` at most.
    """
    columns, rows = (math.ceil(side * scale / align) for side in (width, height))
    squares = most // align**2
    across = min(columns, math.isqrt(squares))
    down = min(rows, squares // across)
    across = min(columns, squares // down)
    return min(width, int(across * align / scale)), min(height, int(down * align / scale))


def _tile(
    index: int, spans: tuple[int, int], limits: tuple[int, int], shared: float
) -> tuple[int, int]:
    """Left and top of one of the parts that cover a frame, row by row and then from the start."""
    counts = []
    for span, limit in zip(spans, limits, strict=True):
        common = min(shared, span / 2)
        counts.append(max(1, math.ceil((limit - common) / (span - common))))
    row, column = divmod(index % (counts[0] * counts[1]), counts[0])
    left, top = (
        round(at * (limit - span) / max(1, count - 1))
        for at, count, span, limit in zip((column, row), counts, spans, limits, strict=True)
    )
    return left, top
