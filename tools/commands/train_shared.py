"""Options that all trainings share, and how they go and tell about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.backends.devices import MOST_THREADS
from ..console import finite
from ..destinations import check_new_folder
from ..train.training_options import USUAL, TrainOptions, torch_needed


class Matching(str, Enum):
    """The layer that compares two feature maps; all else in a network stays equal."""

    qatm = "qatm"
    correlation = "correlation"
    cosine = "cosine"


class TrainDevice(str, Enum):
    """Where PyTorch computes."""

    cpu = "cpu"
    cuda = "cuda"


PicturesArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="FOLDER",
        help="Pictures to train on, also in its subfolders. Default: the CC0 and public-domain "
        "photographs that scikit-image carries, and generated textures.",
        show_default=False,
    ),
]
MatchingOption = Annotated[
    Matching,
    typer.Option(
        metavar="KIND", help=f"The matching layer: {', '.join(kind.value for kind in Matching)}."
    ),
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for checkpoints, log.csv and TensorBoard's event files.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class TrainFlags:
    """How a network is trained, as the options say it."""

    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Optimiser steps.")]
    batch: Annotated[
        int, typer.Option(metavar="N", min=1, help="Scenes, pairs or samples in a step.")
    ]
    learning_rate: Annotated[
        float, typer.Option(metavar="R", callback=finite, help="Adam's largest step size.")
    ]
    checkpoint_every: Annotated[
        int, typer.Option(metavar="N", min=1, help="Steps between two checkpoints.")
    ]
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Decides the first weights and every batch.")
    ] = 0
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=MOST_THREADS, help="CPU threads. Default: all."),
    ] = None
    device: Annotated[
        TrainDevice,
        typer.Option("--device", metavar="DEVICE", help="Where PyTorch computes: cpu or cuda."),
    ] = TrainDevice.cpu
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on from the newest checkpoint in DIR, if there is one, exactly."
        ),
    ] = False

    def read(self, out: Path) -> TrainOptions:
        """What they say, checked before any work.

        Raises:
            QatmError: they cannot be used, or nothing can be written into the folder.
        """
        values = vars(self) | {"device": self.device.value, "out": out}
        options = TrainOptions(**values)
        check_new_folder("--out", out)
        with torch_needed():
            options.check()
        return options


USUAL_ALIGN, USUAL_COMPARE, USUAL_FOLLOW, USUAL_REFINE, USUAL_VERIFY = (
    TrainFlags(**USUAL[name]) for name in ("align", "compare", "follow", "refine", "verify")
)
