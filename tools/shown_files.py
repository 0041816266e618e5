"""Picture files as commands show them: in 8 bits; stderr says of those that have more how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..runtime.errors import InputError
from ..runtime.images import Image, as_bgr, limits_of, read_values
from ..runtime.value_range import Limits, ValueRange, shared_range
from .console import tell


@dataclass(frozen=True)
class ShownFile:
    """A picture file.

    Attributes:
        image: ``(H, W, 3)`` uint8 BGR.
        limits: the values that are black and white in it; ``None`` for a file of 8 bits.
    """

    image: Image
    limits: Limits | None

    def field(self) -> dict[str, list[float]]:
        """What ``--json`` says of a file of more than 8 bits; nothing of others."""
        return {} if self.limits is None else {"value_range": list(self.limits)}


def read_shown(
    file: Path,
    ranges: Iterable[ValueRange | None] = (),
    emit: Callable[[str], None] = tell,
) -> ShownFile:
    """Read a picture file; stderr says of one of more than 8 bits how it is shown.

    Args:
        file: the file.
        ranges: of the templates that are looked for in it; none: it is shown in its own.
        emit: writes the line.

    Raises:
        ImageError: it cannot be read.
        TemplateError: the ranges are too different.
    """
    pixels = read_values(file)
    values = shared_range(pixels, ranges)
    limits = limits_of(pixels, str(file), values)
    if limits is not None:
        emit(value_note(str(file), pixels.dtype, limits))
    return ShownFile(as_bgr(pixels, str(file), values), limits)


def value_note(name: str, dtype: np.dtype[np.generic], limits: Limits) -> str:
    """The line about a picture of more than 8 bits."""
    low, high = limits
    return f"note: {name} holds {dtype}: values {low:.7g} to {high:.7g} are shown as black to white"


def parse_limits(text: str | None, option: str = "--value-range") -> Limits | None:
    """Read ``LOW,HIGH``; ``None`` where nothing was given.

    Raises:
        InputError: not two finite numbers, the lower one first.
    """
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 2:
        raise InputError(
            f"{option} {text!r} is not LOW,HIGH: the values to show as black and as white, "
            f"for example {option} 29000,31000"
        )
    fixed = ValueRange.fixed(values, option)
    return fixed.low, fixed.high
