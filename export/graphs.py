"""PyTorch modules to ONNX files with dynamic shapes, each checked before it is kept."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from ..model import Backbone
from ..model.exported import FeatureGraph, JointGraph, MatchGraph, PlaceGraph
from ..runtime.errors import ExportError
from .graph_contract import annotate
from .weight_storage import store_compactly

DEFAULT_OPSET = 20
OPSETS = range(18, 24)
"""Below 18 the exporter silently stays at 18; newer ones are not known to every runtime yet."""

TOLERANCES = {"fp32": 1e-3, "fp16": 1e-2}
"""Largest difference from PyTorch of the same precision, relative to the largest value."""

RANK_GAP = 1e-4
"""Candidates whose scores are closer than this may change places."""

OPERATOR_SETS = ("", "ai.onnx")

COARSE = "coarse"
MATCH_OUTPUTS = ("contested", "alone")
PLACE_OUTPUTS = ("likelihood", "similarity", "likeness", "pairs")
JOINT_OUTPUTS = ("quality", "scores", "boxes")

MATCH_DIMENSIONS = {
    "template": {0: "rows"},
    "target": {0: "rows"},
    "search": {1: "map_height", 2: "map_width"},
}
"""Dynamic dimensions of the inputs that matching and placing have in common."""


@dataclass(frozen=True)
class GraphExport:
    """What one exported graph is made from.

    Attributes:
        role: file stem and role in the bundle.
        module: the graph.
        inputs: example inputs by name; two different sizes of each dynamic dimension.
        checks: further inputs, of other sizes, that the exported file must run on.
        dynamic: for each input, names of its dynamic dimensions by position.
        outputs: names of the outputs.
        least: smallest size of each dynamic dimension; the others are its multiples.
        precision: of the network in the graph; ``fp32`` or ``fp16``.
    """

    role: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    checks: Sequence[Mapping[str, Tensor]]
    dynamic: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]
    least: Mapping[str, int] = field(default_factory=dict)
    precision: str = "fp32"

    @property
    def file_name(self) -> str:
        """File name in the bundle."""
        return (
            f"{self.role}.onnx"
            if self.precision == "fp32"
            else f"{self.role}.{self.precision}.onnx"
        )


def _images(*sizes: tuple[int, int, int]) -> list[Tensor]:
    """Random uint8 images ``(B, H, W, 3)``."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=generator) for size in sizes
    ]


def feature_outputs(taps: int) -> tuple[str, ...]:
    """Names of the features graph's outputs: as many taps, and the coarse map."""
    return (*(f"tap{i}" for i in range(taps)), COARSE)


def least_sizes(align: int) -> dict[str, int]:
    """Smallest sizes of the features graph's input; sides are multiples of ``align``."""
    return {"batch": 1, "height": align, "width": align}


def feature_export(backbone: Backbone, align: int, *, in_parts: bool = True) -> GraphExport:
    """The features graph of a backbone whose image sides are multiples of ``align``.

    In FP32, which is what CPUs run, wide blocks are computed in parts: it takes almost half off the
    memory and no time. An accelerator is better fed by whole ones. The precision is the network's
    own: FP16 weights make a strongly typed FP16 graph whose input, preprocessing and outputs stay
    as they are. INT8 is made from whole blocks too, ``in_parts`` false: it would round each part's
    sum.
    """
    sizes = ((2, 6 * align, 8 * align), (1, 4 * align, 4 * align), (3, 5 * align, 9 * align))
    example, *others = _images(*sizes)
    half = backbone.dtype == torch.float16
    backbone.spare_memory(wanted=in_parts and not half)
    return GraphExport(
        role="features",
        module=FeatureGraph(backbone),
        inputs={"image": example},
        checks=[{"image": image} for image in others],
        dynamic={"image": {0: "batch", 1: "height", 2: "width"}},
        outputs=feature_outputs(len(backbone.spec.tapped)),
        least=least_sizes(align),
        precision="fp16" if half else "fp32",
    )


def match_export(channels: int, alpha: float) -> GraphExport:
    """The matching graph for features of ``channels`` channels."""
    sizes = ((20, 15, 17), (1, 6, 5), (64, 40, 9), (9, 3, 3))
    example, *others = (_match_inputs(channels, *size) for size in sizes)
    return GraphExport(
        role="match",
        module=MatchGraph(alpha, alpha),
        inputs=example,
        checks=others,
        dynamic=MATCH_DIMENSIONS,
        outputs=MATCH_OUTPUTS,
        least={"rows": 1, "map_height": 1, "map_width": 1},
    )


def place_export(channels: int, alpha: float) -> GraphExport:
    """The graph that places a template, for features of ``channels`` channels."""

    def inputs(rows: int, height: int, width: int, shifts: int) -> dict[str, Tensor]:
        features = _match_inputs(channels, rows, height, width)
        own, cells = int(features["target"].sum()), height * width
        places = torch.arange(own)[:, None] * 7 + torch.arange(shifts)[None] * 3
        return {**features, "cells": places % cells}

    example, *others = (inputs(*size) for size in ((20, 15, 17, 25), (2, 6, 5, 1), (64, 9, 12, 8)))
    return GraphExport(
        role="place",
        module=PlaceGraph(alpha),
        inputs=example,
        checks=others,
        dynamic={**MATCH_DIMENSIONS, "cells": {0: "own_rows", 1: "shifts"}},
        outputs=PLACE_OUTPUTS,
        least={"rows": 1, "map_height": 1, "map_width": 1, "own_rows": 1, "shifts": 1},
    )


def _match_inputs(channels: int, rows: int, height: int, width: int) -> dict[str, Tensor]:
    """Random features of a template, half of whose rows are competitors, and of a map."""
    generator = torch.Generator().manual_seed(rows)
    target = torch.ones(rows)
    target[rows // 2 :] = 0 if rows > 1 else 1
    return {
        "template": torch.randn(rows, channels, generator=generator),
        "target": target,
        "search": torch.randn(channels, height, width, generator=generator),
    }


def joint_export(backbone: Backbone, alpha: float, align: int) -> GraphExport:
    """Features and matching in one graph: a crop and an image in, boxes in pixels out."""
    module = JointGraph(FeatureGraph(backbone), MatchGraph(alpha, alpha), 2 * backbone.spec.stride)
    # Two cells would be taken for two whatever the size: PyTorch fixes a neighbour's one.
    shapes = ((4, 3, 6, 8), (1, 2, 8, 6), (3, 3, 5, 9))
    pictures: list[dict[str, Tensor]] = []
    for height, width, rows, columns in shapes:
        template, image = _images(
            (1, height * align, width * align), (1, rows * align, columns * align)
        )
        pictures.append({"template": template, "image": image})
    return GraphExport(
        role="joint",
        module=module,
        inputs=pictures[0],
        checks=pictures[1:],
        dynamic={
            "template": {1: "template_height", 2: "template_width"},
            "image": {1: "height", 2: "width"},
        },
        outputs=JOINT_OUTPUTS,
        least=least_sizes(align) | {"template_height": align, "template_width": align},
    )


def write_onnx(export: GraphExport, path: Path, opset: int, *, told: bool = True) -> None:
    """Trace, strip, check and run one graph at several sizes; write it to ``path``.

    Args:
        export: the graph.
        path: the file.
        opset: of its operators.
        told: whether its contract is written into it; graphs of earlier forms have none.

    Raises:
        ExportError: the opset is not usable, the exporter failed, or the file is not right.
    """
    if opset not in OPSETS:
        raise ExportError(
            f"opset {opset} is not supported; choose {OPSETS.start} to {OPSETS.stop - 1}"
        )
    model = store_compactly(strip_metadata(_trace(export, opset)))
    written = {entry.domain: entry.version for entry in model.opset_import}
    found = next((written[domain] for domain in OPERATOR_SETS if domain in written), None)
    if found != opset:
        raise ExportError(f"the exporter wrote opset {found} for {export.role}, not {opset}")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported {export.role} graph is not valid: {error}") from error
    onnx.save(annotate(model, export.role, export.precision) if told else model, str(path))
    _check_runs(export, path)


def _trace(export: GraphExport, opset: int) -> onnx.ModelProto:
    """Run PyTorch's exporter with named dynamic dimensions."""
    names = {name for sides in export.dynamic.values() for name in sides.values()}
    dims = {name: _dimension(name, export.least.get(name, 1)) for name in sorted(names)}
    shapes = tuple(
        {position: dims[name] for position, name in export.dynamic[key].items()}
        for key in export.inputs
    )
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # The exporter warns about its own internals; the checks below judge its result.
            warnings.simplefilter("ignore")
            arguments = tuple(export.inputs.values())
            traced: Any = export.module.eval()
            stepped = any(export.least.get(name, 1) > 1 for name in names)
            if stepped:
                # The exporter itself takes no multiples of a dimension, ...
                traced = torch.export.export(traced, arguments, dynamic_shapes=shapes, strict=False)
            program = torch.onnx.export(
                traced,
                () if stepped else arguments,
                # ... but finds limits of others that tracing by itself only complains about.
                dynamic_shapes=None if stepped else shapes,
                dynamo=True,
                opset_version=opset,
                input_names=list(export.inputs),
                output_names=list(export.outputs),
                optimize=True,
                verbose=False,
            )
    except Exception as error:
        # The exporter wraps the reason in a page of advice to its developers.
        reason = " ".join(str(error.__cause__ or error).split())
        raise ExportError(f"PyTorch cannot export the {export.role} graph: {reason}") from error
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    if program is None:
        raise ExportError(f"PyTorch returned no {export.role} graph")
    model = program.model_proto
    _name_sides(model, export)
    return model


def _name_sides(model: onnx.ModelProto, export: GraphExport) -> None:
    """Call the sides of inputs and outputs as the export does; PyTorch numbers them.

    If ``8*s7`` is the ``height`` of an input, ``2*s7`` is ``(height//4)`` of an output.
    """
    steps: dict[str, str] = {}
    for tensor in model.graph.input:
        sides = tensor.type.tensor_type.shape.dim
        for position, name in export.dynamic[tensor.name].items():
            steps[sides[position].dim_param.rpartition("*")[2]] = name
            sides[position].dim_param = name

    def named(match: re.Match[str]) -> str:
        name = steps.get(match[2])
        if name is None:
            return match[0]
        divisor = export.least.get(name, 1) // int(match[1] or 1)
        return name if divisor == 1 else f"({name}//{divisor})"

    for tensor in model.graph.output:
        for side in tensor.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = re.sub(r"(?:\b(\d+)\*)?\b([A-Za-z_]\w*)", named, side.dim_param)


def _dimension(name: str, step: int) -> Any:
    """A dynamic dimension; one that starts at more than 1 is a multiple of that."""
    if step == 1:
        return torch.export.Dim(name, min=1)
    # Said beforehand: the exporter cannot always find it out from the sizes of strided layers.
    return step * torch.export.Dim(f"{name}_steps", min=1)


def strip_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove traces of the exporting machine: stack traces, doc strings and source names."""
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    tensors = [*graph.input, *graph.output, *graph.initializer]
    for item in [*graph.node, *tensors]:
        item.doc_string = ""
        del item.metadata_props[:]
    return model


def _check_runs(export: GraphExport, path: Path) -> None:
    """Run the file at sizes other than the traced one and compare with PyTorch."""
    from ..runtime.backends.onnx import OnnxGraph

    session = OnnxGraph(path, "cpu")
    for inputs in (export.inputs, *export.checks):
        with torch.no_grad():
            expected = export.module(*inputs.values())
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        results = dict(zip(export.outputs, session.run(arrays, list(export.outputs)), strict=True))
        truth = {k: v.numpy() for k, v in zip(export.outputs, expected, strict=True)}
        if "boxes" in truth:
            clear = clearly_ranked(truth["scores"])
            for found in (results, truth):
                found["boxes"] = found["boxes"][clear]
        for name in export.outputs:
            _compare(export, name, results[name], truth[name], arrays)


def clearly_ranked(scores: Any) -> Any:
    """True for candidates whose neighbours in the ranking are not within rounding of them."""
    gaps = np.abs(np.diff(scores, prepend=np.inf, append=-np.inf)) > RANK_GAP
    return gaps[:-1] & gaps[1:] & (scores > RANK_GAP)


def _compare(
    export: GraphExport, name: str, ours: Any, theirs: Any, inputs: Mapping[str, Any]
) -> None:
    """Raise where an output differs in shape or by more than rounding."""
    sizes = ", ".join(f"{key} {array.shape}" for key, array in inputs.items())
    what = f"{export.file_name}: {name}"
    if ours.shape != theirs.shape:
        raise ExportError(f"{what} is {ours.shape} instead of {theirs.shape} for {sizes}")
    error = float(np.abs(ours - theirs).max(initial=0.0))
    scale = float(np.abs(theirs).max(initial=1.0))
    if not error <= TOLERANCES[export.precision] * scale:  # also catches NaN
        raise ExportError(f"{what} differs from PyTorch by {error:g} for {sizes}")
