"""Frames that come irregularly, or cannot be decoded: their times, and those of saved videos."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from matroska import write_matroska
from moving_scene import moving, number_of, numbered

from qatm.runtime import InputError, Video, VideoWriter, frames, track_video

VARIED = (0.0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.6, 0.64, 0.68)
STEADY = tuple(number / 25 for number in range(9))
CROWDED = (0.0, 0.04, 0.05, 0.06, 0.12, 0.16)
"""At 25 frames a second there is no room for all of them."""


def times_of(path):
    """When each picture of a video is shown first, by its number; and the video's length."""
    first, length = {}, 0.0
    with Video(path) as video:
        for frame in video:
            first.setdefault(number_of(frame.image), frame.time)
            length = frame.time + 1 / video.fps
    return first, length


@pytest.mark.parametrize("times", [VARIED, STEADY])
def test_times_are_the_stamps_of_the_source(tmp_path, caplog, times):
    film = write_matroska(tmp_path / "film.mkv", numbered(len(times)), times)
    shown = list(frames(film))
    assert [frame.index for frame in shown] == list(range(len(times)))
    assert [frame.time for frame in shown] == pytest.approx(times, abs=1e-3)
    assert not caplog.text, "a varying rate is no damage"


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
@pytest.mark.parametrize("times", [VARIED, STEADY])
def test_a_saved_video_shows_frames_at_their_times(tmp_path, suffix, times):
    film = write_matroska(tmp_path / "film.mkv", numbered(len(times)), times)
    with Video(film) as video, VideoWriter(tmp_path / f"saved{suffix}", video.fps) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)
    assert writer.written == round(times[-1] * 25) + 1
    first, length = times_of(writer.path)
    assert first == pytest.approx(dict(enumerate(times)), abs=0.021)
    assert length == pytest.approx(times[-1] + 0.04, abs=0.021)


def test_frames_that_come_too_fast_are_left_out_and_the_length_stays(tmp_path):
    with VideoWriter(tmp_path / "saved.avi", 25) as writer:
        for image, time in zip(numbered(len(CROWDED)), CROWDED, strict=True):
            writer.write(image, time)
    first, length = times_of(writer.path)
    assert set(first) < set(range(len(CROWDED)))
    assert max(abs(CROWDED[number] - time) for number, time in first.items()) <= 0.021
    assert length == pytest.approx(CROWDED[-1] + 0.04, abs=0.001)


def test_how_long_a_gap_may_be_is_an_option(tmp_path):
    for gap, written in ((10.0, 21), (30.0, 41)):
        with VideoWriter(tmp_path / "film.avi", 2, longest_gap=gap) as writer:
            for image, time in zip(numbered(2), (0.0, 20.0), strict=True):
                writer.write(image, time)
        assert writer.written == written
    for gap in (0, float("nan"), float("inf"), 1e306):
        with pytest.raises(InputError, match="longest_gap"):
            VideoWriter(tmp_path / "film.avi", 1000, longest_gap=gap)


@pytest.mark.parametrize("times", [(0.0, 1e308, 1e308), (-1e308, 1e308), (1e308, -1e308)])
def test_a_gap_may_be_longer_than_a_number_can_hold(tmp_path, times):
    with VideoWriter(tmp_path / "film.avi", 2) as writer:
        for image, time in zip(numbered(len(times)), times, strict=True):
            writer.write(image, time)
        gap = 20 if times[1] > times[0] else 0
        assert writer.written == 1 + gap
    with VideoWriter(tmp_path / "film.avi", 2) as writer:
        for image, time in zip(numbered(4), (0.0, 1e9, 1e9 + 1, 1e9 + 2), strict=True):
            writer.write(image, time)
        assert writer.written == 1 + 20 + 4, "after a gap the clock goes on"


def damaged(path, *numbers):
    """Overwrite the pictures of some frames."""
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data)) if data[at : at + 3] == b"\xff\xd8\xff"]
    for number in numbers:
        data[starts[number] : starts[number] + 200] = bytes(200)
    path.write_bytes(data)
    return path


def test_frames_that_cannot_be_decoded_are_left_out_and_counted(tmp_path, caplog):
    film = write_matroska(tmp_path / "film.mkv", numbered(12), [n / 25 for n in range(12)])
    with caplog.at_level(logging.WARNING):
        shown = list(frames(damaged(film, 4, 7, 8)))
    assert [number_of(frame.image) for frame in shown] == [0, 1, 2, 3, 5, 6, 9, 10, 11]
    assert [frame.index for frame in shown] == [0, 1, 2, 3, 5, 6, 9, 10, 11]
    assert [frame.time for frame in shown] == pytest.approx([frame.index / 25 for frame in shown])
    assert [record.getMessage().split("film.mkv: ")[1] for record in caplog.records] == [
        "1 damaged frame before 0.20 s left out",
        "2 damaged frames before 0.36 s left out",
    ]


def test_an_object_is_followed_over_damaged_frames_and_gaps(tmp_path, photographs):
    shots = moving(photographs, 12)
    times = [n / 25 + (1.5 if n > 5 else 0) for n in range(12)]
    film = write_matroska(tmp_path / "film.mkv", [frame for frame, _ in shots], times)
    followed = list(track_video(damaged(film, 3), shots[0][1]))
    assert [frame.index for frame, _ in followed] == [0, 1, 2, *range(4, 12)]
    for frame, track in followed:
        truth = shots[frame.index][1]
        assert frame.time == pytest.approx(times[frame.index], abs=1e-3)
        assert track.state == "tracking"
        assert np.abs(np.subtract(track.box, truth)).max() < 4
