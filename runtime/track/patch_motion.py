"""How large a followed object is, and where its middle lies: read from where its patches lie.

The patches of a look are sought around their places in a region that shows the object in the size
that it had; the similarity that most of them agree with says how its size and place differ. Two
looks are read, the first one, which knows the size, and a recent one, which still knows the object
when it has changed; each counts as surely as its patches are found again, and that nothing has
changed counts too: what no look knows any more keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..bundle.track_recipe import TrackRecipe
from ..kinds import Numeric
from ..patches.agreement import fit_windows
from ..patches.grid import PatchGrid
from ..patches.region import RegionFeatures
from ..patches.spread import displacements, fit_similarity
from ..patches.windows import cells_around, summit
from ..session import Session

REACH: Numeric[int] = 3
"""Fine cells around its place in which a patch is sought."""

FARTHEST_ZOOM: Numeric[float] = 1.6
"""Factor beyond which patches were found in wrong places."""

Point = tuple[float, float]


class PatchReading(NamedTuple):
    """What the patches of one look say.

    Attributes:
        zoom: size of the object relative to the size that the region supposes.
        turn: degrees counter-clockwise as seen, from the look.
        centre: of the object, in pixels of the frame.
        trust: how surely the patches lie so, 0 to 1.
    """

    zoom: float
    turn: float
    centre: Point
    trust: float


class MotionReading(NamedTuple):
    """What all looks say together, and what speaks for no change.

    Attributes:
        zoom: as of :class:`PatchReading`, nearer to 1 the less sure.
        centre: of the object.
        believed: part of the way there from where it is supposed to be, 0 to 1.
        trust: how surely the patches of the looks together lie so.
        turn: degrees counter-clockwise as seen by which the object is turned from how it is
            supposed to stand, nearer to 0 the less sure.
        aspect: natural logarithm of its width over its height, over that in the first frame;
            ``None`` where nothing is said of it.
    """

    zoom: float
    centre: Point
    believed: float
    trust: float
    turn: float
    aspect: float | None = None


def read_patches(
    session: Session,
    grid: PatchGrid,
    seen: RegionFeatures,
    corner: Point,
    sides: tuple[float, float],
    stride: int,
    alpha: float,
) -> PatchReading:
    """Read size and place from the patches of a look.

    Args:
        session: compares patches with cells.
        grid: fine patches of the look, and what competes with them.
        seen: features of a region that shows the object.
        corner: where its box begins, nearly, in working pixels.
        sides: of the box, in working pixels.
        stride: working pixels per fine cell.
        alpha: factor on the cosine similarity inside the softmaxes.
    """
    column, row = (round(at) for at in grid.window_at(*corner, stride))
    cells = cells_around(column, row, grid.footprint.shape, seen.fine.shape, REACH)
    fit = fit_windows(session, grid, cells.cut(seen.fine.features), alpha)
    y, x = summit(fit.likelihood)
    rows, columns = np.nonzero(grid.footprint)
    across, down, weight = displacements(fit.pairs, rows + y, columns + x, REACH)
    # In working pixels, from the middle of the box as it would lie if nothing were bent.
    left, top = grid.box_at(cells.left + x, cells.top + y, stride)
    middle = np.array([left + sides[0] / 2, top + sides[1] / 2])
    first = np.array([cells.left + x, cells.top + y], np.float64)
    places = (np.array([columns, rows]).T + first + 0.5) * stride - middle
    found = places + np.array([across, down]).T * stride
    matrix, origin, support = fit_similarity(places, found, weight)
    zoom = math.hypot(matrix[0, 0], matrix[1, 0])
    return PatchReading(
        zoom,
        -math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])),
        seen.region.to_frame(*(middle + origin).tolist()),
        support * math.exp(float(fit.likelihood[y, x])),
    )


def together(
    first: PatchReading, recent: Sequence[PatchReading], recipe: TrackRecipe
) -> MotionReading | None:
    """Weigh what several looks say; ``None`` where none says anything.

    Args:
        first: of the first look, of which the size is known.
        recent: of later ones, whose sizes are those that were believed then: what lagged behind
            once would lag for ever by them alone.
        recipe: how much no change counts, and how far the place is believed.
    """
    used = [
        reading
        for reading in (first, *recent)
        if 1 / FARTHEST_ZOOM < reading.zoom < FARTHEST_ZOOM and reading.trust > 0
    ]
    if not used:
        return None
    trust = sum(reading.trust for reading in used)
    most = math.log(recipe.most_zoom)
    surer = [r.trust * (math.exp(recipe.first_surer) if r is first else 1.0) for r in used]
    zooms = [min(max(math.log(reading.zoom), -most), most) for reading in used]
    zoom = sum(z * weight for z, weight in zip(zooms, surer, strict=True))
    zoom /= sum(surer) + math.exp(recipe.same_size)
    # Later looks stand as was believed then, and what bends seems to turn by them.
    turn = 0.0
    if first in used:
        turn = first.turn * first.trust / (first.trust + math.exp(recipe.same_turn))
    turn = min(max(turn, -recipe.most_turn), recipe.most_turn)
    x, y = (sum(r.centre[axis] * r.trust for r in used) / trust for axis in (0, 1))
    sureness = trust / (trust + math.exp(recipe.same_place))
    return MotionReading(math.exp(zoom), (x, y), recipe.place_gain * sureness, trust, turn)
