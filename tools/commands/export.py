"""``qatm-export``: from a PyTorch model to a bundle, its precisions and its engines."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...export.engines.engines import (
    HOW_TO_GET_ENGINES,
    EngineOptions,
    EngineReport,
    build_engines,
    engine_precisions,
    parse_rows,
    parse_shapes,
    parse_sm,
)
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import QatmError
from ..progress import progress_bar

if TYPE_CHECKING:
    from ...calib.calibration import QuantisationResult

app = typer.Typer(add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="rich")

NEEDS = 'qatm-export needs PyTorch and ONNX, and {} is not installed: pip install "qatm[export]"'
INT8, ENGINES = "INT8 calibration", "TensorRT engines"


def _option(text: str, panel: str, *names: str) -> Any:
    """An option in a panel of the help text."""
    return typer.Option(*names, help=text, rich_help_panel=panel)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Folder to write; made if missing.")] = Path(
        "qatm-bundle"
    ),
    backbone: Annotated[
        str, typer.Option(help="Network: efficientnet-lite0, mobilenet-v2 or vgg19.")
    ] = "efficientnet-lite0",
    weights: Annotated[
        str | None,
        typer.Option(help="Weight file: Keras .npz or .h5, torchvision .pth. Default: packaged."),
    ] = None,
    taps: Annotated[
        str | None, typer.Option(help="Layers to use, separated by commas; e.g. 2,4,10.")
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Factor on the similarity; higher is more exclusive.")
    ] = 25.0,
    task: Annotated[
        str,
        typer.Option(
            help="match, verify (the same features) or align: layers whose features tell "
            "kinds of objects apart."
        ),
    ] = "match",
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Store the weights in eight bits, a quarter of the size."),
    ] = False,
    network: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Also write network.onnx: what qatm train wrote, a checkpoint or its folder; "
            "with --task align or verify.",
        ),
    ] = None,
    joint: Annotated[
        bool, typer.Option("--joint", help="Also write joint.onnx, one graph for C++ and trtexec.")
    ] = False,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Also write features.fp16.onnx, strongly typed FP16.")
    ] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Also write INT8 features for TensorRT and for CPUs.")
    ] = False,
    opset: Annotated[int, typer.Option(help="ONNX opset, 18 to 23.")] = 20,
    calib: Annotated[
        list[str] | None,
        _option(
            "Images, folder, glob, video or .npy to calibrate with; may be repeated. Default: "
            "photographs that scikit-image carries.",
            INT8,
        ),
    ] = None,
    calib_images: Annotated[int, _option("How many views to calibrate with.", INT8)] = 24,
    calib_method: Annotated[
        str, _option("Activation ranges: minmax, entropy or percentile.", INT8)
    ] = "minmax",
    engine: Annotated[
        str | None,
        _option(
            "tensorrt, tensorrt-rtx, auto (whichever is installed) or none. Default: auto with "
            "--fp16 or --int8, otherwise none.",
            ENGINES,
        ),
    ] = None,
    sm: Annotated[
        str | None,
        _option("Compute capabilities to build for, e.g. 75,86,89 (TensorRT-RTX only).", ENGINES),
    ] = None,
    shapes: Annotated[
        str | None,
        _option(
            "Search image, HEIGHTxWIDTH min:opt:max, e.g. 240x320:480x640:1088x1920; several "
            "ranges separated by commas.",
            ENGINES,
        ),
    ] = None,
    rows: Annotated[
        str | None, _option("Template rows min:opt:max, e.g. 1:256:512.", ENGINES)
    ] = None,
    workspace: Annotated[int | None, _option("Most scratch memory, in MiB.", ENGINES)] = None,
    optimisation_level: Annotated[
        int | None, _option("0 (fast build) to 5 (fast engine).", ENGINES)
    ] = None,
    timing_cache: Annotated[
        Path | None, _option("Measured kernel times, read and extended (TensorRT only).", ENGINES)
    ] = None,
    engines_only: Annotated[
        bool,
        _option(
            "Only build engines from the bundle in OUT; needs no PyTorch.",
            ENGINES,
            "--engines-only",
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done.")] = False,
) -> None:
    """Export a network and the QATM matching graph to a bundle for runtime.Matcher.

    The bundle holds ONNX files with dynamic shapes and bundle.json; copy it to a device that has
    no PyTorch. Every file is checked against PyTorch at several sizes before it is kept. With
    --fp16 or --int8, engines are built too where TensorRT or TensorRT-RTX is installed.
    """
    if verbose:
        logging.basicConfig(format="%(message)s", stream=sys.stderr)
        logging.getLogger(__package__).setLevel(logging.INFO)
    wanted = engine or ("auto" if fp16 or int8 or engines_only else "none")
    if calib and not int8:
        raise QatmError("--calib is what INT8 is calibrated with; add --int8, or leave it out")
    of_engines = {
        "--sm": sm,
        "--shapes": shapes,
        "--rows": rows,
        "--workspace": workspace,
        "--optimisation-level": optimisation_level,
        "--timing-cache": timing_cache,
    }
    stray = [name for name, value in of_engines.items() if value is not None]
    if stray and wanted == "none":
        raise QatmError(f"{stray[0]} is for engines, and none are built; add --engine auto")
    engines = EngineOptions(
        engine=wanted,
        sm=parse_sm(sm) if sm else (),
        image_shapes=parse_shapes(shapes) if shapes else (),
        template_rows=parse_rows(rows) if rows else None,
        workspace_mb=workspace,
        optimisation_level=optimisation_level,
        timing_cache=timing_cache,
    )
    if engines_only:
        reports = _engines_of(out, engines)
    else:
        try:
            from ...calib.calibration import CalibrationOptions
            from ...export.bundle import ExportOptions, export_bundle, taps_of
            from ...export.networks import load_network
        except ModuleNotFoundError as error:
            raise QatmError(NEEDS.format(error.name)) from error
        options = ExportOptions(
            backbone=backbone,
            weights=weights,
            taps=taps_of(task, backbone, taps),
            compact=compact,
            network=None if network is None else load_network(network, task),
            task=task,
            opset=opset,
            joint=joint,
            fp16=fp16,
            int8=CalibrationOptions(tuple(calib or ()), calib_images, calib_method)
            if int8
            else None,
            engines=engines,
            alpha=alpha,
        )
        with progress_bar() as progress:
            exported = export_bundle(out, options, progress)
        reports = exported.engines
        _tell_files(exported.bundle)
        if exported.quantisation is not None:
            _tell_calibration(exported.quantisation)
    _tell_engines(reports, wanted)


def _engines_of(folder: Path, options: EngineOptions) -> list[EngineReport]:
    """Build the engines of a bundle that exists."""
    options.check()
    bundle = Bundle.load(folder)
    with progress_bar() as progress:
        return build_engines(bundle, options, engine_precisions(bundle), progress)


def _say(text: str) -> None:
    """A line on standard error."""
    typer.echo(text, err=True)


def _tell_files(bundle: Bundle) -> None:
    """The files of a bundle and their sizes."""
    for name, info in bundle.spec.files.items():
        _say(f"{bundle.path / name}: {info.bytes / 1e6:.2f} MB, {info.precision}")


def _tell_calibration(result: QuantisationResult) -> None:
    """What INT8 was calibrated with and which layers it would have ruined."""
    _say(f"INT8 calibrated ({result.method}) with {len(result.images)} views of {result.source}")
    for name, reason in result.skipped.items():
        _say(f"  skipped {name}: {reason}")
    for precision, ratio in result.sqnr.items():
        rows = [row for row in result.layers if row.precision == precision]
        _say(f"  {precision}: features {ratio:.1f} dB; most sensitive of {len(rows)} layers:")
        for row in sorted(rows, key=lambda row: row.sqnr)[:5]:
            state = "kept in float" if row.kept_float else "INT8"
            _say(f"    {row.layer:<28} {row.sqnr:6.1f} dB alone  {state}")


def _tell_engines(reports: list[EngineReport], wanted: str) -> None:
    """The engines built, or how to get some."""
    for report in reports:
        info = report.info
        state = "unchanged" if report.cached else f"built in {info.build_seconds:.1f} s"
        targets = ", ".join(str(sm) for sm in info.sm)
        size = report.path.stat().st_size / 1e6
        _say(f"{report.path}: {size:.2f} MB, {info.precision}, SM {targets}, {state}")
    if not reports and wanted == "auto":
        _say(HOW_TO_GET_ENGINES)


def main() -> None:
    """Run the command; every expected problem is one line and exit status 2."""
    # FFmpeg would write about unreadable videos itself; the error says what matters.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        app()
    except QatmError as error:
        _say(f"qatm-export: {error}")
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"qatm-export: {where}{error.strerror or error}")
        sys.exit(2)


if __name__ == "__main__":
    main()
