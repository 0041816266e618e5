"""Proof that a bundle compares pairs of pictures in every precision as it does in FP32.

What a user of alignment or verification gets is no window, which features of large cells may move
by more pixels than matter here. So the answers themselves are compared, in fractions of pictures.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime import Aligner, Alignment, Verification, Verifier
from ...runtime.align.spline import grid_points
from ...runtime.backends.graph import named_device, named_precision
from ...runtime.bundle.folder import MANIFEST, Bundle
from ...runtime.bundle.manifest import NETWORK_ROLE
from ...runtime.errors import QatmError
from ...runtime.images import Image
from .judge import ABSOLUTE, Deviation, Tolerance, ran_on
from .parity_scenes import GAIN, photograph

Array = NDArray[Any]

SIDE, UNION = "of the side", "of the union"

GRID = 5
"""Points along each side of the source that are transferred."""

TOLERANCES = (
    Tolerance("points", "fp32", 5e-4, SIDE),
    Tolerance("points", "fp16", 2e-3, SIDE),
    Tolerance("points", "int8", 0.01, SIDE),
    Tolerance("region", "fp32", 0.01, UNION),
    Tolerance("region", "fp16", 0.03, UNION),
    Tolerance("region", "int8", 0.1, UNION),
    Tolerance("score", "fp32", 0.05, ABSOLUTE),
    Tolerance("score", "fp16", 0.05, ABSOLUTE),
    Tolerance("score", "int8", 0.05, ABSOLUTE),
)
"""INT8 may move a point by a tenth, FP16 by a fiftieth, of the distance within which PCK counts it
as right, and change a tenth of a region; that is about ten times the largest error seen. The score
of a pair that does not belong together counts chance matches, which any rounding changes."""


class PairView(NamedTuple):
    """A photograph and a view of it, or of another one.

    Attributes:
        name: for people.
        shown: number of the photograph.
        size: its height and width in pixels.
        seen: number of the photograph that the view is of.
        corners: what the view shows: upper left, upper right, lower right and lower left, in
            fractions of the photograph.
        view: height and width of the view.
    """

    name: str
    shown: int
    size: tuple[int, int]
    seen: int
    corners: tuple[tuple[float, float], ...]
    view: tuple[int, int]


class PicturePair(NamedTuple):
    """The picture and the view, ``(H, W, 3)`` uint8 BGR."""

    name: str
    picture: Image
    view: Image


SLANTED = ((0.08, 0.04), (0.96, -0.02), (1.02, 0.9), (-0.04, 1.0))
NEARER = ((0.12, 0.1), (0.9, 0.06), (0.94, 0.95), (0.1, 0.88))
PART = ((0.3, 0.22), (0.86, 0.3), (0.82, 0.84), (0.26, 0.88))


Decider = Literal["fit", "network"]
"""What decides: the robust fit, or the trained network."""


@dataclass(frozen=True)
class PairKind:
    """How the bundles of a task are compared.

    Attributes:
        views: what they are tried on; the answer to each must be far from undecided.
        ask: bundle, device, precision, method and pairs to an answer for each pair.
        compare: two answers to what differs by how much, and words.
    """

    views: tuple[PairView, ...]
    ask: Callable[[Path, str, str, Decider, Sequence[PicturePair]], list[Any]]
    compare: Callable[[Any, Any], list[tuple[str, float, str]]]


def _align(
    folder: Path, device: str, precision: str, method: Decider, pairs: Sequence[PicturePair]
) -> list[Alignment]:
    where, kind = named_device(device), named_precision(precision)
    with Aligner(folder, where, precision=kind, method=method) as aligner:
        return [aligner.align(pair.picture, pair.view) for pair in pairs]


def _verify(
    folder: Path, device: str, precision: str, method: Decider, pairs: Sequence[PicturePair]
) -> list[Verification]:
    answers: list[Verification] = []
    where, kind = named_device(device), named_precision(precision)
    for pair in pairs:
        with Verifier(
            pair.picture, folder, where, precision=kind, panorama=False, decide=method
        ) as verifier:
            answers.append(verifier.verify(pair.view))
    return answers


def _alignments(found: Alignment, expected: Alignment) -> list[tuple[str, float, str]]:
    """How far points of a grid land apart, and how much surer one of them is."""
    points = grid_points(GRID, GRID) * (np.array(expected.source_size) - 1.0)
    apart = np.hypot(*(found.transfer(points) - expected.transfer(points)).T)
    worst = int(apart.argmax())
    x, y = points[worst]
    far = float(apart[worst]) / max(expected.target_size)
    if found.found != expected.found:
        far = math.inf
    where = f"point at x {x:.0f}, y {y:.0f}"
    return [("points", far, where), _scores(found.score, expected.score)]


def _verifications(found: Verification, expected: Verification) -> list[tuple[str, float, str]]:
    """How much of the regions is not shared, and how much surer one of them is."""
    sure = _scores(found.score, expected.score)
    if found.same_place != expected.same_place:
        return [("region", math.inf, sure[2]), sure]
    masks = found.region.mask, expected.region.mask
    union = int((masks[0] | masks[1]).sum())
    shared = int((masks[0] & masks[1]).sum()) / union if union else 1.0
    # Where it is another place the region is that of the best guess.
    missing = 1.0 - shared if expected.same_place else 0.0
    sizes = " and ".join(str(int(mask.sum())) for mask in masks)
    return [("region", missing, f"{sizes} pixels"), sure]


def _scores(found: float, expected: float) -> tuple[str, float, str]:
    return "score", abs(found - expected), f"scores {found:.4f} and {expected:.4f}"


PAIR_KINDS: Mapping[str, PairKind] = MappingProxyType(
    {
        "align": PairKind(
            (
                PairView("slanted cat", 0, (300, 400), 0, SLANTED, (320, 300)),
                PairView("nearer astronaut", 2, (400, 360), 2, NEARER, (300, 340)),
                PairView("cat onto cup", 0, (300, 400), 1, NEARER, (300, 300)),
            ),
            _align,
            _alignments,
        ),
        "verify": PairKind(
            (
                PairView("part of astronaut", 2, (288, 320), 2, PART, (160, 192)),
                PairView("cup, not motorcycle", 3, (256, 320), 1, PART, (160, 192)),
            ),
            _verify,
            _verifications,
        ),
    }
)
"""By the task of a bundle. For other tasks windows are compared."""


def compare_pairs(bundle: Bundle, engines: Sequence[tuple[str, str]] = ()) -> Iterator[Deviation]:
    """Compare what a bundle's users get in each precision with what FP32 on ONNX Runtime gives.

    Nothing is compared where the bundle is for another task, or has nothing but FP32.

    Args:
        bundle: any.
        engines: flavour and precision of those that run here.

    Raises:
        BundleError: a file is damaged or missing.
    """
    kind = PAIR_KINDS.get(bundle.spec.task)
    files = {name: info for name, info in bundle.spec.files.items() if info.role == "features"}
    others = {name: info.precision for name, info in files.items() if info.precision != "fp32"}
    if kind is None or not (others or engines):
        return
    methods: list[Decider] = ["fit"]
    has_network = any(info.role == NETWORK_ROLE for info in bundle.spec.files.values())
    if has_network and bundle.spec.network.get("task") == bundle.spec.task:
        methods.append("network")
    pairs = make_pairs(kind.views)
    for method in methods:
        expected = kind.ask(bundle.path, "cpu", "fp32", method, pairs)
        for name, precision in others.items():
            with only_features(bundle, name) as folder:
                found = _attempt(kind, folder, "cpu", "fp32", method, pairs)
            yield from _judge(kind, (name, precision, method), pairs, found, expected)
        for flavour, precision in engines:
            found = _attempt(kind, bundle.path, flavour, precision, method, pairs)
            row = (ran_on(flavour, precision), precision, method)
            yield from _judge(kind, row, pairs, found, expected)


def make_pairs(views: Sequence[PairView]) -> list[PicturePair]:
    """The pictures of views."""
    pairs: list[PicturePair] = []
    for view in views:
        _, picture = photograph(view.shown, *view.size)
        _, other = photograph(view.seen, *view.size)
        height, width = view.view
        ends = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        starts = np.array(view.corners, np.float32) * np.array(view.size[::-1], np.float32)
        matrix = cv2.getPerspectiveTransform(starts, ends)
        seen = cv2.warpPerspective(other, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        pairs.append(PicturePair(view.name, picture, np.asarray(seen * GAIN, np.uint8)))
    return pairs


@contextmanager
def only_features(bundle: Bundle, name: str) -> Iterator[Path]:
    """A copy of a bundle whose only features graph is one file, which then runs on any device."""
    files = {
        key: info
        for key, info in bundle.spec.files.items()
        if info.role != "features" or key == name
    }
    files[name] = replace(files[name], precision="fp32")
    with tempfile.TemporaryDirectory(prefix="qatm-check-") as place:
        folder = Path(place)
        for key in files:
            info = bundle.spec.files[key]
            shutil.copyfile(bundle.file(info.role, info.precision), folder / key)
        spec = replace(bundle.spec, files=files)
        (folder / MANIFEST).write_text(json.dumps(spec.to_json()), encoding="utf-8")
        yield folder


def _attempt(
    kind: PairKind,
    folder: Path,
    device: str,
    precision: str,
    method: Decider,
    pairs: Sequence[PicturePair],
) -> list[Any] | str:
    """The answers, or why there are none."""
    try:
        return kind.ask(folder, device, precision, method, pairs)
    except QatmError as error:
        return str(error)


def _judge(
    kind: PairKind,
    row: tuple[str, str, str],
    pairs: Sequence[PicturePair],
    found: list[Any] | str,
    expected: list[Any],
) -> Iterator[Deviation]:
    """Each quantity of each pair."""
    name, precision, method = row
    for index, (pair, truth) in enumerate(zip(pairs, expected, strict=True)):
        if isinstance(found, str):
            results = [("score", math.inf, f"did not run: {found}")]
        else:
            results = kind.compare(found[index], truth)
        for what, error, where in results:
            limit = _tolerance(what, precision)
            yield Deviation(
                artefact=f"{name}, pairs",
                precision=precision,
                what=what,
                reference=f"FP32, {method}",
                candidate=method,
                size=pair.name,
                error=error,
                tolerance=limit.limit,
                unit=limit.unit,
                where=where,
            )


def _tolerance(what: str, precision: str) -> Tolerance:
    family = precision.partition("-")[0]
    return next(row for row in TOLERANCES if (row.what, row.precision) == (what, family))
