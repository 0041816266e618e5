"""``qatm bundle pack``: what one kind of machine needs of a finished bundle."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.bundle.folder import Bundle
from ..console import tell, warn

DEFAULT = "default"
"""What stands for the model that comes with qatm."""


class PackTarget(str, Enum):
    """Where a packed bundle runs."""

    cpu = "cpu"
    rtx = "rtx"
    jetson = "jetson"
    cuda = "cuda"
    web = "web"


def pack(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE",
            help='Folder written by qatm-export, or "default": the model that comes with qatm.',
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new or empty.")],
    target: Annotated[
        PackTarget,
        typer.Option(
            "--for",
            metavar="TARGET",
            help="cpu, rtx (TensorRT-RTX on a PC), jetson (TensorRT), cuda (ONNX Runtime) or web "
            "(browsers).",
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier pack in OUT.")] = False,
) -> None:
    """Pack what one kind of machine needs of a bundle, with instructions and a self-test.

    OUT is a bundle by itself: the files that run there, engines with what they were built from,
    README.txt, which says what to do there, and selftest/, pictures with the answer that FP32 gives
    here. "qatm check OUT" compares with it there. OUT is written whole or not at all.

    Exit status: 0 packed, 2 the bundle lacks what the target needs, or OUT cannot be written.
    """
    from ..packing.pack import pack as write_pack
    from ..packing.targets import find_target, missing_precisions

    default = bundle == Path(DEFAULT) and not bundle.exists()
    loaded, wanted = Bundle.load(None if default else bundle), find_target(target.value)
    packed = write_pack(loaded, wanted, out, force=force)
    for precision in missing_precisions(loaded, wanted):
        warn(
            f"{bundle} has no features.{precision}.onnx, which is faster there; "
            f"qatm-export --{precision.partition('-')[0]} writes it"
        )
    for file in sorted(path for path in out.rglob("*") if path.is_file()):
        tell(f"{file}: {file.stat().st_size / 1e6:.3f} MB")
    precisions = list(dict.fromkeys(verdict.precision for verdict in packed.verdicts))
    tell(f"self-test passed on this CPU: {', '.join(precisions)}; on the target: qatm check {out}")
