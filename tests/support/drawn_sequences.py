"""Tiny sequences with known boxes, as files, and a quick tracker that follows them exactly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from qatm.runtime.boxes import Box

Image = NDArray[np.uint8]


def write_sequence(
    home: Path, background: Image, thing: Image, frames: int = 8, separator: str = ","
) -> list[Box]:
    """An object that moves by (3, 1) a frame over a photograph."""
    (home / "img").mkdir(parents=True)
    boxes = [Box(20 + 3 * i, 30 + i, thing.shape[1], thing.shape[0]) for i in range(frames)]
    for i, (x, y, w, h) in enumerate(boxes, 1):
        frame = background.copy()
        frame[y : y + h, x : x + w] = thing
        cv2.imwrite(str(home / "img" / f"{i:04d}.png"), frame)
    lines = [separator.join(map(str, box)) for box in boxes]
    (home / "groundtruth_rect.txt").write_text("\n".join(lines) + "\n")
    return boxes


class Correlation:
    """OpenCV's interface over its template matching, quick and exact on these sequences."""

    def init(self, frame, box):
        x, y, w, h = box
        self.template = frame[y : y + h, x : x + w].copy()

    def update(self, frame):
        scores = cv2.matchTemplate(frame, self.template, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(scores)
        return best > 0.7, (x, y, self.template.shape[1], self.template.shape[0])
