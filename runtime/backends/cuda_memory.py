"""CUDA memory, streams, events and graphs, through ``cuda-python`` or ``pycuda``."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError

DRIVERS = {"win32": "nvcuda.dll"}
"""The driver's library by platform; ``libcuda.so.1`` elsewhere."""


@dataclass(eq=False)
class Block:
    """Memory of ``size`` bytes; pinned host memory also has its bytes as ``array``."""

    address: int
    size: int
    owner: Any = None
    array: NDArray[np.uint8] | None = None

    @property
    def host(self) -> NDArray[np.uint8]:
        """The bytes of pinned memory, ``(size,)`` uint8."""
        if self.array is None:
            raise DeviceError("device memory has no host view; this is a bug in the caller")
        return self.array


@dataclass(eq=False)
class Handle:
    """A stream, an event or an executable graph: its address and the provider's own object."""

    address: int
    owner: Any


class CudaMemory(Protocol):
    """What the TensorRT runtime needs from CUDA.

    Every method raises :class:`DeviceError` where CUDA reports an error. Calls other than
    :meth:`current` and :meth:`close` belong inside ``with memory.current():``.

    Attributes:
        provider: package and version in use.
        has_graphs: whether :meth:`capture` works.
        device_name: the GPU's name.
        compute_capability: ten times the major plus the minor number, for example 89.
    """

    provider: str
    has_graphs: bool
    device_name: str
    compute_capability: int

    def current(self) -> AbstractContextManager[None]:
        """Make this device's context the calling thread's, and put the former one back after."""
        ...

    def allocate(self, size: int) -> Block:
        """Device memory of ``size`` bytes."""
        ...

    def free(self, block: Block) -> None:
        """Give device memory back."""
        ...

    def allocate_pinned(self, size: int) -> Block:
        """Page-locked host memory of ``size`` bytes."""
        ...

    def free_pinned(self, block: Block) -> None:
        """Give page-locked host memory back."""
        ...

    def upload(self, target: Block, source: Block, size: int, stream: Handle) -> None:
        """Copy ``size`` bytes from pinned to device memory, in the stream's order."""
        ...

    def download(self, target: Block, source: Block, size: int, stream: Handle) -> None:
        """Copy ``size`` bytes from device to pinned memory, in the stream's order."""
        ...

    def create_stream(self) -> Handle:
        """A stream of its own, never the default one."""
        ...

    def synchronize(self, stream: Handle) -> None:
        """Wait until everything in a stream is done."""
        ...

    def destroy_stream(self, stream: Handle) -> None:
        """Give a stream back."""
        ...

    def create_event(self) -> Handle:
        """An event that can be timed."""
        ...

    def record(self, event: Handle, stream: Handle) -> None:
        """Put an event into a stream."""
        ...

    def elapsed_ms(self, start: Handle, end: Handle) -> float:
        """Milliseconds between two recorded events; waits for the second."""
        ...

    def destroy_event(self, event: Handle) -> None:
        """Give an event back."""
        ...

    def capture(self, stream: Handle, work: Callable[[], None]) -> Handle:
        """Record what ``work`` puts into a stream, without running it, as an executable graph."""
        ...

    def launch(self, graph: Handle, stream: Handle) -> None:
        """Put a graph into a stream."""
        ...

    def destroy_graph(self, graph: Handle) -> None:
        """Give a graph back."""
        ...

    def close(self) -> None:
        """Give the context back; whatever was allocated must have been freed."""
        ...


def _driver_name() -> str:
    """The driver's library on this platform."""
    return DRIVERS.get(sys.platform, "libcuda.so.1")


def driver_problem() -> str | None:
    """Why the NVIDIA driver cannot be used on this machine, or ``None`` if it can be loaded."""
    name = _driver_name()
    try:
        ctypes.CDLL(name)
    except OSError:
        return (
            f"the NVIDIA driver ({name}) is not on this machine; install it, or use another device"
        )
    return None


def check_driver(device: str) -> None:
    """See that a device that needs the NVIDIA driver has it.

    Raises:
        DeviceError: it cannot be loaded.
    """
    if problem := driver_problem():
        raise DeviceError(f"device {device!r}: {problem}")


@contextmanager
def same_context() -> Iterator[None]:
    """Leave the calling thread with the context that it has now.

    ``pycuda`` makes a context current before it gives it back, and the driver does not take a
    primary context from the thread's stack when it is given back.
    """
    driver = ctypes.CDLL(_driver_name())
    before = _current_context(driver)
    try:
        yield
    finally:
        if _current_context(driver) != before:
            driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))


def _current_context(driver: ctypes.CDLL) -> int | None:
    """The address of the calling thread's context."""
    context = ctypes.c_void_p()
    driver.cuCtxGetCurrent(ctypes.byref(context))
    return context.value


class GrowingBlock:
    """Device or pinned memory that is reused and only ever grows.

    Args:
        memory: where it comes from.
        pinned: page-locked host memory rather than device memory.
    """

    GRANULE = 1 << 16

    def __init__(self, memory: CudaMemory, pinned: bool = False) -> None:
        self._memory = memory
        self._pinned = pinned
        self._block: Block | None = None

    @property
    def size(self) -> int:
        """Bytes held."""
        return 0 if self._block is None else self._block.size

    @property
    def block(self) -> Block:
        """The memory; :meth:`reserve` must have been called."""
        if self._block is None:
            raise DeviceError("memory was used before it was reserved; this is a bug")
        return self._block

    def reserve(self, size: int) -> bool:
        """Hold at least ``size`` bytes; true if the address changed.

        Nothing may be using the old memory any more.
        """
        if self._block is not None and size <= self._block.size:
            return False
        rounded = max(1, -(-size // self.GRANULE)) * self.GRANULE
        self.release()
        allocate = self._memory.allocate_pinned if self._pinned else self._memory.allocate
        self._block = allocate(rounded)
        return True

    def release(self) -> None:
        """Give the memory back."""
        block, self._block = self._block, None
        if block is not None:
            (self._memory.free_pinned if self._pinned else self._memory.free)(block)


@contextmanager
def timed(memory: CudaMemory, stream: Handle, result: list[float]) -> Iterator[None]:
    """Append the milliseconds that what is put into a stream inside took on the GPU."""
    start, end = memory.create_event(), memory.create_event()
    try:
        memory.record(start, stream)
        yield
        memory.record(end, stream)
        result.append(memory.elapsed_ms(start, end))
    finally:
        memory.destroy_event(start)
        memory.destroy_event(end)
