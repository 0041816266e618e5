"""A file that grows line by line, readable at every moment; what it replaces stays until its end.

A set of lines that a long run writes cannot wait under a hidden name for its last one: a power cut
would take all of it. So it grows under its own name, and the file before it, if there was one,
moves beside it, to be removed when the new one is complete. Whoever is killed leaves both.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from io import FileIO
from itertools import count
from pathlib import Path

from .files import NEW_FILE, NO_WAIT, PERMISSIONS, part_name, remove_abandoned, unwritable


class GrowingFile:
    """Takes lines, each whole or not at all.

    A file of the name stays as it is until the first line; then it is ``NAME.old.ENDING``, or
    ``NAME.old-2.ENDING`` where that is taken, until :meth:`close`, and for good if something could
    not be written. Where its folder takes no other files it is overwritten. Of a symbolic link the
    file behind it is meant; devices, and pipes that somebody reads, are written into.

    Args:
        path: the file.

    Attributes:
        path: as given.
        size: bytes that were written.

    Raises:
        OSError: it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._before: Path | None = None
        self._file = self._opened(path)

    def write(self, text: str) -> None:
        """Add text, at once.

        Raises:
            OSError: the disk is full, or the file is closed; what is there stays as it was.
        """
        if self._file.closed:
            closed = OSError(errno.EBADF, "it is closed; open it anew")
            raise unwritable(self.path, closed)
        data = memoryview(text.encode())
        if not self.size:
            self._begin()
        written = 0
        try:
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            if written:
                os.ftruncate(self._file.fileno(), self.size)
            if not self.size:
                self._give_back()
            self._before = None
            raise unwritable(self.path, error) from error
        self.size += len(data)

    def close(self) -> None:
        """The file is complete: what it replaced is removed. May be called twice."""
        self._file.close()
        before, self._before = self._before, None
        if before is not None:
            with suppress(OSError):
                before.unlink()

    def _opened(self, path: Path) -> FileIO:
        """The file, to be added to."""
        try:
            return open(path, "ab", buffering=0, opener=_without_waiting)
        except OSError as error:
            if error.errno == errno.ENXIO:
                error = OSError(error.errno, "it is a pipe that nobody reads; start its reader")
            raise unwritable(self.path, error) from error

    def _begin(self) -> None:
        """Put an empty file in the place of one that has something in it."""
        state = os.fstat(self._file.fileno())
        if not (stat.S_ISREG(state.st_mode) and state.st_size):
            return
        place = Path(os.path.realpath(self.path))
        remove_abandoned(place.parent)
        part = part_name(place)
        try:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except OSError:
            self._file.truncate(0)
            return
        # Windows moves no file that is open.
        self._file.close()
        try:
            part.chmod(stat.S_IMODE(state.st_mode) & PERMISSIONS)
            self._before = _set_aside(place)
            os.replace(part, place)
        except OSError as error:
            part.unlink(missing_ok=True)
            self._give_back()
            raise unwritable(self.path, error) from error
        self._file = self._opened(place)

    def _give_back(self) -> None:
        """Put what was there in its place again, for nothing could be written."""
        before, self._before = self._before, None
        if before is not None:
            self._file.close()
            os.replace(before, os.path.realpath(self.path))
        if self._file.closed:
            self._file = self._opened(self.path)


def _without_waiting(name: str, flags: int) -> int:
    """Open a file; a pipe's reader is not waited for."""
    handle = os.open(name, flags | NO_WAIT, NEW_FILE)
    if NO_WAIT:
        os.set_blocking(handle, True)
    return handle


def _set_aside(file: Path) -> Path:
    """Give a file a second name beside the first, or another where it can have one only.

    Raises:
        OSError: it cannot have one.
    """
    for number in count(1):
        again = "" if number == 1 else f"-{number}"
        aside = file.with_name(f"{file.stem}.old{again}{file.suffix}")
        if os.path.lexists(aside):
            continue
        try:
            os.link(file, aside)
        except FileExistsError:
            continue
        except OSError:
            # The disk has no links: for a moment nothing has the first name.
            os.rename(file, aside)
        return aside
    raise AssertionError
