"""Folders that are made once for all test workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """A folder that the first worker makes while the others wait for it; it is only read.

    Args:
        factory: pytest's ``tmp_path_factory``.
        name: of the folder, one for each thing that is made.
        make: fills the empty folder that it is given.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / f"shared-{name}"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            # What fails half-way leaves nothing under the name that others look for.
            unfinished = factory.mktemp(name)
            make(unfinished)
            unfinished.rename(folder)
    return folder
