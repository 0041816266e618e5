"""Frames of every kind of source, and what happens when a source is not what it should be."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_scene import moving, number_of, numbered, write_video

from qatm.runtime import (
    BoxError,
    Frame,
    ImageError,
    InputError,
    Tracker,
    Video,
    VideoError,
    box_iou,
    frames,
    track_video,
)
from qatm.runtime.video.live import Newest
from qatm.runtime.video.sources import natural_key, what_is_wrong

WAIT = 30


def numbers(source, **options) -> list[int]:
    return [number_of(frame.image) for frame in frames(source, **options)]


def jpeg(image) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def png(image) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def noise(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Videos and pictures, whole and damaged."""
    place = tmp_path_factory.mktemp("videos")
    for suffix in (".mp4", ".avi", ".mkv"):
        write_video(place / f"ten{suffix}", numbered(10), 20)
    (place / "shots").mkdir()
    for number, image in enumerate(numbered(12)):
        cv2.imwrite(str(place / "shots" / f"shot{number}.png"), image)
    avi = write_video(place / "noise.avi", noise(60)).read_bytes()
    (place / "cut.avi").write_bytes(avi[: len(avi) // 2])
    mkv = (place / "ten.mkv").read_bytes()
    (place / "head.mkv").write_bytes(mkv[: mkv.index(b"\x1f\x43\xb6\x75") + 16])
    mp4 = (place / "ten.mp4").read_bytes()
    (place / "cut.mp4").write_bytes(mp4[: mp4.index(b"moov") - 4])
    (place / "empty.mp4").write_bytes(b"")
    (place / "text.mp4").write_text("not a video\n" * 50)
    (place / "nothing").mkdir()
    return place


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_video_file(folder, suffix):
    with Video(folder / f"ten{suffix}") as video:
        assert video.fps == pytest.approx(20)
        assert video.count == 10
        assert not video.endless
        seen = list(video)
        assert next(video, None) is None
    assert [frame.index for frame in seen] == list(range(10))
    assert [frame.time for frame in seen] == pytest.approx([n / 20 for n in range(10)], abs=1e-3)
    assert [number_of(frame.image) for frame in seen] == list(range(10))
    assert seen[0].image.dtype == np.uint8
    assert seen[0].image.shape == (48, 64, 3)


def test_folder_and_pattern_are_in_natural_order(folder):
    assert numbers(folder / "shots") == list(range(12))
    assert numbers(str(folder / "shots" / "shot?.png")) == list(range(10))


def test_patterns_with_brackets_in_existing_names_and_of_folders(tmp_path):
    for name in ("shots[1]", "shots1"):
        (tmp_path / name).mkdir()
        for i, image in enumerate(numbered(12 if name == "shots[1]" else 1)):
            cv2.imwrite(str(tmp_path / name / f"shot{i}.png"), image)
        (tmp_path / name / "truth.txt").write_text("no picture")
    for pattern in ("shots[1]/*", "shots[1]/*.png", "shots[[]*", "shots[1]"):
        assert numbers(tmp_path / pattern) == list(range(12))
    (tmp_path / "void").mkdir()
    with pytest.raises(ImageError, match=r"v\*' matches only .*void/: no image"):
        numbers(tmp_path / "v*")


def test_natural_order():
    names = ["b2", "a10b1", "a9", "A10a", "a010"]
    ordered = sorted(map(Path, names), key=natural_key)
    assert [path.name for path in ordered] == ["a9", "a010", "A10a", "a10b1", "b2"]


def test_list_keeps_its_order_and_one_picture_is_a_source(folder):
    files = [folder / "shots" / f"shot{number}.png" for number in (3, 1, 11)]
    assert numbers(files) == [3, 1, 11]
    assert numbers(str(files[0])) == [3]


def test_pictures_have_the_rate_that_is_given(folder):
    assert [frame.time for frame in frames(folder / "shots")][:3] == [0, 0.04, 0.08]
    assert [frame.time for frame in frames(folder / "shots", fps=10)][-1] == pytest.approx(1.1)
    with Video(folder / "ten.mp4", fps=10) as video:
        assert video.fps == 20, "a video has its own"


@pytest.mark.parametrize("name", ["ten.mp4", "shots"])
def test_start(folder, name):
    late = list(frames(folder / name, start=4))
    assert [frame.index for frame in late][:2] == [4, 5]
    assert number_of(late[0].image) == 4
    assert late[0].time == pytest.approx(4 / (20 if name == "ten.mp4" else 25))


def test_pictures_may_differ_in_size(tmp_path):
    for number, size in enumerate([(40, 30), (60, 20)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(1, size)[0])
    assert [frame.image.shape for frame in frames(tmp_path)] == [(30, 40, 3), (20, 60, 3)]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{}/none.mp4", ["none.mp4", "does not exist"]),
        ("{}/empty.mp4", ["empty.mp4", "0 bytes"]),
        ("{}/text.mp4", ["text.mp4", "not a video"]),
        ("{}/cut.mp4", ["cut.mp4", "unfinished", "index"]),
        ("{}/head.mkv", ["head.mkv", "no frame"]),
        ("{}/nothing", ["nothing", "no image"]),
        ("{}/*.gif", ["*.gif", "matches no file"]),
        (97, ["camera 97", "cannot be opened"]),
        ("98", ["camera 98", "cannot be opened"]),
        (np.int64(97), ["camera 97", "cannot be opened"]),
        ("9" * 5000, ["camera 999", "cameras count from 0 to 9999"]),
        ("0" * 5000 + "98", ["camera 000", "cannot be opened: is it connected"]),
        ("/dev/video99", ["/dev/video99", "cannot be opened"]),
        ("http://me:secret@127.0.0.1:9/cam", ["http://127.0.0.1:9/cam", "cannot be opened"]),
        (True, ["True", "not a file"]),
        ([], ["[]", "not a file"]),
    ],
)
def test_source_that_cannot_be_used(folder, source, words):
    source = source.format(folder) if isinstance(source, str) else source
    with pytest.raises(InputError) as caught:
        list(frames(source))
    for word in words:
        assert word in str(caught.value)
    assert "secret" not in str(caught.value)


def test_pipeline_needs_gstreamer():
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pipeline = "videotestsrc num-buffers=3 ! videoconvert ! appsink"
        assert len(list(frames(pipeline))) == 3
    else:
        with pytest.raises(VideoError, match="GStreamer"):
            Video("videotestsrc ! appsink")


@pytest.mark.parametrize(
    "options", [{"start": -1}, {"fps": 0}, {"fps": float("nan")}, {"fps": 5e-324}, {"fps": 1001}]
)
def test_option_out_of_range(folder, options):
    with pytest.raises(InputError, match=next(iter(options))):
        Video(folder / "ten.mp4", **options)


@pytest.mark.parametrize("name", ["ten.mp4", "shots"])
def test_start_beyond_the_end(folder, name):
    with pytest.raises(VideoError, match="no frame 50"):
        list(frames(folder / name, start=50))


def test_cut_video_gives_what_it_has_and_a_warning(folder, caplog):
    with caplog.at_level(logging.WARNING):
        assert 20 < len(list(frames(folder / "cut.avi"))) < 40
    assert "cut.avi is damaged or cut off" in caplog.text


def test_whole_video_gives_no_warning(folder, caplog):
    for name in ("ten.mp4", "noise.avi", "ten.mkv"):
        list(frames(folder / name))
        list(frames(folder / name, start=3))
    assert not caplog.text


def test_bad_picture_is_named_after_the_good_ones(tmp_path):
    for number, image in enumerate(numbered(3)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    (tmp_path / "1.png").write_bytes(b"junk")
    stream = frames(tmp_path)
    assert next(stream).index == 0
    with pytest.raises(ImageError, match=r"1\.png"):
        next(stream)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("live", [False, True])
def test_abandoned_source_is_released(folder, live):
    def is_open() -> bool:
        links = [entry.path for entry in os.scandir("/proc/self/fd")]
        return any(os.path.realpath(link) == str(folder / "noise.avi") for link in links)

    stream = frames(folder / "noise.avi", live=live)
    next(stream)
    assert is_open()
    del stream
    gc.collect()
    assert not is_open()


def test_closed_video_is_at_its_end(folder):
    video = Video(folder / "ten.mp4")
    next(video)
    video.close()
    video.close()
    assert list(video) == []


# Live: the newest frame.


def test_newest_item_only():
    go, read = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        assert go.wait(WAIT)
        yield from range(1, 6)
        read.set()

    released = threading.Event()
    newest = Newest(items(), released.set)
    assert next(newest) == 0
    go.set()
    assert read.wait(WAIT)
    assert next(newest) == 5
    assert newest.dropped == 4
    assert next(newest, None) is None
    assert released.wait(WAIT)


def test_an_item_may_be_due_later_than_the_system_can_wait_for():
    released = threading.Event()
    newest = Newest(iter([0.0, 1e308]), released.set, due=float)
    assert next(newest) == 0
    newest.close()
    assert released.wait(WAIT)
    assert next(newest, None) is None


def test_error_comes_after_the_last_item():
    def items() -> Iterator[int]:
        yield 7
        raise VideoError("unplugged")

    newest = Newest(items(), lambda: None)
    assert next(newest) == 7
    with pytest.raises(VideoError, match="unplugged"):
        next(newest)
    assert next(newest, None) is None


def test_closing_does_not_wait_for_a_camera_that_hangs():
    hanging, released = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        hanging.wait(WAIT)
        yield 2

    newest = Newest(items(), released.set)
    assert next(newest) == 1
    newest.close()
    assert not released.is_set()
    hanging.set()
    assert released.wait(WAIT)


def test_live_file_is_played_and_accounted_for(tmp_path):
    film = write_video(tmp_path / "film.avi", numbered(20), 200)
    with Video(film, live=True) as video:
        seen = list(video)
        dropped = video.dropped
    indices = [frame.index for frame in seen]
    assert indices == sorted(set(indices))
    assert indices[-1] == 19
    assert len(seen) + dropped == 20
    assert all(number_of(frame.image) == frame.index for frame in seen)


@pytest.fixture
def camera() -> Iterator[str]:
    """The URL of a network camera that sends six pictures and then breaks off."""

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for image in numbered(6):
                data = jpeg(image)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")

        def log_request(self, code: object = "", size: object = "") -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://me:secret@127.0.0.1:{server.server_port}/cam"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("live", [False, True])
def test_camera_that_stops_is_an_error_after_its_last_frame(camera, live):
    seen: list[Frame] = []
    with Video(camera, live=live) as video:
        assert video.endless
        assert "secret" not in video.name
        with pytest.raises(VideoError, match=r"127.0.0.1.* stopped after frame 5"):
            seen.extend(video)
        assert next(video, None) is None
    assert live or [frame.index for frame in seen] == list(range(6))
    assert [frame.time for frame in seen] == sorted(frame.time for frame in seen)


# Standard input.


@pytest.fixture
def piped(monkeypatch, tmp_path):
    """Make bytes the standard input; the function that does it."""
    files = []

    def pipe(data: bytes) -> str:
        path = tmp_path / "stdin"
        path.write_bytes(data)
        files.append(path.open())
        monkeypatch.setattr("sys.stdin", files[-1])
        return "-"

    yield pipe
    for file in files:
        file.close()


def test_pictures_on_stdin(piped):
    images = numbered(6)
    data = b"".join(jpeg(i) if n % 2 else png(i) for n, i in enumerate(images))
    assert numbers(piped(data)) == list(range(6))
    assert numbers(piped(data), start=2) == [2, 3, 4, 5]


def test_bytes_between_pictures_and_pictures_inside_pictures(piped):
    small, large = numbered(2)
    thumbnail = b"\xff\xe1" + (len(jpeg(small)) + 2).to_bytes(2, "big") + jpeg(small)
    nested = b"\xff\xd8" + thumbnail + jpeg(large)[2:]
    data = jpeg(small) + b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n" + nested + b"\r\n"
    assert numbers(piped(data)) == [0, 1]


def test_large_picture_comes_in_blocks(piped):
    picture = np.random.default_rng(0).integers(0, 255, (500, 700, 3), np.uint8)
    assert len(jpeg(picture)) > 1 << 17
    for encode in (jpeg, png):
        seen = list(frames(piped(encode(picture) * 2)))
        assert [frame.image.shape for frame in seen] == [(500, 700, 3)] * 2


def test_stdin_that_ends_inside_a_picture(piped, caplog):
    data = jpeg(noise(1)[0])
    assert len(list(frames(piped(data * 2 + data[:-50])))) == 2
    assert "ended inside picture 3" in caplog.text


def test_broken_picture_on_stdin(piped):
    good = png(numbered(1)[0])
    bad = good[:40] + b"\0" * 8 + good[48:]
    with pytest.raises(ImageError, match="picture 2 of standard input"):
        list(frames(piped(good + bad)))


@pytest.mark.parametrize("name", ["ten.avi", "ten.mkv", "ten.mp4"])
def test_video_on_stdin(folder, piped, name, monkeypatch, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    assert numbers(piped((folder / name).read_bytes())) == list(range(10))
    assert not list(spool.iterdir())


def test_stdin_that_is_no_video(piped):
    with pytest.raises(VideoError, match="0 bytes"):
        Video(piped(b""))
    with pytest.raises(VideoError, match="standard input is neither"):
        Video(piped(b"words " * 1000))


def test_stdin_that_is_closed(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(VideoError, match="closed"):
        Video("-")


# Following.


def test_track_video(tmp_path, photographs):
    shots = moving(photographs, 5)
    film = write_video(tmp_path / "film.avi", [image for image, _ in shots])
    results = list(track_video(film, shots[0][1]))
    assert [frame.index for frame, _ in results] == [0, 1, 2, 3, 4]
    first = results[0][1]
    assert (first.box, first.score, first.state) == (shots[0][1], 1.0, "tracking")
    for (_, track), (_, truth) in zip(results, shots, strict=True):
        assert track.state == "tracking"
        assert box_iou(track.box, truth) > 0.8


def test_track_video_leaves_a_tracker_of_yours_open(tmp_path, photographs):
    shots = moving(photographs, 3)
    film = write_video(tmp_path / "film.avi", [image for image, _ in shots])
    with Tracker() as tracker:
        stream = track_video(film, shots[0][1], tracker=tracker)
        next(stream)
        stream.close()
        assert tracker.track(shots[1][0]).found


@pytest.mark.parametrize("box", [(500, 0, 20, 20), (1, 2, 3), (1, 2, 0, 4)])
def test_track_video_refuses_a_bad_box(folder, box):
    with pytest.raises(BoxError):
        next(track_video(folder / "ten.mp4", box))


def part(kind: bytes, size: int, more: bytes = b"") -> bytes:
    """How a part of an MP4 begins; one of size 1 says its real size afterwards."""
    return size.to_bytes(4, "big") + kind + more


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (part(b"mdat", 1, b"\xff" * 8), "unfinished"),
        (part(b"mdat", 1, (1 << 62).to_bytes(8, "big")), "unfinished"),
        (part(b"free", 8) * 300_000, "unfinished"),
        (part(b"free", 8) + part(b"moov", 8), "damaged"),
        (part(b"free", 3), "unfinished"),
    ],
)
def test_damaged_mp4_is_told_from_an_unfinished_one(
    tmp_path: Path, rest: bytes, words: str
) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(part(b"ftyp", 8) + rest)
    assert words in what_is_wrong(path)
    with pytest.raises(VideoError, match=words):
        Video(path)
