"""CUDA through cuda-python and pycuda: choice, errors, growth, and the real thing on a GPU."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cuda_double import FakeMemory

from qatm.runtime.backends import cuda, cuda_memory, cuda_providers
from qatm.runtime.backends.cuda import PROVIDERS, open_memory
from qatm.runtime.backends.cuda_memory import (
    Block,
    GrowingBlock,
    driver_problem,
)
from qatm.runtime.backends.cuda_providers import CudaPython, PyCuda
from qatm.runtime.errors import DeviceError

without_driver = pytest.mark.skipif(driver_problem() is None, reason="there is a driver")


def installed():
    """The providers whose package is here; the first one where there is none, to say so."""
    modules = {"cuda-python": "cuda", "pycuda": "pycuda"}
    return [name for name in PROVIDERS if find_spec(modules[name])] or [PROVIDERS[0]]


OK = SimpleNamespace(name="cudaSuccess")
BAD = SimpleNamespace(name="cudaErrorMemoryAllocation")


@pytest.fixture
def driver_is_there(monkeypatch):
    monkeypatch.setattr(cuda, "driver_problem", lambda: None)


def one_line(caught):
    text = str(caught.value)
    assert "\n" not in text
    return text


@without_driver
@pytest.mark.parametrize("provider", [None, *PROVIDERS])
def test_missing_driver_is_one_line(provider):
    with pytest.raises(DeviceError, match=r"NVIDIA driver \(.*\) is not on this machine") as caught:
        open_memory(provider)
    one_line(caught)


def test_driver_problem_names_the_library(monkeypatch):
    monkeypatch.setitem(cuda_memory.DRIVERS, sys.platform, "libcuda-of-nobody.so.1")
    problem = driver_problem()
    assert problem is not None
    assert "libcuda-of-nobody.so.1" in problem


def test_unknown_provider():
    with pytest.raises(DeviceError, match="'cupy' is unknown; choose one of cuda-python, pycuda"):
        open_memory("cupy")


@without_driver
def test_cuda_python_without_a_driver_says_what_cuda_says(driver_is_there):
    pytest.importorskip("cuda.bindings.runtime")
    with pytest.raises(DeviceError, match=r"CUDA failed looking for a GPU: .*driver") as caught:
        open_memory("cuda-python")
    one_line(caught)


def test_no_package_names_both(driver_is_there, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(DeviceError, match="needs cuda-python or pycuda, not installed here: pip"):
        open_memory()
    with pytest.raises(DeviceError, match="needs cuda-python, not installed here"):
        open_memory("cuda-python")
    with pytest.raises(DeviceError, match="'pycuda' is not installed: pip install pycuda"):
        open_memory("pycuda")


def test_pycuda_that_cannot_be_loaded_is_one_line(driver_is_there, monkeypatch):
    package = ModuleType("pycuda")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "pycuda", package)

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "pycuda.driver":
                raise ImportError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(DeviceError, match="pycuda is installed but cannot be loaded: libcuda"):
        open_memory("pycuda")


class FakeDriver(ModuleType):
    """The part of ``pycuda.driver`` that is used, with its stack of contexts."""

    class Error(Exception):
        pass

    def __init__(self, current: bool) -> None:
        super().__init__("pycuda.driver")
        self.stack: list[object] = []
        self.log: list[str] = []
        self.application = self.make("application")
        self.primary = self.make("primary")
        if current:
            self.stack.append(self.application)
        gpu = SimpleNamespace(
            name=lambda: "Orin",
            compute_capability=lambda: (8, 7),
            retain_primary_context=lambda: self.primary,
        )

        class Device:
            def __new__(cls, number):
                return gpu

            @staticmethod
            def count():
                return 1

        self.Device = Device
        self.Context = SimpleNamespace(
            get_current=lambda: self.stack[-1] if self.stack else None,
            get_device=lambda: gpu,
            pop=self.stack.pop,
        )
        self.init = lambda: None

    def make(self, name):
        context = SimpleNamespace(detach=lambda: self.log.append(f"detach {name}"))
        context.push = lambda: self.stack.append(context)
        return context

    def mem_alloc(self, size):
        raise self.Error("cuMemAlloc failed: out of memory")


class FakeLibcuda:
    """The driver's own stack of contexts, by address."""

    def __init__(self) -> None:
        self.stack: list[int] = []

    def cuCtxGetCurrent(self, context):  # noqa: N802
        context._obj.value = self.stack[-1] if self.stack else None
        return 0

    def cuCtxPopCurrent_v2(self, context):  # noqa: N802
        context._obj.value = self.stack.pop()
        return 0


@pytest.fixture
def libcuda(monkeypatch):
    library = FakeLibcuda()
    monkeypatch.setattr(cuda_memory.ctypes, "CDLL", lambda name: library)
    return library


@pytest.fixture
def fake_pycuda(monkeypatch, request):
    driver = FakeDriver(request.param)
    package: Any = ModuleType("pycuda")
    package.VERSION_TEXT = "2025.1"
    package.driver = driver
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    return driver


@pytest.mark.parametrize("fake_pycuda", [True], indirect=True)
def test_pycuda_is_preferred_where_the_application_uses_it_and_shares_its_context(
    driver_is_there, fake_pycuda
):
    memory = open_memory()
    assert isinstance(memory, PyCuda)
    assert (memory.provider, memory.has_graphs) == ("pycuda 2025.1", False)
    assert (memory.device_name, memory.compute_capability) == ("Orin", 87)
    with memory.current():
        assert fake_pycuda.stack == [fake_pycuda.application] * 2
        with pytest.raises(DeviceError, match=r"allocating 1,000 bytes .*out of memory"):
            memory.allocate(1000)
    memory.close()
    assert fake_pycuda.stack == [fake_pycuda.application]
    assert fake_pycuda.log == []


@pytest.mark.parametrize("fake_pycuda", [False], indirect=True)
def test_pycuda_without_a_current_context_takes_the_primary_one_and_gives_it_back(
    driver_is_there, fake_pycuda, libcuda
):
    memory = open_memory("pycuda")
    with memory.current():
        assert fake_pycuda.stack == [fake_pycuda.primary]
    assert fake_pycuda.stack == []
    with pytest.raises(ZeroDivisionError), memory.current():
        raise ZeroDivisionError
    assert fake_pycuda.stack == []
    memory.close()
    memory.close()
    assert fake_pycuda.log == ["detach primary"]
    with pytest.raises(DeviceError, match=r"pycuda 2025\.1 has no CUDA graphs"):
        memory.capture(cuda_memory.Handle(0, None), lambda: None)
    with pytest.raises(DeviceError, match="GPU 3 was asked for, but CUDA sees 1"):
        open_memory("pycuda", device=3)


@pytest.mark.parametrize("fake_pycuda", [False], indirect=True)
@pytest.mark.parametrize("others", [[], [17]])
def test_giving_the_primary_context_back_leaves_the_threads_context(
    driver_is_there, fake_pycuda, libcuda, others
):
    libcuda.stack = list(others)
    memory = open_memory("pycuda")
    # What pycuda does: push the context, give it back; the driver leaves it on the stack.
    fake_pycuda.primary.detach = lambda: libcuda.stack.append(99)
    memory.close()
    assert libcuda.stack == others
    # From a thread that does not own the context pycuda pushes nothing.
    memory = open_memory("pycuda")
    fake_pycuda.primary.detach = lambda: None
    memory.close()
    assert libcuda.stack == others


class FakeBindings:
    """The part of cuda-python that is used; every call is logged."""

    cudaError_t = SimpleNamespace(cudaSuccess=OK)  # noqa: N815
    cudaDeviceAttr = SimpleNamespace(  # noqa: N815
        cudaDevAttrComputeCapabilityMajor=8, cudaDevAttrComputeCapabilityMinor=9
    )
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)  # noqa: N815
    cudaStreamNonBlocking = 1  # noqa: N815

    def __init__(self) -> None:
        self.log: list[str] = []
        self.device = 0
        self.answers = {
            "cudaGetDeviceCount": (OK, 2),
            "cudaGetDeviceProperties": (OK, SimpleNamespace(name=b"RTX\0\0")),
            "cudaGetErrorString": (OK, b"out of memory"),
            "cudaStreamCreateWithFlags": (OK, 5),
            "cudaStreamEndCapture": (OK, 6),
            "cudaGraphInstantiateWithFlags": (OK, 8),
        }

    def cudaGetDevice(self):  # noqa: N802
        return OK, self.device

    def cudaSetDevice(self, device):  # noqa: N802
        self.device = device
        return (OK,)

    def cudaDeviceGetAttribute(self, attribute, device):  # noqa: N802
        return OK, attribute

    def __getattr__(self, name):
        def call(*arguments):
            self.log.append(name)
            return self.answers.get(name, (OK,))

        return call


def test_cuda_python_selects_its_gpu_and_puts_the_former_one_back():
    bindings = FakeBindings()
    memory = CudaPython(bindings, "13.0", 1)
    assert (memory.provider, memory.device_name) == ("cuda-python 13.0", "RTX")
    assert memory.compute_capability == 89
    with memory.current():
        assert bindings.device == 1
        with memory.current():
            assert bindings.device == 1
        assert bindings.device == 1
    assert bindings.device == 0
    with pytest.raises(DeviceError, match="GPU 2 was asked for, but CUDA sees 2"):
        CudaPython(bindings, "13.0", 2)


def test_cuda_python_errors_have_cudas_words():
    bindings = FakeBindings()
    memory = CudaPython(bindings, "13.0", None)
    bindings.answers["cudaMalloc"] = (BAD, None)
    text = (
        "CUDA failed allocating 5,000 bytes on the GPU: out of memory (cudaErrorMemoryAllocation)"
    )
    with pytest.raises(DeviceError, match=re.escape(text)):
        memory.allocate(5000)


def test_a_failed_capture_ends_it_and_leaves_no_graph():
    bindings = FakeBindings()
    memory = CudaPython(bindings, "13.0", None)
    stream = memory.create_stream()
    bindings.log.clear()

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        memory.capture(stream, fail)
    assert bindings.log == [
        "cudaStreamBeginCapture",
        "cudaStreamEndCapture",
        "cudaGraphDestroy",
        "cudaGetLastError",
    ]
    bindings.log.clear()
    bindings.answers["cudaGraphInstantiateWithFlags"] = (BAD, None)
    with pytest.raises(DeviceError, match="preparing a graph"):
        memory.capture(stream, lambda: None)
    assert bindings.log[-1] == "cudaGetLastError", "no library must take it for its own error"
    bindings.answers["cudaGraphInstantiateWithFlags"] = (OK, 8)
    bindings.log.clear()
    graph = memory.capture(stream, lambda: None)
    memory.destroy_graph(graph)
    assert bindings.log == [
        "cudaStreamBeginCapture",
        "cudaStreamEndCapture",
        "cudaGraphInstantiateWithFlags",
        "cudaGraphDestroy",
        "cudaGraphExecDestroy",
    ]


def test_calls_used_of_cuda_python_exist_with_these_parameters():
    """typings/ is what checkers compare the calls with; this compares it with the package."""
    bindings = pytest.importorskip("cuda.bindings.runtime")
    from stub_files import TYPINGS, functions_of

    for name, parameters in functions_of(TYPINGS / "cuda/bindings/runtime.pyi").items():
        signature = (getattr(bindings, name).__doc__ or "").splitlines()[0]
        inside = signature[signature.index("(") + 1 : signature.rindex(")")]
        parts = [part.strip() for part in inside.split(",") if part.strip()]
        real = [re.split(r"[:=]", part)[0].split()[-1] for part in parts]
        assert real == parameters, name
    for kind in ("cudaError_t", "cudaDeviceAttr", "cudaMemcpyKind", "cudaStreamCaptureMode"):
        assert hasattr(bindings, kind)


def test_growing_block():
    memory = FakeMemory()
    with memory.current():
        block = GrowingBlock(memory)
        with pytest.raises(DeviceError, match="before it was reserved"):
            _ = block.block
        assert block.reserve(10)
        first = block.block
        assert not block.reserve(block.size)
        assert not block.reserve(1)
        assert block.block is first
        assert block.reserve(block.size + 1)
        assert block.size % GrowingBlock.GRANULE == 0
        assert len(memory.blocks) == 1
        block.release()
        block.release()
    assert memory.blocks == {}
    assert block.size == 0


def test_device_memory_has_no_host_view():
    with pytest.raises(DeviceError, match="no host view"):
        _ = Block(1, 1).host


@pytest.mark.gpu
@pytest.mark.parametrize("provider", installed())
def test_round_trip_on_a_gpu(provider):
    memory = open_memory(provider)
    assert memory.compute_capability >= 50
    assert memory.device_name
    with memory.current():
        stream = memory.create_stream()
        device, there, back = memory.allocate(4096), *(memory.allocate_pinned(4096) for _ in "ab")
        start, end = memory.create_event(), memory.create_event()

        def work():
            memory.upload(device, there, 4096, stream)
            memory.download(back, device, 4096, stream)

        there.host[:] = np.arange(4096) % 251
        memory.record(start, stream)
        work()
        memory.record(end, stream)
        assert memory.elapsed_ms(start, end) >= 0
        memory.synchronize(stream)
        np.testing.assert_array_equal(back.host, there.host)
        if memory.has_graphs:
            graph = memory.capture(stream, work)
            there.host[:] = 7
            memory.launch(graph, stream)
            memory.synchronize(stream)
            assert (back.host == 7).all()
            memory.destroy_graph(graph)
        for event in (start, end):
            memory.destroy_event(event)
        memory.free(device)
        memory.free_pinned(there)
        memory.free_pinned(back)
        memory.destroy_stream(stream)
    memory.close()


@pytest.mark.gpu
def test_out_of_memory_on_a_gpu_is_one_line():
    memory = open_memory()
    with memory.current(), pytest.raises(DeviceError, match=r"allocating .* on the GPU") as caught:
        memory.allocate(1 << 50)
    one_line(caught)
    memory.close()


def test_import_of_cuda_python_is_found_by_either_name(monkeypatch):
    legacy: Any = ModuleType("cuda")
    legacy.cudart = ModuleType("cuda.cudart")
    monkeypatch.setitem(sys.modules, "cuda", legacy)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.setitem(sys.modules, "cuda.cudart", legacy.cudart)
    assert cuda_providers._import_cuda_python() == (legacy.cudart, "before 12.6")
