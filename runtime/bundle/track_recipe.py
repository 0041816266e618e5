"""How an object is followed: what was fitted or chosen for it.

Sizes are in pixels at the working resolution unless they say otherwise; cells are those of the
feature map in question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import InputError
from ..kinds import Numeric
from .fields import Record, bound, chosen, fitted, numeric
from .log_odds import log_odds, logistic
from .match_recipe import MANY

TrackRecipeT = TypeVar("TrackRecipeT", bound="TrackRecipe")

LEAST_LIKE: Numeric[float] = 0.01
"""Likeness of colours below which a place is no less like."""

MOST_UNLIKE: Numeric[float] = 3.0
"""Log-odds that other colours take away at most: what turned round out of sight may have others."""

RETIRED = frozenset({"scale_step", "scale_cost", "scale_every", "size_margin"})
"""Fields of earlier recipes for following."""


@dataclass(frozen=True)
class TrackRecipe(Record):
    """How an object is followed.

    Lengths are in *sides*: the root of the target's area.

    Attributes:
        side: the search region is resized until the target's side is this many pixels.
        margin: the search region reaches this many sides beyond the target on each side.
        sure_score: score from which a target is surely seen, and may be followed for some frames
            without a look; 1 looks at every frame.
        sure_move: it hardly moved if it moved less than this many sides, and without a look it is
            sought no farther than this from the predicted place.
        still_change: it is still if what was read of a frame changed the logarithms of its size and
            shape, its turn in radians and its place in sides by no more than this.
        still_frames: frames after that in which it is found again by its pixels, as they were when
            it was looked at, as long as it is; 0 looks at every frame.
        still_likeness: correlation with those pixels from which it is found again, 0 to 1.
        reach: a move of this many sides away from the predicted place is as likely as
            ``exp(-1/2)``: standard deviation of the prior on moves.
        locality: how far the prior may lower a response, 0 (ignored) to 1.
        momentum: part of the last move that is expected to go on.
        competitors: patches around the target in the first frame that compete with it.
        competitor_pool: cells around it among which those are sought, evenly spread.
        scale_gain: part of a measured change of size or shape that is believed at once, 0 to 1; 0
            keeps both.
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
        network_weight: how much the bundle's trained network counts beside the patches in size, and
            how far they then stand back in place, 0 (it is not asked, nothing trained) to 1 (it
            alone); a bundle without one does as at 0.
        network_trust: how surely it knows the place, as the mean log-likelihood of patches at their
            places that counts as much: what is found again patch by patch is placed by its patches,
            what has come to look different by the network.
        network_shape: how far the width over the height follows what it says, 0 (as in the first
            frame) to 1.
        place_gain: part of the way to where the patches say that the object's middle is.
        same_place: how likely it is that the middle lies where the whole fits best, the same.
        max_scale: the size stays within this factor of the first one.
        recent_after: frames after which a look of the target counts as evidence beside the first
            look, and is replaced; 0 keeps to the first look alone.
        recent_weight: part of that look in placing the target, 0 to 1.
        older_every: of so many recent looks one is kept as an older one, from which size and place
            are read in every second frame instead of the recent one's; 0 keeps none.
        first_sure: how surely the patches of the first look are to be found again, as their mean
            log-likelihood, where size and place are read from it alone: a later look would cost as
            much again and tell little.
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
        search_near: sides from where it was last seen within which less is needed, in log-odds by
            the distance: ``again_score`` there, ``elsewhere_score`` this far away; 0 needs that
            everywhere else.
        wait: frames that an object is lost before it is looked for elsewhere than where it seemed
            to go.
        probation: sure frames after which an object that was found again is taken for the right
            one; until then its look is not learned, and other places are still compared with it.
        doubt_every: frames between two of those comparisons.
        rival_margin: log-odds by which another place must then fit better to be followed instead.
        search_pixels: while lost, the frame is shrunk to no more than this many pixels and searched
            as a whole, at one of ``search_sizes``. Where that leaves an object less than
            ``search_side`` pixels a side (16 px in 3840x2160 become 3), parts of the frame are
            searched instead, enlarged until it has as many and cut to ``search_pixels``: in every
            second frame the part around where it was last seen, in between all parts of the frame
            in turn. The object is then found again at once near that place, elsewhere within some
            frames (120 in that example).
        search_sizes: sizes, relative to the last one, at which a lost object is looked for, one a
            search in turn: it may come back nearer or farther away.
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
    sure_score: float = chosen(0.95, 0, 1)
    sure_move: float = chosen(0.15, 0, 10)
    still_change: float = chosen(0.02, 0, 10)
    still_frames: int = chosen(4, 0, MANY)
    still_likeness: float = chosen(0.9, 0, 1)
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
    network_weight: float = chosen(0.5, 0, 1)
    network_trust: float = chosen(-2.0, -100, 100)
    network_shape: float = chosen(0.6, 0, 1)
    place_gain: float = chosen(0.5, 0, 1)
    same_place: float = chosen(-4.5, -100, 0)
    max_scale: float = bound(30.0, 1, 100)
    recent_after: int = chosen(6, 0, MANY)
    recent_weight: float = chosen(0.5, 0, 1)
    older_every: int = chosen(4, 0, MANY)
    first_sure: float = chosen(-3.5, -100, 100)
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
    search_near: float = chosen(3.0, 0, 100)
    wait: int = chosen(2, 0, MANY)
    probation: int = chosen(40, 0, MANY)
    doubt_every: int = chosen(3, 1, MANY)
    rival_margin: float = chosen(1.0, -100, 100)
    search_pixels: int = bound(300_000, 10_000, 64_000_000)
    search_sizes: tuple[float, ...] = chosen((1.0, 1.4, 1.0, 0.7, 1.0), 0.1, 10)
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

    def needed_score(self, away: float) -> float:
        """Score of a single frame at which a lost object is found again.

        Args:
            away: sides from where it was last seen.
        """
        if not self.search_near:
            return self.elsewhere_score
        far = min(1.0, away / self.search_near)
        near, anywhere = log_odds(self.again_score), log_odds(self.elsewhere_score)
        return logistic(near + far * (anywhere - near))

    def colour_odds(self, likeness: float) -> float:
        """Log-odds that colours take away from a place where an object is found again.

        Args:
            likeness: of the colours there and the object's, 0 to 1.
        """
        unlike = max(0.0, math.log(self.same_colours / max(likeness, LEAST_LIKE)))
        return min(self.again_colours * unlike, MOST_UNLIKE)

    def odds(self, looks: Iterable[tuple[float, float]], agreement: float) -> float:
        """Log-odds of a sighting with some quality in each look: linear in the score's numbers."""
        odds = self.score_offset + self.agreement_weight * agreement
        for contested, alone in looks:
            odds += self.quality_weight * math.log(contested)
            odds += self.share_weight * math.log(contested / alone)
        return odds
