"""One followed object: where to look next, what was seen, and whether it is still the object."""

from __future__ import annotations

import math

from .boxes import Box
from .features import Encoder
from .images import Image
from .reacquire import WholeFrameSearch
from .region import Region, RegionFeatures
from .results import LOST, TRACKING, UNCERTAIN, Track
from .target_model import Sighting, TargetModel
from .tracker_options import TrackerOptions

MOST_ODDS = 3.0
"""Belief beyond this is no surer: an object that was seen for hours can vanish as fast as any."""


SETTLED = 10
"""Sure frames after which a place where the object was found again is taken for right."""


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
        self.state = TRACKING
        self._move = (0.0, 0.0)
        self._belief = MOST_ODDS
        self._sure = self._settled = self.centre, self.size
        self._seen_for = SETTLED
        self._lost_for = 0

    @property
    def box(self) -> Box:
        """The object's box, in pixels of the frame; of a lost object, where it was last seen."""
        (x, y), size = self._sure if self.state == LOST else (self.centre, self.size)
        width, height = self.model.box.w * size, self.model.box.h * size
        return Box(x - width / 2, y - height / 2, width, height)

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
            self._believe(score)
            if self.state == TRACKING and score >= self.options.found_score:
                self.model.remember(seen, self.centre)
        if self.state != LOST and score >= self.options.found_score:
            self._sure = self.centre, self.size
            self._seen_for += 1
            if self._seen_for >= SETTLED:
                self._settled = self._sure
        return Track(self.box, score, self.state)

    def _believe(self, score: float) -> None:
        """Weigh a frame's score with those before it."""
        o = self.options
        self._belief = o.inertia * self._belief + (1 - o.inertia) * _odds(score)
        if self._belief >= _odds(o.found_score):
            self.state = TRACKING
        else:
            self.state = LOST if self._belief < _odds(o.lost_score) else UNCERTAIN

    def _look_again(self, frame: Image, score: float) -> float:
        """Look for a lost object; returns the best score.

        What was followed when the object was given up may still be it, so it is followed on
        unseen; then the place where the object was last seen counts, then the whole frame, for
        look-alikes elsewhere are many.
        """
        found, place, size = score >= self.options.again_score, self.centre, self.size
        places = [] if found else self._other_places(frame)
        for centre, candidate, needed in places:
            region = Region.around(centre, self.model.scale / candidate, *self.model.region_size)
            sighting = self.model.look(self.model.encode(frame, region), centre)
            other = self.score(sighting)
            if other >= needed and other > score:
                found, place, size, score = True, sighting.centre, candidate, other
                if needed < self.options.elsewhere_score:
                    break
        if found:
            self.centre, self.size, self._move = place, size, (0.0, 0.0)
            self.state, self._belief = TRACKING, _odds(score)
            self._lost_for = self._seen_for = 0
        return score

    def _other_places(self, frame: Image) -> list[tuple[tuple[float, float], float, float]]:
        """Centre and size of where else a lost object may be, and the score it takes there."""
        self._lost_for += 1
        if self._lost_for <= self.options.wait:
            return []
        # What was found last may have been something else: the place before still counts.
        known = dict.fromkeys((self._sure, self._settled))
        places = [(centre, size, self.options.again_score) for centre, size in known]
        for centre, candidate in self.search.candidates(frame, self._sure[1]):
            places.append((centre, candidate, self.options.elsewhere_score))
        return places

    def score(self, sighting: Sighting) -> float:
        """How surely a sighting shows the object, 0 to 1."""
        looks = (sighting.first, sighting.recent)
        if min(look.contested for look in looks) <= 0:
            return 0.0
        o = self.options
        odds = o.score_offset + o.agreement_weight * sighting.agreement
        for contested, alone in looks:
            odds += o.quality_weight * math.log(contested)
            odds += o.share_weight * math.log(contested / alone)
        return 1 / (1 + math.exp(min(-odds, 700.0)))

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
        if self.options.scale_step == 1:
            return
        # The region may have been encoded for a slightly different size.
        supposed = self.model.scale / seen.region.scale
        measured = supposed * self.model.measure_scale(seen, self.centre)
        size = self.size * (measured / self.size) ** self.options.scale_gain
        limit = self.options.max_scale
        self.size = min(max(size, 1 / limit), limit)


def _odds(score: float) -> float:
    """Log-odds of a score, within what is believed at most."""
    if not 0 < score < 1:
        return MOST_ODDS if score >= 1 else -MOST_ODDS
    return min(max(math.log(score / (1 - score)), -MOST_ODDS), MOST_ODDS)
