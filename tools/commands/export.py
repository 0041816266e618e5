"""``qatm-export``: from a PyTorch model to a bundle, its precisions and its engines."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...export.engines.engines import (
    HOW_TO_GET_ENGINES,
    EngineOptions,
    EngineReport,
    build_engines,
    engine_precisions,
)
from ...export.engines.flavours import find_flavour
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import InputError, QatmError
from ..console import (
    EPILOG,
    Command,
    given,
    progress,
    refuse_given,
    tell,
    version_option,
    warn,
)
from ..destinations import check_bundle_folder, check_new_folder
from ..process import quiet_video
from .export_flags import OF_ENGINES, CalibrationFlags, EngineFlags, GraphFlags
from .option_groups import grouped, names_of

if TYPE_CHECKING:
    from ...calib.calibration import Quantisation
    from ...export.bundle import Exported, ExportOptions

app = typer.Typer(pretty_exceptions_enable=False)

NEEDS = 'qatm-export needs PyTorch and ONNX, and {} is not installed: pip install "qatm[export]"'
TURING = 75
AUTO, NONE = "auto", "none"


@app.command(cls=Command, epilog=EPILOG)
@grouped
def export(
    context: typer.Context,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder to write; made if missing.")
    ] = Path("qatm-bundle"),
    *,
    graphs: GraphFlags,
    calibration: CalibrationFlags,
    engines: EngineFlags,
    force: Annotated[
        bool, typer.Option("--force", help="Write among other things that are in OUT.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done.")] = False,
    version: Annotated[bool, version_option("qatm-export")] = False,  # noqa: ARG001
) -> None:
    """Export a network and the QATM matching graph to a bundle for runtime.Matcher.

    The bundle holds ONNX files with dynamic shapes and bundle.json; copy it to a device that has
    no PyTorch. Every file is checked against PyTorch at several sizes before it is kept. A bundle
    with the features of the one inside the package also gets its network for tracking. With
    --fp16 or --int8, engines are built too where TensorRT or TensorRT-RTX is installed. An option
    that would have no effect is an error. Into a folder that holds other things than a bundle it
    writes when you say yes, or with --force.
    """
    if verbose:
        _log_steps()
    automatic = graphs.fp16 or graphs.int8 or engines.engines_only
    engine = engines.engine or (AUTO if automatic else NONE)
    check_effects(context, engine, int8=graphs.int8, engines_only=engines.engines_only)
    options = engines.read(engine)
    options.check()
    check_new_folder("OUT", out)
    if not engines.engines_only:
        check_bundle_folder("OUT", out, force=force)
    with quiet_video(), progress() as bar:
        if engines.engines_only:
            bundle = Bundle.load(out)
            warn_of_single_sizes(options)
            reports = build_engines(bundle, options, engine_precisions(bundle), bar)
        else:
            exported = _export(out, _export_options(graphs, calibration, options), bar)
            warn_of_single_sizes(options)
            reports = exported.engines
            _tell_exported(exported)
    _tell_engines(reports)
    if not reports and engine == AUTO:
        tell(HOW_TO_GET_ENGINES)


def check_effects(context: typer.Context, engine: str, *, int8: bool, engines_only: bool) -> None:
    """Refuse options that would have no effect beside the others.

    Args:
        context: of the command; knows what was written.
        engine: which engines are built.
        int8: whether INT8 features are written.
        engines_only: whether only engines are built.

    Raises:
        InputError: naming the option and what it needs.
    """
    if engines_only:
        refuse_given(
            context,
            names_of(GraphFlags, CalibrationFlags),
            "is for writing ONNX files, and --engines-only writes none; leave one of them out",
        )
        if engine == NONE:
            raise InputError(
                f"--engines-only and --engine {NONE} leave nothing to do; leave one of them out"
            )
    if not int8:
        reason = "is for calibrating INT8; add --int8, or leave it out"
        refuse_given(context, names_of(CalibrationFlags), reason)
    if engine == NONE:
        reason = f"is for engines, and none are built; add --engine {AUTO}, or leave it out"
        refuse_given(context, OF_ENGINES, reason)
    if engine == AUTO and (engines_only or given(context, *OF_ENGINES)):
        needing = given(context, *OF_ENGINES, "engines_only")
        if find_flavour(AUTO) is None:
            raise InputError(
                f"{needing[0]} needs TensorRT or TensorRT-RTX, and neither works here: "
                f"{HOW_TO_GET_ENGINES}"
            )


def warn_of_single_sizes(options: EngineOptions) -> None:
    """Say what engines for one size only cost where they are for Turing cards."""
    if options.engine in ("tensorrt", NONE) or (options.sm and TURING not in options.sm):
        return
    for shapes in options.image_shapes:
        if shapes.minimum == shapes.maximum:
            size = "x".join(map(str, shapes.optimum))
            warn(
                f"--shapes {size} is one size, no range: TensorRT-RTX then makes engines of 60 to "
                f"220 MB for SM {TURING}; 16x16:{size}:{size} takes a few MB"
            )


def _export_options(
    graphs: GraphFlags, calibration: CalibrationFlags, engines: EngineOptions
) -> ExportOptions:
    """What to export.

    Raises:
        QatmError: a package is missing, or an option cannot be used.
    """
    try:
        from ...calib.calibration import CalibrationOptions
        from ...export.bundle import ExportOptions, taps_of
        from ...export.networks import load_network
    except ModuleNotFoundError as error:
        raise QatmError(NEEDS.format(error.name)) from error
    sources = tuple(calibration.calib or ())
    images, method = calibration.calib_images, calibration.calib_method
    return ExportOptions(
        backbone=graphs.backbone,
        weights=graphs.weights,
        taps=taps_of(graphs.task, graphs.backbone, graphs.taps),
        compact=graphs.compact,
        network=None if graphs.network is None else load_network(graphs.network, graphs.task),
        task=graphs.task,
        opset=graphs.opset,
        joint=graphs.joint,
        find=graphs.find,
        fp16=graphs.fp16,
        int8=CalibrationOptions(sources, images, method) if graphs.int8 else None,
        engines=engines,
        alpha=graphs.alpha,
    )


def _export(out: Path, options: ExportOptions, bar: Any) -> Exported:
    """Do it; the packages are there by now."""
    from ...export.bundle import export_bundle

    return export_bundle(out, options, bar)


def _log_steps() -> None:
    """Let the exporter say on standard error what it does."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    exporter = EngineOptions.__module__.split(".engines.")[0]
    logging.getLogger(exporter).setLevel(logging.INFO)


def _tell_exported(exported: Exported) -> None:
    """The files of a bundle and their sizes, and what INT8 was calibrated with."""
    bundle = exported.bundle
    for name, info in bundle.spec.files.items():
        tell(f"{bundle.path / name}: {info.bytes / 1e6:.2f} MB, {info.precision}")
    if exported.quantisation is not None:
        _tell_calibration(exported.quantisation)


def _tell_calibration(done: Quantisation) -> None:
    """What INT8 was calibrated with and which layers it would have ruined."""
    tell(f"INT8 calibrated ({done.method}) with {len(done.images)} views of {done.source}")
    for name, reason in done.skipped.items():
        tell(f"  skipped {name}: {reason}")
    for precision, ratio in done.sqnr.items():
        rows = [row for row in done.layers if row.precision == precision]
        tell(f"  {precision}: features {ratio:.1f} dB; most sensitive of {len(rows)} layers:")
        for row in sorted(rows, key=lambda row: row.sqnr)[:5]:
            state = "kept in float" if row.kept_float else "INT8"
            tell(f"    {row.layer:<28} {row.sqnr:6.1f} dB alone  {state}")


def _tell_engines(reports: Sequence[EngineReport]) -> None:
    """The engines built."""
    for report in reports:
        info = report.info
        state = "unchanged" if report.cached else f"built in {info.build_seconds:.1f} s"
        targets = ", ".join(str(sm) for sm in info.sm)
        size = report.path.stat().st_size / 1e6
        tell(f"{report.path}: {size:.2f} MB, {info.precision}, SM {targets}, {state}")


def main() -> None:
    """Entry point of the console script ``qatm-export``."""
    app(prog_name="qatm-export")


if __name__ == "__main__":
    main()
