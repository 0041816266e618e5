"""How the four tasks compute: every number that was fitted or chosen, and the one logistic.

A bundle stores a recipe for each task, and a :class:`FitRecord` for what was fitted. The defaults
here are those of the default backbone. Sizes are in pixels at the working resolution unless they
say otherwise; cells are those of the feature map in question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import InputError
from .fields import Record, bound, chosen, fitted, numeric
from .log_odds import logistic
from .match_recipe import MANY, MatchRecipe

TrackRecipeT = TypeVar("TrackRecipeT", bound="TrackRecipe")

RETIRED = frozenset({"scale_step", "scale_cost", "scale_every", "size_margin"})
"""Fields of earlier recipes for following."""


@dataclass(frozen=True)
class TrackRecipe(Record):
    """How an object is followed.

    Lengths are in *sides*: the root of the target's area.

    Attributes:
        side: the search region is resized until the target's side is this many pixels.
        margin: the search region reaches this many sides beyond the target on each side.
        sure_margin: the same in a frame before which the target was surely seen, and hardly moved;
            if it is not surely seen there too, the frame is looked at again with ``margin``.
        sure_score: score from which a target is surely seen, for example .95: a fifth less is
            computed, and quick objects are lost more often. 1 always looks with ``margin``.
        sure_move: it hardly moved if it moved less than this many sides, and what is found in the
            smaller region counts if it is no farther than this from the predicted place.
        reach: a move of this many sides away from the predicted place is as likely as
            ``exp(-1/2)``: standard deviation of the prior on moves.
        locality: how far the prior may lower a response, 0 (ignored) to 1.
        momentum: part of the last move that is expected to go on.
        competitors: patches around the target in the first frame that compete with it.
        competitor_pool: cells around it among which those are sought, evenly spread.
        scale_gain: part of a measured change of size that is believed at once, 0 to 1; 0 keeps the
            size.
        most_zoom: factor on the size that is believed of one frame.
        same_size: how likely it is that the size stays, as the mean log-likelihood of patches at
            their places that counts as much: what has come to look different keeps its size.
        first_surer: by how much more log-likelihood the first look is believed about the size than
            a recent one, whose size is no better known than that of the object.
        turn_gain: part of a measured turn that is believed at once, 0 to 1; 0 keeps the object as
            it stood.
        most_turn: degrees that are believed of one frame.
        same_turn: how likely it is that it stands as before, as ``same_size``, and beside the first
            look alone.
        place_gain: part of the way to where the patches say that the object's middle is.
        same_place: how likely it is that the middle lies where the whole fits best, the same.
        max_scale: the size stays within this factor of the first one.
        recent_after: frames after which a look of the target counts as evidence beside the first
            look, and is replaced; 0 keeps to the first look alone.
        recent_weight: part of that look in placing the target, 0 to 1.
        older_every: of so many recent looks one is kept as an older one, from which size and place
            are read in every second frame instead of the recent one's; 0 keeps none.
        colour_weight: how much the object's colours in a window count for its place, as a power; 0
            ignores them.
        colour_gain: part of what is known of its colours that a sure frame renews, 0 to 1.
        again_colours: how much its colours count where it is found again, and until it has proved
            to be the right one: log-odds that are taken away for each factor of e by which their
            likeness is below ``same_colours``; 0 ignores them.
        same_colours: likeness, 0 to 1, from which colours say nothing against a place.
        quality_weight: how much the logarithm of the mean quality counts in the score, for each of
            the two looks.
        share_weight: how much the logarithm of the share counts that competitors leave of it.
        agreement_weight: how much the mean agreement of the first look's patches counts.
        score_offset: of the score: a logistic function of all that.
        inertia: part of the belief (log-odds) of the frame before that stays, 0 to below 1; single
            frames then neither lose nor find an object.
        most_odds: belief beyond this is no surer: an object that was seen for hours can vanish as
            fast as any.
        found_score: belief from which the object is tracked; below it its size is not followed.
        lost_score: belief below which the object is lost; at most ``found_score``.
        again_score: score of a single frame at which a lost object is found again where it was last
            seen, or where it seemed to go.
        elsewhere_score: the same anywhere else: among many places, some look right by chance.
        wait: frames that an object is lost before it is looked for elsewhere than where it seemed
            to go.
        probation: sure frames after which an object that was found again is taken for the right
            one; until then its look is not learned, and other places are still compared with it.
        doubt_every: frames between two of those comparisons.
        rival_margin: log-odds by which another place must then fit better to be followed instead.
        search_pixels: while lost, the frame is shrunk to no more than this many pixels and searched
            as a whole, once for each of ``search_sizes``. Where that leaves an object less than
            ``search_side`` pixels a side (16 px in 3840x2160 become 3), parts of the frame are
            searched instead, enlarged until it has as many and cut to ``search_pixels``: in every
            second frame the part around where it was last seen, in between all parts of the frame
            in turn. The object is then found again at once near that place, elsewhere within some
            frames (120 in that example).
        search_sizes: sizes, relative to the last one, at which a lost object is looked for.
        search_side: a target whose side has fewer pixels has too few patches to be found by.
        search_places: places of one search that are looked at more closely.
        search_apart: places that overlap a better one by more than this IoU are the same.
        search_overlap: sides of the target by which neighbouring parts of a frame overlap, or none
            would show it whole where it lies between two.
        search_rounding: target sizes are rounded to this many steps per factor of two, so that
            encodings are reused.
        place_margin: fine cells searched around a coarse place.
        same_scale: search regions whose scales differ by no more than this factor may share an
            encoding.
    """

    side: float = chosen(64.0, 16, 256)
    margin: float = chosen(0.6, 0.25, 4)
    sure_margin: float = chosen(0.35, 0.1, 4)
    sure_score: float = chosen(1.0, 0, 1)
    sure_move: float = chosen(0.15, 0, 10)
    reach: float = chosen(0.4, 0.05, 10)
    locality: float = chosen(0.5, 0, 1)
    momentum: float = chosen(0.5, 0, 1)
    competitors: int = chosen(64, 0, 10_000)
    competitor_pool: int = bound(2000, 1, MANY)
    scale_gain: float = chosen(0.6, 0, 1)
    most_zoom: float = chosen(1.2, 1, 10)
    same_size: float = chosen(-6.0, -100, 0)
    first_surer: float = chosen(2.0, 0, 100)
    turn_gain: float = chosen(0.6, 0, 1)
    most_turn: float = chosen(15.0, 0, 180)
    same_turn: float = chosen(-2.0, -100, 0)
    place_gain: float = chosen(0.5, 0, 1)
    same_place: float = chosen(-4.5, -100, 0)
    max_scale: float = bound(30.0, 1, 100)
    recent_after: int = chosen(6, 0, MANY)
    recent_weight: float = chosen(0.5, 0, 1)
    older_every: int = chosen(4, 0, MANY)
    colour_weight: float = chosen(2.0, 0, 10)
    colour_gain: float = chosen(0.1, 0, 1)
    again_colours: float = chosen(20.0, 0, 1000)
    same_colours: float = chosen(0.7, 0.01, 1)
    quality_weight: float = fitted(2.67, 0, 1000)
    share_weight: float = fitted(3.91, 0, 1000)
    agreement_weight: float = fitted(10.0, 0, 1000)
    score_offset: float = fitted(16.7, -1000, 1000)
    inertia: float = chosen(0.7, 0, 0.999)
    most_odds: float = chosen(3.0, 0.1, 30)
    found_score: float = chosen(0.5, 0, 1)
    lost_score: float = chosen(0.3, 0, 1)
    again_score: float = chosen(0.85, 0, 1)
    elsewhere_score: float = chosen(0.97, 0, 1)
    wait: int = chosen(2, 0, MANY)
    probation: int = chosen(40, 0, MANY)
    doubt_every: int = chosen(3, 1, MANY)
    rival_margin: float = chosen(1.0, -100, 100)
    search_pixels: int = bound(300_000, 10_000, 64_000_000)
    search_sizes: tuple[float, ...] = chosen((1.0,), 0.1, 10)
    search_side: float = chosen(20.0, 4, 256)
    search_places: int = chosen(5, 1, 1000)
    search_apart: float = chosen(0.3, 0, 0.99)
    search_overlap: float = chosen(2.0, 0, 10)
    search_rounding: int = numeric(8, 1, 100)
    place_margin: int = chosen(2, 0, 100)
    same_scale: float = chosen(1.04, 1, 2)

    @classmethod
    def from_dict(cls: type[TrackRecipeT], data: Mapping[str, Any]) -> TrackRecipeT:
        """Read what :meth:`as_dict` gave, or an earlier version's.

        Raises: as :meth:`Record.from_dict`.
        """
        if not isinstance(data, Mapping):
            return super().from_dict(data)
        kept = {name: value for name, value in data.items() if name not in RETIRED}
        if data.get("scale_step") == 1:
            kept["scale_gain"] = 0
        return super().from_dict(kept)

    def __post_init__(self) -> None:
        """Check the fields, and that they fit together."""
        super().__post_init__()
        if self.lost_score > self.found_score:
            raise InputError(
                f"lost_score {self.lost_score:g} is above found_score {self.found_score:g}; an "
                "object would be lost and found at once: give at most that"
            )

    def score(self, looks: Iterable[tuple[float, float]], agreement: float) -> float:
        """Score in [0, 1] of a sighting.

        Args:
            looks: for each look of the target the mean quality in the window with competitors in
                the softmax and without, both in [0, 1].
            agreement: mean similarity of the first look's patches with the cells at their places.
        """
        both = tuple(looks)
        if any(contested <= 0 for contested, _ in both):
            return 0.0
        return logistic(self.odds(both, agreement))

    def odds(self, looks: Iterable[tuple[float, float]], agreement: float) -> float:
        """Log-odds of a sighting with some quality in each look: linear in the score's numbers."""
        odds = self.score_offset + self.agreement_weight * agreement
        for contested, alone in looks:
            odds += self.quality_weight * math.log(contested)
            odds += self.share_weight * math.log(contested / alone)
        return odds


@dataclass(frozen=True)
class AlignRecipe(Record):
    """How one picture of a kind of object is bent onto another.

    Distances and places are fractions of an image unless they say otherwise.

    Attributes:
        side: root of the number of working pixels: the grid has about 16 by 16 cells.
        side_step: working sides are multiples of this, so that the deepest layer's cells are whole.
        shortest: shortest working side, and ...
        longest: ... longest one: pictures that are very long are squeezed.
        cell: working pixels per cell of the grid.
        smallest: pixels of a side below which a picture has no grid to speak of.
        scales: scales of width and height that are voted for.
        vote_stretch: width and height are never voted to be scaled by more different factors.
        bins: bins of the vote across an image's width and height.
        starts: winners of the vote that are refined.
        widths: standard deviation of the distances believed in each round of the affine fit.
        near_widths: the same where the start is nearly right.
        rest_share: a second fit counts that has at least this share of the first one's support.
        spline_points: control points of the spline along each side.
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
    spline_points: int = chosen(4, 2, 100)
    spline_widths: tuple[float, ...] = chosen((0.06, 0.06, 0.06), 1e-3, 10)
    smoothness: float = chosen(0.1, 0, 1000)
    largest_bend: float = chosen(0.15, 1e-6, 10)
    least_stretch: float = chosen(0.2, 0, 1)
    most_stretch: float = chosen(5.0, 1, 100)
    score_slope: float = fitted(5.0, 0, 1000)
    score_offset: float = fitted(21.0, -1000, 1000)
    threshold: float = chosen(0.5, 0, 1)

    def score(self, support: float) -> float:
        """Score in [0, 1] of the share of cells with a one-to-one match along the map."""
        if support <= 0:
            return 0.0
        return logistic(self.score_slope * math.log(support) + self.score_offset)


@dataclass(frozen=True)
class VerifyRecipe(Record):
    """How a query is looked for in a reference.

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
        trials: similarities tried, each from two matches.
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

    query_size: float = chosen(256.0, 32, 4096)
    close_size: float = chosen(512.0, 32, 4096)
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
    border: int = chosen(48, 0, 1024)
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
    trials: int = chosen(1000, 1, MANY)
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
    network_size: float = chosen(128.0, 32, 4096)
    network_cells: int = chosen(4000, 16, MANY)
    half_support: float = fitted(16.0, 1e-3, MANY)
    steepness: float = fitted(5.0, 0, 1000)
    threshold: float = chosen(0.5, 0, 1)

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
