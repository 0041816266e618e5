"""What the runner sees of an engine: its tensors, its profiles and how to get a context."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..bundle.sidecar import Profile
from ..errors import DeviceError

Array = NDArray[Any]
Key = tuple[Any, ...]


class ExecutionContext(Protocol):
    """What is used of TensorRT's execution context; both flavours have it, by these names."""

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        """Select a profile; must precede the shapes."""
        ...

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        """Fix the shape of an input."""
        ...

    def infer_shapes(self) -> list[str]:
        """Work all shapes out; names what is still missing."""
        ...

    def get_tensor_shape(self, name: str) -> Any:
        """The shape of an input or output now; -1 where it is open."""
        ...

    def set_tensor_address(self, name: str, memory: int) -> bool:
        """Where an input or output lies."""
        ...

    def update_device_memory_size_for_shapes(self) -> int:
        """Bytes of scratch memory that the shapes need."""
        ...

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Put one run into a stream."""
        ...


@dataclass(frozen=True)
class EngineTensor:
    """One input or output of an engine.

    Attributes:
        name: as in the ONNX file.
        is_input: or else an output.
        dtype: numpy's.
        on_host: read or written by TensorRT in host memory (it decides about shapes).
    """

    name: str
    is_input: bool
    dtype: np.dtype[Any]
    on_host: bool = False

    def bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of a shape."""
        return math.prod(shape) * self.dtype.itemsize


@dataclass(frozen=True)
class EngineAccess:
    """An engine as the runner sees it.

    Attributes:
        what: what it is called in messages.
        tensors: inputs and outputs.
        profiles: optimisation profiles, in the engine's order.
        make_context: a new execution context without memory of its own.
        set_scratch: give a context device memory: context, address, bytes.
        problem: what the library complained about last; empties the list.
        own_graphs: the library makes CUDA graphs by itself.
    """

    what: str
    tensors: tuple[EngineTensor, ...]
    profiles: tuple[Profile, ...]
    make_context: Callable[[], ExecutionContext]
    set_scratch: Callable[[Any, int, int], None]
    problem: Callable[[], str]
    own_graphs: bool = False


def input_key(engine: EngineAccess, inputs: Mapping[str, Array]) -> Key:
    """What a context depends on: all shapes, and the values that TensorRT reads on the host."""
    shapes = tuple(inputs[tensor.name].shape for tensor in engine.tensors if tensor.is_input)
    values = [inputs[t.name].tobytes() for t in engine.tensors if t.is_input and t.on_host]
    return (*shapes, *values)


def check_inputs(engine: EngineAccess, inputs: Mapping[str, Array]) -> None:
    """Refuse missing, unknown or mistyped inputs."""
    wanted = {tensor.name: tensor for tensor in engine.tensors if tensor.is_input}
    if set(wanted) != set(inputs):
        raise DeviceError(
            f"{engine.what} takes {', '.join(wanted)}, but was given {', '.join(inputs)}; "
            "build the engine again from this bundle"
        )
    for name, array in inputs.items():
        if array.dtype != wanted[name].dtype:
            raise DeviceError(
                f"{engine.what} takes {name} as {wanted[name].dtype}, not {array.dtype}; "
                "build the engine again from this bundle"
            )
