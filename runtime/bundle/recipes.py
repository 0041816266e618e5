"""How the four tasks compute: every number that was fitted or chosen, and the one logistic.

A bundle stores a recipe for each task, and a :class:`FitRecord` for what was fitted. The defaults
here are those of the default backbone. Sizes are in pixels at the working resolution unless they
say otherwise; cells are those of the feature map in question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..kinds import Bound, Numeric
from .fields import Record, bound, chosen, fitted, numeric
from .log_odds import logistic
from .match_recipe import MANY, MatchRecipe
from .track_recipe import TrackRecipe

MOST_CELLS: Bound[int] = 1024
"""Cells of a picture that is aligned: each is compared with each of the other, at every scale."""

CONTROL: Numeric[int] = 4
"""Control points along each side of the spline that the network for alignment tells."""

MOST_SCALES: Bound[int] = 16
"""Scales that are voted for: each of width goes with each of height."""


@dataclass(frozen=True)
class AlignRecipe(Record):
    """How one picture of a kind of object is bent onto another.

    Distances and places are fractions of an image unless they say otherwise.

    Attributes:
        side: root of the number of working pixels: the grid has about 16 by 16 cells.
        side_step: working sides are multiples of this, so that the deepest layer's cells are whole.
        shortest: shortest working side, and ...
        longest: ... longest one: pictures that are very long are squeezed.
        cell: working pixels per cell of the grid, a power of two; ``side_step``, ``shortest`` and
            ``longest`` are multiples of it.
        smallest: pixels of a side below which a picture has no grid to speak of.
        scales: scales of width and height that are voted for.
        vote_stretch: width and height are never voted to be scaled by more different factors.
        bins: bins of the vote across an image's width and height.
        starts: winners of the vote that are refined.
        widths: standard deviation of the distances believed in each round of the affine fit.
        near_widths: the same where the start is nearly right.
        rest_share: a second fit counts that has at least this share of the first one's support.
        spline_points: control points of the spline along each side; the work rises with their sixth
            power.
        spline_widths: standard deviations of the distances believed in each round of its fit.
        smoothness: how stiff the spline is: enough to keep it close to an affine map.
        largest_bend: no control point is moved further from its place under the affine map.
        least_stretch: the smallest stretch of the affine map, relative to the pictures, and ...
        most_stretch: ... the largest that are believed.
        score_slope: weight of the log of the support in the score.
        score_offset: one half is scored at a support of ``exp(-score_offset / score_slope)``.
        threshold: score from which an alignment counts as found.
    """

    side: int = chosen(256, 64, 4096)
    side_step: int = numeric(32, 16, 256)
    shortest: int = bound(96, 32, 4096)
    longest: int = bound(704, 32, 16_384)
    cell: int = chosen(16, 4, 256)
    smallest: int = bound(16, 1, 4096)
    scales: tuple[float, ...] = chosen((0.5, 0.63, 0.8, 1.0, 1.25, 1.6, 2.0), 0.01, 100)
    vote_stretch: float = chosen(1.7, 1.001, 100)
    bins: int = chosen(24, 2, 1000)
    starts: int = chosen(3, 1, 1000)
    widths: tuple[float, ...] = chosen((0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.06), 1e-3, 10)
    near_widths: tuple[float, ...] = chosen((0.12, 0.1, 0.08, 0.06, 0.06), 1e-3, 10)
    rest_share: float = chosen(0.5, 0, 1)
    spline_points: int = chosen(4, 2, 16)
    spline_widths: tuple[float, ...] = chosen((0.06, 0.06, 0.06), 1e-3, 10)
    smoothness: float = chosen(0.1, 0, 1000)
    largest_bend: float = chosen(0.15, 1e-6, 10)
    least_stretch: float = chosen(0.2, 0, 1)
    most_stretch: float = chosen(5.0, 1, 100)
    score_slope: float = fitted(5.0, 0, 1000)
    score_offset: float = fitted(21.0, -1000, 1000)
    threshold: float = chosen(0.5, 0, 1)

    def __post_init__(self) -> None:
        """Check the fields, and that they fit together."""
        super().__post_init__()
        if self.shortest > self.longest:
            raise InputError(f"shortest {self.shortest} is above longest {self.longest}")
        if self.cell & (self.cell - 1):
            raise InputError(f"cell is {self.cell}; it must be a power of two")
        for name in ("side_step", "shortest", "longest"):
            if getattr(self, name) % self.cell:
                raise InputError(
                    f"{name} {getattr(self, name)} is no multiple of cell {self.cell}; give whole "
                    "cells"
                )
        largest = max(min(self.side, self.longest) ** 2, self.shortest * self.longest)
        if largest > MOST_CELLS * self.cell**2:
            raise InputError(
                f"a picture may have {largest // self.cell**2:,} cells of {self.cell} px, more "
                f"than {MOST_CELLS:,}: give a smaller side, shortest or longest, or a larger cell"
            )
        if len(self.scales) > MOST_SCALES:
            raise InputError(f"scales has {len(self.scales)} numbers; give at most {MOST_SCALES}")

    def score(self, support: float) -> float:
        """Score in [0, 1] of the share of cells with a one-to-one match along the map."""
        if support <= 0:
            return 0.0
        return logistic(self.score_slope * math.log(support) + self.score_offset)


MOST_LEVELS: Bound[int] = 16
"""Working sizes of a reference: a query is compared with each."""


@dataclass(frozen=True)
class VerifyRecipe(Record):
    """How a query is looked for in a reference.

    Sizes and margins are bounded so that each picture of them is encoded in one piece.

    Attributes:
        query_size: working size of a query: root of its area.
        close_size: working size of a query that may show the whole reference as a detail.
        close_levels: levels up to this working size are also searched for in the closer query.
        levels: working sizes at which a reference is encoded.
        widest: a long picture's size counts only this many short sides of its long one.
        max_enlarge: no level enlarges the reference by more than this.
        max_cells: finer levels than the coarsest have at most so many cells.
        max_pairs: most similarities computed at once; a level that takes more is not searched.
        smallest: shortest side, in pixels, of a picture in which a place can be recognised.
        longest: the long side is at most this many times the short one.
        border: pixels of mirrored margin around what is encoded, cut off afterwards.
        seam_aspect: a picture that wraps around is at least this many times wider than high, ...
        seam_step: ... and its seam is at most this many times rougher than ...
        seam_share: ... this share of the steps between its other columns.
        sure: support from which a query needs not be tried lying on its side or upside down.
        retried: upright candidates that are looked at twice where none is sure.
        looks: the best candidate is looked at this often again, ...
        gain: ... each time for at least this gain.
        turned_from: working sizes of the levels that are searched for turned queries: from here ...
        turned_to: ... to here.
        tolerance: working pixels within which matches agree: one and a half cells.
        trials: similarities tried, each from two matches; all are held at once, with the errors of
            every match.
        apart: two matches closer than this, in pixels, say nothing about scale and turn.
        least_scale: scales of a similarity that are believed: from here ...
        most_scale: ... to here; other ones belong to another working resolution.
        fewest: matches below which nothing is fitted.
        enough: inliers from which a homography's two further degrees of freedom are fitted.
        loose: refinement looks this much beyond the tolerance, for what a rough start left out.
        rounds: of refinement.
        most_stretch: a view of a place is not stretched more in one direction against the other.
        least_span: root of the area, in working pixels, that a picture may cover in another: from
            here ...
        most_span: ... to here.
        max_bent: longest side of a bent picture in working pixels.
        oversampling: a picture is shrunk to this many times the size in which it is drawn bent.
        network_size: working size of a query for the trained network, that of its training.
        network_cells: most cells of a reference's levels for it: training knows few.
        half_support: support (weighted matches) that scores 0.5; below it lie 99 in 100 pairs of
            different places.
        steepness: how fast the score changes with the logarithm of the support.
        threshold: score from which it is the same place.
    """

    query_size: float = chosen(256.0, 32, 512)
    close_size: float = chosen(512.0, 32, 1024)
    close_levels: float = chosen(181.0, 0, 4096)
    levels: tuple[float, ...] = chosen(
        (90.5, 128.0, 181.0, 256.0, 362.0, 512.0, 724.0, 1024.0), 16, 8192
    )
    widest: float = chosen(1.5, 1, 100)
    max_enlarge: float = chosen(1.5, 1, 100)
    max_cells: int = bound(24_000, 16, MANY)
    max_pairs: int = bound(40_000_000, 1024, 1 << 40)
    smallest: int = bound(32, 16, 4096)
    longest: int = bound(16, 1, 1000)
    border: int = chosen(48, 0, 128)
    seam_aspect: float = chosen(1.9, 1, 100)
    seam_step: float = chosen(1.5, 0, 100)
    seam_share: float = chosen(0.9, 0, 1)
    sure: float = chosen(60.0, 0, MANY)
    retried: int = chosen(3, 0, 1000)
    looks: int = chosen(2, 0, 100)
    gain: float = chosen(1.2, 1, 100)
    turned_from: float = chosen(128.0, 0, 8192)
    turned_to: float = chosen(362.0, 0, 8192)
    tolerance: float = chosen(12.0, 1, 1000)
    trials: int = chosen(1000, 1, 10_000)
    apart: float = chosen(24.0, 0, 4096)
    least_scale: float = chosen(0.6, 0.01, 1)
    most_scale: float = chosen(1.67, 1, 100)
    fewest: int = chosen(6, 3, 1000)
    enough: int = chosen(16, 4, 1000)
    loose: float = chosen(1.25, 1, 100)
    rounds: int = chosen(6, 1, 100)
    most_stretch: float = chosen(6.0, 1, 100)
    least_span: float = chosen(40.0, 1, 4096)
    most_span: float = chosen(1400.0, 1, 16_384)
    max_bent: int = bound(1024, 64, 16_384)
    oversampling: float = chosen(1.5, 0.5, 10)
    network_size: float = chosen(128.0, 32, 1024)
    network_cells: int = chosen(4000, 16, MANY)
    half_support: float = fitted(16.0, 1e-3, MANY)
    steepness: float = fitted(5.0, 0, 1000)
    threshold: float = chosen(0.5, 0, 1)

    def __post_init__(self) -> None:
        """Check the fields, and that there are not too many levels."""
        super().__post_init__()
        if len(self.levels) > MOST_LEVELS:
            raise InputError(f"levels has {len(self.levels)} numbers; give at most {MOST_LEVELS}")

    def score(self, support: float) -> float:
        """Score in [0, 1] of a support: logistic in its logarithm."""
        if not support > 0:
            return 0.0
        return logistic(-(self.steepness * math.log(self.half_support / support)))


TASKS = ("match", "track", "align", "verify")


@dataclass(frozen=True)
class Recipes:
    """The recipes of the four tasks."""

    match: MatchRecipe = field(default_factory=MatchRecipe)
    track: TrackRecipe = field(default_factory=TrackRecipe)
    align: AlignRecipe = field(default_factory=AlignRecipe)
    verify: VerifyRecipe = field(default_factory=VerifyRecipe)

    def of(self, task: str) -> Record:
        """The recipe of a task."""
        return getattr(self, task)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``json.dump``."""
        return {task: self.of(task).as_dict() for task in TASKS}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipes:
        """Read what :meth:`as_dict` gave; what is missing has its default.

        Raises:
            InputError: an unknown task or field, or a value outside its range.
        """
        unknown = [task for task in data if task not in TASKS]
        if unknown:
            raise InputError(f"there is no recipe {unknown[0]!r}; tasks are {', '.join(TASKS)}")
        kinds = {"match": MatchRecipe, "track": TrackRecipe}
        kinds |= {"align": AlignRecipe, "verify": VerifyRecipe}
        return cls(**{task: kinds[task].from_dict(values) for task, values in data.items()})
