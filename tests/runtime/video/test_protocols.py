"""A URL leads to the network and a file to files, whatever they say inside."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from qatm.runtime import Video, VideoError
from qatm.runtime.video.protocols import FILES, OPTIONS, only_protocols

pytestmark = pytest.mark.skipif(
    not cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG), reason="OpenCV is built without FFmpeg"
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A transport stream, of which playlists are made."""
    path = tmp_path / "clip.ts"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 48))
    assert writer.isOpened()
    for grey in range(12):
        writer.write(np.full((48, 64, 3), 20 * grey, np.uint8))
    writer.release()
    return path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a server has what is in the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def playlist(folder: Path, segment: str) -> Path:
    path = folder / "list.m3u8"
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.48,\n"
    path.write_text(f"{head}{segment}\n#EXT-X-ENDLIST\n")
    return path


def frames_of(source: str | Path) -> int:
    with Video(source) as video:
        return sum(1 for _ in islice(video, 12))


def test_what_a_server_sends_is_read(clip: Path, address: str) -> None:
    playlist(clip.parent, "clip.ts")
    assert frames_of(f"{address}/clip.ts") == 12
    assert frames_of(f"{address}/list.m3u8") == 12


@pytest.mark.parametrize("form", ["file://{path}", "{path}", "concat:{path}", "file:{path}"])
def test_a_playlist_of_a_server_leads_to_no_file(clip: Path, address: str, form: str) -> None:
    hidden = clip.parent / "other" / "clip.ts"
    hidden.parent.mkdir()
    clip.rename(hidden)
    playlist(clip.parent, form.format(path=hidden))
    with pytest.raises(VideoError):
        frames_of(f"{address}/list.m3u8")


def test_a_playlist_on_disk_leads_to_no_server(clip: Path, address: str) -> None:
    with pytest.raises(VideoError):
        frames_of(playlist(clip.parent, f"{address}/clip.ts"))


@pytest.mark.parametrize(
    "form", ["concat:{path}|{path}", "subfile,,start,0,end,0,,:{path}", "file:{path}", "fd:0"]
)
def test_names_that_are_protocols_are_files_that_do_not_exist(clip: Path, form: str) -> None:
    with pytest.raises(VideoError, match="does not exist"):
        frames_of(form.format(path=clip))


@pytest.mark.parametrize(
    "name", ["filesrc ! filesink", "http:", "concat:clip.ts|clip.ts", "file:clip.ts", "pipe:0"]
)
def test_a_file_that_is_there_is_itself(
    clip: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    clip.rename(name)
    assert frames_of(name) == 12


def test_a_name_leads_to_no_server(clip: Path, address: str) -> None:
    with pytest.raises(VideoError, match="does not exist"):
        frames_of(f"concat:{address}/clip.ts|{address}/clip.ts")
    with pytest.raises(VideoError, match="does not exist"):
        frames_of(f"cache:{address}/clip.ts")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "is the URL of a file; give the path itself"),
        ("FILE:///etc/passwd", "is the URL of a file; give the path itself"),
        ("data://text/plain;base64,AAAA", "has the scheme 'data'; URLs may begin with rtsp"),
        ("ftp://127.0.0.1/a.avi", "has the scheme 'ftp'"),
        ("concat+http://127.0.0.1/a.avi", "has the scheme 'concat\\+http'"),
    ],
)
def test_other_urls_are_refused(url: str, words: str) -> None:
    with pytest.raises(VideoError, match=words):
        Video(url)


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OPTIONS, raising=False)
    with only_protocols(FILES):
        assert os.environ[OPTIONS].endswith("|protocol_whitelist;file,pipe,fd")
    assert OPTIONS not in os.environ
    monkeypatch.setenv(OPTIONS, "rtsp_transport;udp")
    with only_protocols(FILES):
        assert os.environ[OPTIONS] == "rtsp_transport;udp|protocol_whitelist;file,pipe,fd"
    assert os.environ[OPTIONS] == "rtsp_transport;udp"


def test_a_choice_of_protocols_stands(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTIONS, "protocol_whitelist;file,concat")
    assert frames_of(f"concat:{clip}") == 12
