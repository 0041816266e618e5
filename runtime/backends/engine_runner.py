"""Run an engine on numpy arrays: buffers that are reused, a context and a CUDA graph per shape."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError
from ..kinds import Bound
from .cuda_memory import CudaMemory, GrowingBlock, Handle, timed
from .engine_access import EngineAccess, ExecutionContext, Key, check_inputs, input_key
from .engine_profiles import DimensionNames, choose_profile

Array = NDArray[Any]
SHAPES_KEPT: Bound[int] = 8
"""Shapes whose context and graph are kept; the one used longest ago goes first."""

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Prepared:
    """A context set up for one shape of the inputs, and its graph once there is one."""

    context: ExecutionContext
    shapes: dict[str, tuple[int, ...]]
    host: dict[str, Array] = field(default_factory=dict)
    runs: int = 0
    graph: Handle | None = None
    may_capture: bool = True


class EngineRunner:
    """Runs one engine; several threads may call :meth:`run`, they take turns.

    Each shape of the inputs gets its own execution context, because a CUDA graph is only right as
    long as the context it was captured from keeps its shapes. All contexts share one block of
    scratch memory: only one of them runs at a time. The first run of a shape warms it up, the
    second is followed by the capture of its graph, later ones replay it.

    Args:
        engine: what to run.
        memory: CUDA.
        outputs: the outputs to copy back.
        names: what the dimensions are called, for error texts.
        graphs: make CUDA graphs where CUDA memory and engine allow it.
        shapes_kept: bound of the cache of shapes.
    """

    def __init__(
        self,
        engine: EngineAccess,
        memory: CudaMemory,
        outputs: Sequence[str],
        names: DimensionNames | None = None,
        graphs: bool = True,
        shapes_kept: int = SHAPES_KEPT,
    ) -> None:
        have = {tensor.name for tensor in engine.tensors if not tensor.is_input}
        if missing := [name for name in outputs if name not in have]:
            raise DeviceError(
                f"{engine.what} has no output {missing[0]!r} (it has: {', '.join(sorted(have))}); "
                "export the bundle again"
            )
        self._engine: EngineAccess | None = engine
        self._memory = memory
        self._outputs = tuple(outputs)
        self._names = names or {}
        self._capture = graphs and memory.has_graphs and not engine.own_graphs
        self._kept = max(1, shapes_kept)
        self._cache: OrderedDict[Key, _Prepared] = OrderedDict()
        self._lock = Lock()
        on_device = [tensor for tensor in engine.tensors if not tensor.on_host]
        self._device = {tensor.name: GrowingBlock(memory) for tensor in on_device}
        copied = [t.name for t in on_device if t.is_input or t.name in self._outputs]
        self._pinned = {name: GrowingBlock(memory, pinned=True) for name in copied}
        self._scratch = GrowingBlock(memory)
        with memory.current():
            self._stream = memory.create_stream()

    @property
    def graphs_held(self) -> int:
        """CUDA graphs captured and kept."""
        return sum(prepared.graph is not None for prepared in self._cache.values())

    @property
    def shapes_held(self) -> int:
        """Shapes of the inputs that are set up."""
        return len(self._cache)

    @property
    def device_bytes(self) -> int:
        """Bytes of device memory held for inputs, outputs and scratch."""
        return self._scratch.size + sum(block.size for block in self._device.values())

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Run the engine.

        Args:
            inputs: every input by name; dtypes as the engine has them.

        Returns:
            New arrays, in the order of the outputs asked for.

        Raises:
            DeviceError: a size outside every profile, a wrong input, or CUDA failed.
        """
        with self._lock, self._memory.current():
            prepared = self._ready(inputs)
            self._fill(inputs)
            try:
                self._start(prepared)
            finally:
                # Copies that were under way before a failure still use the buffers.
                self._memory.synchronize(self._stream)
            results = [self._result(prepared, name) for name in self._outputs]
            prepared.runs += 1
            if self._capture and prepared.runs >= 2:  # noqa: PLR2004
                self._capture_graph(prepared)
            return results

    def measure(self, inputs: Mapping[str, Array], repeats: int = 100) -> list[float]:
        """Milliseconds on the GPU, copies included, of each of ``repeats`` runs after warm-up."""
        for _ in range(3):
            self.run(inputs)
        times: list[float] = []
        with self._lock, self._memory.current():
            prepared = self._ready(inputs)
            self._fill(inputs)
            for _ in range(repeats):
                with timed(self._memory, self._stream, times):
                    self._start(prepared)
        return times

    def close(self) -> None:
        """Release contexts, graphs, buffers and stream, in this order. May be called twice."""
        with self._lock:
            if self._engine is None:
                return
            with self._memory.current():
                self._memory.synchronize(self._stream)
                self._forget_all()
                for block in (*self._device.values(), *self._pinned.values(), self._scratch):
                    block.release()
                self._memory.destroy_stream(self._stream)
            self._engine = None

    def _open_engine(self) -> EngineAccess:
        if self._engine is None:
            raise DeviceError("this engine is closed; open it again")
        return self._engine

    def _ready(self, inputs: Mapping[str, Array]) -> _Prepared:
        """The context for these inputs: a kept one, or a new one."""
        engine = self._open_engine()
        check_inputs(engine, inputs)
        key = input_key(engine, inputs)
        prepared = self._cache.get(key)
        if prepared is None:
            while len(self._cache) >= self._kept:
                self._forget(self._cache.popitem(last=False)[1])
            prepared = self._prepare(engine, inputs)
            self._cache[key] = prepared
        self._cache.move_to_end(key)
        return prepared

    def _prepare(self, engine: EngineAccess, inputs: Mapping[str, Array]) -> _Prepared:
        """Set a new context up for the shapes of these inputs."""
        shapes = {name: array.shape for name, array in inputs.items()}
        index = choose_profile(engine.profiles, shapes, self._names, engine.what)
        context = engine.make_context()
        prepared = _Prepared(context, dict(shapes))
        stream = self._stream.address
        self._ok(context.set_optimization_profile_async(index, stream), f"select profile {index}")
        self._memory.synchronize(self._stream)
        for name, shape in shapes.items():
            self._ok(context.set_input_shape(name, shape), f"take {name} of shape {shape}")
        for tensor in engine.tensors:
            if tensor.on_host and tensor.is_input:
                # TensorRT reads it while it infers shapes, so the copy must outlive the context.
                values = np.array(inputs[tensor.name], order="C")
                prepared.host[tensor.name] = values
                self._address(context, tensor.name, values.ctypes.data)
        self._infer(prepared, engine)
        self._reserve(prepared, engine)
        return prepared

    def _infer(self, prepared: _Prepared, engine: EngineAccess) -> None:
        """Let TensorRT work the shapes of the outputs out."""
        try:
            missing = prepared.context.infer_shapes()
        except RuntimeError as error:
            raise DeviceError(f"{engine.what} cannot infer its shapes: {error}") from error
        if missing:
            raise DeviceError(f"{engine.what} needs more to infer its shapes: {', '.join(missing)}")
        for tensor in engine.tensors:
            if tensor.is_input:
                continue
            shape = tuple(int(side) for side in prepared.context.get_tensor_shape(tensor.name))
            if any(side < 0 for side in shape):
                raise DeviceError(
                    f"{engine.what}: the shape of {tensor.name} depends on values {shape}, which "
                    "this runtime does not support; export the bundle again"
                )
            prepared.shapes[tensor.name] = shape

    def _reserve(self, prepared: _Prepared, engine: EngineAccess) -> None:
        """Give a context its buffers; where one moves, everything that knew its place goes."""
        context = prepared.context
        scratch = max(0, context.update_device_memory_size_for_shapes())
        sizes = {t.name: t.bytes(prepared.shapes[t.name]) for t in engine.tensors}
        wanted = [(block, sizes[name]) for name, block in self._device.items()]
        wanted += [(block, sizes[name]) for name, block in self._pinned.items()]
        wanted += [(self._scratch, scratch)]
        if any(size > block.size for block, size in wanted):
            self._forget_all()
        for block, size in wanted:
            block.reserve(size)
        engine.set_scratch(context, self._scratch.block.address, self._scratch.size)
        for tensor in engine.tensors:
            if not tensor.on_host:
                block = self._device[tensor.name].block
                self._address(context, tensor.name, block.address)
            elif not tensor.is_input:
                values = np.empty(prepared.shapes[tensor.name], tensor.dtype)
                prepared.host[tensor.name] = values
                self._address(context, tensor.name, values.ctypes.data)

    def _fill(self, inputs: Mapping[str, Array]) -> None:
        """Copy the inputs into pinned memory."""
        for name, array in inputs.items():
            if name in self._pinned:
                view = self._pinned[name].block.host[: array.nbytes]
                np.copyto(view.view(array.dtype).reshape(array.shape), array)

    def _start(self, prepared: _Prepared) -> None:
        """Put one run into the stream."""
        if prepared.graph is not None:
            self._memory.launch(prepared.graph, self._stream)
        else:
            self._enqueue(prepared)

    def _enqueue(self, prepared: _Prepared) -> None:
        """Copies in, the engine, copies out; this is also what a graph is captured from."""
        engine = self._open_engine()
        sizes = {t.name: t.bytes(prepared.shapes[t.name]) for t in engine.tensors}
        inputs = {tensor.name for tensor in engine.tensors if tensor.is_input}
        for name, pinned in self._pinned.items():
            if name in inputs:
                target = self._device[name].block
                self._memory.upload(target, pinned.block, sizes[name], self._stream)
        self._ok(prepared.context.execute_async_v3(self._stream.address), "run")
        for name, pinned in self._pinned.items():
            if name not in inputs:
                source = self._device[name].block
                self._memory.download(pinned.block, source, sizes[name], self._stream)

    def _capture_graph(self, prepared: _Prepared) -> None:
        """Capture the graph of a context that has already run, unless that was tried before."""
        if prepared.graph is not None or not prepared.may_capture:
            return
        prepared.may_capture = False
        try:
            prepared.graph = self._memory.capture(self._stream, lambda: self._enqueue(prepared))
        except DeviceError as error:
            log.warning("no CUDA graph, running without: %s", error)

    def _result(self, prepared: _Prepared, name: str) -> Array:
        """A copy of an output."""
        if name in prepared.host:
            return prepared.host[name].copy()
        tensor = next(t for t in self._open_engine().tensors if t.name == name)
        shape = prepared.shapes[name]
        view = self._pinned[name].block.host[: tensor.bytes(shape)]
        return view.view(tensor.dtype).reshape(shape).copy()

    def _address(self, context: ExecutionContext, name: str, address: int) -> None:
        self._ok(context.set_tensor_address(name, address), f"take the memory of {name}")

    def _ok(self, done: bool, action: str) -> None:
        """Turn TensorRT's ``False`` into an error with what its log says."""
        if not done:
            engine = self._open_engine()
            raise DeviceError(f"{engine.what} did not {action}: {engine.problem()}")

    def _forget(self, prepared: _Prepared) -> None:
        """Release what was kept for a shape; nothing may be running."""
        graph, prepared.graph = prepared.graph, None
        if graph is not None:
            self._memory.destroy_graph(graph)

    def _forget_all(self) -> None:
        while self._cache:
            self._forget(self._cache.popitem()[1])
