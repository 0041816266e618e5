"""How ``gpu_report`` tries an engine at the bounds of its profiles, and past them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....runtime import DeviceError
from ....runtime.backends.engine import TensorRTEngine
from ...console import one_line
from .gpu_scenes import Check

Array = NDArray[Any]

Shapes = dict[str, tuple[int, ...]]

WINDOW = "window"


def admitted(engines: Mapping[str, TensorRTEngine], shape: tuple[int, ...]) -> bool:
    """Whether the features engine, if there is one, takes an image ``(H, W, 3)``."""
    if "features" not in engines:
        return True
    return engines["features"].admits(image=(1, *shape))


def refusals(role: str, engine: TensorRTEngine, step: int) -> Iterator[Check]:
    """Sizes just outside the profiles must be refused with a text that names size and range.

    Args:
        role: what the engine is.
        engine: asked to run.
        step: how far outside to go.
    """
    profiles = engine.info.profiles
    usual = {name: shapes.optimum for name, shapes in profiles[0].items()}
    for name, shape in usual.items():
        for axis in range(len(shape)):
            low = min(profile[name].minimum[axis] for profile in profiles)
            high = max(profile[name].maximum[axis] for profile in profiles)
            for side in (low - step, high + step) if low < high else ():
                if side < 1:
                    continue
                bad = {**usual, name: (*shape[:axis], side, *shape[axis + 1 :])}
                what = f"{role}: {name} {'x'.join(map(str, bad[name]))} is refused"
                yield _refused(what, engine, bad, (side, low, high))


def _refused(what: str, engine: TensorRTEngine, shapes: Shapes, named: tuple[int, ...]) -> Check:
    """One size that must be refused."""
    try:
        engine.run(_noise(shapes, engine))
    except DeviceError as error:
        text = one_line(str(error))
        missing = [number for number in named if str(number) not in text]
        return Check(what, "", not missing, detail=text)
    return Check(what, "", False, detail="it ran")


def bounds(role: str, engine: TensorRTEngine) -> Iterator[Check]:
    """The smallest and the largest shapes of each profile must run and give numbers."""
    for index, profile in enumerate(engine.info.profiles):
        for bound in ("minimum", "maximum"):
            shapes = {name: getattr(entry, bound) for name, entry in profile.items()}
            what = f"{role}: {bound} of profile {index} runs"
            try:
                outputs = engine.run(_noise(shapes, engine))
            except DeviceError as error:
                yield Check(what, "", False, detail=one_line(str(error)))
                continue
            finite = all(bool(np.isfinite(output).all()) for output in outputs)
            sizes = ", ".join("x".join(map(str, output.shape)) for output in outputs)
            yield Check(what, "", finite, detail=sizes if finite else "values are not finite")


def _noise(shapes: Shapes, engine: TensorRTEngine) -> dict[str, Array]:
    """Inputs of some shapes."""
    generator = np.random.default_rng(0)
    inputs: dict[str, Array] = {}
    for name, shape in shapes.items():
        if name == "image":
            inputs[name] = generator.integers(0, 256, shape, np.uint8)
        elif name == "target":
            inputs[name] = np.ones(shape, np.float32)
        elif name != WINDOW:
            inputs[name] = generator.standard_normal(shape, np.float32)
    return inputs | windows(engine)


def windows(engine: TensorRTEngine) -> dict[str, Array]:
    """The further input of matching graphs of earlier versions, for those that have it."""
    return {WINDOW: np.ones(2, np.int64)} if WINDOW in engine.inputs else {}


def engine_state(engine: TensorRTEngine) -> dict[str, Any]:
    """CUDA graphs and memory of an engine, for the report."""
    runner = engine.runner
    return {
        "file": engine.info.file,
        "bytes": engine.info.bytes,
        "graphs": engine.graphs,
        "graphs_held": runner.graphs_held,
        "shapes_held": runner.shapes_held,
        "device_bytes": runner.device_bytes,
        "profiles": [{k: str(v) for k, v in p.items()} for p in engine.info.profiles],
    }
