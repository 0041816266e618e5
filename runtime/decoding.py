"""The bytes of picture files: what OpenCV does not tell of them, or does otherwise from version to
version: whether the end is missing, which type a TIFF stores, how a camera was held."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ImageError
from .kinds import Numeric
from .limits import PICTURE_PIXELS
from .picture_header import (
    SEGMENTS,
    TIFF_BITS,
    claimed_size,
    jpeg_scan,
    sample_bytes,
    tiff_tag,
)

ORIENTATION: Numeric[int] = 274
"""Tag of EXIF 2.3 that says how a camera was held."""

EXIF_START = b"Exif\0\0"
"""What some programs write before the EXIF data of a WebP."""

UNTOUCHED_BITS: Numeric[int] = 32
"""Samples of so many bits are read as they are stored."""


def decode_values(data: bytes) -> NDArray[Any] | None:
    """The picture in the bytes of a file, in the file's own type; ``None`` if there is none.

    Raises:
        ImageError: it claims more pixels than :mod:`.limits` allow, or its header is damaged; the
            message is to follow the name of the file.
        cv2.error: it is damaged.
    """
    _check_size(data)
    # OpenCV turns no grey TIFF of 32 or 64 bits into colour, and says so on stderr.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    if tiff_tag(data, TIFF_BITS) >= UNTOUCHED_BITS:
        flags = cv2.IMREAD_UNCHANGED
    # Only newer versions of OpenCV turn a WebP as its EXIF data say.
    exif = _webp_exif(data)
    if exif:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        return None
    return _upright(np.asarray(image), tiff_tag(exif, ORIENTATION)) if exif else np.asarray(image)


def _check_size(data: bytes) -> None:
    """Refuse a file that claims more pixels than are accepted, before they take memory.

    Raises:
        ImageError: it does, or its header is damaged.
    """
    try:
        width, height = claimed_size(data) or (0, 0)
    except ValueError as error:
        raise ImageError(f"cannot be decoded: {error}") from None
    # Of numbers of two or four bytes only so many fewer fit into the same memory.
    size = sample_bytes(data)
    if refusal := PICTURE_PIXELS.refusal(width * height * size):
        of = "" if size == 1 else f" of {8 * size} bits, each of which counts as {size}"
        raise ImageError(f"is {width}x{height} px{of}: it {refusal}")


def _webp_exif(data: bytes) -> bytes:
    """The EXIF data of a WebP file (chunk ``EXIF`` of its RIFF container); empty if it has none."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return b""
    at = 12
    for _ in range(SEGMENTS):
        head = data[at : at + 8]
        if len(head) < 8:  # noqa: PLR2004
            break
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


def is_truncated(data: bytes) -> bool:
    """Decoders fill the missing part of a cut JPEG or PNG with grey; find it by the end marker."""
    if data.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in data[jpeg_scan(data) :]
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND" not in data
    return False
