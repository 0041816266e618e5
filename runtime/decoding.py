"""The bytes of picture files: what OpenCV does not tell of them, or does otherwise from version to
version: whether the end is missing, which type a TIFF stores, how a camera was held."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .kinds import Numeric

TIFF_STARTS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}

BITS_PER_SAMPLE: Numeric[int] = 258

ORIENTATION: Numeric[int] = 274
"""Tag of EXIF 2.3 that says how a camera was held."""

EXIF_START = b"Exif\0\0"
"""What some programs write before the EXIF data of a WebP."""

UNTOUCHED_BITS: Numeric[int] = 32
"""Samples of so many bits are read as they are stored."""


def decode_values(data: bytes) -> NDArray[Any] | None:
    """The picture in the bytes of a file, in the file's own type; ``None`` if there is none.

    Raises:
        cv2.error: it is damaged.
    """
    # OpenCV turns no grey TIFF of 32 or 64 bits into colour, and says so on stderr.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    if _tiff_value(data, BITS_PER_SAMPLE) >= UNTOUCHED_BITS:
        flags = cv2.IMREAD_UNCHANGED
    # Only newer versions of OpenCV turn a WebP as its EXIF data say.
    exif = _webp_exif(data)
    if exif:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        return None
    return (
        _upright(np.asarray(image), _tiff_value(exif, ORIENTATION)) if exif else np.asarray(image)
    )


def _webp_exif(data: bytes) -> bytes:
    """The EXIF data of a WebP file (chunk ``EXIF`` of its RIFF container); empty if it has none."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return b""
    at = 12
    while len(head := data[at : at + 8]) == 8:  # noqa: PLR2004
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            return data[at + 8 : at + 8 + size].removeprefix(EXIF_START)
        at += 8 + size + size % 2
    return b""


def _upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A picture turned as its EXIF orientation says, 1 to 8; others leave it as it is."""
    turned = {
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.swapaxes(0, 1),
        6: image[::-1].swapaxes(0, 1),
        7: image[::-1, ::-1].swapaxes(0, 1),
        8: image[:, ::-1].swapaxes(0, 1),
    }
    return np.ascontiguousarray(turned.get(orientation, image))


def _tiff_value(data: bytes, tag: int) -> int:
    """The first value of a tag of 16-bit values in a TIFF (TIFF 6.0), such as EXIF data are.

    0 if it does not say, or is none.
    """
    order: Literal["little", "big"] | None = TIFF_STARTS.get(data[:4])
    if order is None:
        return 0
    start = int.from_bytes(data[4:8], order)
    for entry in range(int.from_bytes(data[start : start + 2], order)):
        at = start + 2 + 12 * entry
        if int.from_bytes(data[at : at + 2], order) == tag:
            count = int.from_bytes(data[at + 4 : at + 8], order)
            # Two values fit into the entry; more stand elsewhere.
            place = at + 8 if count <= 2 else int.from_bytes(data[at + 8 : at + 12], order)  # noqa: PLR2004
            return int.from_bytes(data[place : place + 2], order)
    return 0


def is_truncated(data: bytes) -> bool:
    """Decoders fill the missing part of a cut JPEG or PNG with grey; find it by the end marker."""
    if data.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in data[_jpeg_scan(data) :]
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND" not in data
    return False


def _jpeg_scan(data: bytes) -> int:
    """Where the pixels of a JPEG start: after its header, which may hold a whole small JPEG."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        fill = data[at + 1 : at + 2] == b"\xff"
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at
