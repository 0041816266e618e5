"""Videos with any time stamps: Matroska (RFC 9559) with a JPEG picture a frame."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def write_matroska(path: Path, images: Sequence[NDArray[np.uint8]], times: Sequence[float]) -> Path:
    """Write ``(H, W, 3)`` uint8 BGR frames, of one size, with their times in whole milliseconds.

    Args:
        path: the file, ``.mkv``.
        images: the frames.
        times: in seconds, below 32 of them.
    """
    height, width = images[0].shape[:2]
    stamps = [round(1000 * time) for time in times]
    blocks = b""
    for image, stamp in zip(images, stamps, strict=True):
        picture = cv2.imencode(".jpg", image)[1].tobytes()
        blocks += element("A3", b"\x81" + struct.pack(">hB", stamp, 0x80) + picture)
    head = element(
        "1A45DFA3",
        number("4286", 1) + number("42F7", 1) + number("42F2", 4) + number("42F3", 8),
        element("4282", b"matroska") + number("4287", 2) + number("4285", 2),
    )
    length = struct.pack(">d", stamps[-1] + 40)
    about = element("1549A966", number("2AD7B1", 1_000_000), element("4489", length))
    video = element("E0", number("B0", width), number("BA", height))
    track = number("D7", 1) + number("73C5", 1) + number("83", 1)
    tracks = element("1654AE6B", element("AE", track, element("86", b"V_MJPEG"), video))
    cluster = element("1F43B675", number("E7", 0), blocks)
    path.write_bytes(head + element("18538067", about, tracks, cluster))
    return path


def element(name: str, *parts: bytes) -> bytes:
    """An element by its ID in hexadecimal; its length is written with eight bytes."""
    data = b"".join(parts)
    return bytes.fromhex(name) + struct.pack(">Q", len(data) | 1 << 56) + data


def number(name: str, value: int) -> bytes:
    """An element that holds an unsigned integer."""
    return element(name, struct.pack(">I", value))
