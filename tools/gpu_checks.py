"""What ``gpu_report`` checks and measures on one device at one precision."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..calib.report import moved
from ..runtime import DeviceError, Matcher
from ..runtime.backend import Backend, open_backend
from ..runtime.boxes import Box
from ..runtime.bundle import Bundle
from ..runtime.engine_info import ShapeRange
from ..runtime.images import Image, pad_to_multiple
from ..runtime.tensorrt_backend import TensorRTBackend
from ..runtime.tensorrt_engine import TensorRTEngine
from .console import one_line
from .demo import load_photographs

Array = NDArray[Any]

SIZES = ((128, 160), (250, 333), (480, 640), (720, 1280), (1080, 1920))
"""Heights and widths of the searched pictures, in pixels; not all are what a network takes."""

SIDE = 48
"""Of the templates, in pixels: searched at the picture's own size, neither enlarged nor shrunk."""

COMPETITORS = 64
WARM_UP = 3
ROUNDS = 4
"""Reruns: a first run, the capture of a CUDA graph, and at least two replays."""

LIMITS: dict[str, dict[str, float]] = {
    "fp32": {"features": 1e-4, "quality, mean": 1e-4, "quality": 1e-2, "box": 0.1, "score": 1e-3},
    "tf32": {"features": 5e-3, "quality, mean": 1e-3, "box": 1.0, "score": 0.02},
    "fp16": {"features": 1e-2, "quality, mean": 2e-3, "box": 1.0, "score": 0.02},
    "int8": {"features": 0.2, "quality, mean": 2e-2, "box": 4.0, "score": 0.15},
}
"""Largest differences from FP32 on the CPU that pass; what is not listed is only reported."""

ARITHMETIC = {("cuda", "fp32"): "tf32"}
"""Where a device computes less exactly than its precision says: ONNX Runtime multiplies FP32
convolutions in TF32 on GPUs that have it. Engines are built without TF32."""

UNITS = {"features": "of the RMS", "box": "px"}
RELATIVE = "of the RMS"


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        what: the quantity or the behaviour.
        size: of the picture, height x width in pixels, or empty.
        value: what was measured; ``None`` where there is no number.
        limit: the largest value that passes; ``None`` where it is only reported.
        unit: of both.
        passed: whether it is as it should be.
        detail: why not, or what was seen.
    """

    what: str
    size: str
    value: float | None
    limit: float | None
    unit: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Latency:
    """How long something took: ``clock`` is ``GPU`` (events on the stream, copies included) or
    ``wall``; milliseconds over ``runs`` runs after warm-up.
    """

    what: str
    size: str
    clock: str
    median_ms: float
    p90_ms: float
    runs: int


@dataclass
class Examination:
    """What was found on one device at one precision."""

    device: str
    precision: str
    provider: str = ""
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether something was checked and all of it passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON; numbers that are not finite become ``None``."""
        data = asdict(self)
        for check in data["checks"]:
            if check["value"] is not None and not math.isfinite(check["value"]):
                check["value"] = None
        return {**data, "passed": self.passed}


@dataclass(frozen=True)
class Scene:
    """A template in its frame and a picture to search; the same size, ``(H, W, 3)`` uint8 BGR."""

    size: str
    frame: Image
    box: Box
    search: Image


@dataclass(frozen=True)
class Result:
    """What one device makes of a scene: features, quality map, and box and score of the match."""

    features: Array
    quality: Array
    box: Box
    score: float


def make_scenes(sizes: Sequence[tuple[int, int]] = SIZES) -> list[Scene]:
    """Photographs that scikit-image carries, cut or enlarged to sizes, and moved darker copies.

    Raises:
        InputError: scikit-image is not installed.
    """
    photographs = list(load_photographs().values())
    scenes: list[Scene] = []
    for index, (height, width) in enumerate(sizes):
        image = photographs[index % len(photographs)]
        factor = max(height / image.shape[0], width / image.shape[1])
        rows, columns = (max(a, round(b * factor)) for a, b in zip((height, width), image.shape))
        image = np.asarray(cv2.resize(image, (columns, rows)), dtype=np.uint8)
        top, left = (rows - height) // 2, (columns - width) // 2
        frame = np.ascontiguousarray(image[top : top + height, left : left + width])
        scenes.append(Scene(f"{height}x{width}", frame, textured_box(frame), moved(frame)))
    return scenes


def textured_box(image: Image) -> Box:
    """The square of :data:`SIDE` pixels, away from the border, with the most texture."""
    grey = image.mean(axis=2)
    height, width = grey.shape
    places = [
        (y, x)
        for y in range(16, height - SIDE - 16, 16)
        for x in range(16, width - SIDE - 16, 16)
    ]
    y, x = max(places, key=lambda p: float(grey[p[0] : p[0] + SIDE, p[1] : p[1] + SIDE].std()))
    return Box(float(x), float(y), float(SIDE), float(SIDE))


def examine(
    bundle: Bundle,
    device: str,
    precision: str,
    scenes: Sequence[Scene],
    truths: Sequence[Result],
    repeats: int,
) -> Examination:
    """Check and measure one device at one precision; problems become failed checks."""
    found = Examination(device, precision)
    try:
        with closing(open_backend(bundle, device, precision, None)) as backend:
            pairs = _examine_backend(found, bundle, backend, scenes, truths, repeats)
        with Matcher(bundle.path, device, precision=precision) as matcher:
            for scene, features, truth in pairs:
                found.checks += _compare(found, scene, _finish(matcher, scene, features), truth)
                found.checks.append(_match_again(matcher, scene))
                template = matcher.encode_template(scene.frame, scene.box)
                call = lambda s=scene, t=template: matcher.match(s.search, templates=[t])  # noqa: E731
                found.latencies.append(_wall("match()", scene.size, call, repeats))
    except Exception as error:  # the libraries below have exceptions of their own
        text = one_line(f"{type(error).__name__}: {error}")
        found.checks.append(Check("runs", "", None, None, "", False, text))
    return found


def reference(bundle: Bundle, scenes: Sequence[Scene]) -> list[Result]:
    """FP32 on the CPU with ONNX Runtime: what everything is compared with."""
    with closing(open_backend(bundle, "cpu", "fp32", None)) as backend:
        features = [_features(bundle, backend, scene) for scene in scenes]
    with Matcher(bundle.path, "cpu", precision="fp32") as matcher:
        return [_finish(matcher, *pair) for pair in zip(scenes, features, strict=True)]


def _features(bundle: Bundle, backend: Backend, scene: Scene) -> Array:
    """Features of the searched picture, ``(C, H/s, W/s)``."""
    return backend.features(pad_to_multiple(scene.search, bundle.spec.backbone.align))[0]


def _finish(matcher: Matcher, scene: Scene, features: Array) -> Result:
    """Quality map and match of a scene whose features are there."""
    template = matcher.encode_template(scene.frame, scene.box)
    best = matcher.match(scene.search, templates=[template])[0]
    quality = matcher.quality_map(scene.search, template).values
    return Result(features, quality, best.box, best.score)


def _examine_backend(
    found: Examination,
    bundle: Bundle,
    backend: Backend,
    scenes: Sequence[Scene],
    truths: Sequence[Result],
    repeats: int,
) -> list[tuple[Scene, Array, Result]]:
    """What needs no matcher; returns the scenes that fit, their features and the truth."""
    found.provider = backend.provider
    runs_on = f"{backend.device} {backend.precision}"
    right = (backend.device, backend.precision.partition("-")[0]) == (
        found.device,
        found.precision,
    )
    found.checks.append(Check("runs what was asked for", "", None, None, "", right, runs_on))
    engines = backend.engines if isinstance(backend, TensorRTBackend) else {}
    fitting = list(zip(scenes, truths, strict=True))
    if engines:
        found.checks += check_profiles(engines["features"], "image", backend_inputs(engines))
        found.checks += check_profiles(engines["match"], "template", backend_inputs(engines))
        fitting = [pair for pair in fitting if _admitted(bundle, engines["features"], pair[0])]
        taken = {scene.size for scene, _ in fitting}
        found.skipped = [scene.size for scene in scenes if scene.size not in taken]
    maps = [_features(bundle, backend, scene) for scene, _ in fitting]
    if len(fitting) > 1:
        found.checks += _features_again(found, bundle, backend, [s for s, _ in fitting], maps)
    for scene, _ in fitting:
        found.latencies += _backend_latency(bundle, backend, engines, scene, repeats)
    found.engines = {role: engine_state(engine) for role, engine in engines.items()}
    return [(scene, found, truth) for (scene, truth), found in zip(fitting, maps, strict=True)]
