"""The size that a picture file claims, in every format that OpenCV reads."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from qatm.runtime import ImageError, read_image
from qatm.runtime.picture_header import SEGMENTS, claimed_size, tiff_tag

ENDINGS = (
    *("png", "jpg", "bmp", "tif", "webp", "ppm", "pgm", "pbm", "pam", "gif"),
    *("jp2", "sr", "hdr", "pfm", "avif"),
)


def encoded(ending: str) -> bytes:
    """A picture of 53x37 pixels."""
    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    values = image.astype(np.float32) if ending in ("hdr", "pfm") else image
    values = image[..., 0] if ending in ("pgm", "pbm") else values
    try:
        done, data = cv2.imencode(f".{ending}", values)
    except cv2.error:
        done, data = False, np.zeros(0, np.uint8)
    if not done:
        pytest.skip(f"this OpenCV writes no {ending}")
    return data.tobytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_size_is_the_one_that_opencv_reads(ending: str) -> None:
    assert claimed_size(encoded(ending)) == (53, 37)


@pytest.mark.parametrize("quality", [(), (cv2.IMWRITE_WEBP_QUALITY, 80)])
def test_both_kinds_of_webp(quality: tuple[int, ...]) -> None:
    image = np.zeros((37, 53, 4), np.uint8)
    assert claimed_size(cv2.imencode(".webp", image, quality)[1].tobytes()) == (53, 37)


@pytest.mark.parametrize(
    "ending", [e for e in ENDINGS if e not in ("ppm", "pgm", "pbm", "pam", "hdr", "pfm")]
)
def test_a_header_that_is_cut_off_names_no_size(ending: str) -> None:
    data = encoded(ending)
    with pytest.raises(ValueError, match="its header is damaged"):
        claimed_size(data[:9])


def bombs() -> dict[str, bytes]:
    """Files of a few bytes that claim 40000x40000 pixels."""
    side = 40_000
    jpeg = encoded("jpg")
    at = jpeg.index(b"\xff\xc0") + 5
    tiff = bytearray(encoded("tif"))
    order = "little" if tiff[:2] == b"II" else "big"
    start = int.from_bytes(tiff[4:8], order)
    for entry in range(int.from_bytes(tiff[start : start + 2], order)):
        place = start + 2 + 12 * entry
        if int.from_bytes(tiff[place : place + 2], order) in (256, 257):
            kind = int.from_bytes(tiff[place + 2 : place + 4], order)
            size = {3: 2, 4: 4}[kind]
            tiff[place + 8 : place + 8 + size] = side.to_bytes(size, order)
    bmp = bytearray(encoded("bmp"))
    bmp[18:26] = struct.pack("<ii", side, -side)
    return {
        "jpg": jpeg[:at] + struct.pack(">HH", side, side) + jpeg[at + 4 :],
        "tif": bytes(tiff),
        "bmp": bytes(bmp),
        "ppm": b"P6\n# a comment\n40000 40000\n255\n" + bytes(100),
        "pam": b"P7\nWIDTH 40000\nHEIGHT 40000\nDEPTH 3\nMAXVAL 255\nENDHDR\n" + bytes(99),
        "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 40000 +X 40000\n" + bytes(99),
        "sr": struct.pack(">8I", 0x59A66A95, side, side, 24, 0, 1, 0, 0) + bytes(99),
    }


@pytest.mark.parametrize("ending", ["jpg", "tif", "bmp", "ppm", "pam", "hdr", "sr"])
def test_what_claims_too_much_is_not_decoded(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("it was decoded")

    data = bombs()[ending]
    assert claimed_size(data) == (40_000, 40_000)
    file = tmp_path / f"bomb.{ending}"
    file.write_bytes(data)
    monkeypatch.setattr(cv2, "imdecode", decode)
    with pytest.raises(ImageError, match=r"40000x40000 px.*: it has [16],[46]00,000,000 pixels"):
        read_image(file)


def test_a_thumbnail_in_the_header_does_not_count() -> None:
    jpeg, small = encoded("jpg"), cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    segment = b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small
    assert claimed_size(jpeg[:2] + segment + jpeg[2:]) == (53, 37)


def test_a_header_without_end_is_not_followed() -> None:
    endless = b"\xff\xd8" + b"\xff" * 10 * SEGMENTS + encoded("jpg")[2:]
    with pytest.raises(ValueError, match="damaged"):
        claimed_size(endless)


def test_other_bytes_are_no_picture() -> None:
    assert claimed_size(b"") is None
    assert claimed_size(b"hello, this is a text of some length") is None
    assert tiff_tag(b"hello", 258) == 0


def test_a_chunk_that_claims_gigabytes_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    data = bytearray(encoded("png"))
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = b"\xff\0\x20\0"
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="a chunk has more bytes than are there"):
        read_image(tmp_path / "a.png")


def test_bytes_behind_the_end_of_a_png_do_not_matter() -> None:
    assert claimed_size(encoded("png") + b"\xff" * 40) == (53, 37)
