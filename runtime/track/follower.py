"""One followed object: where to look next, what was seen, and whether it is still the object."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from ..boxes import Box
from ..bundle.log_odds import log_odds, logistic
from ..images import Image
from ..kinds import Numeric
from ..patches.encoder import Encoder
from ..patches.region import Region, RegionFeatures
from .budget import Piece, SearchBudget
from .calm import Calm
from .glance import PixelGlance
from .options import TrackerOptions
from .outline import MOST_ASPECT, Outline, inside
from .presence import HALF_TURN, LOST, TRACKING, Belief, Point, Track
from .redetect import WholeFrameSearch
from .spread_search import Known, LikelyPlace, SpreadSearch
from .target import Sighting, TargetModel

MOST_STEPS: Numeric[int] = 2
"""Sizes that are tried in each direction where an object is found again."""

CLEARLY: Numeric[float] = 2.0
"""Log-odds by which another of them has to fit better: most objects come back as large."""

JUMP: Numeric[float] = 0.3
"""Sides that the whole picture has to move for the object to be looked for where it went along."""


class Follower:
    """Follows one object; :class:`~.tracker.Tracker` feeds it frames.

    Args:
        encoder: encodes regions.
        alpha: factor on the cosine similarity inside both softmaxes.
        options: see there.
        frame: the first frame, ``(H, W, 3)`` uint8 BGR.
        box: the object in it.
        budget: what the search for the object may take; none is no limit.
    """

    def __init__(
        self,
        encoder: Encoder,
        alpha: float,
        options: TrackerOptions,
        frame: Image,
        box: Box,
        budget: SearchBudget | None = None,
    ) -> None:
        self.options = options
        self.model = TargetModel(encoder, alpha, options, frame, box)
        self.search = WholeFrameSearch(self.model)
        self._budget = SearchBudget(0) if budget is None else budget
        self._spread = SpreadSearch(self.search)
        self.centre = self.model.centre
        self.size = 1.0
        self.angle = self._sure_angle = self.aspect = self._sure_aspect = 0.0
        self._move = (0.0, 0.0)
        self._belief = Belief(options)
        self._sure = self._settled = self.centre, self.size
        self._seen_for = self.options.probation
        self._fit = options.most_odds
        self._lost_for = self._doubted = 0
        self._calm = Calm(options)
        self._glance = PixelGlance(options.still_likeness, options.sure_move)
        self._score = 0.0
        self._seen: RegionFeatures | None = None
        self.repeated = False
        """Whether the frame at hand is the one before once more: nothing has moved in it."""

    @property
    def state(self) -> str:
        """``tracking``, ``uncertain`` or ``lost``."""
        return self._belief.state

    @property
    def box(self) -> Box:
        """The object's box, in pixels of the frame; of a lost object, where it was last seen."""
        return self._outline().box

    def _outline(self) -> Outline:
        """How the object lies; of a lost one, how it lay when it was last seen."""
        (centre, size), angle, aspect = (self.centre, self.size), self.angle, self.aspect
        if self.state == LOST:
            (centre, size), angle, aspect = self._sure, self._sure_angle, self._sure_aspect
        (_, _, width, height), wider = self.model.box, math.exp(aspect / 2)
        return Outline(centre, (width * size * wider, height * size / wider), angle)

    def begin_lost(self, centre: Point) -> None:
        """Begin with an object that is out of sight; it is looked for from the next frame on."""
        self.centre, self._lost_for = centre, self.options.wait
        self._sure = self._settled = self.centre, self.size
        self._belief.give_up()

    def region(self) -> Region:
        """Where in the next frame to look."""
        scale = self.model.scale / self.size
        return Region.around(self._expected(), scale, *self.model.region_size, self.angle)

    @property
    def searches(self) -> bool:
        """Whether the next frame may be searched for the object elsewhere."""
        return self.state == LOST or self._seen_for < self.options.probation

    @property
    def rests(self) -> bool:
        """Whether the next frame goes without the ordinary look: the search needs its time."""
        return self.state == LOST and self._lost_for > self.options.wait and self._spread.refused

    def glance(self, frame: Image) -> bool:
        """Take in a frame at a glance, in the place of :meth:`look`; whether that is enough.

        Its score stays that of the last look.
        """
        seen = self._glance.find(frame, self._expected()) if self._calm.still else None
        if seen is None or abs(math.log(seen.zoom)) > self.options.still_change:
            self._calm.begin_again()
            return False
        self._calm.passed()
        self.model.passed()
        self._move_to(seen.centre, frame)
        self.size = self._within(seen.side / self.model.side)
        return True

    def look(self, frame: Image, seen: RegionFeatures, moved: Callable[[], Point | None]) -> int:
        """The first half of taking in a frame: where in its region the object seems to be.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            seen: its features in :meth:`region`.
            moved: how far all that is shown has moved, asked where the object is not surely seen.

        Returns:
            How many more working pixels than those of ``seen`` were looked at.
        """
        more, sighting = 0, self.model.look(seen, self._expected())
        score = self.score(sighting)
        self._score, self._seen = score, seen
        if score < self.options.found_score and self.state != LOST:
            jump = moved() or (0.0, 0.0)
            if math.hypot(*jump) >= JUMP * self.model.side * self.size:
                more += math.prod(self.model.region_size)
                if self._went_along(frame, jump):
                    return more
        self._move_to(sighting.centre, frame)
        if score >= self.options.found_score:
            self._refine(seen, frame)
        return more

    def _went_along(self, frame: Image, jump: Point) -> bool:
        """Whether the object is where it lies if it moved with all the rest; go on from there.

        The camera was turned, or frames are missing; its own motion stays.
        """
        there = self.centre[0] + jump[0], self.centre[1] + jump[1]
        place = LikelyPlace(there, self.size, known=True)
        ((_, sighting, score),) = self._look_at(frame, [place])
        if score < max(self.options.again_score, self._score):
            return False
        self.centre = inside(frame, *sighting.centre)
        self._score, self._seen = score, None
        return True

    def conclude(self, frame: Image) -> Track:
        """The second half: whether it is the object, and where else it may be.

        Where the object :attr:`rests`, it is called without the first.
        """
        score, seen, self._seen = self._score, self._seen, None
        if self.state == LOST:
            score = self._look_again(frame, self._score_again(score, seen, self.centre))
        else:
            self._belief.weigh(score)
            if self.state == TRACKING and self._seen_for < self.options.probation:
                # What follows it stays sure by its patches; whether it is the right one is asked.
                plain, score = score, self._score_again(score, seen, self.centre)
                if seen is not None and score == plain >= self.options.found_score:
                    # Light changes meanwhile, and what has other colours is not learned so.
                    self.model.renew_colours(seen, self.centre)
                score = self._doubt(frame, score)
            elif self.state == TRACKING and seen is not None and score >= self.options.found_score:
                self.model.remember(seen, self.centre)
        if self.state != LOST and score >= self.options.found_score:
            self._sure = self.centre, self.size
            self._sure_angle, self._sure_aspect = self.angle, self.aspect
            self._seen_for += 1
            if self._seen_for >= self.options.probation:
                self._settled = self._sure
        if seen is not None and not self._needs_no_look(frame, score):
            self._calm.begin_again()
        sure = self.state == TRACKING and score >= self.options.found_score
        return self._outline().track(score, self.state, self.size if sure else None)

    def _needs_no_look(self, frame: Image, score: float) -> bool:
        """Whether a glance will do for the next frame; what it needs is kept then."""
        return (
            self._calm.still
            and self.state == TRACKING
            and self._seen_for >= self.options.probation
            and self._calm.surely(score, self._sides(self._move))
            and self._glance.keep(frame, self._outline())
        )

    def _sides(self, there: Point, here: Point = (0.0, 0.0)) -> float:
        """A distance, in sides of the object."""
        return math.dist(there, here) / (self.model.side * self.size)

    def _doubt(self, frame: Image, score: float) -> float:
        """Look for a place that fits better than where the object was found again lately.

        Team-mates fit well enough to be found while the object itself is hidden, but not as well as
        the object once it is back. Returns the score of the place that is kept.
        """
        self._fit += (log_odds(score) - self._fit) / self.options.doubt_every
        self._doubted += 1
        if not self._budget.limited and self._doubted % self.options.doubt_every:
            return score
        best, kept, better = self._fit + self.options.rival_margin, score, None
        apart = self.model.side * self.size / 2
        for place, sighting, other in self._elsewhere(frame, [self._settled]):
            if log_odds(other) > best and math.dist(sighting.centre, self.centre) >= apart:
                best, kept, better = log_odds(other), other, (sighting.centre, place)
        if better is not None:
            self._found_at(*better, best)
        return kept

    def _found_at(self, centre: Point, place: LikelyPlace, fit: float) -> None:
        """Go on from another place, with the log-odds of what is seen there."""
        self.centre, self.size, self._move = centre, place.size, (0.0, 0.0)
        self.angle = self._angle_at(place)
        self.aspect = self._sure_aspect if place.known else 0.0
        self._begin_again(fit)

    def _angle_at(self, place: LikelyPlace) -> float:
        """How the object is supposed to stand in a place: elsewhere as in the first frame."""
        return self._sure_angle if place.known else 0.0

    def _begin_again(self, fit: float) -> None:
        """Follow what was found, which has yet to prove itself."""
        self._fit = fit
        self._belief.begin_again(fit)
        self._calm.begin_again()
        self._lost_for = self._seen_for = self._doubted = 0
        self._spread.begin_again()

    def _look_again(self, frame: Image, score: float) -> float:
        """Look for a lost object; returns the best score.

        What was followed when the object was given up may still be it, so it is followed on
        unseen; then the place where the object was last seen counts, then the whole frame, for
        look-alikes elsewhere are many.
        """
        options = self.options
        if score >= options.again_score:
            self._begin_again(log_odds(score))
            return score
        self._lost_for += 1
        if self._lost_for <= options.wait:
            return score
        found = None
        # What was found last may have been something else: the place before still counts.
        known = list(dict.fromkeys((self._sure, self._settled)))
        for place, sighting, other in self._elsewhere(frame, known):
            needed = self._needed(place, sighting.centre, known)
            if other >= needed and other > score:
                found, score = (sighting.centre, place), other
                if place.known:
                    break
        if found is not None:
            centre, where, score = self._sized(frame, *found, score)
            self._found_at(centre, where, log_odds(score))
        return score

    def _sized(
        self, frame: Image, centre: Point, place: LikelyPlace, score: float
    ) -> tuple[Point, LikelyPlace, float]:
        """The size in which an object that was found again fits best, as far as the budget lasts.

        It is found in a wrong size, too, which patches correct slowly or not at all.
        """
        look = Piece(math.prod(self.model.region_size))
        factors = [factor for factor in dict.fromkeys(self.options.search_sizes) if factor != 1]
        for factor in factors:
            for _ in range(MOST_STEPS):
                if self._budget.limited and not self._budget.take(look):
                    return centre, place, score
                tried = place._replace(centre=centre, size=place.size * factor)
                ((_, sighting, other),) = self._look_at(frame, [tried])
                self._budget.done()
                if log_odds(other) < log_odds(score) + CLEARLY:
                    break
                centre, place, score = sighting.centre, tried, other
        return centre, place, score

    def _needed(self, place: LikelyPlace, centre: Point, known: Sequence[Known]) -> float:
        """Score from which an object counts as found again in a place: farther away it needs more.

        Among places everywhere some look right by chance, but next to where it was seen are few.
        """
        if place.known:
            return self.options.again_score
        away = min(math.dist(centre, there) / (self.model.side * size) for there, size in known)
        return self.options.needed_score(away)

    def _elsewhere(
        self, frame: Image, known: Sequence[Known]
    ) -> Iterator[tuple[LikelyPlace, Sighting, float]]:
        """What is seen where else the object may be, where it was seen and in likely places.

        With how surely it is the object.
        """
        # What is out of sight may come nearer meanwhile, or go away; what is followed is as large.
        sizes = self.options.search_sizes if self.state == LOST else (1.0,)
        if self._budget.limited:
            for place in self._spread.places(frame, known, self._budget, sizes):
                yield from self._look_at(frame, [place])
            return
        tried = sizes[(self._lost_for - self.options.wait - 1) % len(sizes)]
        seen = [LikelyPlace(centre, size * tried, known=True) for centre, size in known]
        yield from self._look_at(frame, seen)
        candidates = self.search.candidates(frame, *known[0], sizes)
        yield from self._look_at(frame, [LikelyPlace(*place, known=False) for place in candidates])

    def _look_at(
        self, frame: Image, places: Sequence[LikelyPlace]
    ) -> Iterator[tuple[LikelyPlace, Sighting, float]]:
        """What is seen around some places of a frame, encoded together, and the score of each."""
        scale, size = self.model.scale, self.model.region_size
        regions = [
            Region.around(place.centre, scale / place.size, *size, self._angle_at(place))
            for place in places
        ]
        for place, seen in zip(places, self.model.encode_all(frame, regions), strict=True):
            sighting = self.model.look(seen, place.centre)
            yield place, sighting, self._score_again(self.score(sighting), seen, sighting.centre)

    def score(self, sighting: Sighting) -> float:
        """How surely a sighting shows the object, 0 to 1."""
        return self.options.score((sighting.first, sighting.recent), sighting.agreement)

    def _score_again(self, score: float, seen: RegionFeatures | None, centre: Point) -> float:
        """The score of a place where the object may have come back: it has kept its colours.

        Team-mates and other cars have its shape. While an object is in sight its colours may change
        with the light, and say nothing against it.
        """
        if seen is None or score == 0 or not self.options.again_colours:
            return score
        unlike = self.options.colour_odds(self.model.colour_likeness(seen, centre))
        return logistic(log_odds(score) - unlike)

    def _expected(self) -> Point:
        """Where the object should be in the next frame."""
        momentum = 0.0 if self.repeated else self.options.momentum
        (x, y), (right, down) = self.centre, self._move
        return x + momentum * right, y + momentum * down

    def _move_to(self, centre: Point, frame: Image) -> None:
        """Accept a new place; the centre stays inside the frame."""
        x, y = inside(frame, *centre)
        if not self.repeated:
            # Half of the old move: single measurements jump.
            self._move = (
                (self._move[0] + x - self.centre[0]) / 2,
                (self._move[1] + y - self.centre[1]) / 2,
            )
        self.centre = (x, y)

    def _within(self, size: float) -> float:
        """A size, as far as it may differ from the first."""
        return min(max(size, 1 / self.options.max_scale), self.options.max_scale)

    def _refine(self, seen: RegionFeatures, frame: Image) -> None:
        """Follow the object's size, shape and turn, and its place more exactly."""
        options = self.options
        gains = options.scale_gain, options.place_gain, options.turn_gain, options.network_weight
        if not any(gains):
            return
        read = self.model.read_motion(seen, self.centre)
        if read is None:
            return
        here, size, aspect = self.centre, self.size, self.aspect
        supposed = self.model.scale / seen.region.scale
        self.size = self._within(size * (supposed * read.zoom / size) ** options.scale_gain)
        turn = options.turn_gain * read.turn
        self.angle = (self.angle + turn + HALF_TURN) % (2 * HALF_TURN) - HALF_TURN
        if read.aspect is not None:
            self.aspect += options.scale_gain * (read.aspect - aspect)
            self.aspect = min(max(self.aspect, -MOST_ASPECT), MOST_ASPECT)
        (x, y), (right, below) = here, read.centre
        part = read.believed
        self.centre = inside(frame, x + part * (right - x), y + part * (below - y))
        grown, bent = math.log(self.size / size), self.aspect - aspect
        moved = self._sides(self.centre, here)
        self._calm.read((grown, bent, math.radians(turn)), moved)
