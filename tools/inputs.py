"""What users write on the command line: boxes, and which images to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..runtime.boxes import Box, as_box
from ..runtime.errors import BoxError, ImageError, InputError
from ..runtime.images import expand_sources
from .console import complain


def parse_box(text: str, option: str = "--box") -> Box:
    """Read ``X,Y,W,H``.

    Raises:
        BoxError: not four numbers, or an empty box.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise BoxError(
            f"{option} {text!r} is not X,Y,W,H: left, top, width and height in pixels, "
            f"for example {option} 120,80,64,64"
        )
    return as_box(values, option)


class NamedBox(NamedTuple):
    """A box and what is in it; ``None`` where nobody said."""

    name: str | None
    box: Box


def parse_named_box(text: str, option: str = "--box") -> NamedBox:
    """Read ``X,Y,W,H`` or ``NAME=X,Y,W,H``.

    Raises:
        BoxError: not four numbers, or an empty box.
        InputError: an empty name.
    """
    name, sign, numbers = text.rpartition("=")
    if not sign:
        return NamedBox(None, parse_box(text, option))
    if not name.strip():
        raise InputError(
            f"{option} {text!r} has no name before the =; give NAME=X,Y,W,H or X,Y,W,H"
        )
    return NamedBox(written_out(name.strip()), parse_box(numbers, option))


def written_out(name: str) -> str:
    """A name as text: what came as bytes that are no UTF-8 is written out, as on the screen."""
    return name.encode(errors="backslashreplace").decode()


def parse_span(
    text: str | None, option: str, form: str, meaning: str, example: str
) -> float | tuple[float, float] | None:
    """Read one number, or two for a range; ``None`` where nothing was given.

    Args:
        text: what was written.
        option: its name.
        form: what is expected.
        meaning: of the numbers.
        example: of values.

    Raises:
        InputError: neither one number nor two.
    """
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise InputError(
            f"{option} {text!r} is not {form}: {meaning}, for example {option} {example}"
        )
    return values[0] if len(values) == 1 else (values[0], values[1])


def list_images(sources: Iterable[str]) -> tuple[list[Path], int]:
    """Image files in the order given, and how many sources held none; says which on stderr."""
    expanded = [_expand(source) for source in sources]
    return [file for files in expanded for file in files], expanded.count([])


def split_names(entries: Sequence[str]) -> list[str]:
    """The names in an option that is repeated or holds several, separated by commas; each once."""
    names = (part.strip() for entry in entries for part in entry.split(","))
    return list(dict.fromkeys(name for name in names if name))


def naming(file: Path, error: Exception) -> str:
    """An error message that names the image it belongs to."""
    return str(error) if str(file) in str(error) else f"{file}: {error}"


def _expand(source: str) -> list[Path]:
    """The image files of one source; says on stderr if there are none."""
    try:
        return expand_sources([source])
    except ImageError as error:
        complain(str(error))
        return []
