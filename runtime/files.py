"""Files in and out: read if they are files, written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from itertools import islice
from pathlib import Path
from time import time

from .errors import InputError, seen
from .kinds import Bound, Numeric
from .limits import Limit

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None

NEW_FILE: Numeric[int] = 0o666
"""Permissions of a new file, of which the process's umask takes some away."""

PERMISSIONS: Numeric[int] = 0o777
"""The bits of a file's mode that say who may read, write and run it."""

LONGEST_STEM: Bound[int] = 32
"""Characters of a name that its temporary name repeats; together they must not be too long."""


STAGE = ".writing-"
"""How the hidden folders begin in which a set of files is made."""

ABANDONED = re.compile(r"\.(?:writing-\w+|.{0,32}\.[0-9a-f]{12}\.part(?:\.[^.]*)?)", re.DOTALL)
"""Hidden names of what is being written, as :func:`part_name` and exports make them."""

LOOKED_AT: Bound[int] = 1000
"""Names of a folder among which a writer of one file looks for what killed processes left."""

JUST_MADE_S: Bound[float] = 1.0

BLOCK: Numeric[int] = 1 << 20

NO_WAIT: Numeric[int] = getattr(os, "O_NONBLOCK", 0)
OPENED: Numeric[int] = os.O_RDONLY | NO_WAIT | getattr(os, "O_BINARY", 0)
"""How what is to be read is opened: a pipe that nobody writes into must not be waited for."""


def as_path(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Check a path given by a caller.

    Args:
        path: what was given.
        name: what messages call it.

    Raises:
        InputError: not a path, an empty one, or one that no system can have.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"{name} is {seen(path)}; give the path of a file or folder")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise InputError(f"{name} is {seen(text)}; give the path as text")
    if not text:
        raise InputError(f"{name} is empty; name a file or folder, '.' for the current folder")
    if "\0" in text:
        raise InputError(f"{name} {seen(text)} holds a NUL character, which no path can")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise InputError(
            f"{name} {seen(text)} holds half a character, which no path can; give another"
        ) from None
    return Path(path)


def read_regular(path: Path, most: int | Limit, *, pipes: bool = False) -> bytes:
    """Read a whole file that somebody else may have put there.

    A symbolic link is followed. What a device or a pipe would give is not read.

    Args:
        path: the file.
        most: bytes that it may have; of a limit, the message names its variable.
        pipes: read from a named pipe too, until whoever writes into it ends, or wrote too much.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: it is larger.
    """
    with open_regular(path, most, pipes=pipes) as file:
        # Files that the system makes up, as in /proc, say that they are empty.
        bytes_ = most.value if isinstance(most, Limit) else most
        data = _read_all(file, os.fstat(file.fileno()).st_size + 1, bytes_ + 1)
        if len(data) > bytes_:
            raise ValueError(_too_long(path, most))
        return data


def open_regular(path: Path, most: int | Limit, *, pipes: bool = False) -> FileIO:
    """Open a file as :func:`read_regular` does, for who does not need all of it at once.

    It may grow afterwards: whoever reads it counts.

    Raises:
        OSError: it cannot be opened, or is no file.
        ValueError: it is larger.
    """
    # Opened so, a pipe's writer is waited for. It must be opened once: what was written before a
    # second time may be all that its writer had.
    waits = pipes and stat.S_ISFIFO(path.stat().st_mode)
    with ExitStack() as failing:
        flags = OPENED & ~NO_WAIT if waits else OPENED
        file = failing.enter_context(FileIO(os.open(path, flags), "rb"))
        state = os.fstat(file.fileno())
        if stat.S_ISDIR(state.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if state.st_size > (most.value if isinstance(most, Limit) else most):
            raise ValueError(_too_long(path, most))
        if not (_is_file(state) or (waits and stat.S_ISFIFO(state.st_mode))):
            raise OSError(errno.EINVAL, "it is a device or pipe, not a file", str(path))
        failing.pop_all()
    return file


def _too_long(path: Path, most: int | Limit) -> str:
    """What to say of a file with more bytes than it may have."""
    if not isinstance(most, Limit):
        return f"{path} has more than {most:,} bytes"
    return f"{path} has more than {most.value:,} bytes; set {most.variable} to accept more"


def _read_all(file: FileIO, expected: int, most: int) -> bytes:
    """Read to the end of a file; at once, if it has a byte less than expected."""
    data = file.read(expected) or b""
    if len(data) == expected - 1:
        return data
    parts = [data]
    while sum(map(len, parts)) < most and (data := file.read(BLOCK)):
        parts.append(data)
    return b"".join(parts)


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
    target = as_path(path)
    check_target(target)
    remove_abandoned(target.parent)
    part = part_name(target)
    try:
        with writing(part):
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

    Bytes of a file's name that are no UTF-8 are written out, as on the screen: ``\\udcff``.

    Raises:
        OSError: it cannot be written; the message names it.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def part_name(path: Path) -> Path:
    """A hidden name beside ``path`` that nothing has, with the same ending, to write under."""
    return path.with_name(f".{path.stem[:LONGEST_STEM]}.{secrets.token_hex(6)}.part{path.suffix}")


@contextmanager
def writing(part: Path) -> Iterator[None]:
    """Make an empty file and hold it while the block writes it under its name.

    Whoever finds it held leaves it alone, and whoever finds it otherwise knows that its process
    was killed: see :func:`remove_abandoned`. Where the system or the disk has no locks, nothing is
    held.

    Args:
        part: a name from :func:`part_name`.

    Raises:
        OSError: it cannot be made.
    """
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, NEW_FILE)
    if not _lock(handle):
        # Windows moves no file that is open, and needs no lock to keep it.
        os.close(handle)
        yield
        return
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """The same for a folder that was just made, its name beginning with :data:`STAGE`."""
    handle = os.open(folder, os.O_RDONLY) if fcntl is not None else -1
    try:
        if handle >= 0:
            _lock(handle)
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def remove_abandoned(folder: Path, most: int = LOOKED_AT) -> None:
    """Remove the hidden files and folders that killed processes left in a folder.

    Only what is named as :func:`part_name` does, or begins with :data:`STAGE`, and what no living
    process holds. What cannot be removed stays.

    Args:
        folder: where to look; not in the folders inside.
        most: names that are looked at, for writing one of many files must not take longer the more
            there are.
    """
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, most):
            if ABANDONED.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_free(Path(entry.path))


def _remove_if_free(path: Path) -> None:
    """Remove what nobody holds.

    Raises:
        OSError: it is gone, or is none of ours.
    """
    handle = os.open(path, OPENED | getattr(os, "O_NOFOLLOW", 0))
    try:
        state = os.fstat(handle)
        is_folder = stat.S_ISDIR(state.st_mode)
        if is_folder != path.name.startswith(STAGE) or not (is_folder or _is_file(state)):
            return
        empty = not (os.listdir(path) if is_folder else state.st_size)
        # A process makes a file before it holds it: for a moment nobody may.
        if (empty and abs(time() - state.st_mtime) < JUST_MADE_S) or not _lock(handle):
            return
        if is_folder:
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    finally:
        os.close(handle)


def is_no_file(path: Path) -> bool:
    """Whether there is something else under a name: a folder, device or pipe."""
    try:
        return not _is_file(path.stat())
    except OSError:
        return False


def _is_file(state: os.stat_result) -> bool:
    """Whether something is a file, and no folder, device or pipe."""
    return stat.S_ISREG(state.st_mode)


def _lock(handle: int) -> bool:
    """Hold a file or folder until it is closed; whether that worked."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def move_over(part: Path, path: Path) -> None:
    """Give a finished file its name; a file that has it is replaced and passes on its permissions.

    Args:
        part: in the same file system.
        path: the name.

    Raises:
        OSError: ``path`` cannot be written; the message names it.
    """
    check_target(path)
    try:
        # A name that leads nowhere, as links in a circle do, has no permissions to pass on.
        if path.exists():
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


def check_target(path: Path) -> None:
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
