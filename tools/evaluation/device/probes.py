"""What is installed and what really works: each question is answered by trying."""

from __future__ import annotations

import ctypes
import io
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import metadata
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from ....runtime.backends.onnx import PROVIDERS, load_cuda_libraries
from ....runtime.bundle.folder import Bundle
from ....runtime.bundle.recipes import TASKS
from ....runtime.errors import BundleError, QatmError
from ....runtime.version import __version__
from ...console import one_line

Record = dict[str, Any]


class InstalledPackage(NamedTuple):
    """A package to look for: the name to show, the wheels that bring it, the module it gives."""

    name: str
    wheels: tuple[str, ...]
    module: str


PACKAGES = (
    InstalledPackage("numpy", ("numpy",), "numpy"),
    InstalledPackage(
        "opencv",
        (
            "opencv-python-headless",
            "opencv-python",
            "opencv-contrib-python-headless",
            "opencv-contrib-python",
        ),
        "cv2",
    ),
    InstalledPackage("onnxruntime", ("onnxruntime",), "onnxruntime"),
    InstalledPackage("onnxruntime-gpu", ("onnxruntime-gpu",), "onnxruntime"),
    InstalledPackage("torch", ("torch",), "torch"),
    InstalledPackage("onnx", ("onnx",), "onnx"),
    InstalledPackage("onnxscript", ("onnxscript",), "onnxscript"),
    InstalledPackage("scikit-image", ("scikit-image",), "skimage"),
    InstalledPackage("tensorrt", ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"), "tensorrt"),
    InstalledPackage(
        "tensorrt_rtx",
        ("tensorrt-rtx", "tensorrt-rtx-cu13", "tensorrt-rtx-cu12"),
        "tensorrt_rtx",
    ),
    InstalledPackage("cuda-python", ("cuda-python", "cuda-bindings"), "cuda.bindings"),
    InstalledPackage("pycuda", ("pycuda",), "pycuda"),
)
UNKNOWN_VERSION = "unknown version"
REMOTE_PROVIDERS = ("AzureExecutionProvider",)
QUIET = 4
CUDA_OK = 0
COMPUTE_MAJOR, COMPUTE_MINOR = 75, 76


def installed() -> dict[str, str | None]:
    """The version of each package, ``None`` where it is not installed."""
    versions: dict[str, str | None] = {
        "qatm": __version__,
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        found = [version for wheel in package.wheels if (version := wheel_version(wheel))]
        versions[package.name] = found[0] if found else None
    for package in PACKAGES:
        siblings = [other.name for other in PACKAGES if other.module == package.module]
        if not any(versions[name] for name in siblings) and _has_module(package.module):
            versions[package.name] = UNKNOWN_VERSION
    return versions


def cuda_driver() -> Record:
    """Ask the NVIDIA driver which GPUs it can use; loads no CUDA package.

    Returns:
        ``works``, ``detail`` (why not), ``cuda`` (newest CUDA version of the driver) and ``gpus``
        (names with the compute capability).
    """
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    nothing: Record = {"works": False, "detail": "", "cuda": None, "gpus": []}
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return nothing | {"detail": f"no NVIDIA driver ({name} is not there)"}
    status = driver.cuInit(0)
    if status != CUDA_OK:
        return nothing | {"detail": f"the NVIDIA driver does not start (cuInit gives {status})"}
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))
    driver.cuDeviceGetCount(ctypes.byref(count))
    gpus = [_gpu_name(driver, index) for index in range(count.value)]
    return {
        "works": bool(gpus),
        "detail": "" if gpus else "the NVIDIA driver sees no GPU",
        "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}",
        "gpus": gpus,
    }


def default_bundle() -> Record:
    """The bundle that ``Matcher()`` loads, and whether its files are what its manifest says."""
    record: Record = {"path": "", "valid": False, "detail": "", "backbone": None, "precisions": []}
    record["calibrated"] = {}
    try:
        bundle = Bundle.load()
        for precision in bundle.precisions():
            bundle.file("features", precision)
    except BundleError as error:
        return record | {"detail": str(error)}
    return {
        "path": str(bundle.path),
        "valid": True,
        "detail": "",
        "backbone": bundle.spec.backbone.label,
        "precisions": bundle.precisions(),
        "calibrated": {task: bundle.spec.calibrated(task) for task in TASKS},
    }


def providers() -> dict[str, Record]:
    """Run the features graph on each provider that ONNX Runtime lists.

    The list alone proves nothing: a GPU build names CUDA on machines without a GPU.
    """
    try:
        import onnxruntime
    except ImportError:
        return {}
    names = [p for p in onnxruntime.get_available_providers() if p not in REMOTE_PROVIDERS]
    return {name: _try_provider(onnxruntime, name) for name in names}


def try_device(device: str) -> Record:
    """Match a small picture on a device: ``works``, ``detail`` (why not, or the provider)."""
    from ....runtime import Matcher

    try:
        with _no_output(), Matcher(device=device) as matcher:
            picture = _picture()
            matcher.set_template(picture, box=(32, 32, 32, 32))
            matcher.match(picture)
            info = matcher.info
    except QatmError as error:
        return {"works": False, "detail": one_line(str(error)), "info": None}
    except Exception as error:  # a broken installation fails in ways that nobody can list
        detail = one_line(f"{type(error).__name__}: {error}")
        return {"works": False, "detail": detail, "info": None}
    detail = f"{info.provider}, {info.precision}"
    return {"works": True, "detail": detail, "info": info.as_dict()}


def wheel_version(name: str) -> str | None:
    """The version of an installed wheel."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _has_module(name: str) -> bool:
    """Whether a module can be imported; an empty folder of its name (type stubs) does not count."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None


def _gpu_name(driver: Any, index: int) -> str:
    """Name and compute capability of a GPU."""
    device, major, minor = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(0)
    text = ctypes.create_string_buffer(128)
    driver.cuDeviceGet(ctypes.byref(device), index)
    driver.cuDeviceGetName(text, len(text), device)
    driver.cuDeviceGetAttribute(ctypes.byref(major), COMPUTE_MAJOR, device)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), COMPUTE_MINOR, device)
    name = text.value.decode(errors="replace")
    return f"{name} (compute capability {major.value}.{minor.value})"


def _try_provider(onnxruntime: Any, name: str) -> Record:
    """Run the default features graph on a provider and see which one really ran it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    path = Bundle.load().file("features", "fp32")
    try:
        if name == PROVIDERS["cuda"]:
            load_cuda_libraries(onnxruntime)
        with _no_output():
            session = onnxruntime.InferenceSession(str(path), options, providers=[name])
            session.run(None, {session.get_inputs()[0].name: _picture()[None]})
        used = session.get_providers()[0]
    except Exception as error:  # each provider has exceptions of its own
        return {"works": False, "detail": one_line(str(error))[:200]}
    if used != name:
        return {"works": False, "detail": f"ONNX Runtime fell back to {used}"}
    return {"works": True, "detail": ""}


def _picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A small picture with texture, ``(128, 128, 3)`` uint8."""
    return np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)


@contextmanager
def _no_output() -> Iterator[None]:
    """Keep ONNX Runtime's own ``print`` of a failed provider off our stdout."""
    with redirect_stdout(io.StringIO()):
        yield
