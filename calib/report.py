"""What INT8 costs: features, quality maps and boxes, compared with the float model of a bundle."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..runtime.boxes import Box, box_iou
from ..runtime.bundle.folder import MANIFEST, Bundle, sha256_of
from ..runtime.bundle.manifest import COMPARE_ROLE
from ..runtime.errors import BundleError
from ..runtime.images import Image
from ..runtime.match.matcher import Matcher
from . import speed
from .calibration import PRECISIONS, CalibrationOptions, Progress, silent
from .half import rounded_like_half
from .image_set import CalibrationSet, open_set
from .moved_view import moved
from .noise import sqnr
from .sensitivity import features_of

Array = NDArray[Any]

AGREE = 0.8
"""Intersection over union from which two boxes are the same."""


@dataclass(frozen=True)
class Cost:
    """What one INT8 artefact costs against the float model.

    Attributes:
        precision: the artefact.
        images: how many images were compared.
        sqnr: of the features, in dB, all images together.
        sqnr_worst: the same for the image that fares worst.
        quality_mean: mean absolute error of the quality map, which lies in [0, 1].
        quality_max: largest absolute error of it.
        boxes_agree: share of searches whose box overlaps the float one by more than ``AGREE``.
        box_shift: largest distance of a corner of a box from the same corner of the float one, in
            pixels.
        score_max: largest difference of scores.
        megabytes: size of the file.
        float_megabytes: size of the float file.
        features_speed: how many times faster than in float the features are on this CPU, for the
            artefact that is meant for it, where that was measured.
        match_speed: the same for ``match()`` as a whole.
    """

    precision: str
    images: int
    sqnr: float
    sqnr_worst: float
    quality_mean: float
    quality_max: float
    boxes_agree: float
    box_shift: float
    score_max: float
    megabytes: float
    float_megabytes: float
    features_speed: float | None = None
    match_speed: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Search:
    """Result of one search."""

    quality: Array
    box: Box
    score: float


def quantisation_report(
    bundle: Bundle, options: CalibrationOptions, progress: Progress = silent, timings: int = 0
) -> tuple[list[Cost], CalibrationSet]:
    """Compare every INT8 artefact of a bundle with its float graph on a set of images.

    Each image gives one search: for its most textured part, in a moved and darker copy of it.

    Args:
        bundle: holds ``int8-trt``, ``int8-cpu`` or both.
        options: which images; the method is not used.
        progress: told about every image.
        timings: how often to time ``int8-cpu`` against FP32; 0 is not at all.

    Returns:
        One entry for each artefact, and the images.

    Raises:
        BundleError: the bundle has no INT8 artefact, or is damaged.
        CalibrationError: unusable images.
    """
    present = [name for name in PRECISIONS if name in bundle.precisions("features")]
    if not present:
        raise BundleError(
            f"bundle {bundle.path} has no INT8 features graph; write one with qatm-export --int8"
        )
    images = open_set(options, bundle.spec.backbone.align, progress)
    truth = _searches(bundle, "fp32", images, progress)
    costs = [_cost(bundle, name, images, truth, progress) for name in present]
    if timings:
        costs = [_timed(cost, bundle, next(images.first(1)), timings, progress) for cost in costs]
    return costs, images


def _timed(cost: Cost, bundle: Bundle, image: Image, timings: int, progress: Progress) -> Cost:
    """The same with how fast it is, if the artefact is meant for this machine's CPU."""
    if cost.precision != speed.PRECISION:
        return cost
    features, match = speed.int8_speed(bundle, image, timings, progress)
    return replace(cost, features_speed=round(features, 2), match_speed=round(match, 2))


def _cost(
    bundle: Bundle,
    precision: str,
    images: CalibrationSet,
    truth: list[_Search],
    progress: Progress,
) -> Cost:
    """Compare one artefact."""
    ratios = _feature_ratios(bundle, precision, images)
    power = np.mean([10 ** (-ratio / 10) for ratio in ratios])
    found = _searches(bundle, precision, images, progress)
    errors = [np.abs(a.quality - b.quality) for a, b in zip(truth, found, strict=True)]
    pairs = list(zip(truth, found, strict=True))
    sizes = {info.precision: info.bytes for info in _feature_files(bundle)}
    return Cost(
        precision=precision,
        images=len(images),
        sqnr=round(float(-10 * np.log10(power)), 2),
        sqnr_worst=round(min(ratios), 2),
        quality_mean=float(np.mean([error.mean() for error in errors])),
        quality_max=float(max(error.max() for error in errors)),
        boxes_agree=float(np.mean([box_iou(a.box, b.box) > AGREE for a, b in pairs])),
        box_shift=max(corner_shift(a.box, b.box) for a, b in pairs),
        score_max=max(abs(a.score - b.score) for a, b in pairs),
        megabytes=sizes[precision] / 1e6,
        float_megabytes=sizes["fp32"] / 1e6,
    )


def corner_shift(box: Box, other: Box) -> float:
    """Largest distance of one of the four corners of a box from that of another, in pixels."""
    sides = [np.array([(b.x, b.x + b.w), (b.y, b.y + b.h)]) for b in (box, other)]
    across, down = sides[0] - sides[1]
    return float(np.hypot(across[:, None], down[None, :]).max())


def _feature_files(bundle: Bundle) -> list[Any]:
    """Manifest entries of the features graphs."""
    return [info for info in bundle.spec.files.values() if info.role == "features"]


def _feature_ratios(bundle: Bundle, precision: str, images: CalibrationSet) -> list[float]:
    """Signal-to-noise ratio of the features of each image, in dB."""
    pictures = list(images)
    models = [onnx.load(str(bundle.file("features", name))) for name in ("fp32", precision)]
    maps = [features_of(model, pictures) for model in models]
    return [sqnr([signal], [other]) for signal, other in zip(*maps, strict=True)]


def _searches(
    bundle: Bundle, precision: str, images: CalibrationSet, progress: Progress
) -> list[_Search]:
    """Search every image for a part of itself with one features graph."""
    results: list[_Search] = []
    with promoted(bundle, precision) as folder, Matcher(folder, "cpu") as matcher:
        for done, image in enumerate(images, 1):
            template = matcher.encode_template(image, textured_box(image))
            scene = moved(image)
            match = matcher.match(scene, templates=[template])[0]
            quality = matcher.quality_map(scene, template).values
            results.append(_Search(quality, match.box, match.score))
            progress(f"searching with {precision}", done, len(images))
    return results


@contextmanager
def promoted(bundle: Bundle, precision: str) -> Iterator[Path]:
    """A copy of a bundle whose only features graph is the one of a precision.

    An ordinary matcher then uses it on the CPU, even an artefact that is meant for TensorRT; what
    is FP16 in it is rounded as on a GPU.
    """
    with tempfile.TemporaryDirectory(prefix="qatm-calib-") as name:
        folder = Path(name)
        kinds = [("features", precision), ("match", "fp32")]
        # Bundles of earlier versions have fewer.
        kinds += [(role, "fp32") for role in ("place", COMPARE_ROLE) if bundle.precisions(role)]
        files = {}
        for role, kind in kinds:
            source, target = bundle.file(role, kind), folder / f"{role}.onnx"
            if kind in ("fp16", "int8-trt"):
                onnx.save(rounded_like_half(onnx.load(str(source))), str(target))
            else:
                shutil.copyfile(source, target)
            files[target.name] = replace(
                bundle.spec.files[source.name],
                precision="fp32",
                sha256=sha256_of(target),
                bytes=target.stat().st_size,
            )
        spec = replace(bundle.spec, files=files)
        (folder / MANIFEST).write_text(json.dumps(spec.to_json()), encoding="utf-8")
        yield folder


def textured_box(image: Image) -> Box:
    """The quarter-sized window with the largest deviation of grey levels, on a coarse grid."""
    height, width = image.shape[:2]
    rows, columns = max(height // 4, 16), max(width // 4, 16)
    grey = image.mean(axis=2)
    places = [
        (y, x)
        for y in range(0, height - rows + 1, max(rows // 2, 1))
        for x in range(0, width - columns + 1, max(columns // 2, 1))
    ]
    y, x = max(places, key=lambda p: float(grey[p[0] : p[0] + rows, p[1] : p[1] + columns].std()))
    return Box(float(x), float(y), float(columns), float(rows))
