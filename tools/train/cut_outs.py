"""Objects cut out of their pictures: files with an alpha channel, from a folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import ImageError, InputError
from ...runtime.images import IMAGE_SUFFIXES

Array = NDArray[Any]

SIDE = 256
"""Pixels of a cut-out's square in both directions."""

FEWEST_SHOWN = 0.01
"""Share of a picture that an object in it covers at least."""

CHANNELS = 4


class CutOut(NamedTuple):
    """An object: ``colours (SIDE, SIDE, 3)`` float32 BGR, ``alpha (SIDE, SIDE)`` in [0, 1]."""

    colours: Array
    alpha: Array


@dataclass(frozen=True)
class CutOuts:
    """Objects by number; each is read when it is asked for.

    Attributes:
        source: the folder.
        files: one an object, sorted by name.
        skipped: name of what was left out, and why.
        digest: SHA-256 of the files' bytes, in order.
    """

    source: Path
    files: tuple[Path, ...]
    skipped: dict[str, str]
    digest: str

    def __len__(self) -> int:
        return len(self.files)

    @property
    def content(self) -> str:
        """What they are, in words that do not say where."""
        return f"{len(self)} cut-outs of a folder"

    def __getitem__(self, index: int) -> CutOut:
        """Object ``index``, counted round and round.

        Raises:
            ImageError: its file has gone or changed since.
        """
        file = self.files[index % len(self.files)]
        try:
            return _cut_out(file.read_bytes())
        except (OSError, ValueError, cv2.error) as error:
            raise ImageError(f"{file} can no longer be read ({error}); start again") from error


def open_cut_outs(folder: Path) -> CutOuts:
    """Read the pictures with an alpha channel of a folder, once each.

    Raises:
        InputError: the folder is missing, or has no picture with an alpha channel.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder; give one with pictures that have an alpha channel"
        )
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    files: list[Path] = []
    skipped: dict[str, str] = {}
    digest = hashlib.sha256()
    for file in sorted(found, key=lambda path: path.name):
        try:
            data = file.read_bytes()
            _cut_out(data)
        except (OSError, ValueError, cv2.error) as error:
            skipped[str(file)] = str(error)
            continue
        digest.update(data)
        files.append(file)
    if not files:
        told = "; ".join(f"{Path(name).name} {why}" for name, why in list(skipped.items())[:3])
        raise InputError(
            f"{folder} holds no picture with an alpha channel ({', '.join(IMAGE_SUFFIXES)}), and "
            f"objects are cut out by theirs{': ' + told if told else ''}"
        )
    return CutOuts(folder, tuple(files), skipped, digest.hexdigest())


def _cut_out(data: bytes) -> CutOut:
    """The object in the bytes of a file, in a square of its own.

    Raises:
        ValueError: it is no picture with an alpha channel of eight bits, or shows nothing.
        cv2.error: it is damaged.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if pixels is None:
        raise ValueError("is no picture")
    if pixels.ndim != CHANNELS - 1 or pixels.shape[2] != CHANNELS or pixels.dtype != np.uint8:
        raise ValueError("has no alpha channel of eight bits")
    values = _squared(np.asarray(pixels, np.float32))
    if (values[..., 3] > 0).mean() < FEWEST_SHOWN:
        raise ValueError("shows nothing")
    return CutOut(values[..., :3], values[..., 3] / 255)


def _squared(values: Array) -> Array:
    """In the middle of a square, which is empty beside it, at the usual size."""
    height, width = values.shape[:2]
    if (height, width) == (SIDE, SIDE):
        return values
    side = max(height, width)
    square = np.zeros((side, side, CHANNELS), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = values
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=method))
