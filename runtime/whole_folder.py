"""Folders that are written whole or not at all."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .files import STAGE, held_folder, part_name, remove_abandoned, unwritable
from .kinds import Numeric

AT_CWD: Numeric[int] = -100
RENAME_EXCHANGE: Numeric[int] = 2
"""Linux: names are from the current folder; two names are exchanged (renameat2(2))."""


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
    part, old = target.with_name(f"{STAGE}{secrets.token_hex(6)}"), part_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target.parent)
        part.mkdir()
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        with held_folder(part):
            yield part
            _exchange(part, target, old)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _swap(one: Path, other: Path) -> bool:
    """Give two folders each other's name at once; whether the system can.

    So that no moment is without either: a process may be killed at any.
    """
    function = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if function is None:
        return False
    names = (os.fsencode(path) for path in (one, other))
    return function(AT_CWD, next(names), AT_CWD, next(names), RENAME_EXCHANGE) == 0


def _exchange(part: Path, target: Path, old: Path) -> None:
    """Give a finished folder its name; what has it gets another, or keeps it where that fails."""
    try:
        if not target.exists():
            os.replace(part, target)
        elif _swap(part, target):
            # What had the name has that of the part now, and goes with it.
            return
        else:
            os.replace(target, old)
            os.replace(part, target)
    except OSError as error:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise unwritable(target, error) from error
