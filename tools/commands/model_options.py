"""Which model to run and where: the options that the commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Device(str, Enum):
    """Where to compute."""

    auto = "auto"
    gpu = "gpu"
    cpu = "cpu"
    cuda = "cuda"
    tensorrt = "tensorrt"
    tensorrt_rtx = "tensorrt-rtx"
    openvino = "openvino"
    openvino_cpu = "openvino-cpu"
    openvino_gpu = "openvino-gpu"
    openvino_npu = "openvino-npu"


class Precision(str, Enum):
    """Which variant of the model to run."""

    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="BUNDLE",
        help="Folder written by qatm-export. Default: the model that comes with qatm.",
    ),
]
AlignModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="BUNDLE",
        help="Folder written by qatm-export. Default: the one for alignment that comes with qatm.",
    ),
]
BundleArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="BUNDLE",
        help="Folder written by qatm-export. Default: the model that comes with qatm.",
    ),
]
DeviceOption = Annotated[
    Device,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help=f"Where to compute: {', '.join(device.value for device in Device)}; auto takes the "
        "fastest that works, gpu the fastest GPU.",
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        metavar="PRECISION",
        help=f"Variant of the model: {', '.join(kind.value for kind in Precision)}; it must be in "
        "the bundle.",
    ),
]
