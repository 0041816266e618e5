"""The option of commands that read pictures of more than 8 bits."""

from __future__ import annotations

from typing import Annotated

import typer

ValueRangeOption = Annotated[
    str | None,
    typer.Option(
        "--value-range",
        metavar="LOW,HIGH",
        help="Values of pictures of more than 8 bits to show as black and as white. Default: found "
        "in the pictures; stderr says which.",
        show_default=False,
    ),
]
