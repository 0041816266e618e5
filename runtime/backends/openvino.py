"""OpenVINO, the only module that imports it: for Intel's GPUs and NPUs, and its CPUs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.folder import Bundle
from ..errors import BundleError, DeviceError, first_line
from .run_watch import RUN_WATCH

Array = NDArray[Any]

PARTS = {
    "openvino": ("GPU", "CPU"),
    "openvino-cpu": ("CPU",),
    "openvino-gpu": ("GPU",),
    "openvino-npu": ("NPU",),
}
"""What each device may run on, the best first: OpenVINO's own names."""

PRECISIONS = {"auto": "fp32", "fp32": "fp32", "fp16": "fp16"}
"""The file of the features graph for a precision."""

SINGLE = "fp32"
"""Of all graphs but the features': their exponentials need it."""

INSTALL = 'pip install "qatm[openvino]"'


def _import_openvino(device: str) -> None:
    """Import OpenVINO or say how to get it."""
    try:
        import openvino  # noqa: F401
    except (ImportError, OSError) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "openvino"
        why = "is not installed" if missing else f"cannot be loaded ({first_line(error)})"
        raise DeviceError(f"device {device!r} needs OpenVINO, which {why}: {INSTALL}") from None


@cache
def _core_of(process: int) -> Any:  # noqa: ARG001
    """OpenVINO's core of a process; a forked one needs another, with threads of its own.

    It is never released. Each core gives the thread that makes it a stack for signals and takes
    that away at its end; of two cores the one that ends last puts the stack of the other back,
    which is gone: the next signal, such as Ctrl-C, would then be a crash.
    """
    import openvino

    return openvino.Core()


def core_of(device: str) -> Any:
    """OpenVINO's core, the same for all that asks for it.

    Raises:
        DeviceError: OpenVINO is not there, or cannot be loaded.
    """
    _import_openvino(device)
    return _core_of(os.getpid())


class OpenVinoGraph:
    """One graph on one device.

    Args:
        core: of OpenVINO.
        path: the ONNX file.
        part: OpenVINO's name of the device.
        options: of OpenVINO.
        data: what the file holds, as it was checked; by default it is opened by its name.

    Attributes:
        path: as given.
        provider: what it really runs on.

    Raises:
        DeviceError: the device does not take the graph, or it runs on another one.
        BundleError: OpenVINO cannot read the file.
    """

    def __init__(
        self,
        core: Any,
        path: Path,
        part: str,
        options: Mapping[str, Any],
        data: bytes | None = None,
    ) -> None:
        self.path = path
        try:
            model = core.read_model(str(path) if data is None else data)
        except Exception as error:
            raise BundleError(f"OpenVINO cannot read {path}: {first_line(error)}") from error
        self._compile = partial(core.compile_model, model, part, dict(options))
        self._part = part
        self._closed = False
        self._compiling = Lock()
        compiled = self._begin()
        running = list(compiled.get_property("EXECUTION_DEVICES"))
        if not running or any(name.partition(".")[0] != part for name in running):
            raise DeviceError(
                f"OpenVINO was asked for {part}, but runs {path.name} on {', '.join(running)}"
            )
        self.provider = f"OpenVINO {', '.join(running)}"
        self._names = [output.get_any_name() for output in compiled.outputs]
        self._compiled: Any = compiled
        # A request holds its tensors, so that each thread that runs needs one of its own.
        self._requests: SimpleQueue[Any] = SimpleQueue()

    def _begin(self) -> Any:
        """What OpenVINO makes of the graph.

        Raises:
            DeviceError: the device does not take it.
        """
        try:
            with RUN_WATCH.opening():
                return self._compile()
        except Exception as error:
            raise DeviceError(
                f"OpenVINO's {self._part} does not work with {self.path.name}: {first_line(error)}"
            ) from error

    def _ready(self) -> tuple[Any, SimpleQueue[Any]]:
        """What runs, and its requests at hand.

        Raises:
            DeviceError: the graph is closed.
        """
        with self._compiling:
            if self._closed:
                raise DeviceError(f"{self.path.name} is closed; open the bundle again")
            if self._compiled is None:
                self._compiled, self._requests = self._begin(), SimpleQueue()
            return self._compiled, self._requests

    def _give_up(self, compiled: Any) -> None:
        """Compile anew before the next run: what was ended gave results of earlier runs then."""
        with self._compiling:
            if self._compiled is compiled:
                self._compiled = None

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """Run the graph: named arrays in, the named outputs out, in their order; all by default.

        Raises:
            DeviceError: the graph is closed, or the device failed.
        """
        compiled, requests = self._ready()
        try:
            request = requests.get_nowait()
        except Empty:
            request = compiled.create_infer_request()
        try:
            with RUN_WATCH.over(self.path, request.cancel):
                request.infer(dict(inputs), share_inputs=True)
            # Its tensors are written over by its next run.
            names = self._names if outputs is None else outputs
            return [np.array(request.get_tensor(name).data) for name in names]
        except DeviceError:
            self._give_up(compiled)
            raise
        except RuntimeError as error:
            raise DeviceError(
                f"OpenVINO failed with {self.path.name}: {first_line(error)}"
            ) from error
        finally:
            requests.put(request)

    def admits(self, **shapes: tuple[int, ...]) -> bool:  # noqa: ARG002
        """Always: ONNX files have no bounds."""
        return True

    def close(self) -> None:
        """Release what was compiled. May be called twice."""
        with self._compiling:
            self._closed, self._compiled, self._requests = True, None, SimpleQueue()


class OpenVinoBackend:
    """The graphs of a bundle on OpenVINO.

    Args:
        bundle: holds them.
        device: one of :data:`PARTS`; ``openvino`` takes a GPU where there is one.
        precision: ``auto``, ``fp32`` or ``fp16``, of the features graph.
        threads: CPU threads; ``None`` lets OpenVINO choose.

    Attributes:
        device: as given.
        provider: what the graphs really run on.
        precision: of the features graph.
        workers: how many small graphs are worth running at once.

    Raises:
        DeviceError: OpenVINO or the device is missing, or does not take the graphs.
        BundleError: the bundle lacks the precision, or a file of it is damaged.
    """

    workers = 1

    def __init__(
        self, bundle: Bundle, device: str, precision: str, threads: int | None = None
    ) -> None:
        core = core_of(device)
        if precision not in PRECISIONS:
            raise DeviceError(
                f"device {device!r} has no {precision} graphs; choose one of "
                f"{', '.join(PRECISIONS)}, or device 'cpu'"
            )
        self.device = device
        self.precision = PRECISIONS[precision]
        self._bundle = bundle
        self._core = core
        available = {name.partition(".")[0] for name in self._core.available_devices}
        found = [part for part in PARTS[device] if part in available]
        if not found:
            raise DeviceError(
                f"device {device!r} needs {' or '.join(PARTS[device])}, and OpenVINO sees only "
                f"{', '.join(sorted(available)) or 'nothing'}: install the driver of the device"
            )
        self._part = found[0]
        self._options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None and self._part == "CPU":
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._opening = Lock()
        self._closed = False
        self._graphs: dict[str, OpenVinoGraph] = {}
        self.provider = self.graph("features").provider
        # Not every task runs it, so it is opened when asked for; a damaged one is refused now.
        bundle.file("match", SINGLE)

    def graph(self, role: str, *, one_thread: bool = False) -> OpenVinoGraph:  # noqa: ARG002
        """The graph with a role; others than ``features`` are opened when they are asked for.

        Raises:
            BundleError: the bundle has no such graph, or its file is damaged.
            DeviceError: the backend is closed, or the device does not take the graph.
        """
        with self._opening:
            if self._closed:
                raise DeviceError(f"bundle {self._bundle.path} is closed; open it again")
            if role not in self._graphs:
                precision = self.precision if role == "features" else SINGLE
                options = dict(self._options)
                if precision != SINGLE:
                    # The graph says itself what it computes in.
                    options["INFERENCE_PRECISION_HINT"] = "f16" if self._part != "CPU" else "f32"
                path = self._bundle.file(role, precision)
                data = self._bundle.contents(role, precision)
                graph = OpenVinoGraph(self._core, path, self._part, options, data)
                # Hashed again if it was written to meanwhile: what runs is what was checked.
                self._bundle.file(role, precision)
                self._graphs[role] = graph
            return self._graphs[role]

    def close(self) -> None:
        """Release all graphs. May be called twice."""
        with self._opening:
            self._closed = True
            for graph in self._graphs.values():
                graph.close()
