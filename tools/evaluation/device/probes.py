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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ....runtime.backends.cuda_memory import driver_problem
from ....runtime.backends.cuda_options import load_cuda_libraries
from ....runtime.backends.graph import Device, Precision
from ....runtime.backends.onnx import PROVIDERS, import_onnxruntime
from ....runtime.bundle.folder import Bundle
from ....runtime.bundle.recipes import TASKS
from ....runtime.bundle.sidecar import engine_problems
from ....runtime.errors import QatmError
from ....runtime.opencv import WHEELS, opencv_problem, opencv_wheels
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
    InstalledPackage("opencv", WHEELS, "cv2"),
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
    InstalledPackage("openvino", ("openvino",), "openvino"),
    InstalledPackage("cuda-python", ("cuda-python", "cuda-bindings"), "cuda.bindings"),
    InstalledPackage("pycuda", ("pycuda",), "pycuda"),
)
UNKNOWN_VERSION = "unknown version"
REMOTE_PROVIDERS = ("AzureExecutionProvider",)
NVIDIA_PROVIDERS = (
    PROVIDERS["cuda"],
    *("TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider"),
)
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
    if not versions["opencv"] and (version := opencv()["version"]):
        versions["opencv"] = version
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


def opencv() -> Record:
    """Whether OpenCV works, where it comes from, and which others are hidden behind it.

    Returns:
        ``works``, ``detail`` (why not, and the cure), ``version``, ``path`` of the one that is
        imported, ``wheels`` (versions by name; none for JetPack's and a distribution's), and
        ``hidden`` (folders of further ones).
    """
    problem = opencv_problem()
    record: Record = {"works": problem is None, "detail": problem or "", "version": None}
    places = list(dict.fromkeys(filter(None, map(_opencv_in, sys.path))))
    # OpenCV's own folder, which a failed import leaves in the path, holds no second one.
    places = [place for place in places if not set(place.parents) & set(places)]
    if problem is None:
        import cv2

        record["version"] = str(cv2.__version__)
        home = Path(str(cv2.__file__)).parent
        places.sort(key=lambda place: not home.is_relative_to(place.resolve()))
    return record | {
        "path": str(places[0]) if places else None,
        "wheels": opencv_wheels(),
        "hidden": [str(place) for place in places[1:]],
    }


def bundle_state(model: Path | None = None) -> Record:
    """A bundle, and whether its files are what its manifest says.

    Args:
        model: its folder; ``None`` is the one that ``Matcher()`` loads.
    """
    record: Record = {"path": str(model or ""), "valid": False, "detail": "", "backbone": None}
    record |= {"precisions": [], "calibrated": {}, "engines": []}
    try:
        bundle = Bundle.load(model)
        for info in bundle.spec.files.values():
            bundle.file(info.role, info.precision)
    except QatmError as error:
        return record | {"detail": str(error)}
    return {
        "path": str(bundle.path),
        "valid": True,
        "detail": "",
        "backbone": bundle.spec.backbone.label,
        "precisions": bundle.precisions(),
        "calibrated": {task: bundle.spec.calibrated(task) for task in TASKS},
        "engines": engine_problems(bundle),
    }


def providers() -> dict[str, Record]:
    """Run the features graph on each provider that ONNX Runtime lists.

    The list alone proves nothing: a GPU build names CUDA on machines without a GPU.
    """
    try:
        onnxruntime = import_onnxruntime()
        names = onnxruntime.get_available_providers()
    except Exception:  # what is wrong with it, the devices say
        return {}
    names = [name for name in names if name not in REMOTE_PROVIDERS]
    return {name: _try_provider(onnxruntime, name) for name in names}


def try_device(device: Device, model: Path | None = None, precision: Precision = "auto") -> Record:
    """Match a small picture on a device: ``works``, ``detail`` (why not, or the provider)."""
    if (problem := opencv_problem()) is not None:
        return {"works": False, "detail": problem, "info": None}
    try:
        from ....runtime import Matcher

        with _no_output(), Matcher(model, device, precision=precision) as matcher:
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


def _opencv_in(folder: str) -> Path | None:
    """What a folder of ``sys.path`` has under the name ``cv2``: a package or a library."""
    home = Path(folder or ".")
    names = (home / "cv2", home / "cv2.py", *home.glob("cv2.*.so"), *home.glob("cv2*.pyd"))
    return next((place for place in names if place.exists()), None)


def _has_module(name: str) -> bool:
    """Whether a module can be imported; an empty folder of its name (type stubs) does not count."""
    try:
        spec = find_spec(name)
    except Exception:  # the package above it is imported, and may fail in any way
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
    if name in NVIDIA_PROVIDERS and (problem := driver_problem()):
        return {"works": False, "detail": problem}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    try:
        path = Bundle.load().file("features", "fp32")
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
