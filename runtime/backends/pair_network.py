"""The trained network of a bundle: it compares the features of two pictures."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.folder import Bundle
from ..errors import BundleError

Array = NDArray[Any]

ROLE = "network"
PRECISION = "fp32"
"""Networks are small, and their matching layer needs it."""


class PairNetwork:
    """Runs ``network.onnx``, or the engine built from it.

    Args:
        bundle: holds a network.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``tensorrt-rtx``; never ``auto``.
        threads: CPU threads; ``None`` lets the runtime choose.

    Raises:
        BundleError: the bundle has no network, or its file is damaged.
        DeviceError: the device does not work here, or there is no engine for it.
    """

    def __init__(self, bundle: Bundle, device: str, threads: int | None = None) -> None:
        file = bundle.file(ROLE, PRECISION)
        info = bundle.spec.files[file.name]
        self._inputs = tuple(tensor.name for tensor in info.inputs)
        self._outputs = tuple(tensor.name for tensor in info.outputs)
        self._closing = ExitStack()
        if device in ("cpu", "cuda"):
            from .onnx import OnnxSession

            session = OnnxSession(file, device, threads)
            self._run = lambda arrays: session.run(arrays, list(self._outputs))
        else:
            engine = self._open_engine(bundle, device)
            self._run = lambda arrays: engine.run(**arrays)

    def run(self, arrays: Mapping[str, Any]) -> list[Array]:
        """Named inputs, float32, to the outputs in the order of the manifest."""
        return list(self._run({name: np.ascontiguousarray(arrays[name]) for name in self._inputs}))

    def close(self) -> None:
        """Release what the runtime holds."""
        self._closing.close()
        self._run = _closed

    def _open_engine(self, bundle: Bundle, device: str) -> Any:
        """The engine of the network for this machine's GPU."""
        from ..bundle.sidecar import select_engine
        from .cuda_memory import open_memory
        from .engine import TensorRTEngine, flavour_version

        version = flavour_version(device)
        memory = open_memory()
        self._closing.callback(memory.close)
        with ExitStack() as stack:
            stack.callback(self._closing.close)
            info = select_engine(
                bundle, ROLE, PRECISION, device, version, memory.compute_capability
            )
            names = {t.name: t.shape for t in bundle.spec.files[info.source].inputs}
            engine = TensorRTEngine(info, memory, self._outputs, names)
            stack.pop_all()
        self._closing.callback(engine.close)
        return engine


def open_network(bundle: Bundle, task: str, device: str, threads: int | None = None) -> PairNetwork:
    """The network of a bundle for a task.

    Args:
        bundle: where it should be.
        task: ``align`` or ``verify``.
        device: as for :class:`PairNetwork`: that of the features' backend.
        threads: CPU threads.

    Raises:
        BundleError: the bundle has none, one for another task, or a damaged one.
        DeviceError: the device does not work here, or there is no engine for it.
    """
    have = bundle.spec.network.get("task")
    if have != task:
        what = "no network" if have is None else f"a network for {have!r}"
        raise BundleError(
            f"bundle {bundle.path} has {what}, not one for {task!r}: "
            f"qatm-export --task {task} --network CHECKPOINT"
        )
    return PairNetwork(bundle, device, threads)


def _closed(arrays: Any) -> list[Array]:  # noqa: ARG001
    raise BundleError("this network is closed; open the bundle again")
