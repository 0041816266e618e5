"""The options of ``qatm-export``, in three groups: graphs, INT8 calibration, engines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ...export.engines.engine_options import EngineOptions, parse_rows, parse_shapes, parse_sm
from .option_groups import names_of

INT8, ENGINES = "INT8 calibration", "TensorRT engines"


def _option(panel: str, *names: str, metavar: str | None = None, text: str) -> Any:
    """An option in a panel of the help text."""
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=panel)


@dataclass(frozen=True)
class GraphFlags:
    """Which network is exported, and to which ONNX files."""

    backbone: Annotated[
        str,
        typer.Option(metavar="NAME", help="Network: efficientnet-lite0, mobilenet-v2 or vgg19."),
    ] = "efficientnet-lite0"
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Weight file: Keras .npz or .h5, torchvision .pth. Default: packaged.",
        ),
    ] = None
    taps: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS", help="Layers to use, separated by commas, for example 2,4,10."
        ),
    ] = None
    alpha: Annotated[
        float,
        typer.Option(metavar="A", help="Factor on the similarity; higher is more exclusive."),
    ] = 25.0
    task: Annotated[
        str,
        typer.Option(
            "--task",
            metavar="TASK",
            help="match, verify (the same features) or align: layers whose features tell kinds of "
            "objects apart.",
        ),
    ] = "match"
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Store the weights in eight bits, a quarter of the size."),
    ] = False
    network: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Also write network.onnx: what qatm train wrote, a checkpoint or its folder; "
            "with --task align or verify.",
        ),
    ] = None
    joint: Annotated[
        bool, typer.Option("--joint", help="Also write joint.onnx, one graph for C++ and trtexec.")
    ] = False
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Also write features.fp16.onnx, strongly typed FP16.")
    ] = False
    int8: Annotated[
        bool, typer.Option("--int8", help="Also write INT8 features for TensorRT and for CPUs.")
    ] = False
    opset: Annotated[int, typer.Option(metavar="N", help="ONNX opset, 18 to 23.")] = 20


@dataclass(frozen=True)
class CalibrationFlags:
    """What INT8 is calibrated with."""

    calib: Annotated[
        list[str] | None,
        _option(
            INT8,
            metavar="SOURCE",
            text="Images, folder, glob, video or .npy to calibrate with; may be repeated. Default: "
            "photographs that scikit-image carries.",
        ),
    ] = None
    calib_images: Annotated[
        int, _option(INT8, metavar="N", text="How many views to calibrate with.")
    ] = 24
    calib_method: Annotated[
        str,
        _option(INT8, metavar="METHOD", text="Activation ranges: minmax, entropy or percentile."),
    ] = "percentile"


@dataclass(frozen=True)
class EngineFlags:
    """Which engines are built, for which GPUs and sizes."""

    engine: Annotated[
        str | None,
        _option(
            ENGINES,
            metavar="KIND",
            text="tensorrt, tensorrt-rtx, auto (whichever is installed) or none. Default: auto "
            "with --fp16, --int8 or --engines-only, otherwise none.",
        ),
    ] = None
    sm: Annotated[
        str | None,
        _option(
            ENGINES,
            metavar="LIST",
            text="Compute capabilities to build for, for example 75,86,89 (TensorRT-RTX only).",
        ),
    ] = None
    shapes: Annotated[
        str | None,
        _option(
            ENGINES,
            metavar="RANGES",
            text="Search image, HEIGHTxWIDTH min:opt:max, for example "
            "240x320:480x640:1088x1920; several ranges separated by commas.",
        ),
    ] = None
    rows: Annotated[
        str | None,
        _option(ENGINES, metavar="RANGE", text="Template rows min:opt:max, for example 1:256:512."),
    ] = None
    workspace: Annotated[
        int | None, _option(ENGINES, metavar="MIB", text="Most scratch memory, in MiB.")
    ] = None
    optimisation_level: Annotated[
        int | None, _option(ENGINES, metavar="N", text="0 (fast build) to 5 (fast engine).")
    ] = None
    timing_cache: Annotated[
        Path | None,
        _option(
            ENGINES,
            metavar="FILE",
            text="Measured kernel times, read and extended (TensorRT only).",
        ),
    ] = None
    engines_only: Annotated[
        bool,
        _option(
            ENGINES,
            "--engines-only",
            text="Only build engines from the bundle in OUT; needs no PyTorch.",
        ),
    ] = False

    def read(self, engine: str) -> EngineOptions:
        """What they say.

        Raises:
            ExportError: a value that cannot be read.
        """
        return EngineOptions(
            engine=engine,
            sm=parse_sm(self.sm) if self.sm else (),
            image_shapes=parse_shapes(self.shapes) if self.shapes else (),
            template_rows=parse_rows(self.rows) if self.rows else None,
            workspace_mb=self.workspace,
            optimisation_level=self.optimisation_level,
            timing_cache=self.timing_cache,
        )


OF_ENGINES = tuple(name for name in names_of(EngineFlags) if name not in ("engine", "engines_only"))
"""The parameters that say how engines are built."""
