"""Single frames of video files."""

from __future__ import annotations

from pathlib import Path

import cv2

from ..runtime.arguments import is_text
from ..runtime.errors import CalibrationError, ImageError
from ..runtime.images import Image, as_bgr

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".mpeg", ".webm")


def _open(path: Path) -> cv2.VideoCapture:
    """Open a video."""
    if not path.is_file():
        raise CalibrationError(f"video {path} does not exist")
    if not is_text(str(path)):
        # OpenCV crashes over it.
        raise CalibrationError(f"video {path} has a name that is no UTF-8; rename it")
    # FFmpeg takes what stands before a colon for a protocol, but not in an absolute path.
    capture = cv2.VideoCapture(str(path.absolute()))
    if not capture.isOpened():
        capture.release()
        raise CalibrationError(f"video {path} cannot be opened by OpenCV; convert it to MP4")
    return capture


def count_frames(path: Path) -> int:
    """How many frames a video has; counted where its header does not say.

    Raises:
        CalibrationError: not a video, or one without frames.
    """
    capture = _open(path)
    try:
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if frames <= 0:
            frames = 0
            while capture.grab():
                frames += 1
    finally:
        capture.release()
    if frames <= 0:
        raise CalibrationError(f"video {path} has no frames; record or copy it again")
    return frames


def read_frame(path: Path, index: int) -> Image:
    """One frame as ``(H, W, 3)`` uint8 BGR.

    Raises:
        ImageError: the frame cannot be decoded.
    """
    capture = _open(path)
    try:
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        done, frame = capture.read()
    finally:
        capture.release()
    if not done or frame is None:
        raise ImageError(f"frame {index} of {path} cannot be decoded")
    return as_bgr(frame, f"frame {index} of {path}")
