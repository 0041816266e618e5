"""Whether graphs are what a bundle says of them, and what they give can be computed with.

A file may have the right hash and be another graph than its manifest describes: whoever writes one
may write the other. What a file takes and gives is compared when it is opened, what it computes
when it ran.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.folder import Bundle
from ..bundle.manifest import BackboneInfo, FileInfo, TensorInfo
from ..errors import BundleError, DeviceError, QatmError, first_line
from ..kinds import Bound
from ..limits import GRAPH_BYTES

Array = NDArray[Any]

TYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
"""ONNX Runtime's names of types, and numpy's."""

LARGEST: Bound[float] = 1e9
"""Features beyond this could not be squared and summed in single precision."""

Range = tuple[float, float]

ANY: Bound[Range] = (-LARGEST, LARGEST)

OUT_OF_MEMORY = ("Available memory of", "Failed to allocate", "bad allocation", "bad_alloc")
"""What ONNX Runtime says when it gets no memory."""

Shape = tuple[int | None, ...]
"""Sides of an array; ``None`` for any."""


def check_description(session: Any, info: FileInfo, path: Any) -> None:
    """Compare a graph with its entry in the manifest.

    Args:
        session: of ONNX Runtime.
        info: the entry.
        path: of the file, for messages.

    Raises:
        BundleError: names, types or shapes differ, or a name is no text.
    """
    try:
        _compare(session, info, path)
    except UnicodeDecodeError as error:
        # Only now does ONNX Runtime make text of a name.
        raise BundleError(
            f"{path} has an input, an output or a side whose name is no text; "
            "export the bundle again"
        ) from error


def _compare(session: Any, info: FileInfo, path: Any) -> None:
    """See :func:`check_description`."""
    for side, real, said in (
        ("input", session.get_inputs(), info.inputs),
        ("output", session.get_outputs(), info.outputs),
    ):
        names = [value.name for value in real]
        listed = [tensor.name for tensor in said]
        if sorted(names) != sorted(listed):
            raise BundleError(
                f"{path} has {side}s {', '.join(names)}, and its manifest says "
                f"{', '.join(listed) or 'none'}; export the bundle again"
            )
        by_name = {tensor.name: tensor for tensor in said}
        for value in real:
            tensor = by_name[value.name]
            if TYPES.get(value.type) != tensor.dtype or not _agree(value.shape, tensor.shape):
                raise BundleError(
                    f"{path} has {side} {value.name} of {value.type} {list(value.shape)}, and its "
                    f"manifest says {tensor.dtype} {list(tensor.shape)}; export the bundle again"
                )


def _agree(real: Sequence[Any], said: Sequence[Any]) -> bool:
    """Whether two shapes may be one; a name or 0 stands for any size."""
    return len(real) == len(said) and all(
        not (isinstance(a, int) and isinstance(b, int) and a and b) or a == b
        for a, b in zip(real, said, strict=True)
    )


def check_inputs(bundle: Bundle, role: str, wanted: Mapping[str, tuple[str, Shape]]) -> None:
    """See that the graph with a role takes what the runtime gives it.

    Args:
        bundle: describes it.
        role: of the graph.
        wanted: type and shape of each input.

    Raises:
        BundleError: it takes something else.
    """
    for info in bundle.spec.files.values():
        if info.role == role:
            have = {tensor.name: tensor for tensor in info.inputs}
            for name, (dtype, shape) in wanted.items():
                if not _takes(have.get(name), dtype, shape):
                    raise BundleError(
                        f"bundle {bundle.path}: the {role} graph has no input {name} of {dtype} "
                        f"{list(shape)}; export the bundle again"
                    )


def check_outputs(bundle: Bundle, role: str, wanted: Sequence[str]) -> None:
    """See that the graphs with a role give what the runtime asks them for.

    Raises:
        BundleError: one is missing.
    """
    have = bundle.output_names(role)
    missing = [name for name in wanted if name not in have]
    if missing:
        raise BundleError(
            f"bundle {bundle.path}: the {role} graph has no output {missing[0]} (it has: "
            f"{', '.join(have) or 'none'}); export the bundle again"
        )


def _takes(tensor: TensorInfo | None, dtype: str, shape: Shape) -> bool:
    """Whether an input takes arrays of a type and shape."""
    return (
        tensor is not None
        and tensor.dtype == dtype
        and _agree(tensor.shape, [0 if side is None else side for side in shape])
    )


def expected_features(
    backbone: BackboneInfo, steps: Sequence[int], images: Shape, whole: bool
) -> list[Shape]:
    """Shapes of the taps and of the coarse map that a features graph has to give.

    Args:
        backbone: of the bundle.
        steps: cells of the finest map per cell of each tap.
        images: ``(B, H, W, 3)``.
        whole: whether all layers come in one map.
    """
    count, height, width, _ = images
    assert height is not None
    assert width is not None
    layers = [backbone.channels] if whole else [tap.channels or None for tap in backbone.layers]
    strides = [backbone.stride * step for step in steps]
    return [
        (count, channels, -(-height // stride), -(-width // stride))
        for channels, stride in zip(
            [*layers, backbone.channels], [*strides, backbone.coarse_stride], strict=True
        )
    ]


def check_arrays(
    arrays: Sequence[Array],
    shapes: Sequence[Shape],
    what: str,
    ranges: Sequence[Range] | None = None,
) -> None:
    """See that a graph gave arrays of the right type and shapes, with numbers to compute with.

    In half precision what is beyond the range would become infinite where nobody looks any more.

    Args:
        arrays: what it gave.
        shapes: what they should be.
        what: names the graph, for messages.
        ranges: lowest and highest number of each. Default: up to :data:`LARGEST`.

    Raises:
        BundleError: one is not float32, of another shape, or has numbers that are not finite or
            out of range.
    """
    ranges = [ANY] * len(arrays) if ranges is None else ranges
    for array, shape, (low, high) in zip(arrays, shapes, ranges, strict=True):
        if not _agree(array.shape, [0 if side is None else side for side in shape]):
            raise BundleError(
                f"{what} gave an array of shape {array.shape} where its bundle describes "
                f"{shape}; export the bundle again"
            )
        if array.dtype != np.float32:
            raise BundleError(
                f"{what} gave numbers of type {array.dtype}, not float32; export the bundle again"
            )
        # Not-a-number is passed on by both.
        if array.size and not low <= array.min() <= array.max() <= high:
            raise BundleError(
                f"{what} gave numbers that are not finite or not from {low:g} to {high:g}; its "
                "weights are damaged: export the bundle again"
            )


def run_failure(error: Exception, path: Any, device: str) -> QatmError:
    """What to say of a graph that ran and failed."""
    reason = first_line(error)
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return DeviceError(
            f"{path} needs more memory than there is, or than {GRAPH_BYTES.value:,} bytes for all "
            f"graphs ({reason[-120:]}); give smaller images, or set {GRAPH_BYTES.variable}"
        )
    if device != "cpu":
        return DeviceError(f"device {device!r} failed with {path}: {reason}")
    return BundleError(f"{path} fails: {reason}; export the bundle again")
