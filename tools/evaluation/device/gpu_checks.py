"""What ``gpu_report`` checks and measures on one device at one precision."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....runtime import Matcher
from ....runtime.backends.engine import TensorRTEngine
from ....runtime.backends.graph import named_device, named_precision
from ....runtime.bundle.folder import Bundle
from ....runtime.session import Session
from ...console import one_line
from ..speed.process_memory import memory_mb
from .gpu_engines import admitted, bounds, engine_state, refusals, windows
from .gpu_scenes import (
    LIMITS,
    UNITS,
    Check,
    DeviceOutcome,
    Scene,
    compare,
    encode,
    maps_of,
    match_inputs,
    padded,
    relative_difference,
    search,
)

Array = NDArray[Any]

WARM_UP = 3
"""Runs before the clock starts: a first one, and the capture of a CUDA graph."""

ROUNDS = 4
"""Reruns that must be identical: plain ones and replays of a graph."""

COMPILES_WHILE_RUNNING = ("tensorrt-rtx",)
"""Devices that replace kernels by faster ones while they run; their reruns may differ in rounding,
and are held against the limit of the precision's features instead."""


@dataclass(frozen=True)
class Latency:
    """How long something took.

    Attributes:
        what: ``features``, ``quality`` or ``match()``.
        size: of the picture, height x width in pixels.
        clock: ``GPU`` (events around one run, copies included) or ``wall``.
        median_ms: milliseconds.
        p90_ms: nine of ten runs were faster.
        runs: how many were timed, after warm-up.
    """

    what: str
    size: str
    clock: str
    median_ms: float
    p90_ms: float
    runs: int


@dataclass
class Examination:
    """What was found on one device at one precision.

    Attributes:
        device: as asked for.
        precision: as asked for.
        provider: what really runs.
        engines: state of each engine by role, where there are engines.
        memory_mb: resident memory of the process in MiB, at the end.
        checks: what was checked.
        latencies: what was timed.
        skipped: sizes outside the engines' profiles.
    """

    device: str
    precision: str
    provider: str = ""
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    memory_mb: float | None = None
    checks: list[Check] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether anything was checked and all of it passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON; numbers that are not finite become ``None``."""
        data = asdict(self)
        for check in data["checks"]:
            if check["value"] is not None and not math.isfinite(check["value"]):
                check["value"] = None
        return {**data, "passed": self.passed}


def examine(
    bundle: Bundle,
    device: str,
    precision: str,
    cases: Sequence[tuple[Scene, DeviceOutcome]],
    repeats: int,
) -> Examination:
    """Check and measure one device at one precision; whatever goes wrong is a failed check.

    Args:
        bundle: what to run.
        device: as for ``Matcher``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        cases: scenes with the truth, small to large.
        repeats: how often to time each thing.
    """
    found = Examination(device, precision)
    where, kind = named_device(device), named_precision(precision)
    try:
        with closing(Session(bundle, where, precision=kind)) as backend:
            maps = _examine_backend(found, bundle, backend, cases, repeats)
        with Matcher(bundle.path, where, precision=kind) as matcher:
            for (scene, truth), features in zip(cases, maps, strict=True):
                if features is not None:
                    _examine_matcher(found, matcher, scene, features, truth, repeats)
    except Exception as error:  # the libraries below have exceptions of their own
        text = one_line(f"{type(error).__name__}: {error}")
        found.checks.append(Check("runs to the end", "", False, detail=text))
    found.memory_mb = memory_mb("VmRSS")
    return found


def _examine_backend(
    found: Examination,
    bundle: Bundle,
    backend: Session,
    cases: Sequence[tuple[Scene, DeviceOutcome]],
    repeats: int,
) -> list[tuple[Array, ...] | None]:
    """What needs no matcher; returns the features of each scene, ``None`` where it is too large."""
    found.provider = backend.provider
    seen = (backend.device, backend.precision.partition("-")[0])
    right = seen == (found.device, found.precision)
    found.checks.append(Check("runs what was asked for", "", right, detail=" ".join(seen)))
    graphs = {role: backend.graph(role) for role in ("features", "match")}
    engines = {role: graph for role, graph in graphs.items() if isinstance(graph, TensorRTEngine)}
    align = bundle.spec.backbone.align
    for role, engine in engines.items():
        found.checks += refusals(role, engine, align if role == "features" else 1)
    fitting = [scene for scene, _ in cases if admitted(engines, padded(bundle, scene).shape)]
    found.skipped = [scene.size for scene, _ in cases if scene not in fitting]
    found.checks += _reruns(found, bundle, backend, fitting)
    found.checks += _at_once(found, bundle, backend, fitting)
    for scene in fitting:
        found.latencies += _timings(bundle, backend, engines, scene, repeats)
    for role, engine in engines.items():
        found.engines[role] = engine_state(engine)
        found.checks += bounds(role, engine)
        found.engines[role]["device_bytes_at_most"] = engine.runner.device_bytes
    return [encode(bundle, backend, scene) if scene in fitting else None for scene, _ in cases]


def _examine_matcher(
    found: Examination,
    matcher: Matcher,
    scene: Scene,
    features: tuple[Array, ...],
    truth: DeviceOutcome,
    repeats: int,
) -> None:
    """Boxes, scores and quality maps of one scene, and how long a match takes."""
    result = search(matcher, scene, features)
    found.checks += compare(found.precision, scene, result, truth)
    template = matcher.encode_template(scene.frame, scene.box)

    def call() -> Array:
        best = matcher.match(scene.search, templates=[template])[0]
        return np.array([*best.box, best.score])

    found.checks.append(_rerun(found, "match", scene.size, call))
    found.latencies.append(wall("match()", scene.size, call, repeats))


def _reruns(
    found: Examination, bundle: Bundle, backend: Session, scenes: Sequence[Scene]
) -> Iterator[Check]:
    """Features and quality of the smallest scene, with runs of the largest one in between."""
    if not scenes:
        return
    small, large = scenes[0], scenes[-1]

    def features(scene: Scene = small) -> Array:
        return np.concatenate([part.ravel() for part in encode(bundle, backend, scene)])

    inputs = [match_inputs(bundle, encode(bundle, backend, s)[-1], s.box) for s in (small, large)]

    def quality(which: int = 0) -> Array:
        part = inputs[which]
        return np.stack(backend.quality(part["template"], part["target"], part["search"]))

    yield _rerun(found, "features", small.size, features, lambda: features(large))
    yield _rerun(found, "quality", small.size, quality, lambda: quality(1))


def _at_once(
    found: Examination, bundle: Bundle, backend: Session, scenes: Sequence[Scene]
) -> Iterator[Check]:
    """Several small images in one run must give what each gives alone."""
    if not scenes:
        return
    image, align = padded(bundle, scenes[0]), bundle.spec.backbone.align
    side = max(1, min(image.shape[:2]) // 2 // align) * align
    corners = [(y, x) for y in (0, image.shape[0] - side) for x in (0, image.shape[1] - side)]
    parts = [np.ascontiguousarray(image[y : y + side, x : x + side]) for y, x in corners]
    if not backend.takes_image(side, side):
        return
    together = backend.features_of(parts, len(parts) * side * side)
    worst = max(
        (
            relative_difference(a, b)
            for one, part in zip(together, parts, strict=True)
            for a, b in zip(maps_of(one), maps_of(backend.features(part)), strict=True)
        ),
        key=_or_infinite,
    )
    limit = LIMITS[found.precision]["features"]
    title = f"features, {len(parts)} at once"
    yield Check(title, f"{side}x{side}", worst <= limit, worst, limit, UNITS["features"])


def _rerun(
    found: Examination,
    what: str,
    size: str,
    call: Callable[[], Array],
    between: Callable[[], object] = lambda: None,
) -> Check:
    """Run the same thing again and again; another thing in between must not change it."""
    first, worst = call(), 0.0
    for _ in range(ROUNDS):
        between()
        worst = max(worst, relative_difference(call(), first), key=_or_infinite)
    loose = found.device in COMPILES_WHILE_RUNNING
    limit = LIMITS[found.precision]["features"] if loose else 0.0
    title = f"{what}, {ROUNDS} reruns"
    return Check(title, size, worst <= limit, worst, limit, UNITS["features"])


def _or_infinite(value: float) -> float:
    """NaN counts as the worst."""
    return math.inf if math.isnan(value) else value


def _timings(
    bundle: Bundle,
    backend: Session,
    engines: Mapping[str, TensorRTEngine],
    scene: Scene,
    repeats: int,
) -> Iterator[Latency]:
    """Features and quality of one scene: by the GPU's clock for engines, and by the wall's."""
    image = padded(bundle, scene)
    coarse = np.ascontiguousarray(backend.features(image).coarse)
    rows = match_inputs(bundle, coarse, scene.box)
    if engines:
        spent = engines["features"].runner.measure({"image": image[None]}, repeats)
        yield _latency("features", scene.size, "GPU", spent)
        spent = engines["match"].runner.measure(rows | windows(engines["match"]), repeats)
        yield _latency("quality", scene.size, "GPU", spent)
    yield wall("features", scene.size, lambda: backend.features(image), repeats)
    parts = (rows["template"], rows["target"], rows["search"])
    yield wall("quality", scene.size, lambda: backend.quality(*parts), repeats)


def wall(what: str, size: str, call: Callable[[], object], repeats: int) -> Latency:
    """Time a call by the clock on the wall, after warm-up."""
    for _ in range(WARM_UP):
        call()
    spent: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        spent.append((time.perf_counter() - start) * 1e3)
    return _latency(what, size, "wall", spent)


def _latency(what: str, size: str, clock: str, spent: Sequence[float]) -> Latency:
    """Median and ninth decile."""
    median, p90 = (float(value) for value in np.percentile(spent, (50, 90)))
    return Latency(what, size, clock, round(median, 3), round(p90, 3), len(spent))
