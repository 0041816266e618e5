"""The hidden folder in which what belongs into a bundle is made."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..runtime.errors import ExportError
from ..runtime.files import STAGE, held_folder, remove_abandoned

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors that name no file."""


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside the bundle's files, removed at the end whatever happens."""
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file; give a folder to write the bundle to")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    stage = Path(tempfile.mkdtemp(prefix=STAGE, dir=folder))
    try:
        with held_folder(stage):
            yield stage
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise ExportError(
            f"{folder} cannot be written: {os.strerror(error.errno)}; make room or choose another "
            "folder"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        for path in made:
            _remove_if_empty(path)


def _remove_if_empty(folder: Path) -> None:
    """Leave no empty folder behind a failed export."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
