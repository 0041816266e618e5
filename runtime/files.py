"""Files out: written whole or not at all, in folders that are known to take them."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError
from .kinds import Bound, Numeric

NEW_FILE: Numeric[int] = 0o666
"""Permissions of a new file, of which the process's umask takes some away."""

PERMISSIONS: Numeric[int] = 0o777
"""The bits of a file's mode that say who may read, write and run it."""

LONGEST_STEM: Bound[int] = 32
"""Characters of a name that its temporary name repeats; together they must not be too long."""


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all::

        with whole("rows.csv") as part:
            part.write_text(rows)

    The block gets the name of an empty hidden file in the same folder and with the same ending.
    When the block is done, that file is renamed over ``path``; when the block fails, it is removed,
    and what was there before stays. The file has the permissions that a new file normally gets, or
    those of the file that it replaces. A symbolic link is replaced, not followed.

    Args:
        path: the file to write; its folder must exist.

    Raises:
        OSError: it cannot be written; the message names ``path``.
    """
    target = Path(path)
    _check_target(target)
    part = part_name(target)
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, NEW_FILE))
        yield part
        move_over(part, target)
    except OSError as error:
        # One that names another file was about reading what is to be written.
        if error.filename is None or str(error.filename) == str(part):
            raise unwritable(target, error) from error
        raise
    finally:
        with suppress(OSError):
            part.unlink()


def write_bytes(path: str | Path, data: bytes | bytearray | memoryview) -> None:
    """Write bytes to a file, whole or not at all.

    Raises:
        OSError: it cannot be written; the message names it.
    """
    with whole(path) as part:
        part.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write text to a file as UTF-8, whole or not at all; ends of lines stay as they are.

    Raises:
        OSError: it cannot be written; the message names it.
    """
    write_bytes(path, text.encode())


def part_name(path: Path) -> Path:
    """A hidden name beside ``path`` that nothing has, with the same ending, to write under."""
    return path.with_name(f".{path.stem[:LONGEST_STEM]}.{secrets.token_hex(6)}.part{path.suffix}")


def move_over(part: Path, path: Path) -> None:
    """Give a finished file its name; a file that has it is replaced and passes on its permissions.

    Args:
        part: in the same file system.
        path: the name.

    Raises:
        OSError: ``path`` cannot be written; the message names it.
    """
    _check_target(path)
    try:
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(path.stat().st_mode) & PERMISSIONS
            if stat.S_IMODE(part.stat().st_mode) != mode:
                part.chmod(mode)
        os.replace(part, path)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> OSError:
    """What went wrong with a file that was to be written, in words that name it."""
    return OSError(error.errno, f"cannot be written: {error.strerror or error}", str(path))


def check_folder(folder: Path, purpose: str, *, make: bool = False) -> None:
    """Prove that files can be written in a folder, before any work is done.

    Args:
        folder: where they will be.
        purpose: what asks for it, for the message, such as ``--save shots``.
        make: make the folder where it is missing, and those above it.

    Raises:
        InputError: they cannot.
    """
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"{purpose}: folder {folder} cannot be written to ({error.strerror}); choose another"
        ) from error


def _check_target(path: Path) -> None:
    """Refuse a name that stands for something else than a file: renaming would replace a device.

    Raises:
        OSError: a folder, device or pipe.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode):
        raise unwritable(path, OSError(errno.EISDIR, "it is a folder"))
    if not stat.S_ISREG(mode):
        raise unwritable(path, OSError(errno.EINVAL, "it is a device or pipe, not a file"))


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Write a folder whole or not at all; one that is there is replaced at the end.

    The block gets an empty hidden folder beside it, which gets the name when the block is done.

    Args:
        folder: to write; the folders above it are made.

    Raises:
        OSError: it cannot be written; the message names it.
    """
    target = folder.absolute()
    part, old = part_name(target), part_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield part
        _exchange(part, target, old)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(part: Path, target: Path, old: Path) -> None:
    """Give a finished folder its name; what has it gets another, or keeps it where that fails."""
    try:
        if target.exists():
            os.replace(target, old)
        os.replace(part, target)
    except OSError as error:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise unwritable(target, error) from error
