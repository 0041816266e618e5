"""Which protocols FFmpeg may use for a source: those of the network, or files, never both.

A name or a playlist can make FFmpeg open other things than it seems to: ``concat:``, ``file:`` or
``data:`` inside what a server sends, or addresses inside a file. FFmpeg's own whitelist bounds that
for the source and for everything it leads to; OpenCV passes it on from an environment variable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from ..errors import VideoError
from ..kinds import Bound

SCHEMES: Bound[tuple[str, ...]] = (
    *("rtsp", "rtsps", "http", "https", "udp", "rtp", "srt", "rtmp", "rtmps", "tcp"),
)
"""Of the URLs that are sources."""

NETWORK: Bound[tuple[str, ...]] = (*SCHEMES, "srtp", "rtmpt", "tls", "httpproxy", "crypto")
"""Protocols for those, with what they are carried by."""

FILES: Bound[tuple[str, ...]] = ("file", "pipe", "fd")
"""Protocols for what is not a URL."""

OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
WHITELIST = "protocol_whitelist"
USUAL_OPTIONS = "rtsp_transport;tcp"
"""What OpenCV sets where the variable is missing."""

CHANGES = Lock()
"""The environment is the whole process's."""


def check_scheme(url: str, name: str) -> None:
    """Refuse a URL that is not of the network.

    Args:
        url: with its scheme.
        name: what messages call it.

    Raises:
        VideoError: its scheme is not one of :data:`SCHEMES`.
    """
    scheme = url.partition("://")[0].lower()
    if scheme == "file":
        raise VideoError(f"{name} is the URL of a file; give the path itself")
    if scheme not in SCHEMES:
        raise VideoError(
            f"{name} has the scheme {scheme!r}; URLs may begin with {', '.join(SCHEMES)}"
        )


def is_chosen() -> bool:
    """Whether somebody chose protocols of their own, which stand."""
    return WHITELIST in os.environ.get(OPTIONS, "")


@contextmanager
def only_protocols(protocols: tuple[str, ...]) -> Iterator[None]:
    """Let FFmpeg use no other protocols in what OpenCV opens inside the block.

    Options that the environment has stay; one with a ``protocol_whitelist`` of its own stands for
    somebody's choice and is left alone.
    """
    with CHANGES:
        before = os.environ.get(OPTIONS)
        if is_chosen():
            yield
            return
        ours = f"{WHITELIST};{','.join(protocols)}"
        os.environ[OPTIONS] = f"{before or USUAL_OPTIONS}|{ours}"
        try:
            yield
        finally:
            if before is None:
                del os.environ[OPTIONS]
            else:
                os.environ[OPTIONS] = before
