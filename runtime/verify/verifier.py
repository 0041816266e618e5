"""``Verifier``: was a photo taken at the place of a reference picture or panorama?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..backends.graph import Device, Precision
from ..errors import InputError
from ..images import Image, as_bgr, is_flat, resize_to
from ..match.matches import QualityMap
from ..patches.encoder import Encoder
from ..session import Session, SessionTask, Source
from .candidates import Candidate, EncodedQuery
from .homography import fit_robustly, transform
from .pair_matches import MATCHING, match_pairs
from .place_network import FEW_CELLS, Compare, compare_with, look, region_of_sight
from .reference import (
    MAX_CELLS,
    ReferenceLevel,
    as_rows,
    centres_of,
    check_size,
    encode_levels,
    encode_padded,
    working_size,
    wraps_around,
)
from .verification import SeenRegion, Verification, empty_region, region_of
from .views import bend, outline, plausible, quarter_turns, scaling

Array = NDArray[Any]

QUERY_SIZE = 256.0
"""Working size of a query."""

CLOSE_SIZE = 512.0
"""Working size of a query that may show the whole reference as a detail."""

MAX_PAIRS = 40_000_000
"""Most similarities computed at once; a level that takes more is not searched."""

CLOSE_LEVELS = 181.0
"""Levels up to this working size are also searched for in the closer query."""

SURE = 60.0
"""Support from which a query needs not be tried lying on its side or upside down."""

RETRIED = 3
"""Upright candidates that are looked at twice where none is sure."""

LOOKS = 2
GAIN = 1.2
"""The best candidate is looked at this often again, each time for at least this gain."""

TURNED_LEVELS = (128.0, 362.0)
"""Working sizes of the levels that are searched for turned queries."""

DECIDE = ("fit", "network")

TOLERANCE = 12.0
"""Working pixels within which matches agree: one and a half cells."""


class Verifier(SessionTask):
    """Tells whether photos show the place of a reference, and which part of it.

    The reference is encoded once, at several working resolutions, so that a query may show a
    detail of it or more than it. Matches between patches are weighted with their quality (QATM);
    those that agree on one affine map or homography support the decision. Nothing is trained for
    that, and it decides better than the network that a bundle may hold beside it.

    Images are ``(H, W, 3)`` uint8 BGR (grey and BGRA are converted). Several threads may call
    :meth:`verify` of one verifier at once.

    Args:
        reference: photo or panorama of the place.
        bundle: folder written by ``qatm-export``, a bundle that was loaded, or a session to share;
            ``None`` is the bundle inside the package.
        device: as for ``Matcher``.
        precision: as for ``Matcher``.
        threads: CPU threads; ``None`` lets the runtime choose.
        panorama: whether the reference is a full turn whose right edge continues at its left;
            ``"auto"`` looks at wide pictures' edges.
        matching: ``qatm``, or ``correlation`` or ``cosine`` to compare it with; the score's
            calibration is meant for ``qatm``.
        decide: ``fit``, the robust fit; or ``network``, the bundle's trained network, which needs
            fewer looks but is surer of less. Its answers have no ``support`` and no ``matches``.

    Attributes:
        wraps: whether the reference is treated as a full turn.
        size: width and height of the reference in pixels.

    Raises:
        ImageError: the reference is not a usable image, or too small.
        InputError: ``panorama``, ``matching`` or ``decide`` is something else, or ``device``,
            ``precision`` or ``threads`` is given beside a session.
        BundleError: the bundle is missing, damaged, or lacks the precision or the network.
        DeviceError: what was asked for is not available here.
    """

    TASK = "verify"

    def __init__(
        self,
        reference: Any,
        bundle: Source | Session | None = None,
        device: Device = "auto",
        *,
        precision: Precision = "auto",
        threads: int | None = None,
        panorama: bool | Literal["auto"] = "auto",
        matching: Literal["qatm", "correlation", "cosine"] | str = "qatm",
        decide: Literal["fit", "network"] | str = "fit",
    ) -> None:
        if matching not in MATCHING:
            raise InputError(f"matching is {matching!r}; choose one of {', '.join(MATCHING)}")
        self._matching = matching
        if decide not in DECIDE:
            raise InputError(f"decide is {decide!r}; choose one of {', '.join(DECIDE)}")
        if panorama not in (True, False, "auto"):
            raise InputError(f"panorama is {panorama!r}; give True, False or 'auto'")
        picture = as_bgr(reference, "reference")
        check_size(picture, "reference")
        self.size = (picture.shape[1], picture.shape[0])
        self.wraps = wraps_around(picture) if panorama == "auto" else bool(panorama)
        super().__init__(bundle, device, precision, threads)
        self._recipe = self.bundle.spec.recipes.verify
        self._alpha = self.bundle.spec.recipes.match.alpha
        try:
            self._compare = None
            if decide == "network":
                self._compare = compare_with(self.session.network("verify"))
            self._encoder = Encoder(self.session)
            self._flat = is_flat(picture)
            most = MAX_CELLS if self._compare is None else FEW_CELLS
            self._levels = encode_levels(picture, self._encoder, wraps=self.wraps, most=most)
        except BaseException:
            self.close()
            raise

    def verify(self, query: Any, min_score: float | None = None) -> Verification:
        """Decide whether a photo shows the reference's place.

        Args:
            query: ``(H, W, 3)`` uint8 BGR, of any size from 32 px on.
            min_score: score from which it is the same place; ``None`` is 0.5.

        Raises:
            ImageError: not a usable image, or too small.
            InputError: ``min_score`` outside 0 to 1.
        """
        self._check_open()
        if min_score is not None and not 0 <= min_score <= 1:
            raise InputError(f"min_score is {min_score}; scores lie between 0 and 1")
        picture = as_bgr(query, "query")
        check_size(picture, "query")
        # Pictures of one colour match in nothing but noise.
        flat = self._flat or is_flat(picture)
        if self._compare is not None and not flat:
            return self._seen(picture, self._compare, min_score)
        if flat:
            level = self._levels[0]
            blank = np.zeros(len(level.cells), np.float32)
            best = Candidate(None, 0.0, level, blank, 0)
        else:
            best = self._search(picture)
        region = self._region(best, picture)
        score = self._recipe.score(best.support) if region.mask.any() else 0.0
        found = score >= (self._recipe.threshold if min_score is None else min_score)
        return Verification(score, found, region, self._quality(best), best.support, best.matches)

    def _seen(self, picture: Image, compare: Compare, min_score: float | None) -> Verification:
        """What the network says of a query."""
        sight = look(picture, self._levels, self._encoder, compare)
        stride = self._encoder.coarse_stride
        region = region_of_sight(sight, *self.size, stride, wraps=self.wraps)
        score = sight.score if region.mask.any() else 0.0
        found = score >= (self._recipe.threshold if min_score is None else min_score)
        cell = (stride / sight.level.scale[0], stride / sight.level.scale[1])
        return Verification(score, found, region, QualityMap(sight.quality, cell, self.size))

    def _threshold(self) -> float:
        return self._recipe.threshold

    def _search(self, picture: Image) -> Candidate:
        """The candidate with the most support, once more with the query bent to fit."""
        query = self._encode(picture, QUERY_SIZE)
        close = self._encode(picture, CLOSE_SIZE)
        small = [level for level in self._levels if level.size <= CLOSE_LEVELS]
        ranked = self._ranked([(query, self._levels), (close, small)], picture)
        if ranked[0].support >= SURE:
            return self._settled(self._again(ranked[0], picture), picture)
        # A rough fit that is right gains more by a second look than one that is wrong.
        hopeful = ranked[:RETRIED]
        low, high = TURNED_LEVELS
        levels = [level for level in self._levels if low <= level.size <= high]
        for turns in (1, 2, 3):
            turned = self._encode(picture, QUERY_SIZE, turns)
            hopeful += self._ranked([(turned, levels)], picture)[:1]
        again = [self._again(candidate, picture) for candidate in hopeful]
        return self._settled(max(again, key=lambda candidate: candidate.support), picture)

    def _settled(self, best: Candidate, picture: Image) -> Candidate:
        """The candidate after as many further looks as each bring a clear gain."""
        for _ in range(LOOKS):
            again = self._again(best, picture)
            if again.support < GAIN * best.support or again is best:
                return again
            best = again
        return best

    def _ranked(
        self, views: Sequence[tuple[EncodedQuery, Sequence[ReferenceLevel]]], picture: Image
    ) -> list[Candidate]:
        """Candidates of each view in each of its levels, the most support first."""
        size = (picture.shape[1], picture.shape[0])
        candidates = [
            self._candidate(view, level, size, None)
            for view, levels in views
            for level in levels
            if len(view.cells) * len(level.cells) <= MAX_PAIRS
        ]
        return sorted(candidates, key=lambda candidate: -candidate.support)

    def _encode(self, picture: Image, size: float, turns: int = 0) -> EncodedQuery:
        """Encode a query at one working size, turned left by quarter turns."""
        scale = size / working_size(picture)
        turned = np.ascontiguousarray(np.rot90(picture, turns))
        height, width = turned.shape[:2]
        rows, columns = (max(1, round(side * scale)) for side in (height, width))
        coarse = encode_padded(resize_to(turned, columns, rows), self._encoder)
        centres = centres_of(coarse.shape[1:], self._encoder.coarse_stride)
        whole = scaling(columns / width, rows / height) @ quarter_turns(turns, picture.shape)
        return EncodedQuery(as_rows(coarse), centres, whole)

    def _candidate(
        self,
        query: EncodedQuery,
        level: ReferenceLevel,
        size: tuple[int, int],
        middle: float | None,
    ) -> Candidate:
        """Match a query with one level and fit a transform to the matches.

        Args:
            query: at one working resolution.
            level: of the reference.
            size: width and height of the query in its own pixels.
            middle: column of the level around which the query is expected; ``None``: anywhere.
        """
        found = match_pairs(query.cells, level.cells, self._alpha, self._matching)
        first, second = query.centres[found.first], level.centres[found.second]
        best, support = None, 0.0
        for points in self._cut_open(second, level, middle):
            fit = fit_robustly(first, points, found.weight, TOLERANCE, planar=True)
            if fit is not None and fit.support > support:
                whole = fit.matrix @ query.scale
                if plausible(whole, *size):
                    best, support = whole, fit.support
        return Candidate(best, support, level, found.quality, len(found.first))

    def _cut_open(self, points: Array, level: ReferenceLevel, middle: float | None) -> list[Array]:
        """Points of a level on a plane: a full turn is cut open opposite of a column.

        Without one it is cut twice, at the seam and opposite of it: one of the two cuts leaves a
        query whole.
        """
        if not self.wraps:
            return [points]
        middles = (0.5 * level.width, float(level.width)) if middle is None else (middle,)
        starts = [column - 0.5 * level.width for column in middles]
        return [
            np.stack([(points[:, 0] - start) % level.width + start, points[:, 1]], 1)
            for start in starts
        ]

    def _again(self, best: Candidate, picture: Image) -> Candidate:
        """Match once more with the query bent as the best transform says.

        Features survive little turning and slanting; bent upright, a query of the same place gains
        matches, and one of another place does not.
        """
        if best.matrix is None:
            return best
        bent = bend(picture, best.matrix)
        coarse = encode_padded(bent.image, self._encoder)
        centres = centres_of(coarse.shape[1:], self._encoder.coarse_stride)
        last = np.array(bent.shown.shape)[::-1] - 1
        x, y = np.minimum(centres.round().astype(int), last).T
        shown = bent.shown[y, x]
        if not shown.any():
            return best
        placed = centres[shown] + bent.offset
        query = EncodedQuery(as_rows(coarse)[shown], placed, best.matrix)
        middle = float(bent.offset[0]) + 0.5 * bent.image.shape[1]
        size = (picture.shape[1], picture.shape[0])
        again = self._candidate(query, best.level, size, middle)
        return again if again.support > best.support else best

    def _region(self, best: Candidate, picture: Image) -> SeenRegion:
        """Where the query's outline falls in the reference; empty where nothing fits."""
        width, height = self.size
        if best.matrix is None:
            return empty_region(height, width)
        points = transform(best.matrix, outline(picture.shape[1], picture.shape[0]))
        placed = transform(np.linalg.inv(scaling(*best.level.scale)), points)
        return region_of(placed, height, width, wraps=self.wraps)

    def _quality(self, best: Candidate) -> QualityMap:
        """The quality map of the best level."""
        stride = self._encoder.coarse_stride
        cell = (stride / best.level.scale[0], stride / best.level.scale[1])
        return QualityMap(best.quality.reshape(best.level.shape), cell, self.size)
