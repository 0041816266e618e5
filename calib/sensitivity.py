"""What quantising each layer alone costs, and which layers INT8 ruins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from ..runtime.errors import CalibrationError
from ..runtime.images import Image
from .artefacts import Calibration, quantise_for_cpu, quantise_for_tensorrt
from .calibration import LayerSensitivity, Progress, silent
from .float_graph import ConvLayer, FloatGraph, open_model
from .half import rounded_like_half
from .noise import sqnr

Array = NDArray[Any]
Quantise = Callable[[FloatGraph, Calibration, Collection[str]], onnx.ModelProto]

WRITERS: dict[str, Quantise] = {
    "int8-trt": quantise_for_tensorrt,
    "int8-cpu": quantise_for_cpu,
}
"""How each artefact is made."""

JUDGED = "coarse"
"""The output that INT8 is judged by."""

IMAGES = 4
"""Images that every layer is tried on."""


def features_of(model: onnx.ModelProto, images: Sequence[Image]) -> list[Array]:
    """What a features graph makes of each image: its coarse map, in which every tap has a share.

    Where there is none it is the graph's first output. FP16 is rounded as on a GPU.
    """
    session = open_model(rounded_like_half(model))
    outputs = [value.name for value in model.graph.output]
    judged = JUDGED if JUDGED in outputs else outputs[0]
    return [session.run({"image": image[None]}, [judged])[0] for image in images]


def layer_sensitivity(
    graph: FloatGraph,
    calibration: Calibration,
    precision: str,
    images: Sequence[Image],
    float_below: float,
    progress: Progress = silent,
) -> tuple[LayerSensitivity, ...]:
    """Quantise one layer at a time.

    Args:
        graph: the float graph.
        calibration: of it.
        precision: which artefact, ``int8-trt`` or ``int8-cpu``.
        images: to compare on, ``(H, W, 3)`` uint8 BGR.
        float_below: layers below this many dB stay in float.
        progress: told about every layer.

    Returns:
        One row for each convolution, in the graph's order.

    Raises:
        CalibrationError: no layer survives.
    """
    truth = features_of(graph.model, images)
    nodes = [layer.node for layer in graph.layers]
    rows: list[LayerSensitivity] = []
    for done, layer in enumerate(graph.layers, 1):
        others = [node for node in nodes if node != layer.node]
        model = WRITERS[precision](graph, calibration, others)
        rows.append(_row(layer, precision, sqnr(truth, features_of(model, images)), float_below))
        progress(f"trying layers in {precision}", done, len(nodes))
    if all(row.kept_float for row in rows):
        best = max(row.sqnr for row in rows)
        raise CalibrationError(
            f"INT8 ruins every layer of this network (the best keeps {best:.1f} dB, "
            f"{float_below:g} are needed): it cannot be quantised; use FP16 instead"
        )
    return tuple(rows)


def _row(layer: ConvLayer, precision: str, ratio: float, float_below: float) -> LayerSensitivity:
    """A row of the table."""
    return LayerSensitivity(
        precision=precision,
        layer=layer.label,
        node=layer.node,
        weights=layer.weight.size,
        depthwise=layer.groups > 1 and layer.weight.shape[1] == 1,
        sqnr=round(ratio, 2),
        kept_float=ratio < float_below,
    )
