"""``Aligner``: bend a picture of an object onto a picture of another object of the same kind."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from ..answers import ms_since
from ..arguments import is_name
from ..backends.graph import Device, Precision
from ..bundle.folder import default_align_path
from ..errors import ImageError, InputError, seen
from ..images import AnyImage, Image, as_bgr, is_flat, resize_to
from ..patches.encoder import Encoder
from ..session import Session, Source
from ..session_task import SessionTask, practice_picture
from ..value_range import ValueRange
from .affine import AffineFit, PairScores, cosine_scores, fit_affine, fit_rest, inside, pair_scores
from .align_network import fit_by_network
from .alignment import Alignment, Parameters
from .maps import IDENTITY, believable, bent, compose, invert, transform
from .spline import bend

Array = NDArray[Any]

MATCHING = ("qatm", "cosine")

METHODS = ("fit", "network")


class Aligner(SessionTask):
    """Aligns pictures of the same kind of object, seen from a similar side.

    Every patch of the source is compared with every patch of the target; QATM scores say which
    matches are mutual and exclusive, and an affine map that most of them agree with is fitted
    without sampling. The source is then bent by it and encoded again, which shows what is left,
    and a smooth thin-plate spline takes up the rest. Nothing is trained for this and nothing is
    random.

    Images are ``(H, W, 3)`` uint8 BGR (grey and BGRA are converted, and so are other integers and
    floats, each picture by its own range). Several threads may call
    :meth:`align` of one aligner at once.

    Args:
        bundle: folder written by ``qatm-export``, a bundle that was loaded, or a session to share;
            ``None`` is the one for alignment inside the package, whose features reach deeper than
            those for matching.
        device: as for ``Matcher``.
        precision: as for ``Matcher``.
        threads: CPU threads; ``None`` lets the runtime choose.
        matching: ``qatm``, or ``cosine`` (mutually best cells by cosine similarity) to compare it
            with; the score is meant for ``qatm``.
        method: ``fit``, which needs no training, or ``network``, the trained network of a bundle
            that has one (``qatm-export --task align --network``); the score means the same.
        sha256: what ``bundle.json`` must have, as for ``Matcher``.

    Raises:
        InputError: ``matching`` or ``method`` is something else; ``device``, ``precision``,
            ``threads`` or ``sha256`` is given beside a session; ``sha256`` is no hash, or stands
            beside a bundle that was loaded.
        BundleError: the bundle is missing, damaged, lacks the precision or a network, or is not
            the one that ``sha256`` is of.
        DeviceError: what was asked for is not available here.
    """

    TASK = "align"

    def __init__(
        self,
        bundle: Source | Session | None = None,
        device: Device = "auto",
        *,
        precision: Precision = "auto",
        threads: int | None = None,
        matching: Literal["qatm", "cosine"] = "qatm",
        method: Literal["fit", "network"] = "fit",
        sha256: str | None = None,
    ) -> None:
        if not is_name(method, METHODS):
            raise InputError(f"method is {seen(method)}; choose one of {', '.join(METHODS)}")
        if not is_name(matching, MATCHING):
            raise InputError(f"matching is {seen(matching)}; choose one of {', '.join(MATCHING)}")
        super().__init__(
            default_align_path() if bundle is None else bundle, device, precision, threads, sha256
        )
        self._matching = matching
        self._recipe = self.bundle.spec.recipes.align
        self._alpha = self.bundle.spec.recipes.match.alpha
        self._encoder = Encoder(self.session)
        self._network = None
        if method == "network":
            try:
                self._network = self.session.network("align")
            except BaseException:
                self.close()
                raise

    def align(
        self, source: AnyImage, target: AnyImage, *, value_range: Sequence[float] | None = None
    ) -> Alignment:
        """Find the transform that takes points of the source to those of the target.

        Args:
            source: ``(H, W, 3)`` uint8 BGR; shows one object, large.
            target: ``(H, W, 3)`` uint8 BGR; shows another one of its kind. Any other size.
            value_range: ``(low, high)``, the values of pictures that are not uint8 to show as black
                and white; ``None`` shows each in its own range, see :mod:`..value_range`.

        Returns:
            The transform. Without a reliable one ``found`` is false, the score low, and the
            transform only stretches the source to the target's size.

        Raises:
            ImageError: not a usable image, or one with a side below 16 pixels.
            InputError: a value range that is not two finite numbers, the lower one first.
        """
        self._check_open()
        start = time.perf_counter()
        values = None if value_range is None else ValueRange.fixed(value_range)
        pictures = [
            self._checked(source, "source", values),
            self._checked(target, "target", values),
        ]
        sizes = [(picture.shape[1], picture.shape[0]) for picture in pictures]
        matrix, control, score = IDENTITY, None, 0.0
        if not any(is_flat(picture) for picture in pictures):
            fit, control = self._fit(*pictures)
            score = self._recipe.score(fit.support)
            if score >= self._recipe.threshold:
                matrix = fit.matrix
            else:
                control = None
        return Alignment(
            Parameters.from_fractions(matrix, control, *sizes),
            score,
            score >= self._recipe.threshold,
            sizes[0],
            sizes[1],
            ms_since(start),
        )

    def warm_up(self, size: tuple[int, int] = (640, 480)) -> None:
        """Do what the first pair would wait for; see :meth:`.SessionTask.warm_up`."""
        picture = practice_picture(size)
        self.align(picture, picture)

    def _threshold(self) -> float:
        return self._recipe.threshold

    def _fit(self, source: Image, target: Image) -> tuple[AffineFit, tuple[Array, Array] | None]:
        """Affine map, and control points before and after a spline, in fractions of the images."""
        recipe = self._recipe
        if self._network is not None:
            return fit_by_network(self._network, self._encode, source, target, self._alpha, recipe)
        pictures = [resize_to(picture, *self._working(picture)) for picture in (source, target)]
        cells = [self._encode(picture, recipe.cell) for picture in pictures]
        first = fit_affine(self._compare(cells[0], cells[1]), recipe)
        if not believable(first.matrix, recipe):
            return AffineFit(IDENTITY, 0.0), None
        nearer = self._encode(bent(source, first.matrix, pictures[1]), recipe.cell)
        pairs = self._compare(nearer, cells[1])
        rest = fit_rest(inside(pairs, first.matrix), recipe)
        matrix = compose(first.matrix, rest.matrix)
        agrees = rest.support >= recipe.rest_share * first.support
        if not (agrees and believable(matrix, recipe)):
            return first, None
        control = bend(pairs, rest.matrix, recipe)
        start = transform(invert(first.matrix), control[0])
        return AffineFit(matrix, max(first.support, rest.support)), (start, control[1])

    def _compare(self, source: Array, target: Array) -> PairScores:
        if self._matching == "cosine":
            return cosine_scores(source, target)
        return pair_scores(source, target, self._alpha)

    def _encode(self, working: Image, cell: int) -> Array:
        """Features ``(C, h, w)`` with a cell every so many pixels."""
        taps, coarse = self._encoder.encode_crop(working)
        stride = self._encoder.stride
        cells, step = (taps.whole(), stride) if stride >= cell else (coarse, 2 * stride)
        return _pooled(cells, max(1, cell // step))

    def _working(self, image: Image) -> tuple[int, int]:
        """Working width and height: the area is the same for all pictures."""
        recipe, (height, width) = self._recipe, image.shape[:2]
        scale, step = recipe.side / math.sqrt(height * width), recipe.side_step
        sides = [round(side * scale / step) * step for side in (width, height)]
        across, down = (min(max(side, recipe.shortest), recipe.longest) for side in sides)
        return across, down

    def _checked(self, picture: Any, name: str, values: ValueRange | None) -> Image:
        """A picture as BGR.

        Raises:
            ImageError: not a usable image, or too small.
        """
        image, least = as_bgr(picture, name, values), self._recipe.smallest
        if min(image.shape[:2]) < least:
            raise ImageError(
                f"{name} is {image.shape[1]}x{image.shape[0]} px; alignment needs sides of at "
                f"least {least} px: give a larger picture"
            )
        return image


def _pooled(features: Array, factor: int) -> Array:
    """Means over squares of cells."""
    if factor == 1:
        return features
    channels, height, width = features.shape
    parts = features.reshape(channels, height // factor, factor, width // factor, factor)
    return parts.mean((2, 4))
