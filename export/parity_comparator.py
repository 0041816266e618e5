"""The same proof through polygraphy: every implementation of the features as one of its runners."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..runtime.backend import Backend, open_backend
from ..runtime.bundle import Bundle
from ..runtime.engine_info import FLAVOURS
from ..runtime.errors import BundleError, DeviceError
from .parity_runners import FEATURE_OUTPUTS, Arrays, Runner


def polygraphy_installed() -> bool:
    """Whether the comparison can be made."""
    return find_spec("polygraphy") is not None


def compare_with_polygraphy(
    reference: Runner, candidate: Runner, inputs: Arrays, tolerance: float
) -> dict[str, bool]:
    """Run two implementations through polygraphy's ``Comparator`` and compare every output.

    Args:
        reference: the implementation that is believed.
        candidate: the implementation that is checked.
        inputs: named arrays for both.
        tolerance: largest difference, relative to the reference's largest value of each output.

    Returns:
        For each output, whether it passed.
    """
    from polygraphy.comparator import Comparator, SimpleCompareFunc
    from polygraphy.logger import G_LOGGER

    runners = [_as_polygraphy(candidate, inputs), _as_polygraphy(reference, inputs)]
    with G_LOGGER.verbosity(G_LOGGER.CRITICAL):
        results: Any = Comparator.run(runners, data_loader=[OrderedDict(inputs)])
        truth = results[1][1][0]
        limits = {name: tolerance * float(np.abs(truth[name]).max()) for name in truth}
        judged = Comparator.compare_accuracy(
            results,
            compare_func=SimpleCompareFunc(check_error_stat="max", rtol=0.0, atol=limits),
        )
    # One comparison function, one pair of runners, one set of inputs.
    (iterations,) = judged[0].values()
    return {name: bool(passed) for name, passed in iterations[0].items()}


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


def engine_runners(bundle: Bundle, precisions: Sequence[str]) -> list[tuple[str, Runner, Backend]]:
    """The features engines that really run here: precision, runner, and what to close."""
    found: list[tuple[str, Runner, Backend]] = []
    for flavour in FLAVOURS:
        for precision in precisions:
            try:
                backend = open_backend(bundle, flavour, precision, None)
            except (DeviceError, BundleError):
                continue
            found.append((precision, _backend_runner(flavour, backend), backend))
    return found


def _backend_runner(name: str, backend: Backend) -> Runner:
    """The features of a backend, one picture after the other."""

    def run(inputs: Arrays) -> dict[str, Any]:
        parts = [backend.features(image) for image in inputs["image"]]
        stacked = (np.stack(maps) for maps in zip(*parts, strict=True))
        return dict(zip(FEATURE_OUTPUTS, stacked, strict=True))

    return Runner(name, run)
