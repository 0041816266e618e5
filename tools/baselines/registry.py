"""Which methods there are, as data; each is imported only when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ...runtime.errors import InputError
from .base import Method, MethodOptions


class MethodInfo(NamedTuple):
    """A method of the comparison.

    Attributes:
        module: file in this folder.
        factory: class in it, called with a :class:`MethodOptions`.
        description: one line.
        paper: where it comes from.
        uses: what it runs on: ``features`` (those of a bundle, on a device), ``weights`` (of VGG19)
            or nothing.
    """

    module: str
    factory: str
    description: str
    paper: str
    uses: Literal["", "features", "weights"] = ""


CLASSIC = "textbook; cv2.matchTemplate"

METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        "ssd": MethodInfo("ssd", "Ssd", "squared differences of colours", CLASSIC),
        "ncc": MethodInfo("ncc", "Ncc", "normalised correlation of colours", CLASSIC),
        "zncc": MethodInfo("zncc", "Zncc", "correlation of colours about their means", CLASSIC),
        "ssd-deep": MethodInfo(
            "ssd", "SsdDeep", "squared differences of our features", CLASSIC, "features"
        ),
        "ncc-deep": MethodInfo(
            "ncc", "NccDeep", "normalised correlation of our features", CLASSIC, "features"
        ),
        "zncc-deep": MethodInfo(
            "zncc", "ZnccDeep", "correlation of our features about their means", CLASSIC, "features"
        ),
        "bbs": MethodInfo(
            "bbs", "Bbs", "best-buddies similarity of colour patches", "Dekel et al., CVPR 2015"
        ),
        "ddis": MethodInfo(
            "ddis", "Ddis", "deformable diversity of colour patches", "Talmi et al., CVPR 2017"
        ),
        "cotm": MethodInfo("cotm", "Cotm", "co-occurrence of colours", "Kat et al., CVPR 2018"),
        "dim": MethodInfo(
            "dim", "Dim", "explaining away by divisive input modulation", "Spratling, PR 2020"
        ),
        "paper-qatm": MethodInfo(
            "paper_qatm",
            "PaperMethod",
            "QATM as published, on VGG19",
            "Cheng et al., CVPR 2019",
            "weights",
        ),
        "qatm-plain": MethodInfo(
            "qatm_plain",
            "QatmPlain",
            "QATM on our features, nothing else",
            "this project",
            "features",
        ),
        "qatm": MethodInfo(
            "qatm_default", "QatmDefault", "what Matcher() does", "this project", "features"
        ),
    }
)
"""Name of a method -> what it is, in the order of the table."""


def methods_using(kind: Literal["features", "weights"]) -> list[str]:
    """The methods that run on features of a bundle, or on weights of VGG19."""
    return [name for name, info in METHODS.items() if info.uses == kind]


def open_method(name: str, options: MethodOptions) -> Method:
    """Make a method ready.

    Raises:
        InputError: an unknown name, or something the method needs is not installed or not given.
        BundleError: the bundle cannot be used.
        DeviceError: the device cannot be used.
        WeightsError: the weights cannot be used.
    """
    return made(METHODS, __package__, name, options)


def made(
    methods: Mapping[str, MethodInfo], package: str | None, name: str, options: MethodOptions
) -> Any:
    """Import a method, and make it ready.

    Args:
        methods: those that there are.
        package: the folder of their modules.
        name: which one.
        options: for it.

    Raises: as :func:`open_method`.
    """
    info = methods.get(name)
    if info is None:
        raise InputError(f"method {name!r} is unknown; choose from {', '.join(methods)}")
    try:
        module = import_module(f".{info.module}", package)
        return getattr(module, info.factory)(options)
    except ModuleNotFoundError as error:
        raise InputError(
            f'method {name} needs {error.name}, which is not installed: pip install "qatm[eval]"'
            + (', and for paper-qatm "qatm[export]"' if error.name == "torch" else "")
        ) from error
