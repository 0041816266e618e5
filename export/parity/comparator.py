"""The same proof through polygraphy: every implementation of the features as one of its runners."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from ...runtime.backends.graph import named_device, named_precision
from ...runtime.bundle.folder import Bundle
from ...runtime.bundle.sidecar import FLAVOURS
from ...runtime.errors import BundleError, DeviceError
from ...runtime.session import Session
from .runners import Arrays, Runner


def polygraphy_installed() -> bool:
    """Whether the comparison can be made."""
    return find_spec("polygraphy") is not None


def compare_with_polygraphy(
    reference: Runner,
    candidate: Runner,
    inputs: Sequence[Arrays],
    tolerance: float,
    *,
    of_rms: bool = False,
) -> dict[str, bool]:
    """Run two implementations through polygraphy's ``Comparator`` and compare every output.

    Args:
        reference: the implementation that is believed.
        candidate: the implementation that is checked.
        inputs: named arrays for both, a set for each run; at least one.
        tolerance: largest difference, relative to the reference's largest value of each output.
        of_rms: it is that of the mean difference instead, relative to the root mean square of all
            runs' values together.

    Returns:
        For each output, whether it passed in every run.
    """
    from polygraphy.comparator import Comparator, SimpleCompareFunc
    from polygraphy.logger import G_LOGGER

    runners = [_as_polygraphy(candidate, inputs[0]), _as_polygraphy(reference, inputs[0])]
    with G_LOGGER.verbosity(G_LOGGER.CRITICAL):
        results: Any = Comparator.run(runners, data_loader=list(map(OrderedDict, inputs)))
        limits = _limits(results[1][1], tolerance, of_rms=of_rms)
        statistic = "mean" if of_rms else "max"
        judged = Comparator.compare_accuracy(
            results,
            compare_func=SimpleCompareFunc(check_error_stat=statistic, rtol=0.0, atol=limits),
        )
    # One comparison function, one pair of runners.
    (iterations,) = judged[0].values()
    return {name: all(bool(run[name]) for run in iterations) for name in iterations[0]}


def _limits(truth: Sequence[Arrays], tolerance: float, *, of_rms: bool) -> dict[str, float]:
    """The largest difference allowed for each output, from what is believed in every run."""
    if of_rms:  # no mean of one run exceeds it where all of them together are within the tolerance
        power = {
            name: sum(float(np.square(run[name]).mean()) for run in truth) for name in truth[0]
        }
        return {name: tolerance * math.sqrt(value) for name, value in power.items()}
    return {
        name: tolerance * max(float(np.abs(run[name]).max()) for run in truth) for name in truth[0]
    }


def _as_polygraphy(runner: Runner, inputs: Arrays) -> Any:
    """One of our runners as a polygraphy runner."""
    from polygraphy.backend.base import BaseRunner
    from polygraphy.common import TensorMetadata

    class Wrapped(BaseRunner):
        """Hands arrays through."""

        def get_input_metadata_impl(self) -> TensorMetadata:
            """Names, dtypes and shapes of the inputs."""
            metadata = TensorMetadata()
            for name, array in inputs.items():
                metadata.add(name, array.dtype, array.shape)
            return metadata

        def infer_impl(self, feed_dict: Any) -> OrderedDict[str, Any]:
            """Run it."""
            start = time.perf_counter()
            outputs = OrderedDict(runner.run(dict(feed_dict)))
            self.inference_time = time.perf_counter() - start
            return outputs

    return Wrapped(name=runner.name)


def engine_runners(
    bundle: Bundle, precisions: Sequence[str], devices: Sequence[str] = tuple(FLAVOURS)
) -> list[tuple[str, Runner, Session]]:
    """The features graphs that really run here: precision, runner, and what to close.

    Args:
        bundle: has them.
        precisions: to try.
        devices: to try each of them on; TensorRT and TensorRT-RTX unless others are named.
    """
    found: list[tuple[str, Runner, Session]] = []
    for flavour in devices:
        for precision in precisions:
            try:
                backend = Session(
                    bundle, named_device(flavour), precision=named_precision(precision)
                )
            except (DeviceError, BundleError):
                continue
            found.append((precision, _backend_runner(flavour, backend), backend))
    return found


def _backend_runner(name: str, backend: Session) -> Runner:
    """The features of a backend, one picture after the other."""
    outputs = backend.bundle.output_names("features")

    def run(inputs: Arrays) -> dict[str, Any]:
        parts = [backend.features(image) for image in inputs["image"]]
        stacked = (
            np.stack(maps)
            for maps in zip(*((*part.taps, part.coarse) for part in parts), strict=True)
        )
        return dict(zip(outputs, stacked, strict=True))

    return Runner(name, run)
