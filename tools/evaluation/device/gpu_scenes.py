"""What ``gpu_report`` looks at: scenes, what a device makes of them, and what may differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ....calib.moved_view import moved
from ....calib.photographs import DEMO, find_photographs, read_photographs
from ....runtime import Matcher
from ....runtime.backends.roles import Features
from ....runtime.boxes import Box
from ....runtime.bundle.folder import Bundle
from ....runtime.images import Image, pad_to_multiple
from ....runtime.session import Session
from ..speed.bench_pictures import DRAWN, PHOTOGRAPHS, drawn

Array = NDArray[Any]

SIZES = ((128, 160), (250, 333), (480, 640), (720, 1280), (1080, 1920))
"""Heights and widths of the searched pictures, in pixels; not all are multiples of a stride."""

SIDE = 48
"""Of the templates, in pixels: searched at the picture's own size, neither enlarged nor shrunk."""

BORDER = 16
"""Pixels around the picture where no template is taken, because the search moves it."""

LIMITS: dict[str, dict[str, float]] = {
    "fp32": {"features": 1e-4, "quality, mean": 1e-5, "quality": 2e-3, "box": 0.1, "score": 1e-3},
    "fp16": {"features": 2e-2, "quality, mean": 1e-3, "box": 1.0, "score": 0.01},
    "int8": {"features": 0.4, "quality, mean": 1e-2, "box": 4.0, "score": 0.1},
}
"""Largest differences from FP32 on the CPU that pass; what is not listed is only reported.

INT8 may be calibrated with one camera's pictures, and clip more of others
(:data:`...export.parity.judge.TOLERANCES`).
"""

UNITS = {"features": "of the RMS", "box": "px"}


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        what: the quantity or the behaviour.
        size: of the picture, height x width in pixels, or empty.
        passed: whether it is as it should be.
        value: what was measured; ``None`` where there is no number.
        limit: the largest value that passes; ``None`` where it is only reported.
        unit: of both.
        detail: what was seen.
    """

    what: str
    size: str
    passed: bool
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    detail: str = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """A template in its frame and a picture to search; the same size, ``(H, W, 3)`` uint8 BGR."""

    size: str
    frame: Image
    box: Box
    search: Image


@dataclass(frozen=True, eq=False)
class DeviceOutcome:
    """What a device makes of a scene.

    Attributes:
        features: the outputs of the features graph, taps first.
        quality: quality map.
        box: of the match.
        score: of the match.
    """

    features: tuple[Array, ...]
    quality: Array
    box: Box
    score: float


def scene_pictures() -> str:
    """What the scenes are made of here: ``photographs`` or ``drawn``."""
    return DRAWN if find_photographs() is None else PHOTOGRAPHS


def make_scenes(sizes: Sequence[tuple[int, int]] = SIZES) -> list[Scene]:
    """Photographs that scikit-image carries, cut or enlarged to sizes, and moved darker copies.

    Without scikit-image, drawn pictures; see :func:`scene_pictures`.
    """
    if scene_pictures() == PHOTOGRAPHS:
        pictures = list(read_photographs(DEMO).values())
    else:
        pictures = [drawn(number) for number in range(len(sizes))]
    scenes: list[Scene] = []
    for index, (height, width) in enumerate(sizes):
        image = pictures[index % len(pictures)]
        factor = max(1.0, height / image.shape[0], width / image.shape[1])
        if factor > 1:
            shape = (int(np.ceil(image.shape[1] * factor)), int(np.ceil(image.shape[0] * factor)))
            image = np.asarray(cv2.resize(image, shape), dtype=np.uint8)
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        frame = np.ascontiguousarray(image[top : top + height, left : left + width])
        scenes.append(Scene(f"{height}x{width}", frame, textured_box(frame), moved(frame)))
    return scenes


def textured_box(image: Image) -> Box:
    """The square of :data:`SIDE` pixels, away from the border, with the most texture."""
    grey = image.mean(axis=2)
    rows, columns = (range(BORDER, side - SIDE - BORDER + 1, BORDER) for side in grey.shape)
    places = [(y, x) for y in rows for x in columns]
    y, x = max(places, key=lambda p: float(grey[p[0] : p[0] + SIDE, p[1] : p[1] + SIDE].std()))
    return Box(float(x), float(y), float(SIDE), float(SIDE))


def reference(bundle: Bundle, scenes: Sequence[Scene]) -> list[DeviceOutcome]:
    """FP32 on the CPU with ONNX Runtime: what everything is compared with.

    Raises:
        DeviceError: ONNX Runtime is not installed.
    """
    with closing(Session(bundle, "cpu", precision="fp32")) as backend:
        maps = [encode(bundle, backend, scene) for scene in scenes]
    with Matcher(bundle.path, "cpu", precision="fp32") as matcher:
        return [search(matcher, scene, fine) for scene, fine in zip(scenes, maps, strict=True)]


def padded(bundle: Bundle, scene: Scene) -> Image:
    """The searched picture as a features graph takes it."""
    return pad_to_multiple(scene.search, bundle.spec.backbone.align)


def encode(bundle: Bundle, backend: Session, scene: Scene) -> tuple[Array, ...]:
    """Features of the searched picture: each tap ``(C, H/s, W/s)``, and the coarse map."""
    return maps_of(backend.features(padded(bundle, scene)))


def maps_of(features: Features) -> tuple[Array, ...]:
    """All that the features graph makes of a picture, the coarse map last."""
    return (*features.taps, features.coarse)


def search(matcher: Matcher, scene: Scene, features: tuple[Array, ...]) -> DeviceOutcome:
    """Quality map and match of a scene whose features are known."""
    template = matcher.encode_template(scene.frame, scene.box)
    best = matcher.match(scene.search, templates=[template])[0]
    quality = matcher.quality_map(scene.search, template).values
    return DeviceOutcome(features, quality, best.box, best.score)


def match_inputs(bundle: Bundle, coarse: Array, box: Box) -> dict[str, Array]:
    """Inputs of the matching graph: a box of a coarse map, competitors, and that map."""
    stride, count = bundle.spec.backbone.coarse_stride, bundle.spec.recipes.match.competitors
    own = np.zeros(coarse.shape[1:], bool)
    x, y, columns, rows = (max(1, int(side) // stride) for side in box)
    own[y : y + rows, x : x + columns] = True
    flat = coarse.reshape(len(coarse), -1).T
    others = np.flatnonzero(~own)[:count]
    template = np.concatenate([flat[own.ravel()], flat[others]])
    target = np.zeros(len(template), np.float32)
    target[: own.sum()] = 1
    return {"template": template, "target": target, "search": coarse}


def compare(
    precision: str, scene: Scene, found: DeviceOutcome, truth: DeviceOutcome
) -> Iterator[Check]:
    """Hold what a device made of a scene at a precision against the truth."""
    limits = LIMITS[precision]
    for what, value, detail in _differences(found, truth):
        limit = limits.get(what)
        # Whatever is only reported must be a number all the same; NaN passes no comparison.
        passed = bool(value <= (np.finfo(np.float64).max if limit is None else limit))
        yield Check(what, scene.size, passed, float(value), limit, UNITS.get(what, ""), detail)


def _differences(found: DeviceOutcome, truth: DeviceOutcome) -> Iterator[tuple[str, float, str]]:
    """Quantity, difference and where it is."""
    maps = [("features", *pair) for pair in zip(found.features, truth.features, strict=True)]
    for name, a, b in [*maps, ("quality", found.quality, truth.quality)]:
        if a.shape != b.shape:
            yield name, float("inf"), f"shape {a.shape} instead of {b.shape}"
            return
    errors = [relative_difference(a, b) for _, a, b in maps]
    worst = max(range(len(errors)), key=lambda i: -1.0 if errors[i] <= 0 else errors[i])
    yield "features", errors[worst], f"output {worst}"
    error = np.abs(found.quality - truth.quality)
    yield "quality, mean", float(error.mean()), ""
    place = np.unravel_index(int(error.argmax()), error.shape)
    yield "quality", float(error.max()), f"row {place[0]}, column {place[1]}"
    shift = float(np.hypot(found.box.x - truth.box.x, found.box.y - truth.box.y))
    yield "box", shift, f"x {truth.box.x:.1f}, y {truth.box.y:.1f}"
    yield "score", abs(found.score - truth.score), f"{found.score:.4f} and {truth.score:.4f}"


def relative_difference(found: Array, truth: Array) -> float:
    """Root mean square of the difference, divided by that of the truth; shapes must be equal."""
    if found.shape != truth.shape:
        return float("inf")
    power = float(np.square(truth, dtype=np.float64).mean())
    error = float(np.square(np.subtract(found, truth, dtype=np.float64)).mean())
    return float(np.sqrt(error / power)) if power > 0 else float(np.sqrt(error))
