"""The hashes of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..files import BLOCK, open_regular, read_regular
from ..kinds import Bound

MOST_HASHED: Bound[int] = 1 << 62
"""Bytes of a file that is hashed and not read into memory."""


def sha256_of(path: Path, most: int = MOST_HASHED) -> str:
    """SHA-256 of a file, in hexadecimal.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        OSError, ValueError: as :func:`..files.open_regular`, or it grew meanwhile.
    """
    digest, left = hashlib.sha256(), most
    with open_regular(path, most) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            left -= len(block)
            if left < 0:
                raise ValueError(f"{path} has more than {most:,} bytes")
    return digest.hexdigest()


def read_hashed(path: Path, most: int) -> tuple[bytes, str]:
    """What is in a file, and its SHA-256 in hexadecimal.

    Raises:
        OSError, ValueError: as :func:`..files.read_regular`.
    """
    data = read_regular(path, most)
    return data, hashlib.sha256(data).hexdigest()
