"""CUDA on this machine, through whichever package is installed."""

from __future__ import annotations

import sys

from ..errors import DeviceError
from .cuda_memory import CudaMemory, driver_problem
from .cuda_providers import CudaPython, PyCuda

PROVIDERS = ("cuda-python", "pycuda")
"""The packages that can serve, the better one first: only ``cuda-python`` has CUDA graphs."""

INSTALL = "pip install cuda-python"


def open_memory(provider: str | None = None, device: int | None = None) -> CudaMemory:
    """Open CUDA through a package that is installed.

    Args:
        provider: one of :data:`PROVIDERS`; ``None`` takes ``pycuda`` where the application has
            a current context of it, and otherwise the first one that is installed.
        device: number of the GPU; ``None`` is the current one.

    Raises:
        DeviceError: no driver, no GPU, an unknown provider, or one that is not installed.
    """
    if provider is not None and provider not in PROVIDERS:
        raise DeviceError(
            f"CUDA provider {provider!r} is unknown; choose one of {', '.join(PROVIDERS)}"
        )
    if problem := driver_problem():
        raise DeviceError(problem)
    wanted = [provider] if provider else _preferred()
    for name in wanted:
        opened = _open(name, device)
        if opened is not None:
            return opened
    raise DeviceError(
        f"TensorRT needs {' or '.join(wanted)}, not installed here: {INSTALL}"
        if provider != "pycuda"
        else "CUDA provider 'pycuda' is not installed: pip install pycuda, or use cuda-python"
    )


def _open(name: str, device: int | None) -> CudaMemory | None:
    """Open CUDA through one package, or return ``None`` where that package is not installed."""
    return (CudaPython if name == "cuda-python" else PyCuda).open(device)


def _preferred() -> list[str]:
    """The providers in the order to try."""
    pycuda = sys.modules.get("pycuda.driver")
    if pycuda is not None and pycuda.Context.get_current() is not None:
        return ["pycuda", "cuda-python"]
    return list(PROVIDERS)
