"""What every inference library has to offer: graphs that run, on a device that opens them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, get_args

from numpy.typing import NDArray

from ..arguments import is_name
from ..errors import DeviceError, seen

Array = NDArray[Any]
Known = TypeVar("Known", bound=str)

Device = Literal[
    "auto",
    "gpu",
    "cpu",
    "cuda",
    "tensorrt",
    "tensorrt-rtx",
    "openvino",
    "openvino-cpu",
    "openvino-gpu",
    "openvino-npu",
]
"""Where to compute: ``auto`` is the best that works, ``gpu`` the best GPU that does. Editors
complete the names and mark others; :func:`named_device` takes one that was read from somewhere."""

Precision = Literal["auto", "fp32", "fp16", "int8"]
"""Which variant of a bundle to run; see :func:`named_precision`."""

DEVICES: tuple[Device, ...] = get_args(Device)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def named_device(name: str) -> Device:
    """A device that a program read from somewhere, checked.

    Raises:
        DeviceError: there is none of this name.
    """
    return _named("device", name, DEVICES)


def named_precision(name: str) -> Precision:
    """A precision that a program read from somewhere, checked.

    Raises:
        DeviceError: there is none of this name.
    """
    return _named("precision", name, PRECISIONS)


def _named(what: str, name: str, known: tuple[Known, ...]) -> Known:
    """The known name that a string is.

    Raises:
        DeviceError: it is none.
    """
    for each in known:
        if is_name(name, (each,)):
            return each
    raise DeviceError(f"{what} {seen(name)} is unknown; choose one of {', '.join(known)}")


def usable_cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Graph(Protocol):
    """One graph, loaded and ready to run until it is closed. Several threads may run it at once."""

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """Named arrays in, the named outputs out, in their order; ``None`` is all of them.

        Raises:
            DeviceError: a shape that the graph was not built for, or the device failed.
        """
        ...

    def admits(self, **shapes: tuple[int, ...]) -> bool:
        """Whether the graph takes inputs of these shapes, given by name, together."""
        ...

    def close(self) -> None:
        """Release what the library holds. May be called twice."""
        ...


class Backend(Protocol):
    """A bundle's graphs on one device.

    Attributes:
        device: ``cpu``, ``cuda``, ``tensorrt`` or another one; never ``auto``.
        provider: the library's own word for what runs the graphs.
        precision: of the features graph.
        workers: how many small graphs are worth running at once, each on one thread.
    """

    device: str
    provider: str
    precision: str
    workers: int

    def graph(self, role: str, *, one_thread: bool = False) -> Graph:
        """The graph with a role: ``features``, ``match``, or one that is opened when asked for.

        Args:
            role: of the graph.
            one_thread: keep to the calling thread, because others run the graph at the same time.

        Raises:
            BundleError: the bundle has no such graph, or its file is damaged.
            DeviceError: the device does not work with it, or has no engine for it.
        """
        ...

    def close(self) -> None:
        """Release all graphs and the device. May be called twice."""
        ...
