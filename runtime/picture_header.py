"""How large a picture claims to be, read from the first bytes of its file and nothing else.

A few bytes can claim a billion pixels, and a decoder that believes them takes gigabytes before it
finds that they are not there. All formats are read that OpenCV tells by their first bytes: PNG,
JPEG, BMP, TIFF, WebP, GIF, JPEG 2000, AVIF, Radiance, Sun raster and the portable ones.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Literal

from .kinds import Bound, Numeric

Size = tuple[int, int]
"""Width and height."""

TIFF_STARTS: dict[bytes, Literal["little", "big"]] = {
    b"II*\0": "little",
    b"MM\0*": "big",
    b"II+\0": "little",
    b"MM\0+": "big",
}

TIFF_WIDTH: Numeric[int] = 256
TIFF_HEIGHT: Numeric[int] = 257
TIFF_BITS: Numeric[int] = 258

TIFF_ENTRIES: Bound[int] = 4096
"""Of the first directory of a TIFF."""

FRAME_MARKERS: Numeric[frozenset[int]] = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG that begin a frame and give its size (ITU T.81, table B.1)."""

NO_LENGTH: Numeric[frozenset[int]] = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers of JPEG without a length behind them."""

START_OF_SCAN: Numeric[int] = 0xDA

PNG_START = b"\x89PNG\r\n\x1a\n"

PNG_CHUNK: Numeric[int] = 12
"""Bytes of a chunk besides what it holds."""

PNG_CHUNKS: Bound[int] = 1 << 20
"""That are looked at: encoders put some thousand bytes into each."""

SEGMENTS: Bound[int] = 4096
"""Parts of a header that are looked at."""

TEXT_HEADER: Bound[int] = 1 << 16
"""Bytes of a header of text, in formats that have one."""

PORTABLE = re.compile(rb"P([1-6fF])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)")
ARBITRARY = {side: re.compile(rb"\n\s*" + side + rb"\s+(\d+)") for side in (b"WIDTH", b"HEIGHT")}
RADIANCE = re.compile(rb"\n[-+][XY]\s*(\d+)\s+[-+][XY]\s*(\d+)")


def claimed_size(data: bytes) -> Size | None:
    """Width and height that a picture file claims.

    Args:
        data: the file.

    Returns:
        The largest width and the largest height that its header names; ``None`` for a format that
        is not known.

    Raises:
        ValueError: the format is known, and its header names no size, or parts that are not there.
    """
    read = next((read for start, read in READERS.items() if data.startswith(start)), None)
    if read is None and data[4:8] != b"ftyp":
        return None
    try:
        size = _avif(data) if read is None else read(data)
    except (struct.error, IndexError):
        size = None
    if size is None:
        raise ValueError("its header is damaged: it names no width and height")
    return size


def sample_bytes(data: bytes) -> int:
    """Bytes of each number in the picture of a file, as far as its header says; 1 to 8."""
    if data.startswith(b"\x89PNG"):
        bits = data[24] if len(data) > 24 else 8  # noqa: PLR2004
    elif data.startswith((b"#?R", b"PF", b"Pf")):
        bits = 32
    else:
        bits = tiff_tag(data, TIFF_BITS)
    return min(max(1, bits // 8), 8)


def tiff_tag(data: bytes, wanted: int) -> int:
    """The first value of a tag of a TIFF (TIFF 6.0; BigTIFF); 0 if it has none, or is none."""
    order = TIFF_STARTS.get(data[:4])
    if order is None:
        return 0

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    big = b"+" in data[:4]
    start = number(8, 8) if big else number(4, 4)
    head, step, wide = (8, 20, 8) if big else (2, 12, 4)
    for entry in range(min(number(start, head), TIFF_ENTRIES)):
        at = start + head + step * entry
        if number(at, 2) != wanted:
            continue
        size = {1: 1, 3: 2, 4: 4, 16: 8}.get(number(at + 2, 2), 0)
        count = number(at + 4, wide)
        # What is too long for the entry stands elsewhere.
        place = at + 4 + wide
        return number(place if size * count <= wide else number(place, wide), size)
    return 0


def jpeg_scan(data: bytes) -> int:
    """Where the pixels of a JPEG start: after its header, which may hold a whole small JPEG."""
    at = 2
    for _ in range(SEGMENTS):
        if data[at : at + 1] != b"\xff" or data[at + 1 : at + 2] == b"\xda":
            break
        fill = data[at + 1 : at + 2] == b"\xff"
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def _png(data: bytes) -> Size | None:
    """PNG (ISO/IEC 15948): the first chunk gives the size.

    Decoders take the memory for a chunk before they read it, so that each must be there.
    """
    at = len(PNG_START)
    for _ in range(PNG_CHUNKS):
        kind = data[at + 4 : at + 8]
        at += PNG_CHUNK + int.from_bytes(data[at : at + 4], "big")
        if at > len(data):
            raise ValueError("its header is damaged: a chunk has more bytes than are there")
        if kind in (b"IEND", b""):
            return struct.unpack_from(">II", data, 16)
    raise ValueError("its header is damaged: it has more chunks than can be looked at")


def _jpeg(data: bytes) -> Size | None:
    """JPEG (ITU T.81): what lies between segments is skipped, as decoders do."""
    sizes: list[Size] = []
    at = 2
    for _ in range(SEGMENTS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 9 > len(data):
            break
        marker = data[at + 1]
        if marker in (0x00, 0xFF) or marker in NO_LENGTH:
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004
            continue
        if marker == START_OF_SCAN:
            break
        if marker in FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            sizes.append((width, height))
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return _largest(sizes)


def _bmp(data: bytes) -> Size | None:
    """BMP: the oldest header has 16 bits a side, later ones 32 and a sign."""
    if int.from_bytes(data[14:18], "little") == 12:  # noqa: PLR2004
        return struct.unpack_from("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)


def _tiff(data: bytes) -> Size | None:
    """TIFF: two tags of the first directory."""
    width, height = (tiff_tag(data, tag) for tag in (TIFF_WIDTH, TIFF_HEIGHT))
    return (width, height) if width and height else None


def _webp(data: bytes) -> Size | None:
    """WebP (RFC 9649): a canvas, and pictures lossy or lossless."""
    if data[8:12] != b"WEBP":
        return None
    sizes: list[Size] = []
    at = 12
    for _ in range(SEGMENTS):
        if at + 18 > len(data):
            break
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 18]
        if kind == b"VP8X":
            width, height = (int.from_bytes(body[i : i + 3], "little") for i in (4, 7))
            sizes.append((width + 1, height + 1))
        elif kind == b"VP8 ":
            width, height = struct.unpack_from("<HH", body, 6)
            sizes.append((width & 0x3FFF, height & 0x3FFF))
        elif kind == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            sizes.append(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        at += 8 + size + size % 2
    return _largest(sizes)


def _gif(data: bytes) -> Size | None:
    """GIF: the size of the screen."""
    return struct.unpack_from("<HH", data, 6)


def _sun(data: bytes) -> Size | None:
    """Sun raster."""
    return struct.unpack_from(">II", data, 4)


def _jpeg2000(data: bytes) -> Size | None:
    """JPEG 2000 (ITU T.800): the size marker of the code stream, and the header around it."""
    sizes = [(width, height) for height, width in _boxed(data, b"ihdr", ">II")]
    at = data.find(b"\xff\x4f\xff\x51")
    if at >= 0:
        right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
        sizes.append((max(0, right - left), max(0, bottom - top)))
    return _largest(sizes)


def _avif(data: bytes) -> Size | None:
    """AVIF and its relatives (ISO/IEC 23008-12): the extents of all pictures and tiles."""
    return _largest(_boxed(data, b"ispe", ">II", skip=4))


def _portable(data: bytes) -> Size | None:
    """PBM, PGM, PPM and PFM: numbers in text, with comments between them."""
    found = PORTABLE.match(data[:TEXT_HEADER])
    return None if found is None else (int(found[2]), int(found[3]))


def _arbitrary(data: bytes) -> Size | None:
    """PAM: named numbers, the last one of a name counts."""
    head = data[:TEXT_HEADER].partition(b"ENDHDR")[0]
    sides = [[int(side) for side in pattern.findall(head)] for pattern in ARBITRARY.values()]
    return (max(sides[0]), max(sides[1])) if all(sides) else None


def _radiance(data: bytes) -> Size | None:
    """Radiance: rows and columns on a line of their own."""
    found = RADIANCE.search(data[:TEXT_HEADER])
    return None if found is None else (int(found[2]), int(found[1]))


def _boxed(data: bytes, kind: bytes, layout: str, skip: int = 0) -> list[Size]:
    """Two numbers in each box of a kind, wherever it lies."""
    sizes: list[Size] = []
    at = 0
    for _ in range(SEGMENTS):
        at = data.find(kind, at)
        if at < 0 or at + 4 + skip + struct.calcsize(layout) > len(data):
            return sizes
        sizes.append(struct.unpack_from(layout, data, at + 4 + skip))
        at += 4
    raise ValueError("its header is damaged: it names more sizes than can be looked at")


def _largest(sizes: list[Size]) -> Size | None:
    """The largest width and the largest height."""
    if not sizes:
        return None
    return max(width for width, _ in sizes), max(height for _, height in sizes)


READERS: dict[bytes, Callable[[bytes], Size | None]] = {
    PNG_START: _png,
    b"\xff\xd8": _jpeg,
    b"BM": _bmp,
    **dict.fromkeys(TIFF_STARTS, _tiff),
    b"RIFF": _webp,
    b"GIF8": _gif,
    b"\x59\xa6\x6a\x95": _sun,
    b"\0\0\0\x0cjP": _jpeg2000,
    b"\xff\x4f\xff\x51": _jpeg2000,
    b"P7": _arbitrary,
    b"P": _portable,
    b"#?R": _radiance,
}
"""By the bytes that a file begins with."""
