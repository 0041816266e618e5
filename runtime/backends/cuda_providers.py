"""The two packages behind :mod:`.cuda_memory`, the only module that imports either."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DeviceError
from .cuda_memory import Block, Handle, same_context

if TYPE_CHECKING:
    from cuda.bindings import runtime


def _import_cuda_python() -> tuple[Any, str] | None:
    """The CUDA runtime bindings and their version, or ``None`` where they are not installed."""
    try:
        from cuda import bindings
        from cuda.bindings import runtime as cudart
    except ImportError:
        pass
    else:
        return cudart, str(bindings.__version__)
    try:
        import cuda
        from cuda import cudart  # the name before cuda-python 12.6
    except ImportError:
        return None
    return cudart, str(getattr(cuda, "__version__", "before 12.6"))


class CudaPython:
    """CUDA through ``cuda-python``: the runtime API, on the device's primary context.

    A context that the application made current in the calling thread is used as it is.
    """

    has_graphs = True

    def __init__(self, bindings: Any, version: str, device: int | None) -> None:
        if TYPE_CHECKING:
            self._cuda = runtime  # lets checkers compare every call with the package
        else:
            self._cuda = bindings
        self.provider = f"cuda-python {version}"
        # The first call tells whether driver and GPU can be used at all.
        count = self._call("looking for a GPU", self._cuda.cudaGetDeviceCount())
        if count < 1 or (device is not None and not 0 <= device < count):
            raise DeviceError(f"GPU {device or 0} was asked for, but CUDA sees {count}")
        current = self._call("reading the current GPU", self._cuda.cudaGetDevice())
        self._device = current if device is None else device
        kind = self._cuda.cudaDeviceAttr
        major, minor = (
            self._call("reading the GPU", self._cuda.cudaDeviceGetAttribute(attr, self._device))
            for attr in (
                kind.cudaDevAttrComputeCapabilityMajor,
                kind.cudaDevAttrComputeCapabilityMinor,
            )
        )
        self.compute_capability = 10 * major + minor
        properties = self._call("reading the GPU", self._cuda.cudaGetDeviceProperties(self._device))
        self.device_name = bytes(properties.name).rstrip(b"\0").decode(errors="replace")

    @classmethod
    def open(cls, device: int | None) -> CudaPython | None:
        """Open a GPU; ``None`` where the package is not installed."""
        found = _import_cuda_python()
        return None if found is None else cls(*found, device)

    def _call(self, action: str, result: tuple[Any, ...]) -> Any:
        """The value of a call, or its error as an exception."""
        status, *values = result
        if status != self._cuda.cudaError_t.cudaSuccess:
            name = getattr(status, "name", str(status))
            text = self._cuda.cudaGetErrorString(status)[1]
            detail = text.decode() if isinstance(text, bytes) else text
            raise DeviceError(f"CUDA failed {action}: {detail} ({name})")
        return values[0] if values else None

    @contextmanager
    def current(self) -> Iterator[None]:
        """Select the GPU in the calling thread, and the former one afterwards."""
        before = self._call("reading the current GPU", self._cuda.cudaGetDevice())
        if before == self._device:
            yield
            return
        self._call("selecting the GPU", self._cuda.cudaSetDevice(self._device))
        try:
            yield
        finally:
            self._call("selecting the former GPU", self._cuda.cudaSetDevice(before))

    def allocate(self, size: int) -> Block:
        """Device memory."""
        action = f"allocating {size:,} bytes on the GPU"
        return Block(int(self._call(action, self._cuda.cudaMalloc(size))), size)

    def free(self, block: Block) -> None:
        """Give device memory back."""
        self._call("freeing GPU memory", self._cuda.cudaFree(block.address))

    def allocate_pinned(self, size: int) -> Block:
        """Page-locked host memory."""
        action = f"allocating {size:,} bytes of pinned memory"
        address = int(self._call(action, self._cuda.cudaHostAlloc(size, 0)))
        raw = (ctypes.c_uint8 * size).from_address(address)
        return Block(address, size, array=np.ctypeslib.as_array(raw))

    def free_pinned(self, block: Block) -> None:
        """Give page-locked host memory back."""
        block.array = None
        self._call("freeing pinned memory", self._cuda.cudaFreeHost(block.address))

    def upload(self, target: Block, source: Block, size: int, stream: Handle) -> None:
        """Pinned to device memory."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call(
            "copying to the GPU",
            self._cuda.cudaMemcpyAsync(target.address, source.address, size, kind, stream.owner),
        )

    def download(self, target: Block, source: Block, size: int, stream: Handle) -> None:
        """Device to pinned memory."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call(
            "copying from the GPU",
            self._cuda.cudaMemcpyAsync(target.address, source.address, size, kind, stream.owner),
        )

    def create_stream(self) -> Handle:
        """A stream that does not wait for the default one."""
        flags = self._cuda.cudaStreamNonBlocking
        stream = self._call("making a stream", self._cuda.cudaStreamCreateWithFlags(flags))
        return Handle(int(stream), stream)

    def synchronize(self, stream: Handle) -> None:
        """Wait for a stream."""
        self._call("running on the GPU", self._cuda.cudaStreamSynchronize(stream.owner))

    def destroy_stream(self, stream: Handle) -> None:
        """Give a stream back."""
        self._call("releasing a stream", self._cuda.cudaStreamDestroy(stream.owner))

    def create_event(self) -> Handle:
        """An event that can be timed."""
        event = self._call("making an event", self._cuda.cudaEventCreate())
        return Handle(int(event), event)

    def record(self, event: Handle, stream: Handle) -> None:
        """Put an event into a stream."""
        self._call("recording an event", self._cuda.cudaEventRecord(event.owner, stream.owner))

    def elapsed_ms(self, start: Handle, end: Handle) -> float:
        """Milliseconds between two events."""
        self._call("running on the GPU", self._cuda.cudaEventSynchronize(end.owner))
        elapsed = self._cuda.cudaEventElapsedTime(start.owner, end.owner)
        return float(self._call("timing", elapsed))

    def destroy_event(self, event: Handle) -> None:
        """Give an event back."""
        self._call("releasing an event", self._cuda.cudaEventDestroy(event.owner))

    def capture(self, stream: Handle, work: Callable[[], None]) -> Handle:
        """Record work as an executable graph; what other threads do meanwhile does not matter."""
        try:
            return self._captured(stream, work)
        except BaseException:
            # CUDA remembers the failure, and the next library that asks would take it for its own.
            self._cuda.cudaGetLastError()
            raise

    def _captured(self, stream: Handle, work: Callable[[], None]) -> Handle:
        """Record work; the stream leaves capture mode whatever happens."""
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("capturing a graph", self._cuda.cudaStreamBeginCapture(stream.owner, mode))
        try:
            work()
        except BaseException:
            # The graph, if any, is incomplete.
            status, graph = self._cuda.cudaStreamEndCapture(stream.owner)
            if status == self._cuda.cudaError_t.cudaSuccess:
                self._cuda.cudaGraphDestroy(graph)
            raise
        graph = self._call("capturing a graph", self._cuda.cudaStreamEndCapture(stream.owner))
        try:
            made = self._cuda.cudaGraphInstantiateWithFlags(graph, 0)
            executable = self._call("preparing a graph", made)
        finally:
            self._call("releasing a graph", self._cuda.cudaGraphDestroy(graph))
        return Handle(int(executable), executable)

    def launch(self, graph: Handle, stream: Handle) -> None:
        """Put a graph into a stream."""
        self._call("launching a graph", self._cuda.cudaGraphLaunch(graph.owner, stream.owner))

    def destroy_graph(self, graph: Handle) -> None:
        """Give a graph back."""
        self._call("releasing a graph", self._cuda.cudaGraphExecDestroy(graph.owner))

    def close(self) -> None:
        """Nothing to do: the primary context belongs to the process."""


class PyCuda:
    """CUDA through ``pycuda``: the application's context, or else the device's primary one."""

    has_graphs = False

    def __init__(self, device: int | None) -> None:
        import pycuda
        from pycuda import driver

        self._driver = driver
        self.provider = f"pycuda {pycuda.VERSION_TEXT}"
        with self._errors("looking for a GPU"):
            driver.init()
            shared = driver.Context.get_current()
            count = driver.Device.count()
            if count < 1 or (device is not None and not 0 <= device < count):
                raise DeviceError(f"GPU {device or 0} was asked for, but CUDA sees {count}")
            self._owned = shared is None or device is not None
            if shared is None or device is not None:
                gpu = driver.Device(device or 0)
                self._context = gpu.retain_primary_context()
            else:
                gpu = driver.Context.get_device()
                self._context = shared
            major, minor = gpu.compute_capability()
            self.compute_capability = 10 * major + minor
            self.device_name = gpu.name()

    @classmethod
    def open(cls, device: int | None) -> PyCuda | None:
        """Open a GPU; ``None`` where the package is not installed."""
        try:
            from pycuda import driver  # noqa: F401
        except ModuleNotFoundError:
            return None
        except ImportError as error:
            raise DeviceError(f"pycuda is installed but cannot be loaded: {error}") from error
        return cls(device)

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        """Turn pycuda's exceptions into ours."""
        try:
            yield
        except (self._driver.Error, MemoryError) as error:
            raise DeviceError(f"CUDA failed {action}: {error}") from error

    @contextmanager
    def current(self) -> Iterator[None]:
        """Push the context in the calling thread, and pop it afterwards."""
        with self._errors("entering the context"):
            self._context.push()
        try:
            yield
        finally:
            self._driver.Context.pop()

    def allocate(self, size: int) -> Block:
        """Device memory."""
        with self._errors(f"allocating {size:,} bytes on the GPU"):
            memory = self._driver.mem_alloc(size)
        return Block(int(memory), size, memory)

    def free(self, block: Block) -> None:
        """Give device memory back."""
        with self._errors("freeing GPU memory"):
            block.owner.free()

    def allocate_pinned(self, size: int) -> Block:
        """Page-locked host memory."""
        with self._errors(f"allocating {size:,} bytes of pinned memory"):
            array = self._driver.pagelocked_empty(size, np.uint8)
        return Block(array.ctypes.data, size, array.base, array)

    def free_pinned(self, block: Block) -> None:
        """Give page-locked host memory back."""
        block.array = None
        with self._errors("freeing pinned memory"):
            block.owner.free()

    def upload(self, target: Block, source: Block, size: int, stream: Handle) -> None:
        """Pinned to device memory."""
        with self._errors("copying to the GPU"):
            self._driver.memcpy_htod_async(target.address, source.host[:size], stream.owner)

    def download(self, target: Block, source: Block, size: int, stream: Handle) -> None:
        """Device to pinned memory."""
        with self._errors("copying from the GPU"):
            self._driver.memcpy_dtoh_async(target.host[:size], source.address, stream.owner)

    def create_stream(self) -> Handle:
        """A stream that is not the default one."""
        with self._errors("making a stream"):
            stream = self._driver.Stream()
        return Handle(stream.handle, stream)

    def synchronize(self, stream: Handle) -> None:
        """Wait for a stream."""
        with self._errors("running on the GPU"):
            stream.owner.synchronize()

    def destroy_stream(self, stream: Handle) -> None:
        """Let go of a stream; pycuda destroys it with its last reference."""
        stream.owner = None

    def create_event(self) -> Handle:
        """An event that can be timed."""
        with self._errors("making an event"):
            return Handle(0, self._driver.Event())

    def record(self, event: Handle, stream: Handle) -> None:
        """Put an event into a stream."""
        with self._errors("recording an event"):
            event.owner.record(stream.owner)

    def elapsed_ms(self, start: Handle, end: Handle) -> float:
        """Milliseconds between two events."""
        with self._errors("running on the GPU"):
            end.owner.synchronize()
            return float(start.owner.time_till(end.owner))

    def destroy_event(self, event: Handle) -> None:
        """Let go of an event; pycuda destroys it with its last reference."""
        event.owner = None

    def capture(self, stream: Handle, work: Callable[[], None]) -> Handle:  # noqa: ARG002
        """Not available."""
        raise DeviceError(f"{self.provider} has no CUDA graphs: pip install cuda-python")

    def launch(self, graph: Handle, stream: Handle) -> None:  # noqa: ARG002
        """Not available."""
        raise DeviceError(f"{self.provider} has no CUDA graphs: pip install cuda-python")

    def destroy_graph(self, graph: Handle) -> None:
        """Nothing to do: there are no graphs."""

    def close(self) -> None:
        """Let go of the primary context; one that the application shares stays."""
        if self._owned:
            self._owned = False
            with suppress(self._driver.Error), same_context():
                self._context.detach()
