"""Whether a video that was written is all there."""

from __future__ import annotations

import os
from pathlib import Path

import cv2

from ..kinds import Numeric
from .protocols import FILES, only_protocols

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
"""How a Matroska file begins, and the element that holds the rest of it (RFC 9559)."""

HEAD: Numeric[int] = 4096
"""Bytes of a file in which its segment begins."""


def count_frames(path: Path) -> int:
    """How many frames a video file has by its own account; 0 if it is cut off or does not open."""
    if lacks_its_end(path):
        return 0
    with only_protocols(FILES):
        capture = cv2.VideoCapture(os.path.abspath(path))
    try:
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0.0
        return max(0, round(count))
    finally:
        capture.release()


def lacks_its_end(path: Path) -> bool:
    """Whether a file is Matroska and shorter than it says.

    Its header is written last and says how long it lasts, also where what the disk had no room for
    is missing.
    """
    try:
        with path.open("rb") as file:
            head, size = file.read(HEAD), os.fstat(file.fileno()).st_size
    except OSError:
        return False
    if not head.startswith(EBML):
        return False
    header = _number(head, len(EBML))
    if header is None:
        return True
    begin = header[1] + header[0]
    if not head.startswith(SEGMENT, begin):
        return True
    segment = _number(head, begin + len(SEGMENT))
    # One that was not completed has a size of ones only, which stands for no size.
    return segment is None or segment[1] + segment[0] > size


def _number(data: bytes, begin: int) -> tuple[int, int] | None:
    """A number of variable length (RFC 8794, section 4), and where it ends."""
    if begin >= len(data) or not data[begin]:
        return None
    length = 9 - data[begin].bit_length()
    digits = data[begin : begin + length]
    if len(digits) < length:
        return None
    value = int.from_bytes(digits, "big") & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else (value, begin + length)
