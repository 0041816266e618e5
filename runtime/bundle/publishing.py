"""Puts finished files into a bundle's folder, so that a kill at any moment leaves a whole bundle.

The files are made in a hidden folder inside the bundle's. Giving that the name :data:`PENDING` is
the moment at which the bundle becomes the new one; what is left to do, moving each file to its
place, is done by whoever comes next: the process that made them, or, if that was killed, the next
one that loads or writes the bundle.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import BundleError
from ..files import check_target, move_over
from ..json_values import member, object_of, read_json
from .hashing import sha256_of
from .manifest import is_plain_name

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None

MANIFEST = "bundle.json"

PENDING = ".publishing"
"""The folder of files that belong to a bundle and are not in their places yet."""


def publish(stage: Path, folder: Path) -> None:
    """Make finished files the bundle of a folder; what only the bundle before had is removed.

    Args:
        stage: a folder inside ``folder`` with the files, among them ``bundle.json``; without it
            they are added to the bundle that is there, as engines are.
        folder: of the bundle. Other files in it stay.

    Raises:
        OSError: the folder cannot be written; the bundle before is still there. Once the files are
            the bundle's, a move that fails is done when the bundle is next loaded.
    """
    pending = folder / PENDING
    with _alone(folder):
        if is_pending(folder):
            _move_all(folder)
        if not (stage / MANIFEST).exists():
            shutil.copyfile(folder / MANIFEST, stage / MANIFEST)
        for path in stage.iterdir():
            check_target(folder / path.name)
        with suppress(OSError):
            pending.rmdir()
        stage.rename(pending)
        _move_all(folder)


def is_pending(folder: Path) -> bool:
    """Whether a bundle's files are not all in their places."""
    pending = folder / PENDING
    return (pending / MANIFEST).is_file() and not pending.is_symlink()


def finish(folder: Path) -> None:
    """Move the files of a bundle to their places, where a killed process could not.

    Raises:
        BundleError: they cannot be moved.
    """
    if not is_pending(folder):
        return
    try:
        with _alone(folder):
            if is_pending(folder):
                _move_all(folder)
    except OSError as error:
        raise BundleError(
            f"{folder} was being written when that process ended, and the rest of it cannot be "
            f"moved to its place ({error}); load it once where the folder can be written to, or "
            "export it again"
        ) from error


def _move_all(folder: Path) -> None:
    """Move pending files to their places, the manifest last: until then they are pending."""
    pending = folder / PENDING
    before, after = _listed(folder / MANIFEST), _listed(pending / MANIFEST)
    for path in sorted(pending.iterdir()):
        if path.name != MANIFEST and path.is_file() and not path.is_symlink():
            move_over(path, folder / path.name)
    for name in before.keys() - after.keys():
        _remove(folder / name, before[name])
    move_over(pending / MANIFEST, folder / MANIFEST)
    with suppress(OSError):
        pending.rmdir()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other process move files of this folder meanwhile, where the system has locks."""
    handle = os.open(folder, os.O_RDONLY) if fcntl is not None else -1
    try:
        if fcntl is not None:
            # Some network drives have no locks.
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def _remove(path: Path, sha256: object) -> None:
    """Remove a file of the bundle before, but none that only has the name of one.

    Whoever made that bundle may have listed a name that a file of the user's has.
    """
    ours = False
    with suppress(OSError):
        ours = path.is_file() and not path.is_symlink() and sha256_of(path) == sha256
    if ours:
        path.unlink(missing_ok=True)


def _listed(manifest: Path) -> dict[str, object]:
    """The files that a manifest lists, and their hashes; none where it is missing or damaged."""
    try:
        files = object_of(member(object_of(read_json(manifest), "it"), "files"), "files")
        return {
            name: object_of(entry, name).get("sha256")
            for name, entry in files.items()
            if is_plain_name(name)
        }
    except (OSError, ValueError):
        return {}
