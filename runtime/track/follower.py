"""One followed object: where to look next, what was seen, and whether it is still the object."""

from __future__ import annotations

import math

from ..boxes import Box
from ..bundle.recipes import log_odds
from ..images import Image
from ..patches.encoder import Encoder
from ..patches.region import Region, RegionFeatures
from .options import TrackerOptions
from .presence import LOST, TRACKING, Belief, Track
from .redetect import WholeFrameSearch
from .target import Sighting, TargetModel


class Follower:
    """Follows one object; :class:`~.tracker.Tracker` feeds it frames.

    Args:
        encoder: encodes regions.
        alpha: factor on the cosine similarity inside both softmaxes.
        options: see there.
        frame: the first frame, ``(H, W, 3)`` uint8 BGR.
        box: the object in it.
    """

    def __init__(
        self, encoder: Encoder, alpha: float, options: TrackerOptions, frame: Image, box: Box
    ) -> None:
        self.options = options
        self.model = TargetModel(encoder, alpha, options, frame, box)
        self.search = WholeFrameSearch(self.model)
        self.centre = self.model.centre
        self.size = 1.0
        self._move = (0.0, 0.0)
        self._belief = Belief(options)
        self._sure = self._settled = self.centre, self.size
        self._seen_for = self.options.probation
        self._fit = options.most_odds
        self._lost_for = self._doubted = self._unsized = 0

    @property
    def state(self) -> str:
        """``tracking``, ``uncertain`` or ``lost``."""
        return self._belief.state

    @property
    def box(self) -> Box:
        """The object's box, in pixels of the frame; of a lost object, where it was last seen."""
        centre, size = self._sure if self.state == LOST else (self.centre, self.size)
        width, height = self.model.box.w * size, self.model.box.h * size
        return Box.around(centre, width, height)

    def region(self) -> Region:
        """Where in the next frame to look."""
        width, height = self.model.region_size
        return Region.around(self._expected(), self.model.scale / self.size, width, height)

    def step(self, frame: Image, seen: RegionFeatures) -> Track:
        """Take in a frame.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            seen: its features in :meth:`region`.
        """
        sighting = self.model.look(seen, self._expected())
        score = self.score(sighting)
        self._move_to(sighting.centre, frame)
        if score >= self.options.found_score:
            self._resize(seen)
        if self.state == LOST:
            score = self._look_again(frame, score)
        else:
            self._belief.weigh(score)
            if self.state == TRACKING and self._seen_for < self.options.probation:
                score = self._doubt(frame, score)
            elif self.state == TRACKING and score >= self.options.found_score:
                self.model.remember(seen, self.centre)
        if self.state != LOST and score >= self.options.found_score:
            self._sure = self.centre, self.size
            self._seen_for += 1
            if self._seen_for >= self.options.probation:
                self._settled = self._sure
        return Track(self.box, score, self.state)

    def _doubt(self, frame: Image, score: float) -> float:
        """Look for a place that fits better than where the object was found again lately.

        Team-mates fit well enough to be found while the object itself is hidden, but not as well as
        the object once it is back. Returns the score of the place that is kept.
        """
        self._fit += (log_odds(score) - self._fit) / self.options.doubt_every
        self._doubted += 1
        if self._doubted % self.options.doubt_every:
            return score
        best, kept, place = self._fit + self.options.rival_margin, score, None
        apart = self.model.side * self.size / 2
        settled, size = self._settled
        for centre, candidate in ((settled, size), *self.search.candidates(frame, settled, size)):
            sighting = self._look_at(frame, centre, candidate)
            other = self.score(sighting)
            if log_odds(other) > best and math.dist(sighting.centre, self.centre) >= apart:
                best, kept, place = log_odds(other), other, (sighting.centre, candidate)
        if place is not None:
            self._found_at(*place, best)
        return kept

    def _found_at(self, centre: tuple[float, float], size: float, fit: float) -> None:
        """Go on from another place, with the log-odds of what is seen there."""
        self.centre, self.size, self._move = centre, size, (0.0, 0.0)
        self._fit = fit
        self._belief.begin_again(fit)
        self._lost_for = self._seen_for = self._doubted = 0

    def _look_at(self, frame: Image, centre: tuple[float, float], size: float) -> Sighting:
        """What is seen around a place of the frame."""
        region = Region.around(centre, self.model.scale / size, *self.model.region_size)
        return self.model.look(self.model.encode(frame, region), centre)

    def _look_again(self, frame: Image, score: float) -> float:
        """Look for a lost object; returns the best score.

        What was followed when the object was given up may still be it, so it is followed on
        unseen; then the place where the object was last seen counts, then the whole frame, for
        look-alikes elsewhere are many.
        """
        found, place, size = score >= self.options.again_score, self.centre, self.size
        places = [] if found else self._other_places(frame)
        for centre, candidate, needed in places:
            sighting = self._look_at(frame, centre, candidate)
            other = self.score(sighting)
            if other >= needed and other > score:
                found, place, size, score = True, sighting.centre, candidate, other
                if needed < self.options.elsewhere_score:
                    break
        if found:
            self._found_at(place, size, log_odds(score))
        return score

    def _other_places(self, frame: Image) -> list[tuple[tuple[float, float], float, float]]:
        """Centre and size of where else a lost object may be, and the score it takes there."""
        self._lost_for += 1
        if self._lost_for <= self.options.wait:
            return []
        # What was found last may have been something else: the place before still counts.
        known = dict.fromkeys((self._sure, self._settled))
        places = [(centre, size, self.options.again_score) for centre, size in known]
        for centre, candidate in self.search.candidates(frame, *self._sure):
            places.append((centre, candidate, self.options.elsewhere_score))
        return places

    def score(self, sighting: Sighting) -> float:
        """How surely a sighting shows the object, 0 to 1."""
        return self.options.score((sighting.first, sighting.recent), sighting.agreement)

    def _expected(self) -> tuple[float, float]:
        """Where the object should be in the next frame."""
        momentum = self.options.momentum
        return (
            self.centre[0] + momentum * self._move[0],
            self.centre[1] + momentum * self._move[1],
        )

    def _move_to(self, centre: tuple[float, float], frame: Image) -> None:
        """Accept a new place; the centre stays inside the frame."""
        x = min(max(centre[0], 0.0), float(frame.shape[1]))
        y = min(max(centre[1], 0.0), float(frame.shape[0]))
        # Half of the old move: single measurements jump.
        self._move = (
            (self._move[0] + x - self.centre[0]) / 2,
            (self._move[1] + y - self.centre[1]) / 2,
        )
        self.centre = (x, y)

    def _resize(self, seen: RegionFeatures) -> None:
        """Follow the object's size."""
        self._unsized += 1
        if self.options.scale_step == 1 or self._unsized < self.options.scale_every:
            return
        self._unsized = 0
        measured = self.model.measure_size(seen, self.centre)
        size = self.size * (measured / self.size) ** self.options.scale_gain
        limit = self.options.max_scale
        self.size = min(max(size, 1 / limit), limit)
