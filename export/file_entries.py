"""What the manifest says of an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import onnx

from ..runtime.bundle.folder import sha256_of
from ..runtime.bundle.manifest import FileInfo, TensorInfo


def describe(
    path: Path, role: str, precision: str, least: Mapping[str, int] = MappingProxyType({})
) -> FileInfo:
    """The manifest entry of an ONNX file.

    Args:
        path: the file.
        role: in the bundle.
        precision: of the network in it.
        least: smallest size of each dynamic dimension of the inputs; there is no largest one.
    """
    graph = onnx.load(str(path), load_external_data=False).graph
    return FileInfo(
        role=role,
        precision=precision,
        sha256=sha256_of(path),
        bytes=path.stat().st_size,
        inputs=tuple(_tensor(value, least) for value in graph.input),
        outputs=tuple(_tensor(value, {}) for value in graph.output),
    )


def _tensor(value: onnx.ValueInfoProto, least: Mapping[str, int]) -> TensorInfo:
    """Name, dtype, shape and ranges of a graph input or output."""
    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    shape = tuple(side.dim_param or side.dim_value for side in kind.shape.dim)
    ranges = {str(side): (least[str(side)], None) for side in shape if side in least}
    return TensorInfo(value.name, dtype, shape, dict[str, tuple[int, int | None]](ranges))
