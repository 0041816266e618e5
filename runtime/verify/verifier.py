"""``Verifier``: was a photo taken at the place of a reference picture or panorama?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from numpy.typing import NDArray

from ..answers import ms_since
from ..arguments import as_number, is_name
from ..backends.graph import Device, Precision
from ..errors import InputError, seen
from ..images import AnyImage, Image, as_bgr, is_flat
from ..patches.encoder import Encoder
from ..session import Session, Source
from ..session_task import SessionTask, practice_picture
from ..value_range import ValueRange
from .pair_matches import MATCHING, PairMatching
from .place_network import Compare, Sight, compare_with, look
from .reference import PlaceEncoder, check_size, wraps_around
from .search import Candidate, Search, nothing_in
from .verification import Verification, likely_region, quality_in, region_under

Array = NDArray[Any]

DECIDE = ("fit", "network")


class Verifier(SessionTask):
    """Tells whether photos show the place of a reference, and which part of it.

    The reference is encoded once, at several working resolutions, so that a query may show a
    detail of it or more than it. Matches between patches are weighted with their quality (QATM);
    those that agree on one affine map or homography support the decision. Nothing is trained for
    that, and it decides better than the network that a bundle may hold beside it.

    Images are ``(H, W, 3)`` uint8 BGR (grey and BGRA are converted, and so are other integers and
    floats, each picture by its own range). Several threads may call :meth:`verify` of one verifier
    at once.

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
        value_range: ``(low, high)``, the values of pictures that are not uint8 to show as black and
            white; ``None`` shows each in its own range, see :mod:`..value_range`.
        sha256: what ``bundle.json`` must have, as for ``Matcher``.

    Raises:
        ImageError: the reference is not a usable image, or too small.
        InputError: ``panorama``, ``matching`` or ``decide`` is something else, ``value_range`` is
            not two finite numbers, the lower one first; ``device``, ``precision``, ``threads`` or
            ``sha256`` is given beside a session; ``sha256`` is no hash, or stands beside a bundle
            that was loaded.
        BundleError: the bundle is missing, damaged, lacks the precision or the network, or is not
            the one that ``sha256`` is of.
        DeviceError: what was asked for is not available here.
    """

    TASK = "verify"

    def __init__(
        self,
        reference: AnyImage,
        bundle: Source | Session | None = None,
        device: Device = "auto",
        *,
        precision: Precision = "auto",
        threads: int | None = None,
        panorama: bool | Literal["auto"] = "auto",
        matching: PairMatching = "qatm",
        decide: Literal["fit", "network"] = "fit",
        value_range: Sequence[float] | None = None,
        sha256: str | None = None,
    ) -> None:
        if not is_name(matching, MATCHING):
            raise InputError(f"matching is {seen(matching)}; choose one of {', '.join(MATCHING)}")
        if not is_name(decide, DECIDE):
            raise InputError(f"decide is {seen(decide)}; choose one of {', '.join(DECIDE)}")
        if not (isinstance(panorama, bool) or is_name(panorama, ("auto",))):
            raise InputError(f"panorama is {seen(panorama)}; give True, False or 'auto'")
        self._values = None if value_range is None else ValueRange.fixed(value_range)
        picture = as_bgr(reference, "reference", self._values)
        super().__init__(bundle, device, precision, threads, sha256)
        self._recipe = self.bundle.spec.recipes.verify
        try:
            self._open(picture, panorama, matching, decide)
        except BaseException:
            self.close()
            raise

    def _open(
        self, picture: Image, panorama: bool | Literal["auto"], matching: str, decide: str
    ) -> None:
        """Encode the reference, and get ready what will be asked about queries."""
        recipe = self._recipe
        check_size(picture, "reference", recipe)
        wraps = wraps_around(picture, recipe) if panorama == "auto" else bool(panorama)
        self._compare: Compare | None = None
        most = recipe.max_cells
        if decide == "network":
            self._compare = compare_with(self.session.network("verify"))
            most = recipe.network_cells
        self._flat = is_flat(picture)
        self._encoder = PlaceEncoder(Encoder(self.session), recipe)
        self._reference = self._encoder.reference(picture, wraps=wraps, most=most)
        alpha = self.bundle.spec.recipes.match.alpha
        self._search = Search(self._reference, self._encoder, alpha, matching)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the reference in pixels."""
        return self._reference.size

    @property
    def wraps(self) -> bool:
        """Whether the reference is treated as a full turn."""
        return self._reference.wraps

    def verify(self, query: AnyImage, min_score: float | None = None) -> Verification:
        """Decide whether a photo shows the reference's place.

        Args:
            query: ``(H, W, 3)`` uint8 BGR, of any size from 32 px on.
            min_score: score from which it is the same place; ``None`` is 0.5.

        Raises:
            ImageError: not a usable image, or too small.
            InputError: ``min_score`` outside 0 to 1.
        """
        self._check_open()
        start = time.perf_counter()
        least = self._recipe.threshold if min_score is None else as_number(min_score, "min_score")
        if not 0 <= least <= 1:
            raise InputError(f"min_score is {min_score}; scores lie between 0 and 1")
        picture = as_bgr(query, "query", self._values)
        check_size(picture, "query", self._recipe)
        answer = self._answer(picture, least)
        return replace(answer, ms=ms_since(start))

    def warm_up(self, size: tuple[int, int] = (640, 480)) -> None:
        """Do what the first query would wait for; see :meth:`.SessionTask.warm_up`."""
        self.verify(practice_picture(size))

    def _answer(self, picture: Image, least: float) -> Verification:
        """What is found out about a query."""
        # Pictures of one colour match in nothing but noise.
        if self._flat or is_flat(picture):
            return self._fitted(nothing_in(self._reference), picture, least)
        if self._compare is None:
            return self._fitted(self._search.best(picture), picture, least)
        return self._seen(look(picture, self._reference, self._encoder, self._compare), least)

    def _fitted(self, best: Candidate, picture: Image, least: float) -> Verification:
        """What the best candidate says of a query."""
        region = region_under(best.matrix, picture.shape, best.level, self._reference)
        score = self._recipe.score(best.support) if region.mask.any() else 0.0
        quality = quality_in(best.level, best.quality, self._reference)
        return Verification(score, score >= least, region, quality, best.support, best.matches)

    def _seen(self, sight: Sight, least: float) -> Verification:
        """What the network says of a query."""
        region = likely_region(sight.region, sight.level, self._reference)
        score = sight.score if region.mask.any() else 0.0
        quality = quality_in(sight.level, sight.quality, self._reference)
        return Verification(score, score >= least, region, quality)

    def _threshold(self) -> float:
        return self._recipe.threshold
