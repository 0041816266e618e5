"""Limits: what they are by default, how they are raised, and that memory follows them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from peak_memory import counted, output_of

from qatm.runtime import (
    BoxError,
    ImageError,
    InputError,
    Matcher,
    Session,
    Tracker,
    Video,
    read_image,
)
from qatm.runtime.boxes import Box, check_elongation
from qatm.runtime.images import as_bgr
from qatm.runtime.limits import ELONGATION, PICTURE_PIXELS, Limit

MEASURE = """
import sys
import numpy as np, cv2
from qatm.runtime import ImageError, read_image
before = peak()
try:
    read_image(sys.argv[1])
except ImageError as error:
    print(error)
print(peak() - before)
"""


def png_of(width: int, height: int) -> bytes:
    """A PNG file that claims a size and has next to no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def test_a_variable_raises_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit("QATM_TEST_LIMIT", 10, "pixels")
    assert limit.value == 10
    assert limit.refusal(10) is None
    assert limit.refusal(1234) == (
        "has 1,234 pixels, and at most 10 are accepted; set QATM_TEST_LIMIT to accept more"
    )
    monkeypatch.setenv("QATM_TEST_LIMIT", "2000")
    assert limit.refusal(1234) is None
    for text in ("0", "-1", "1e3", "many", "9" * 30, "٣"):
        monkeypatch.setenv("QATM_TEST_LIMIT", text)
        with pytest.raises(InputError, match=r"QATM_TEST_LIMIT is .*give a whole number above 0"):
            limit.refusal(1)


def measured(file: Path, **variables: str) -> tuple[str, int]:
    """What reading a picture says in a process of its own, and how many MiB it takes there."""
    *said, taken = output_of(MEASURE, str(file), **variables)
    return " ".join(said), int(taken)


@counted
def test_memory_follows_the_limit_of_pixels(tmp_path: Path) -> None:
    file = tmp_path / "claims.png"
    file.write_bytes(png_of(1 << 15, 1 << 15))
    said, taken = measured(file)
    assert "is 32768x32768 px: it has 1,073,741,824 pixels" in said
    assert "set QATM_MAX_PIXELS" in said
    assert taken < 30
    # The same for pictures that are there: only the limit tells.
    image = np.full((5000, 6000, 3), 7, np.uint8)
    real = tmp_path / "real.png"
    cv2.imwrite(str(real), image)
    said, taken = measured(real)
    assert said == ""
    assert image.nbytes >> 20 <= taken < 3 * image.nbytes >> 20
    said, taken = measured(real, QATM_MAX_PIXELS="29999999")
    assert "is 6000x5000 px: it has 30,000,000 pixels, and at most 29,999,999 are accepted" in said
    assert taken < 30


def test_arrays_and_frames_have_the_same_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    video = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(video, cv2.VideoWriter.fourcc(*"MJPG"), 25, (80, 60))
    for _ in range(5):
        writer.write(image)
    writer.release()
    monkeypatch.setenv(PICTURE_PIXELS.variable, "4799")
    with pytest.raises(ImageError, match=r"frame is 80x60 px: it has 4,800 pixels"):
        as_bgr(image, "frame")
    with pytest.raises(InputError, match=r"has frames of 80x60 px: one has 4,800 pixels"):
        Video(video)
    monkeypatch.setenv(PICTURE_PIXELS.variable, "4800")
    with Video(video) as frames:
        assert next(frames).image.shape == (60, 80, 3)


def test_no_array_of_views_gets_through() -> None:
    enormous = np.broadcast_to(np.uint8(7), (1 << 16, 1 << 16, 3))
    with pytest.raises(ImageError, match="65536x65536 px"):
        as_bgr(enormous)


def test_a_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "long.bmp"
    cv2.imwrite(str(file), np.zeros((40, 40, 3), np.uint8))
    monkeypatch.setenv("QATM_MAX_FILE_BYTES", "1000")
    with pytest.raises(ImageError, match=r"long\.bmp has more than 1,000 bytes; set QATM_MAX_"):
        read_image(file)


@pytest.mark.parametrize(
    "box", [(0, 0, 1e6, 1), (0, 10, 640, 0.5), (5, 0, 0.01, 480), (0.0, 0.0, 1.0, 1e6)]
)
def test_elongated_boxes_are_refused_at_once(
    box: tuple[float, float, float, float], photographs: dict[str, np.ndarray]
) -> None:
    image = photographs["astronaut"]
    with (
        Session(device="cpu", threads=1) as session,
        Tracker(session) as tracker,
        Matcher(session) as matcher,
    ):
        for begin in (tracker.init, matcher.set_template):
            with pytest.raises(BoxError, match=r"times as long as wide.*QATM_MAX_ELONGATION"):
                begin(image, box)


def test_the_limit_of_elongation(monkeypatch: pytest.MonkeyPatch) -> None:
    check_elongation(Box(0, 0, 1000, 1))
    with pytest.raises(BoxError, match="is 1,001 times as long as wide, and at most 1,000"):
        check_elongation(Box(0, 0, 1, 1001))
    monkeypatch.setenv(ELONGATION.variable, "2000")
    check_elongation(Box(0, 0, 1, 1001))


def test_what_is_searched_of_an_extreme_box_is_bounded(photographs: dict[str, np.ndarray]) -> None:
    image = photographs["astronaut"]
    with Tracker(device="cpu", threads=1) as tracker:
        for box in ((0, 10, 500, 0.5), (-5e5, -5e5, 1e6, 1e6), (100, 100, 1, 1)):
            tracker.init(image, box)
            assert tracker._follower is not None
            region = tracker._follower.region()
            assert region.width * region.height < 300_000


def test_a_part_that_is_too_large_for_one_piece(
    monkeypatch: pytest.MonkeyPatch, photographs: dict[str, np.ndarray]
) -> None:
    monkeypatch.setenv("QATM_MAX_PIECE_PIXELS", "5000")
    with (
        Tracker(device="cpu", threads=1) as tracker,
        pytest.raises(ImageError, match=r"a part of an image has .* working pixels in one piece"),
    ):
        tracker.init(photographs["astronaut"], (100, 100, 64, 64))
