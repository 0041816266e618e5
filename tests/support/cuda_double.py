"""Stand-ins for a GPU: CUDA memory kept in numpy arrays, and an engine that doubles its input.

They keep CUDA's and TensorRT's rules: an address that was freed cannot be used, what is captured
does not run, a graph replays the addresses and shapes of its capture, and a context must be set up
before it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qatm.runtime.backends.cuda_memory import Block, Handle
from qatm.runtime.backends.engine_access import EngineAccess, EngineTensor
from qatm.runtime.bundle.sidecar import Profile, ShapeRange
from qatm.runtime.errors import DeviceError


class FakeMemory:
    """CUDA memory on the host; counts what is held and what happened."""

    provider = "double 1.0"
    device_name = "Double"

    def __init__(self, graphs: bool = True, sm: int = 86) -> None:
        self.has_graphs = graphs
        self.compute_capability = sm
        self.blocks: dict[int, np.ndarray] = {}
        self.streams = self.graphs = self.events = self.depth = self.launches = 0
        self.closed = False
        self.capture_fails = False
        self._next = 0x1000
        self._recording: list[Callable[[], None]] | None = None
        self.pending: list[Callable[[], None]] = []

    def view(self, address: int) -> np.ndarray:
        """The bytes at an address that is still held."""
        return self.blocks[address]

    def do(self, work: Callable[[], None]) -> None:
        """Put work into the stream, or into the graph being captured."""
        assert self.depth, "CUDA was used outside its context"
        (self.pending if self._recording is None else self._recording).append(work)

    @contextmanager
    def current(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def _new(self, size: int) -> Block:
        assert self.depth, "CUDA was used outside its context"
        assert self._recording is None, "memory was allocated during a capture"
        self._next += 0x1000000
        self.blocks[self._next] = np.full(size, 0xAB, np.uint8)
        return Block(self._next, size)

    def allocate(self, size: int) -> Block:
        return self._new(size)

    def free(self, block: Block) -> None:
        self._run()
        del self.blocks[block.address]

    def allocate_pinned(self, size: int) -> Block:
        block = self._new(size)
        block.array = self.blocks[block.address]
        return block

    free_pinned = free

    def _copy(self, target: Block, source: Block, size: int) -> None:
        def copy() -> None:
            self.view(target.address)[:size] = self.view(source.address)[:size]

        self.do(copy)

    def upload(self, target: Block, source: Block, size: int, stream: Handle) -> None:
        self._copy(target, source, size)

    download = upload

    def create_stream(self) -> Handle:
        self.streams += 1
        return Handle(7, None)

    def _run(self) -> None:
        pending, self.pending = self.pending, []
        for work in pending:
            work()

    def synchronize(self, stream: Handle) -> None:
        assert self._recording is None, "the stream was waited for during a capture"
        self._run()

    def destroy_stream(self, stream: Handle) -> None:
        self.streams -= 1

    def create_event(self) -> Handle:
        self.events += 1
        return Handle(0, None)

    def record(self, event: Handle, stream: Handle) -> None:
        self.do(lambda: None)

    def elapsed_ms(self, start: Handle, end: Handle) -> float:
        self._run()
        return 1.5

    def destroy_event(self, event: Handle) -> None:
        self.events -= 1

    def capture(self, stream: Handle, work: Callable[[], None]) -> Handle:
        if self.capture_fails:
            raise DeviceError("CUDA failed capturing a graph: not permitted")
        self._recording = []
        try:
            work()
        finally:
            recorded, self._recording = self._recording, None
        self.graphs += 1
        return Handle(9, recorded)

    def launch(self, graph: Handle, stream: Handle) -> None:
        assert graph.owner is not None, "a destroyed graph was launched"
        self.launches += 1
        for work in graph.owner:
            self.do(work)

    def destroy_graph(self, graph: Handle) -> None:
        graph.owner = None
        self.graphs -= 1

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeEngine:
    """``x`` (rows, columns) float32 to ``double`` (rows, columns) and ``sum`` (1,).

    With ``host``, an int64 input ``cut`` in host memory says how many rows ``double`` has.
    """

    memory: FakeMemory
    profiles: tuple[Profile, ...]
    host: bool = False
    fails: str = ""
    contexts: list[FakeContext] = field(default_factory=list)
    executions: int = 0

    def access(self, own_graphs: bool = False) -> EngineAccess:
        tensors = [
            EngineTensor("x", True, np.dtype(np.float32)),
            EngineTensor("double", False, np.dtype(np.float32)),
            EngineTensor("sum", False, np.dtype(np.float32)),
        ]
        if self.host:
            tensors.append(EngineTensor("cut", True, np.dtype(np.int64), on_host=True))
        return EngineAccess(
            what="the test engine",
            tensors=tuple(tensors),
            profiles=self.profiles,
            make_context=self.make_context,
            set_scratch=lambda context, address, size: context.set_scratch(address, size),
            problem=lambda: "the log's reason",
            own_graphs=own_graphs,
        )

    def make_context(self) -> FakeContext:
        self.contexts.append(FakeContext(self))
        return self.contexts[-1]


class FakeContext:
    """An execution context of :class:`FakeEngine`."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.profile: int | None = None
        self.shape: tuple[int, ...] | None = None
        self.addresses: dict[str, int] = {}
        self.scratch: int | None = None
        self.host: dict[str, Any] = {}

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        assert stream_handle == 7
        self.profile = profile_index
        return self.engine.fails != "profile"

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert self.profile is not None, "a shape was set before the profile"
        if name == "x":
            self.shape = shape
        return self.engine.profiles[self.profile][name].admits(shape)

    def infer_shapes(self) -> list[str]:
        if self.engine.fails == "infer":
            raise RuntimeError("broken graph")
        return ["cut"] if self.engine.host and "cut" not in self.addresses else []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert self.shape is not None
        if self.engine.fails == "dynamic":
            return (-1,)
        return (1,) if name == "sum" else (self._rows(), self.shape[1])

    def _rows(self) -> int:
        assert self.shape is not None
        if not self.engine.host:
            return self.shape[0]
        import ctypes

        return ctypes.c_int64.from_address(self.addresses["cut"]).value

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return True

    def update_device_memory_size_for_shapes(self) -> int:
        assert self.shape is not None
        return int(np.prod(self.shape)) * 16

    def set_scratch(self, address: int, size: int) -> None:
        assert size >= self.update_device_memory_size_for_shapes()
        self.scratch = address

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert stream_handle == 7
        assert self.scratch is not None
        assert self.shape is not None
        if self.engine.fails == "execute":
            return False
        memory, shape, rows, places = (
            self.engine.memory,
            self.shape,
            self._rows(),
            {**self.addresses},
        )

        def work() -> None:
            self.engine.executions += 1
            memory.view(self.scratch or 0)
            count = int(np.prod(shape))
            values = memory.view(places["x"]).view(np.float32)[:count].reshape(shape)[:rows]
            memory.view(places["double"]).view(np.float32)[: values.size] = 2 * values.ravel()
            memory.view(places["sum"]).view(np.float32)[0] = values.sum()

        memory.do(work)
        return True


def profile(*sides: tuple[int, int], host: bool = False) -> Profile:
    """A profile whose smallest, usual and largest ``x`` are given."""
    shapes = {"x": ShapeRange(*sides)}
    return {**shapes, "cut": ShapeRange((), (), ())} if host else shapes
