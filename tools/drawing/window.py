"""A window on the screen, where OpenCV and the machine have one."""

from __future__ import annotations

import os
import sys

import cv2

from ...runtime.boxes import Box
from ...runtime.errors import InputError
from ...runtime.images import Image

LARGEST = (1280, 720)
QUIT_KEYS = (27, ord("q"), ord("Q"))


class Window:
    """A window that shows frames; use it in a ``with`` statement.

    Args:
        title: what is written above it.
        option: the option that asked for it, for messages.

    Raises:
        InputError: no display, or an OpenCV without windows.
    """

    def __init__(self, title: str, option: str) -> None:
        # OpenCV crashes over half characters, as names of files may have.
        self._title = title = title.encode("utf-8", "replace").decode()
        self._sized = False
        if sys.platform.startswith("linux") and not _display():
            raise InputError(
                f"{option} needs a display, and there is none (DISPLAY is not set); "
                "use --save to look at the result later, and --box to mark the object"
            )
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise InputError(
                f"{option} needs an OpenCV with windows, and this one has none: replace "
                "opencv-python-headless by opencv-python, or use --save and --box"
            ) from error

    def show(self, image: Image) -> bool:
        """Show a frame; False when the viewer pressed Esc or q or closed the window."""
        self._fit(image)
        cv2.imshow(self._title, image)
        key = cv2.waitKey(1) & 0xFF
        return (
            key not in QUIT_KEYS and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        )

    def select(self, image: Image) -> Box:
        """Let the viewer draw a box with the mouse and accept it with Enter or Space.

        Raises:
            InputError: no box was drawn.
        """
        self._fit(image)
        x, y, w, h = cv2.selectROI(self._title, image, showCrosshair=False, printNotice=False)
        if w <= 0 or h <= 0:
            raise InputError("no box was drawn; draw one with the mouse and press Enter")
        return Box(float(x), float(y), float(w), float(h))

    def close(self) -> None:
        """Close the window; may be called twice, and after the viewer closed it."""
        try:
            cv2.destroyWindow(self._title)
        except cv2.error:
            return
        cv2.waitKey(1)

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fit(self, image: Image) -> None:
        """Give the window the size of the first frame, or less if that is large."""
        if self._sized:
            return
        height, width = image.shape[:2]
        scale = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
        cv2.resizeWindow(self._title, max(1, round(width * scale)), max(1, round(height * scale)))
        self._sized = True


def _display() -> str | None:
    """The display that a window would open on."""
    return os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
