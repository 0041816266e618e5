"""What a long-running command does to its process: noisy libraries, warnings."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from .. import runtime
from .console import one_line, warn

FFMPEG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
FFMPEG_QUIET = "-8"
OPENCV_SILENT = 0


@contextmanager
def quiet_video() -> Iterator[None]:
    """Keep OpenCV and FFmpeg from writing about videos on stderr; what matters becomes an error.

    A level that the user set in the environment stays. FFmpeg's is read once, at the first video.
    """
    before = os.environ.get(FFMPEG_LEVEL)
    os.environ.setdefault(FFMPEG_LEVEL, FFMPEG_QUIET)
    levels = getattr(cv2.utils, "logging", None)
    level = None if levels is None or "OPENCV_LOG_LEVEL" in os.environ else levels.getLogLevel()
    if levels is not None and level is not None:
        levels.setLogLevel(OPENCV_SILENT)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(FFMPEG_LEVEL, None)
        if levels is not None and level is not None:
            levels.setLogLevel(level)


@contextmanager
def warnings_last() -> Iterator[None]:
    """Collect the warnings of the runtime and write them to stderr at the end, a line each."""
    collector = _Collector(logging.WARNING)
    logger = logging.getLogger(runtime.__name__)
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
        for line in collector.lines:
            warn(line)


class _Collector(logging.Handler):
    """Keeps messages, each once."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a message."""
        line = one_line(record.getMessage())
        if line not in self.lines:
            self.lines.append(line)
