"""Videos are written whole, read back, and survive full disks, errors and kills."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_scene import number_of, numbered, write_video

from qatm.runtime import ImageError, InputError, Video, VideoError, VideoWriter, frames, read_tracks
from qatm.runtime.video.writer import CODECS, fit_into

Usage = namedtuple("Usage", "total used free")


def numbers(path: Path) -> list[int]:
    return [number_of(frame.image) for frame in frames(path)]


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("suffix", CODECS)
def test_written_is_read(tmp_path, suffix):
    film = write_video(tmp_path / f"film{suffix}", numbered(7), 30)
    assert numbers(film) == list(range(7))
    with Video(film) as video:
        assert (video.fps, video.count) == (pytest.approx(30), 7)
    assert [path.name for path in tmp_path.iterdir()] == [film.name], "nothing else is left"


@pytest.mark.parametrize("suffix", CODECS)
def test_single_frame_and_odd_size(tmp_path, suffix):
    film = write_video(tmp_path / f"film{suffix}", numbered(1, (63, 47)), 29.97)
    (frame,) = frames(film)
    assert frame.image.shape in {(46, 62, 3), (47, 63, 3)}


def test_picture_is_what_was_written(tmp_path, photographs):
    cat = cv2.resize(photographs["chelsea"], (320, 240))
    for suffix, error in ((".avi", 3), (".mp4", 9)):
        (frame,) = frames(write_video(tmp_path / f"cat{suffix}", [cat]))
        assert np.abs(frame.image.astype(float) - cat).mean() < error


@pytest.mark.parametrize("suffix", CODECS)
def test_a_film_has_the_permissions_of_any_file_or_those_of_the_one_before(tmp_path, suffix):
    film = tmp_path / f"film{suffix}"
    (tmp_path / "plain").touch()
    write_video(film, numbered(2))
    assert film.stat().st_mode == (tmp_path / "plain").stat().st_mode
    film.chmod(0o604)
    write_video(film, numbered(3))
    assert numbers(film) == list(range(3))
    assert film.stat().st_mode & 0o777 == 0o604


def test_size_of_the_first_frame_stays(tmp_path):
    first, wide = numbered(1, (64, 48))[0], np.full((20, 80, 3), 200, np.uint8)
    film = write_video(tmp_path / "film.avi", [first, wide])
    _, frame = frames(film)
    assert frame.image.shape == (48, 64, 3)
    assert frame.image[:14].mean() < 20
    assert frame.image[34:].mean() < 20
    assert frame.image[18:30].mean() > 180


def test_fit_into_keeps_proportions():
    tall = np.full((100, 10, 3), 255, np.uint8)
    fitted = fit_into(tall, 40, 20)
    assert fitted.shape == (20, 40, 3)
    assert np.argwhere(fitted[10, :, 0]).ravel().tolist() == [19, 20]
    assert fit_into(fitted, 40, 20) is fitted


def test_clock_repeats_and_leaves_out(tmp_path):
    times = [100.0, 100.1, 100.4, 100.41, 100.5]
    with VideoWriter(tmp_path / "film.avi", 10) as writer:
        for image, time in zip(numbered(5), times, strict=True):
            writer.write(image, time)
        assert writer.written == 6
    assert numbers(writer.path) == [0, 1, 1, 1, 2, 4]


def test_long_gap_is_cut_short(tmp_path):
    with VideoWriter(tmp_path / "film.avi", 2) as writer:
        for image, time in zip(numbered(3), [0, 3600, 3601], strict=True):
            writer.write(image, time)
    assert numbers(writer.path) == [0] * 20 + [1] * 2 + [2]


@pytest.mark.parametrize(
    ("name", "fps", "word"),
    [
        ("film.gif", 25, r"\.avi"),
        ("film", 25, r"\.mp4"),
        ("none/film.mp4", 25, "cannot be written"),
        ("film.mp4", 0, "fps 0"),
        ("film.mp4", 5e-324, "fps 5e-324 is not between 1e-09 and 1000"),
        ("film.mp4", float("nan"), "fps is nan"),
        ("folder.avi", 25, "is a folder"),
    ],
)
def test_refused_before_any_work(tmp_path, name, fps, word):
    (tmp_path / "folder.avi").mkdir()
    with pytest.raises(InputError, match=word):
        VideoWriter(tmp_path / name, fps)


def test_frame_that_is_no_image(tmp_path):
    with VideoWriter(tmp_path / "film.mp4") as writer, pytest.raises(ImageError, match="frame"):
        writer.write(np.zeros((4, 4, 3), np.float32))  # pyright: ignore[reportArgumentType]
    assert not list(tmp_path.iterdir())


def test_closed_writer(tmp_path):
    writer = VideoWriter(tmp_path / "film.mp4")
    writer.close()
    writer.close()
    with pytest.raises(VideoError, match="closed"):
        writer.write(numbered(1)[0])


def test_error_in_between_loses_nothing(tmp_path):
    def interrupted() -> Iterator[np.ndarray]:
        yield from numbered(5)
        assert len(numbers(film)) == 2, "the file that was there stays until the end"
        raise KeyboardInterrupt

    film = write_video(tmp_path / "film.mp4", numbered(2))
    with pytest.raises(KeyboardInterrupt):
        write_video(film, interrupted())
    assert len(numbers(film)) == 5


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_writing_ends_before_the_disk_is_full(tmp_path, monkeypatch, suffix):
    film = tmp_path / f"film{suffix}"
    free = iter([100 << 20, 50 << 20, 17 << 20])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, next(free, 1 << 20)))
    with VideoWriter(film) as writer:
        writer.write(numbered(2)[0])
        writer.write(numbered(2)[1])
        with pytest.raises(OSError, match=r"disk full .1 MiB left.; the 2 frames so far") as caught:
            writer.write(numbered(1)[0])
    assert caught.value.filename == str(film)
    assert numbers(film) == [0, 1]


LIMITED = """
import resource, sys
import numpy as np
from qatm.runtime import Box, TrackRecord, TrackWriter, VideoWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
random = np.random.default_rng(0)
for path in sys.argv[1:]:
    try:
        if path.endswith("jsonl"):
            with TrackWriter(path) as writer:
                for frame in range(100_000):
                    writer.write(TrackRecord(frame, 0.5, Box(1, 2, 3, 4), 0.5, "lost"))
        else:
            with VideoWriter(path) as writer:
                for _ in range(100):
                    writer.write(random.integers(0, 255, (240, 320, 3), np.uint8))
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_quota_that_opencv_hides(tmp_path):
    old = write_video(tmp_path / "film.mp4", numbered(3))
    files = [tmp_path / name for name in ("film.mp4", "film.avi", "tracks.jsonl", "film.mkv")]
    done = run_python(LIMITED, *files)
    first, second, third, fourth = done.stdout.splitlines()
    assert first.startswith("VideoError")
    assert "could not be completed, and its 100 frames are lost" in first
    for said in (second, fourth):
        assert said.startswith("VideoError")
        assert "could not be completed, and its last frames are missing" in said
    assert third.startswith("OSError")
    assert "File too large" in third
    assert numbers(old) == [0, 1, 2], "what was there is still there"
    assert 5 < len(list(frames(files[1]))) < 60
    assert len(list(frames(files[3]))) < 60
    text = files[2].read_text()
    assert text.endswith("}\n")
    assert len(text) > 600_000 - 200
    assert len(read_tracks(files[2])) == text.count("\n")


KILLED = """
import os, sys
import numpy as np
from qatm.runtime import VideoWriter

random = np.random.default_rng(0)
writers = [VideoWriter(path) for path in sys.argv[1:]]
for _ in range(40):
    for writer in writers:
        writer.write(random.integers(0, 255, (240, 320, 3), np.uint8))
os._exit(9)
"""


def test_killed_process(tmp_path):
    old = write_video(tmp_path / "film.mp4", numbered(3))
    files = [old, tmp_path / "film.avi", tmp_path / "film.mkv"]
    assert run_python(KILLED, *files).returncode == 9
    assert numbers(old) == [0, 1, 2]
    for file in files[1:]:
        assert 20 < len(list(frames(file))) <= 40, file


@pytest.mark.parametrize("suffix", CODECS)
def test_a_film_stays_where_no_codec_writes_the_next(tmp_path, monkeypatch, capfd, suffix):
    film = tmp_path / f"film{suffix}"
    film.write_bytes(b"an older film")
    monkeypatch.setitem(CODECS, suffix, ("none",))
    for left in ([film], []):
        with pytest.raises(VideoError, match="another size or rate"), VideoWriter(film) as writer:
            writer.write(np.zeros((32, 48, 3), np.uint8))
        assert list(tmp_path.iterdir()) == left, "nothing else is left"
        if left:
            assert film.read_bytes() == b"an older film"
            film.unlink()
    capfd.readouterr()


def test_a_rate_that_no_codec_takes_costs_no_film(tmp_path, capfd):
    """OpenCV empties the file before its writer fails."""
    film = write_video(tmp_path / "film.avi", numbered(3))
    with pytest.raises(VideoError, match="rate may work"), VideoWriter(film, 1e-9) as writer:
        writer.write(numbered(1)[0])
    assert numbers(film) == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [film]
    capfd.readouterr()


@pytest.mark.skipif(sys.platform == "win32", reason="names have no colons")
@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("name", ["file:film", "udp:film", "12:30", "tee:film"])
def test_a_name_is_never_a_protocol(tmp_path, monkeypatch, name, suffix):
    monkeypatch.chdir(tmp_path)
    other = Path(f"film{suffix}")
    other.write_text("another one")
    film = write_video(Path(f"{name}{suffix}"), numbered(3))
    assert sorted(os.listdir()) == sorted([other.name, film.name])
    assert other.read_text() == "another one"
    assert numbers(film) == [0, 1, 2]


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path, suffix, link):
    kept, film = tmp_path / "kept", tmp_path / f"film{suffix}"
    kept.write_text("kept")
    link(kept, film)
    write_video(film, numbered(3))
    assert numbers(film) == [0, 1, 2]
    assert not film.is_symlink()
    assert kept.read_text() == "kept"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
@pytest.mark.parametrize("suffix", CODECS)
def test_a_pipe_is_refused_before_any_work(tmp_path, suffix):
    os.mkfifo(tmp_path / f"film{suffix}")
    with pytest.raises(OSError, match="device or pipe"):
        VideoWriter(tmp_path / f"film{suffix}")
