"""``qatm-export``: from a PyTorch model to a bundle."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..runtime.errors import QatmError

app = typer.Typer(add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="rich")

NEEDS = 'qatm-export needs PyTorch and ONNX, and {} is not installed: pip install "qatm[export]"'


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
    joint: Annotated[
        bool, typer.Option("--joint", help="Also write joint.onnx, one graph for C++ and trtexec.")
    ] = False,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Also write features.fp16.onnx, strongly typed FP16.")
    ] = False,
    opset: Annotated[int, typer.Option(help="ONNX opset, 18 to 23.")] = 20,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done.")] = False,
) -> None:
    """Export a network and the QATM matching graph to a bundle for runtime.Matcher.

    The bundle holds ONNX files with dynamic shapes and bundle.json; copy it to a device that has
    no PyTorch. Every file is checked against PyTorch at several sizes before it is kept.
    """
    if verbose:
        logging.basicConfig(format="%(message)s", stream=sys.stderr)
        logging.getLogger(__package__).setLevel(logging.INFO)
    try:
        from .bundle_writer import ExportOptions, export_bundle, with_alpha
    except ModuleNotFoundError as error:
        raise QatmError(NEEDS.format(error.name)) from error
    options = ExportOptions(
        backbone=backbone,
        weights=weights,
        taps=None if taps is None else [tap.strip() for tap in taps.split(",")],
        opset=opset,
        joint=joint,
        fp16=fp16,
        recipe=with_alpha(backbone, alpha),
    )
    bundle = export_bundle(out, options)
    sizes = ", ".join(
        f"{name} ({info.bytes / 1e6:.2f} MB)" for name, info in bundle.spec.files.items()
    )
    typer.echo(f"{bundle.path}: {sizes}", err=True)


def main() -> None:
    """Run the command; every expected problem is one line and exit status 2."""
    try:
        app()
    except QatmError as error:
        typer.echo(f"qatm-export: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"qatm-export: {where}{error.strerror or error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
