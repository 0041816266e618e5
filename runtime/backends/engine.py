"""Load engines of TensorRT and of TensorRT for RTX; the runtime imports them only here."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.sidecar import FLAVOURS, EngineInfo, Profile, ShapeRange, rebuild_hint
from ..errors import DeviceError, first_line
from .cuda_memory import CudaMemory
from .engine_access import EngineAccess, EngineTensor, ExecutionContext
from .engine_profiles import DimensionNames, admitting
from .engine_runner import SHAPES_KEPT, EngineRunner

if TYPE_CHECKING:
    import tensorrt
    import tensorrt_rtx

    Engine = tensorrt.ICudaEngine | tensorrt_rtx.ICudaEngine

Array = NDArray[Any]

INSTALL = {
    "tensorrt": 'pip install "qatm[tensorrt]" (on a Jetson it comes with JetPack)',
    "tensorrt-rtx": 'pip install "qatm[rtx]"',
}

DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
"""TensorRT's data types that numpy has."""


def import_flavour(flavour: str):  # its two modules are not one type, so it is left to inference
    """The Python module of a flavour.

    Raises:
        DeviceError: unknown flavour, or not installed.
    """
    if flavour not in FLAVOURS:
        raise DeviceError(f"flavour {flavour!r} is unknown; choose one of {', '.join(FLAVOURS)}")
    try:
        if flavour == "tensorrt":
            import tensorrt as library
        else:
            import tensorrt_rtx as library
    except (ImportError, OSError) as error:
        name = FLAVOURS[flavour]
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        why = "is not installed" if missing else f"cannot be loaded ({first_line(error)})"
        raise DeviceError(
            f"device {flavour!r} needs the Python package {name}, which {why}: {INSTALL[flavour]}"
        ) from None
    if not hasattr(library, "Runtime"):
        raise DeviceError(
            f"device {flavour!r} found a Python package {FLAVOURS[flavour]} without a runtime in "
            f"it (stubs, or a broken installation): {INSTALL[flavour]}"
        )
    return library


def flavour_version(flavour: str) -> str:
    """Version of the installed library of a flavour; raises as :func:`import_flavour`."""
    return str(import_flavour(flavour).__version__)


class Complaints:
    """What the library logged as errors, for the text of an exception."""

    KEPT = 20

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Keep the first line of a message."""
        self._lines = [*self._lines[1 - self.KEPT :], line.strip().partition("\n")[0]]

    def take(self) -> str:
        """All lines as one; forgets them."""
        lines, self._lines = self._lines, []
        return " | ".join(dict.fromkeys(lines)) or "it gave no reason"


def _make_logger(library: Any, complaints: Complaints) -> Any:
    """A logger of the library that collects errors and prints nothing."""
    worst = (library.ILogger.INTERNAL_ERROR, library.ILogger.ERROR)
    base: Any = library.ILogger

    class Collector(base):
        def __init__(self) -> None:
            base.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            if severity in worst:
                complaints.add(msg)

    return immortal(Collector())


def immortal(logger: Any) -> Any:
    """Keep a logger until the process ends, and return it.

    The library keeps a pointer to the first logger that it was given for as long as anything that
    it made is alive, whoever made it, and its registry of plugins keeps it longer.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(logger))
    return logger


class TensorRTEngine:
    """One engine file, loaded and ready to run until it is closed.

    Args:
        info: the engine's sidecar.
        memory: CUDA; must stay open until the engine is closed.
        outputs: the outputs to return, in this order.
        names: what the dimensions of the inputs are called, for error texts.
        graphs: use CUDA graphs where possible.
        shapes_kept: how many shapes keep their context and graph.

    Attributes:
        info: the sidecar.
        what: what the engine is called in messages.
        inputs: names of its inputs.
        graphs: ``captured``, ``library`` (TensorRT for RTX makes them itself) or ``none``.

    Raises:
        DeviceError: the library is missing; the engine is for another version or GPU, or cannot
            be loaded. The text says what to rebuild.
        BundleError: the file is missing or is not the one of the sidecar.
    """

    def __init__(
        self,
        info: EngineInfo,
        memory: CudaMemory,
        outputs: Sequence[str],
        names: DimensionNames | None = None,
        graphs: bool = True,
        shapes_kept: int = SHAPES_KEPT,
    ) -> None:
        library = import_flavour(info.flavour)
        info.check_machine(info.flavour, str(library.__version__), memory.compute_capability)
        info.check_file()
        self.info = info
        self.what = f"the {info.role} engine {info.path.name}"
        self._memory = memory
        self._outputs = tuple(outputs)
        self._complaints = Complaints()
        self._runtime: Any = None
        self._logger = _make_logger(library, self._complaints)
        with memory.current():
            self._engine: Any = self._load(info.path)
            try:
                access = self._access(graphs)
                self._runner = EngineRunner(access, memory, outputs, names, graphs, shapes_kept)
            except BaseException:
                self._engine = self._runtime = None
                raise
        self._profiles = access.profiles
        self.inputs = tuple(tensor.name for tensor in access.tensors if tensor.is_input)
        self.graphs = _graphs(access.own_graphs, memory, graphs)

    @property
    def runner(self) -> EngineRunner:
        """What runs it; for measurements."""
        return self._runner

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """Run on arrays by name; see :meth:`.EngineRunner.run`.

        Args:
            inputs: every input by name; dtypes as the engine has them.
            outputs: of those that the engine was loaded for; ``None`` is all of them.

        Raises:
            DeviceError: a size outside every profile, a wrong input, or CUDA failed.
        """
        made = self._runner.run(inputs)
        if outputs is None:
            return made
        return [made[self._outputs.index(name)] for name in outputs]

    def admits(self, **shapes: tuple[int, ...]) -> bool:
        """Whether one of the engine's profiles takes the shapes of these inputs together."""
        return bool(admitting(self._profiles, shapes))

    def close(self) -> None:
        """Release contexts, buffers and engine, in this order. May be called twice."""
        self._runner.close()
        if self._engine is not None:
            with self._memory.current():
                self._engine = None
                self._runtime = None

    def _access(self, graphs: bool) -> EngineAccess:
        """The engine as the runner sees it."""
        rtx = self.info.flavour == "tensorrt-rtx"
        tensors, profiles = _describe(self._engine, self.what)
        make = _rtx_contexts(self._engine, graphs) if rtx else _plain_contexts(self._engine)

        def make_context() -> ExecutionContext:
            context = make()
            if context is None:
                raise DeviceError(
                    f"{self.what} has no room for a context: {self._complaints.take()}"
                )
            return context

        return EngineAccess(
            what=self.what,
            tensors=tensors,
            profiles=profiles,
            make_context=make_context,
            set_scratch=_set_scratch,
            problem=self._complaints.take,
            own_graphs=rtx,
        )

    def _load(self, path: Path) -> Any:
        """The engine in a file; the runtime that made it stays with it."""
        library = import_flavour(self.info.flavour)
        try:
            runtime = library.Runtime(self._logger)
            engine = runtime.deserialize_cuda_engine(path.read_bytes())
        except (RuntimeError, TypeError) as error:
            self._complaints.add(first_line(error))
        else:
            if engine is not None:
                self._runtime = runtime
                return engine
        hint = rebuild_hint(self.info.flavour, self.info.sm)
        raise DeviceError(
            f"{self.info.flavour} {self.info.version} cannot load {path}: "
            f"{self._complaints.take()}; {hint}"
        )


def _graphs(own: bool, memory: CudaMemory, wanted: bool) -> str:
    """Who makes CUDA graphs: ``captured`` by us, by the ``library``, or ``none``."""
    if not wanted or not (own or memory.has_graphs):
        return "none"
    return "library" if own else "captured"


def _describe(engine: Engine, what: str) -> tuple[tuple[EngineTensor, ...], tuple[Profile, ...]]:
    """Inputs, outputs and optimisation profiles of an engine."""
    tensors: list[EngineTensor] = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        dtype = engine.get_tensor_dtype(name).name
        if dtype not in DTYPES:
            raise DeviceError(f"{what} has {name} as {dtype}, which numpy lacks; export it again")
        is_input = engine.get_tensor_mode(name).name == "INPUT"
        on_host = engine.get_tensor_location(name).name == "HOST"
        on_host = on_host or engine.is_shape_inference_io(name)
        tensors.append(EngineTensor(name, is_input, np.dtype(DTYPES[dtype]), on_host))
    inputs = [tensor for tensor in tensors if tensor.is_input]
    profiles = tuple(
        {tensor.name: _range(engine, tensor, index) for tensor in inputs}
        for index in range(engine.num_optimization_profiles)
    )
    return tuple(tensors), profiles


def _range(engine: Engine, tensor: EngineTensor, index: int) -> ShapeRange:
    """Smallest, usual and largest shape of an input in a profile."""
    if tensor.on_host:
        # A profile holds values of such an input, and its shape is fixed.
        shapes = [engine.get_tensor_shape(tensor.name)] * 3
    else:
        shapes = engine.get_tensor_profile_shape(tensor.name, index)
    low, best, high = (tuple(int(side) for side in shape) for shape in shapes)
    return ShapeRange(low, best, high)


def _plain_contexts(engine: tensorrt.ICudaEngine) -> Callable[[], ExecutionContext | None]:
    """Contexts of TensorRT, without scratch memory of their own."""
    import tensorrt as trt

    strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
    return lambda: engine.create_execution_context(strategy)


def _rtx_contexts(
    engine: tensorrt_rtx.ICudaEngine, graphs: bool
) -> Callable[[], ExecutionContext | None]:
    """Contexts of TensorRT for RTX, which compiles kernels for a shape while it runs.

    It makes CUDA graphs itself, because a graph captured from outside would keep the slower
    kernels of the first runs. All contexts share what is compiled.
    """
    import tensorrt_rtx as trt

    config = engine.create_runtime_config()
    strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
    config.set_execution_context_allocation_strategy(strategy)
    choices = trt.CudaGraphStrategy
    config.cuda_graph_strategy = choices.WHOLE_GRAPH_CAPTURE if graphs else choices.DISABLED
    cache = config.create_runtime_cache()
    config.set_runtime_cache(cache)
    # The cache must outlive the contexts, and the configuration only refers to it.
    kept = (config, cache)

    def make() -> ExecutionContext | None:
        return engine.create_execution_context(kept[0])

    return make


def _set_scratch(context: Any, address: int, size: int) -> None:
    """Give a context scratch memory; a property before there was a method."""
    if hasattr(context, "set_device_memory"):
        context.set_device_memory(address, size)
    else:
        context.device_memory = address
