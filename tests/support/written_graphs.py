"""Graphs written for one test, and what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnxruntime as ort

from qatm.export.find.graph_writer import GraphWriter
from qatm.export.find.values import Value


def given_by(write: Callable[..., Sequence[Value]], **arrays: Any) -> list[Any]:
    """What nodes give for some arrays.

    Args:
        write: gets the values of the inputs by name, and returns those of the outputs.
        arrays: by name.
    """
    writer = GraphWriter()
    inputs = {
        name: writer.input(
            name, str(array.dtype), [f"{name}_side{axis}" for axis in range(array.ndim)]
        )
        for name, array in arrays.items()
    }
    values = write(**inputs)
    outputs = {f"output{i}": (value, None) for i, value in enumerate(values)}
    model = writer.model("test", outputs, 20, 10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, arrays))
