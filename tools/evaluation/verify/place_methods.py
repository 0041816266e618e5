"""The ways to verify a place that ``qatm eval verify`` compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ....runtime.backends.graph import Device
from ....runtime.bundle.recipes import VerifyRecipe
from ....runtime.images import Image
from ....runtime.patches.encoder import Encoder
from ....runtime.session import Session
from ....runtime.verify.homography import transform
from ....runtime.verify.pair_matches import PairMatching
from ....runtime.verify.place_network import Compare, compare_with, look
from ....runtime.verify.reference import PlaceEncoder
from ....runtime.verify.verification import likely_region, region_of
from ....runtime.verify.verifier import Verifier
from ....runtime.verify.views import outline, plausible

Array = NDArray[Any]

NETWORK = "network"
"""The network of the bundle."""

KEY_POINT_METHODS = ("sift", "orb")
"""Methods that use no features of a bundle."""

WORKING = 640.0
"""Long side to which pictures are brought before key points are looked for; panoramas: short."""

KEY_POINTS = 2000
RATIO = 0.8
ERROR = 3.0
ENOUGH = 15
"""Inliers from which classic methods call it the same place."""

BELIEVED = VerifyRecipe()
"""Says which transforms classic methods believe: the same as ours."""


class PlaceAnswer(NamedTuple):
    """What a method says: a score, a decision and the region as a mask."""

    score: float
    same_place: bool
    mask: Array


class PlaceMethodOptions(NamedTuple):
    """What methods are opened with."""

    bundle: Path | None = None
    device: Device = "auto"
    threads: int | None = None


class PlaceMethod(Protocol):
    """Looks at a reference once, then at many queries."""

    def __call__(self, query: Image) -> PlaceAnswer:
        """Verify one query."""
        ...


class QatmMethod:
    """``runtime.Verifier`` with one of its ways of matching."""

    def __init__(
        self,
        reference: Image,
        bundle: Path | None,
        device: Device,
        matching: PairMatching,
        threads: int | None,
    ) -> None:
        self._verifier = Verifier(
            reference, bundle, device, threads=threads, panorama=False, matching=matching
        )

    def __call__(self, query: Image) -> PlaceAnswer:
        """Verify one query."""
        result = self._verifier.verify(query)
        return PlaceAnswer(result.support, result.same_place, result.region.mask)


class NetworkMethod:
    """A trained network: that of a checkpoint, on PyTorch, or else the bundle's own."""

    def __init__(
        self, reference: Image, options: PlaceMethodOptions, checkpoint: Path | None
    ) -> None:
        session = Session(options.bundle, options.device, threads=options.threads)
        recipe = session.bundle.spec.recipes.verify
        self._encoder = PlaceEncoder(Encoder(session), recipe)
        most = recipe.network_cells
        self._reference = self._encoder.reference(reference, wraps=False, most=most)
        if checkpoint is None:
            self._compare = compare_with(session.network("verify"))
        else:
            self._compare = _trained(checkpoint, options.threads)

    def __call__(self, query: Image) -> PlaceAnswer:
        """Verify one query."""
        sight = look(query, self._reference, self._encoder, self._compare)
        region = likely_region(sight.region, sight.level, self._reference)
        return PlaceAnswer(sight.decision, sight.decision >= 0, region.mask)


class KeyPointMethod:
    """Key points, ratio test and the inliers of a homography: the classic way."""

    def __init__(self, reference: Image, detector: Any, norm: int) -> None:
        self._detector = detector
        self._norm = norm
        self._shape = reference.shape[:2]
        self._points, self._rows = self._describe(reference)

    def __call__(self, query: Image) -> PlaceAnswer:
        """Verify one query."""
        nothing = PlaceAnswer(0.0, False, np.zeros(self._shape, bool))
        points, rows = self._describe(query)
        if len(points) < 4 or len(self._points) < 4:
            return nothing
        matches = cv2.BFMatcher(self._norm).knnMatch(rows, self._rows, k=2)
        kept = [m[0] for m in matches if len(m) == 2 and m[0].distance < RATIO * m[1].distance]
        if len(kept) < 4:
            return nothing
        first = points[[match.queryIdx for match in kept]]
        second = self._points[[match.trainIdx for match in kept]]
        settings = cv2.UsacParams()
        settings.threshold = ERROR
        matrix, inliers = cv2.findHomography(first, second, settings)
        if matrix is None:
            return nothing
        count = int(inliers.sum())
        height, width = query.shape[:2]
        scale = BELIEVED.query_size / np.sqrt(height * width)
        shrink = np.diag([scale, scale, 1.0])
        if not plausible(shrink @ matrix, width, height, BELIEVED):
            return PlaceAnswer(float(count), False, nothing.mask)
        placed = transform(matrix, outline(width, height))
        region = region_of(placed, *self._shape, wraps=False)
        return PlaceAnswer(float(count), count >= ENOUGH, region.mask)

    def _describe(self, image: Image) -> tuple[Array, Any]:
        """Key points in pixels of the image, and their descriptors."""
        short, long = sorted(image.shape[:2])
        factor = max(1.0, WORKING / min(long, 1.5 * short))
        large = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        found, rows = self._detector.detectAndCompute(large, None)
        points = np.array([point.pt for point in found], float).reshape(-1, 2)
        return (points + 0.5) / factor - 0.5, rows


def network_name(checkpoint: Path) -> str:
    """``network-qatm`` for the folder or file of a network with that matching layer.

    Raises:
        InputError: it is no checkpoint of ``qatm train verify``.
    """
    from ....export.checkpoint import open_checkpoint

    return f"network-{open_checkpoint(checkpoint, 'verify').config['matching']}"


def _trained(checkpoint: Path, threads: int | None) -> Compare:
    """The network of a checkpoint."""
    import torch

    from ....export.networks import load_network

    network = load_network(checkpoint, "verify").module
    if threads is not None:
        torch.set_num_threads(threads)

    def compare(query: Array, reference: Array) -> tuple[float, Array]:
        with torch.inference_mode():
            pair = (torch.from_numpy(features)[None] for features in (query, reference))
            decision, region = network(*pair)
        return float(decision[0]), region[0].numpy()

    return compare


def open_method(
    name: str, reference: Image, options: PlaceMethodOptions, checkpoint: Path | None
) -> PlaceMethod:
    """A method for a reference, by its name or by the checkpoint of a network."""
    if checkpoint is not None:
        return NetworkMethod(reference, options, checkpoint)
    return METHODS[name](reference, options)


def _network(reference: Image, options: PlaceMethodOptions) -> PlaceMethod:
    return NetworkMethod(reference, options, None)


def _ours(matching: PairMatching) -> Callable[[Image, PlaceMethodOptions], PlaceMethod]:
    def open_it(reference: Image, options: PlaceMethodOptions) -> PlaceMethod:
        return QatmMethod(reference, options.bundle, options.device, matching, options.threads)

    return open_it


def _sift(reference: Image, options: PlaceMethodOptions) -> PlaceMethod:
    del options
    return KeyPointMethod(reference, cv2.SIFT.create(KEY_POINTS), cv2.NORM_L2)


def _orb(reference: Image, options: PlaceMethodOptions) -> PlaceMethod:
    del options
    return KeyPointMethod(reference, cv2.ORB.create(KEY_POINTS), cv2.NORM_HAMMING)


METHODS: Mapping[str, Callable[[Image, PlaceMethodOptions], PlaceMethod]] = MappingProxyType(
    {
        "qatm": _ours("qatm"),
        "correlation": _ours("correlation"),
        "cosine": _ours("cosine"),
        NETWORK: _network,
        "sift": _sift,
        "orb": _orb,
    }
)
