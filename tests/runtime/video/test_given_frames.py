"""Sources that a program has already: generators, lists and arrays of frames, opened captures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from qatm.runtime import Frame, ImageError, Video, VideoError, VideoWriter, frames, track_video

BOX = (120, 80, 64, 64)


@pytest.fixture
def moving(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    cat = photographs["chelsea"]
    return [cat[step : step + 280, step : step + 440].copy() for step in range(6)]


def test_a_generator_is_a_source(moving: list[np.ndarray]) -> None:
    given = list(frames((image for image in moving), fps=10))
    assert [frame.index for frame in given] == list(range(6))
    assert [frame.time for frame in given] == pytest.approx(np.arange(6) / 10)
    assert all(np.array_equal(a.image, b) for a, b in zip(given, moving, strict=True))
    with Video(moving, start=4) as video:
        assert (video.count, video.fps, video.endless) == (6, 25.0, False)
        assert [frame.index for frame in video] == [4, 5]


def test_a_missing_frame_is_no_end(moving: list[np.ndarray]) -> None:
    given: list[Any] = [moving[0], None, *moving[2:]]
    for source in (given, iter(given)):
        with Video(source) as video, pytest.raises(ImageError, match="frame 1 "):
            list(video)
    assert [frame.index for frame in frames(given, start=2)] == [2, 3, 4, 5]


def test_an_object_is_followed_through_arrays(moving: list[np.ndarray]) -> None:
    for source in (moving, np.stack(moving), iter(moving)):
        tracks = [track for _, track in track_video(source, BOX)]
        assert [track.state for track in tracks] == ["tracking"] * 6
        assert tracks[-1].box == pytest.approx((115, 75, 64, 64), abs=2)


def test_frames_keep_their_times(moving: list[np.ndarray]) -> None:
    times = (0.0, 0.5, 0.6, 2.0, 2.25, 3.0)
    shots = [Frame(i, t, image) for i, (t, image) in enumerate(zip(times, moving, strict=True))]
    assert [frame.time for frame in frames(shots)] == pytest.approx(times)
    assert [frame.time for frame in frames(shot for shot in shots[1:])] == pytest.approx(times[1:])


def test_grey_and_deep_frames_are_shown(moving: list[np.ndarray]) -> None:
    deep = [image[..., 0].astype(np.uint16) * 200 for image in moving]
    shown = [frame.image for frame in frames(deep)]
    assert {image.shape for image in shown} == {(280, 440, 3)}
    assert {image.dtype for image in shown} == {np.dtype(np.uint8)}


def test_the_newest_frame_of_a_generator_is_given_live(moving: list[np.ndarray]) -> None:
    with Video(iter(moving), live=True) as video:
        indices = [frame.index for frame in video]
    assert indices[-1] == 5
    assert len(indices) + video.dropped == 6


def test_an_opened_capture_is_a_source_and_stays_open(
    moving: list[np.ndarray], tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "film.avi", 20.0) as film:
        for image in moving:
            film.write(image)
    capture = cv2.VideoCapture(str(tmp_path / "film.avi"))
    with Video(capture) as video:
        assert video.fps == 20.0
        assert len(list(video)) == 6
    assert capture.isOpened()
    capture.release()
    with pytest.raises(VideoError, match=r"cv2\.VideoCapture is not open"):
        Video(capture)


def test_what_is_no_frame_is_named(moving: list[np.ndarray]) -> None:
    def broken() -> Iterator[Any]:
        yield moving[0]
        yield "frame.png"

    with pytest.raises(ImageError, match=r"frame 1 is str, .* frames as numpy arrays"):
        list(frames(broken()))
    with pytest.raises(VideoError, match="gives no frame"):
        list(frames(iter(())))
    picture: Any = moving[0]
    with pytest.raises(VideoError, match=r"source an array of shape \(280, 440, 3\) is not a file"):
        Video(picture)
    number: Any = 1.5
    with pytest.raises(VideoError, match=r"source 1\.5 is not a file"):
        Video(number)


def test_errors_of_a_generator_are_its_own(moving: list[np.ndarray]) -> None:
    def failing() -> Iterator[np.ndarray]:
        yield moving[0]
        raise OSError("the camera was pulled out")

    source = frames(failing())
    next(source)
    with pytest.raises(OSError, match="pulled out"):
        next(source)
