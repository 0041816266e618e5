"""Which flavours of TensorRT are installed here, and what each can build for."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...runtime.bundle.sidecar import FLAVOURS
from ...runtime.errors import ExportError

LOG = logging.getLogger(__name__)

INSTALL = {
    "tensorrt": 'pip install "qatm[tensorrt]" (on a Jetson it comes with JetPack)',
    "tensorrt-rtx": 'pip install "qatm[rtx]"',
}

HOW_TO_GET_ENGINES = (
    "no TensorRT engines were built, the ONNX files run as they are; for engines install "
    f"TensorRT-RTX, which needs no GPU to build: {INSTALL['tensorrt-rtx']}, or build on the "
    f"device that will run them, with TensorRT: {INSTALL['tensorrt']}"
)

COMMON_TARGETS = (75, 86, 89, 120)
"""Turing, Ampere, Ada and Blackwell RTX cards."""

NEEDS_OWN_ENGINE = (75,)
"""An engine that includes Turing is restricted to what Turing can do; it gets its own."""

CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76
"""CUDA driver: device attributes of the compute capability."""


@dataclass(frozen=True)
class Flavour:
    """An installed flavour of TensorRT.

    Attributes:
        name: ``tensorrt`` or ``tensorrt-rtx``.
        module: its Python module.
        version: its version.
    """

    name: str
    module: Any
    version: str

    @property
    def cross_targets(self) -> tuple[int, ...]:
        """Compute capabilities it can build for without having such a GPU."""
        if not hasattr(self.module.IBuilderConfig, "set_compute_capability"):
            return ()
        names = self.module.ComputeCapability.__members__
        found = (re.fullmatch(r"SM(\d+)", name) for name in names)
        return tuple(sorted(int(match[1]) for match in found if match))

    def target_groups(self, wanted: Sequence[int]) -> list[tuple[int, ...]]:
        """The compute capabilities to build for, one group per engine.

        Args:
            wanted: what was asked for; empty is this machine's GPU, or the common ones where the
                flavour needs no GPU.

        Raises:
            ExportError: one that the flavour lacks, or no usable GPU where one is needed.
        """
        targets = self.cross_targets
        if not targets:
            return [self._this_gpu(wanted)]
        missing = sorted(set(wanted) - set(targets))
        if missing:
            raise ExportError(
                f"{self.name} {self.version} cannot build for SM {', '.join(map(str, missing))}; "
                f"it has SM {', '.join(map(str, targets))}"
            )
        chosen = sorted(set(wanted or COMMON_TARGETS) & set(targets))
        alone = [(target,) for target in chosen if target in NEEDS_OWN_ENGINE]
        together = tuple(target for target in chosen if target not in NEEDS_OWN_ENGINE)
        return [*alone, together] if together else alone

    def _this_gpu(self, wanted: Sequence[int]) -> tuple[int, ...]:
        """The GPU of this machine, the only target of a flavour that measures kernels on it."""
        here = gpu_capability()
        if isinstance(here, str):
            raise ExportError(
                f"{self.name} builds engines only on the GPU that runs them, and {here}; build on "
                f"that device, or use tensorrt-rtx: {INSTALL['tensorrt-rtx']}"
            )
        others = sorted(set(wanted) - {here})
        if others:
            raise ExportError(
                f"{self.name} {self.version} cannot build for SM {', '.join(map(str, others))}; "
                f"it has SM {here}, the GPU of this machine"
            )
        return (here,)


def find_flavour(engine: str) -> Flavour | None:
    """The flavour to build with.

    Args:
        engine: a flavour's name, or ``auto`` for the first that is installed and works here.

    Returns:
        ``None`` only for ``auto``, where no flavour works.

    Raises:
        ExportError: a named flavour is not installed or cannot be loaded.
    """
    if engine != "auto":
        found = load_flavour(engine)
        if isinstance(found, str):
            raise ExportError(f"engine {engine} was asked for, but {found}")
        return found
    for name in FLAVOURS:
        found = load_flavour(name)
        if isinstance(found, Flavour) and not found.cross_targets:
            here = gpu_capability()
            found = f"{name} needs a GPU to build, and {here}" if isinstance(here, str) else found
        if isinstance(found, Flavour):
            return found
        LOG.info("no engines with %s: %s", name, found)
    return None


def load_flavour(name: str) -> Flavour | str:
    """Import a flavour; a string says why it cannot be used."""
    module_name = FLAVOURS[name]
    if importlib.util.find_spec(module_name) is None:
        return f"the Python module {module_name} is not installed: {INSTALL[name]}"
    try:
        module = importlib.import_module(module_name)
    except (ImportError, OSError, RuntimeError) as error:
        return f"the Python module {module_name} cannot be loaded ({error}): {INSTALL[name]}"
    # A package of type stubs alone makes the import succeed as an empty namespace.
    if not hasattr(module, "Builder"):
        return f"the Python module {module_name} is empty, not the library: {INSTALL[name]}"
    return Flavour(name, module, str(module.__version__))


def gpu_capability() -> int | str:
    """Compute capability of the first GPU, ``10 * major + minor``; a string says why there is none.

    Asks the driver itself, so that no CUDA package is needed.
    """
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return f"there is no NVIDIA driver ({library})"
    if status := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit gives {status})"
    device = ctypes.c_int()
    if driver.cuDeviceGet(ctypes.byref(device), 0):
        return "there is no NVIDIA GPU"
    parts = [ctypes.c_int(), ctypes.c_int()]
    for part, attribute in zip(parts, (CAPABILITY_MAJOR, CAPABILITY_MINOR), strict=True):
        if status := driver.cuDeviceGetAttribute(ctypes.byref(part), attribute, device):
            return f"the GPU's compute capability is unknown (status {status})"
    return 10 * parts[0].value + parts[1].value
