"""Sources whose pictures have more than 8 bits: one range for all frames."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_scene import moving
from thermal import counts

from qatm.runtime import Box, InputError, Video, box_iou, track_video


@pytest.fixture(scope="module")
def shots(photographs: dict[str, np.ndarray]) -> list[tuple[np.ndarray, Box]]:
    return [
        (counts(image.mean(2), 29000, 30000 + 200 * number, number), box)
        for number, (image, box) in enumerate(moving(photographs, 5))
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shots: list[tuple[np.ndarray, Box]]) -> Path:
    """A folder of 16-bit pictures."""
    made = tmp_path_factory.mktemp("deep")
    for number, (frame, _) in enumerate(shots):
        assert cv2.imwrite(str(made / f"{number}.png"), frame)
    return made


def test_frames_are_8_bits_in_one_range(folder: Path, shots: list[tuple[np.ndarray, Box]]) -> None:
    with Video(str(folder)) as video:
        assert video.value_range is None
        images = []
        for frame in video:
            images.append(frame.image)
            kept = video.value_range
            assert kept is not None
            assert (kept.low, kept.high) == pytest.approx((29000, 30000), abs=100)
        assert video.stored_dtype == np.uint16
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in images)
    assert all(image.max() == 255 for image in images)
    # The last one goes up to 308 K; the first ones' whitest is then a third below white.
    assert images[-1][shots[-1][0] <= 29900].max() < 170


def test_a_named_range_is_kept(folder: Path, shots: list[tuple[np.ndarray, Box]]) -> None:
    with Video(str(folder), value_range=(28000, 32000)) as video:
        for frame, (stored, _) in zip(video, shots, strict=True):
            expected = (stored.astype(float) - 28000) * 255 / 4000
            assert np.abs(frame.image[..., 0] - expected).max() <= 0.51
    with pytest.raises(InputError, match="value_range"):
        Video(str(folder), value_range=(2, 1))


def test_an_object_is_followed_through_them(
    folder: Path, shots: list[tuple[np.ndarray, Box]]
) -> None:
    for (_, track), (_, box) in zip(track_video(str(folder), shots[0][1]), shots, strict=True):
        assert track.found
        assert box_iou(track.box, box) > 0.8


def test_pictures_on_standard_input_keep_their_values(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = folder / "all.stream"
    stream.write_bytes(b"".join(file.read_bytes() for file in sorted(folder.glob("*.png"))))
    with Video(str(folder)) as video:
        wanted = [frame.image for frame in video]
    with stream.open() as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        with Video("-") as video:
            images = [frame.image for frame in video]
            assert video.stored_dtype == np.uint16
    assert all(np.array_equal(a, b) for a, b in zip(images, wanted, strict=True))


def test_a_range_does_not_touch_8_bits(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    with Video(str(tmp_path), value_range=(0, 9000)) as video:
        assert np.array_equal(next(video).image, image)
        assert video.value_range is None
