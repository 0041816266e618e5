"""``Search``: how a query lies in a reference, by matches that agree on one transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..images import Image
from .homography import fit_robustly
from .pair_matches import match_pairs
from .reference import EncodedQuery, PlaceEncoder, Reference, ReferenceLevel
from .views import bend, plausible

Array = NDArray[Any]


class Candidate(NamedTuple):
    """How a query lies in one level of the reference.

    Attributes:
        matrix: ``(3, 3)`` from pixels of the query to working pixels of the level; ``None`` where
            nothing fits.
        support: weighted number of matches that agree with it.
        level: of the reference.
        quality: ``(N,)`` float32 in [0, 1], of each cell of the level.
        matches: number of one-to-one matches, agreeing or not.
    """

    matrix: Array | None
    support: float
    level: ReferenceLevel
    quality: Array
    matches: int


def nothing_in(reference: Reference) -> Candidate:
    """The candidate of a query that matches nothing."""
    level = reference.levels[0]
    return Candidate(None, 0.0, level, np.zeros(len(level.cells), np.float32), 0)


class Search:
    """Looks for queries in one reference.

    Matches between patches of a query and of a level are weighted with their quality; a candidate
    is the transform that the most weight agrees with.

    Args:
        reference: encoded by the same encoder as queries will be.
        encoder: of queries; its recipe says how thoroughly to search.
        alpha: factor on the cosine similarity.
        matching: ``qatm``, ``correlation`` or ``cosine``.
    """

    def __init__(
        self, reference: Reference, encoder: PlaceEncoder, alpha: float, matching: str
    ) -> None:
        self._reference = reference
        self._encoder = encoder
        self._recipe = encoder.recipe
        self._alpha = alpha
        self._matching = matching

    def best(self, picture: Image) -> Candidate:
        """The candidate with the most support, once more with the query bent to fit."""
        recipe, levels = self._recipe, self._reference.levels
        query = self._encoder.query(picture, recipe.query_size)
        close = self._encoder.query(picture, recipe.close_size)
        small = [level for level in levels if level.size <= recipe.close_levels]
        ranked = self._ranked([(query, levels), (close, small)], picture)
        if not ranked:
            return nothing_in(self._reference)
        if ranked[0].support >= recipe.sure:
            return self._settled(self._again(ranked[0], picture), picture)
        # A rough fit that is right gains more by a second look than one that is wrong.
        hopeful = ranked[: recipe.retried]
        low, high = recipe.turned_from, recipe.turned_to
        middling = [level for level in levels if low <= level.size <= high]
        for turns in (1, 2, 3):
            turned = self._encoder.query(picture, recipe.query_size, turns)
            hopeful += self._ranked([(turned, middling)], picture)[:1]
        again = [self._again(candidate, picture) for candidate in hopeful or ranked[:1]]
        return self._settled(max(again, key=lambda candidate: candidate.support), picture)

    def _settled(self, best: Candidate, picture: Image) -> Candidate:
        """The candidate after as many further looks as each bring a clear gain."""
        for _ in range(self._recipe.looks):
            again = self._again(best, picture)
            if again.support < self._recipe.gain * best.support or again is best:
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
            if len(view.cells) * len(level.cells) <= self._recipe.max_pairs
        ]
        return sorted(candidates, key=lambda candidate: -candidate.support)

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
            fit = fit_robustly(first, points, found.weight, self._recipe, planar=True)
            if fit is not None and fit.support > support:
                whole = fit.matrix @ query.scale
                if plausible(whole, *size, self._recipe):
                    best, support = whole, fit.support
        return Candidate(best, support, level, found.quality, len(found.first))

    def _cut_open(self, points: Array, level: ReferenceLevel, middle: float | None) -> list[Array]:
        """Points of a level on a plane: a full turn is cut open opposite of a column.

        Without one it is cut twice, at the seam and opposite of it: one of the two cuts leaves a
        query whole.
        """
        if not self._reference.wraps:
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
        bent = bend(picture, best.matrix, self._recipe)
        query = self._encoder.bent(bent, best.matrix)
        if query is None:
            return best
        middle = float(bent.offset[0]) + 0.5 * bent.image.shape[1]
        size = (picture.shape[1], picture.shape[0])
        again = self._candidate(query, best.level, size, middle)
        return again if again.support > best.support else best
