"""ONNX Runtime, the only module that imports it: graphs that run where they were asked to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import is_text
from ..bundle.folder import Bundle
from ..bundle.manifest import NETWORK_ROLE, FileInfo
from ..errors import BundleError, DeviceError, first_line
from ..forking import ForkWatch, keep_for_ever
from ..kinds import Numeric
from ..limits import FOLDED_BYTES
from .arena import HAS_ARENA, ArenaLull, share_arena
from .cuda_memory import check_driver
from .cuda_options import load_cuda_libraries, provider_options
from .descriptions import check_description, run_failure
from .graph import usable_cores
from .roles import PLACE
from .run_watch import RUN_WATCH
from .shape_sessions import SHAPES_HELD, ShapeSessions

Array = NDArray[Any]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""The provider behind each device this module serves."""

INSTALL = {"cpu": 'pip install "qatm[cpu]"', "cuda": 'pip install "qatm[gpu]"'}

TELEMETRY_OFF = "ORT_DISABLE_TELEMETRY"
"""What ONNX Runtime reads in the environment; ``0`` leaves its telemetry as it is."""

SINGLE = "fp32"
"""Of all graphs but the features': small, and their exponentials need it."""

CONVOLVING = ("features", NETWORK_ROLE)
"""Roles of the graphs with convolutions, which CUDA plans anew for each shape of their inputs."""

FEW_ROWS = ("match",)
"""Roles of the graphs whose sums over rows are short. CUDA's provider splits sums over fewer than
192 rows in two at most, which give the same in either order; with one order prescribed, those over
whole images take several times as long."""

FOLDED_MOST = "optimization.constant_folding_max_output_size_in_bytes"

FATAL: Numeric[int] = 4
"""ONNX Runtime's quietest log level: what matters comes back as an exception or a check here."""


def import_onnxruntime(device: str = "cpu") -> Any:
    """Import ONNX Runtime, with its telemetry off unless the environment says otherwise.

    Args:
        device: for which it is needed, ``cpu`` or ``cuda``.

    Raises:
        DeviceError: it is not installed, or cannot be loaded; with the cure.
    """
    # Read once, when the library is loaded: later it would have begun to keep a device's number
    # and a store of events in the user's cache, with a thread that hangs a forked child at its end.
    os.environ.setdefault(TELEMETRY_OFF, "1")
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime"
        why = "is not installed" if missing else f"cannot be loaded ({first_line(error)})"
        cure = INSTALL[device] if missing else f"install it again: {INSTALL[device]}"
        raise DeviceError(f"device {device!r} needs ONNX Runtime, which {why}: {cure}") from None
    if not hasattr(onnxruntime, "InferenceSession"):
        raise DeviceError(
            f"device {device!r} found a Python package onnxruntime without a runtime in it (a "
            f"broken installation): {INSTALL[device]}"
        )
    return onnxruntime


def _provider_of(ort: Any, device: str) -> str:
    """The provider behind a device.

    Raises:
        DeviceError: the ONNX Runtime that is installed does not have it, or there is no driver.
    """
    wanted = PROVIDERS[device]
    if wanted not in ort.get_available_providers():
        # The two wheels own one module: beside the other one, neither is whole.
        cure = f"pip uninstall -y onnxruntime, then {INSTALL[device]}"
        raise DeviceError(
            f"device {device!r} needs {wanted}, which the installed ONNX Runtime "
            f"{ort.__version__} lacks: {cure}"
        )
    if device == "cuda":
        check_driver(device)  # without one ONNX Runtime would log to stderr, whatever its level
    return wanted


class OnnxGraph:
    """One graph on one device.

    Args:
        path: the ONNX file.
        device: ``cpu`` or ``cuda``.
        threads: CPU threads inside an operator; ``None`` lets ONNX Runtime choose.
        fold_weights: turn weights stored in eight bits to floats once, when the file is loaded;
            a graph that computes in INT8 would then compute in floats.
        half: it convolves in FP16.
        shapes: how many shapes of its inputs take turns without being planned anew; that costs
            memory on ``cuda``, and matters to graphs with convolutions.
        ordered_sums: on ``cuda``, add in one order, so that runs repeat to the last bit.
        checked: reads the file and sees that it is what it should be; what it gives is opened,
            or the file by its name for ``None``. Called again in a child process, which opens a
            session of its own.

    Attributes:
        path: as given.
        provider: ONNX Runtime's execution provider really in use.

    Raises:
        DeviceError: ONNX Runtime or its provider is missing, or it fell back to another one.
        BundleError: ONNX Runtime cannot load the file.
    """

    def __init__(
        self,
        path: Path,
        device: str,
        threads: int | None = None,
        *,
        fold_weights: bool = False,
        half: bool = False,
        shapes: int = 1,
        ordered_sums: bool = True,
        checked: Callable[[], bytes | None] | None = None,
    ) -> None:
        self.path = path
        self._device = device
        self._shapes = shapes
        self._checked = checked
        self._inherited = False
        self._opening = Lock()
        ort = import_onnxruntime(device)
        wanted = _provider_of(ort, device)
        options = ort.SessionOptions()
        options.log_severity_level = FATAL
        # A memory pattern is planned for one shape and kept beside the arena; sizes differ here.
        options.enable_mem_pattern = False
        # Threads that spin between operators save a sixth of a small run; between runs they would
        # starve those that numpy and OpenCV use.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # Smaller and smaller pieces of work even out what threads get: a hundredth or two.
        options.add_session_config_entry("session.dynamic_block_base", "4")
        # What is computed of constants while a file is opened stands under no other limit.
        options.add_session_config_entry(FOLDED_MOST, str(FOLDED_BYTES))
        if device == "cuda":
            load_cuda_libraries(ort)
            options.use_deterministic_compute = ordered_sums
        if device == "cpu" and share_arena(ort):
            options.add_session_config_entry("session.use_env_allocators", "1")
        if fold_weights:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        if threads is not None:
            options.intra_op_num_threads = threads
        providers = [(wanted, provider_options(device, half=half))]

        def open_session(model: str | bytes) -> Any:
            # Without its fallback ONNX Runtime raises instead of printing and taking the CPU.
            with RUN_WATCH.opening():
                return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)

        self._open_session = open_session
        sessions = self._opened()
        self.provider = sessions.first.get_providers()[0]
        if self.provider != wanted:
            raise DeviceError(
                f"device {device!r} was asked for, but ONNX Runtime fell back to {self.provider}: "
                "no usable GPU, or its CUDA and cuDNN libraries are missing"
            )
        self._sessions: ShapeSessions | None = sessions
        self._has_arena = wanted == PROVIDERS["cpu"] and HAS_ARENA
        self._lull = ArenaLull() if self._has_arena else None
        self._run_options = ort.RunOptions
        ForkWatch.add(self)

    def _opened(self) -> ShapeSessions:
        """Open the file.

        Raises:
            BundleError: ONNX Runtime cannot load it, or it is not what it should be.
            DeviceError: the device does not work with it.
        """
        data = None if self._checked is None else self._checked()
        if data is None and not is_text(str(self.path)):
            data = self.path.read_bytes()  # ONNX Runtime takes no such name
        # What was checked is what later sessions are made of, whatever becomes of the file.
        model = str(self.path) if data is None else data
        try:
            return ShapeSessions(partial(self._open_session, model), self._shapes)
        except Exception as error:
            why = first_line(error)
            if self._device != "cpu":
                raise DeviceError(
                    f"device {self._device!r} does not work with {self.path.name}: {why}"
                ) from error
            raise BundleError(f"ONNX Runtime cannot load {self.path}: {why}") from error

    def describe(self, info: FileInfo) -> None:
        """Compare what the graph takes and gives with what the manifest says.

        Raises:
            BundleError: they differ.
        """
        if self._sessions is not None:
            check_description(self._sessions.first, info, self.path)

    def forked(self) -> None:
        """In a child process: leave the parent's sessions alone; the next run opens others."""
        self._opening = Lock()
        if self._sessions is not None:
            keep_for_ever(self._sessions)
            self._sessions.keep_for_ever()
            self._sessions, self._inherited = None, True

    def _own(self) -> ShapeSessions | None:
        """The sessions of this process; ``None`` once the graph is closed."""
        if not self._inherited:
            return self._sessions
        with self._opening:
            if self._inherited:
                if self._device != "cpu":
                    raise DeviceError(
                        f"{self.path.name} was opened on {self._device!r} before this process was "
                        "forked from another, and no GPU goes on in a child: open the bundle in "
                        "the child, or start it with the method 'spawn'"
                    )
                sessions = self._opened()
                self._lull = ArenaLull() if self._has_arena else None
                self._sessions, self._inherited = sessions, False
            return self._sessions

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """Run the graph: named arrays in, the named outputs out, in their order; all by default.

        Raises:
            BundleError: the graph fails: it is not what it should be.
            DeviceError: the graph is closed, the device failed, or the memory is not enough.
        """
        sessions = self._own()
        if sessions is None:
            raise DeviceError(f"{self.path.name} is closed; open the bundle again")
        size = sum(array.nbytes for array in inputs.values())
        lull = self._lull is not None and self._lull.ends_with(size)
        return self._run(sessions.for_inputs(inputs), inputs, outputs, give_back=lull)

    @property
    def output_names(self) -> list[str]:
        """Names of the graph's outputs, in order; none once it is closed."""
        sessions = self._sessions
        return [] if sessions is None else [out.name for out in sessions.first.get_outputs()]

    def give_back(self, inputs: Mapping[str, Array]) -> None:
        """Run the graph on small inputs and return to the system what no run needs any more."""
        if self._sessions is not None and self._lull is not None:
            # Whoever gives up a graph that fails has been told when it ran.
            with suppress(Exception):
                self._run(self._sessions.first, inputs, None, give_back=True)

    def _run(
        self,
        session: Any,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] | None,
        *,
        give_back: bool,
    ) -> list[Array]:
        """One run of a session, with or without returning to the system what runs took.

        Raises: as :meth:`run`.
        """
        options = self._run_options()
        if give_back:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        names = None if outputs is None else list(outputs)
        with RUN_WATCH.over(self.path, lambda: setattr(options, "terminate", True)):
            try:
                return session.run(names, dict(inputs), options)
            except Exception as error:
                raise run_failure(error, self.path, self._device) from error

    def admits(self, **shapes: tuple[int, ...]) -> bool:  # noqa: ARG002
        """Always: ONNX files have no bounds."""
        return True

    def close(self) -> None:
        """Release its sessions."""
        self._sessions, self._inherited = None, False


class OnnxBackend:
    """The graphs of a bundle on ONNX Runtime.

    Args:
        bundle: holds them.
        device: ``cpu`` or ``cuda``.
        precision: of the features graph, as the bundle names it.
        threads: CPU threads inside an operator; ``None`` lets ONNX Runtime choose.

    Attributes:
        device: ``cpu`` or ``cuda``.
        provider: ONNX Runtime's execution provider really in use.
        precision: of the features graph.
        workers: how many small graphs are worth running at once, each on one thread.

    Raises: as :class:`OnnxGraph`.
    """

    def __init__(
        self, bundle: Bundle, device: str, precision: str, threads: int | None = None
    ) -> None:
        _provider_of(import_onnxruntime(device), device)
        self.device = device
        self.precision = precision
        self._bundle = bundle
        self._threads = threads
        self.workers = (threads or usable_cores()) if device == "cpu" else 1
        self._opening = Lock()
        self._closed = False
        self._graphs: dict[tuple[str, bool], OnnxGraph] = {}
        self.provider = self.graph("features").provider
        # Not every task runs it, so it is opened when asked for; a damaged one is refused now.
        bundle.file("match", SINGLE)
        ForkWatch.add(self)

    def forked(self) -> None:
        """In a child process: another thread may have held the lock, and is not there."""
        self._opening = Lock()

    def graph(self, role: str, *, one_thread: bool = False) -> OnnxGraph:
        """The graph with a role; others than ``features`` are opened when they are asked for.

        Args:
            role: of the graph.
            one_thread: keep to the calling thread, because others run the graph at the same time:
                threads that share each run wait for one another more than they help.

        Raises:
            BundleError: the bundle has no such graph, or its file is damaged.
            DeviceError: the backend is closed.
        """
        with self._opening:
            if self._closed:
                raise DeviceError(f"bundle {self._bundle.path} is closed; open it again")
            # Sharing the operators of placing among threads takes longer than they do.
            threads = 1 if one_thread or role == PLACE else self._threads
            key = (role, threads == 1)
            if key not in self._graphs:
                self._graphs[key] = self._open(role, threads)
            return self._graphs[key]

    def close(self) -> None:
        """Release all graphs, and the memory in which they computed. May be called twice."""
        with self._opening:
            if not self._closed:
                align = self._bundle.spec.backbone.align
                features = self._graphs["features", self._threads == 1]
                features.give_back({"image": np.zeros((1, align, align, 3), "B")})
            self._closed = True
            for graph in self._graphs.values():
                graph.close()

    def _open(self, role: str, threads: int | None) -> OnnxGraph:
        """Open a graph from a file whose hash is right.

        Raises: as :meth:`graph`.
        """
        precision = self.precision if role == "features" else SINGLE
        fold = role == "features" and precision != "int8-cpu"
        path = self._bundle.file(role, precision)
        info = self._bundle.spec.files[path.name]
        graph = OnnxGraph(
            path,
            self.device,
            threads,
            fold_weights=fold,
            half=precision == "fp16",
            shapes=SHAPES_HELD if self.device == "cuda" and role in CONVOLVING else 1,
            ordered_sums=role not in FEW_ROWS,
            checked=lambda: self._bundle.contents(role, precision),
        )
        # Hashed again if it was written to meanwhile: what runs is what was checked.
        self._bundle.file(role, precision)
        graph.describe(info)
        return graph
