"""Where a command writes: looked at before any work is done, and nothing is left behind."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Hashable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

import typer

from ..runtime.bundle.folder import MANIFEST
from ..runtime.errors import InputError
from ..runtime.files import check_folder


def check_new_folder(option: str, folder: Path) -> None:
    """See that files can be written into a folder; it need not exist yet and is not made.

    Args:
        option: what named it, for messages.
        folder: where files shall go.

    Raises:
        InputError: it cannot be made, or nothing can be written there.
    """
    home = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    check_folder(home, f"{option} {folder}")


def check_bundle_folder(option: str, folder: Path, *, force: bool) -> None:
    """See that a bundle is not strewn among other things.

    A folder that is new, empty or a bundle passes. Who sits at the terminal is asked.

    Args:
        option: what named it, for messages.
        folder: where the bundle's files shall go.
        force: they shall go there whatever it holds.

    Raises:
        InputError: it holds other things, and nobody said yes.
    """
    if force or not folder.is_dir() or (folder / MANIFEST).is_file():
        return
    held = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".writing-"))
    if not held:
        return
    some = ", ".join(held[:3]) + (", …" if len(held) > 3 else "")
    what = f"{option} {folder} holds other things ({some})"
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        if typer.confirm(f"{what}. Write the bundle's files among them?", err=True):
            return
        raise InputError(f"{what}; nothing was written")
    raise InputError(f"{what}; give a new or empty folder, or --force")


def real_place(file: Path) -> Path:
    """Where a file really is, links followed; links that go round in a circle lead nowhere."""
    return Path(os.path.realpath(file))


def which_file(file: Path) -> Hashable:
    """What two names have in common if they are one file, also by links of any kind."""
    try:
        state = file.stat()
    except OSError:
        # It is not there yet.
        return real_place(file)
    return state.st_dev, state.st_ino


def which_stream(stream: TextIO | None) -> Hashable:
    """The same for the file that a standard stream is led to; ``None`` where it is no file."""
    try:
        state = os.fstat(stream.fileno())  # pyright: ignore[reportOptionalMemberAccess]
    except (AttributeError, OSError, ValueError):
        return None
    return (state.st_dev, state.st_ino) if stat.S_ISREG(state.st_mode) else None


def check_unprinted(option: str, file: Path) -> None:
    """See that a file is not the one that the shell leads the output to: one destroys the other.

    Raises:
        InputError: it is.
    """
    for stream, name in ((sys.stdout, "output"), (sys.stderr, "messages")):
        if which_file(file) == which_stream(stream):
            raise InputError(
                f"{option} {file} is the file that the {name} of this command are written to; "
                "choose another name"
            )


def check_drawing(option: str) -> None:
    """See that plots can be drawn.

    Raises:
        InputError: matplotlib is missing.
    """
    if find_spec("matplotlib") is None:
        raise InputError(f'{option} draws with matplotlib: pip install "qatm[eval]"')


def check_figure_folder(option: str, folder: Path) -> None:
    """See that plots can be drawn, and written into a folder; see :func:`check_new_folder`.

    Raises:
        InputError: nothing can be written there, or matplotlib is missing.
    """
    check_drawing(option)
    check_new_folder(option, folder)


def check_new_file(option: str, file: Path, suffixes: Sequence[str]) -> None:
    """See that a file can be written; the folder it goes to need not exist yet.

    Raises:
        InputError: the name has another ending, is that of a folder or of what the output is led
            to, or nothing can be written there.
    """
    if file.suffix.lower() not in suffixes or file.is_dir():
        raise InputError(f"{option} {file} must name a {' or '.join(suffixes)} file")
    check_unprinted(option, file)
    check_new_folder(option, file.parent)
