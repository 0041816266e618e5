"""Which device runs a bundle: what was asked for, or the best one that really works."""

from __future__ import annotations

import logging

from ..arguments import as_count
from ..bundle.folder import Bundle
from ..errors import DeviceError, QatmError
from ..kinds import Bound
from .graph import Backend, named_device, named_precision

LOG = logging.getLogger(__name__)

MOST_THREADS: Bound[int] = 4096

AUTO_ORDER = ("tensorrt", "tensorrt-rtx", "cuda", "cpu")
"""What ``auto`` tries, best first. OpenVINO has to be asked for: on a CPU it gains nothing."""

ORDERS = {"auto": AUTO_ORDER, "gpu": tuple(name for name in AUTO_ORDER if name != "cpu")}
"""What is tried for a name that stands for several devices."""

FILE_PRECISIONS = {
    ("cpu", "auto"): ("fp32",),
    ("cpu", "int8"): ("int8-cpu",),
    ("cuda", "auto"): ("fp16", "fp32"),
}
"""Which of a bundle's files serve a device and a precision, best first; others are as named."""


def open_backend(
    bundle: Bundle, device: str = "auto", precision: str = "auto", threads: int | None = None
) -> Backend:
    """Open a bundle on a device.

    ``auto`` takes the first device of :data:`AUTO_ORDER` that really works, ``gpu`` the first that
    is no CPU.

    Raises:
        DeviceError: an unknown name, or what was asked for is not there.
        BundleError: the bundle lacks the precision, or a file of it is damaged.
    """
    named_device(device)
    named_precision(precision)
    if threads is not None and not 1 <= as_count(threads, "threads") <= MOST_THREADS:
        raise DeviceError(f"threads is {threads}; give 1 to {MOST_THREADS}, or None")
    if device not in ORDERS:
        return _open(bundle, device, precision, threads)
    reasons: list[str] = []
    for candidate in ORDERS[device]:
        try:
            return _open(bundle, candidate, precision, threads)
        except DeviceError as error:
            LOG.info("device %s passed over: %s", candidate, error)
            reasons.append(str(error))
    which = "device" if device == "auto" else device.upper()
    raise DeviceError(f"no {which} works: " + "; ".join(reasons))


def works(bundle: Bundle, device: str) -> str | None:
    """Why a device does not work here, or ``None`` if it does."""
    try:
        open_backend(bundle, device).close()
    except QatmError as error:
        return str(error)
    return None


def _open(bundle: Bundle, device: str, precision: str, threads: int | None) -> Backend:
    """Open a bundle on one named device."""
    if device in ("cpu", "cuda"):
        from .onnx import OnnxBackend

        return OnnxBackend(bundle, device, _file_precision(bundle, device, precision), threads)
    if device.startswith("openvino"):
        from .openvino import OpenVinoBackend

        return OpenVinoBackend(bundle, device, precision, threads)
    from .tensorrt import open_tensorrt

    return open_tensorrt(bundle, device, precision)


def _file_precision(bundle: Bundle, device: str, precision: str) -> str:
    """The precision of the file to load; the last choice stands if the bundle has none of them."""
    if (device, precision) == ("cuda", "int8"):
        raise DeviceError("device 'cuda' has no INT8 graph; use 'cpu', or TensorRT with an engine")
    choices = FILE_PRECISIONS.get((device, precision), (precision,))
    have = bundle.precisions()
    return next((choice for choice in choices if choice in have), choices[-1])
