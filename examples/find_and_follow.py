"""Find an object in a picture, or follow it through a video, with ONNX Runtime alone.

It needs onnxruntime, numpy and OpenCV, and the files encode.onnx and find.onnx of a bundle:

    qatm-export --find bundle
    python examples/find_and_follow.py bundle first.jpg 120,80,64,64 scene.jpg
    python examples/find_and_follow.py bundle video.mp4 120,80,64,64

Nothing of qatm is imported: it is a pattern for programs in other languages, and examples/cpp is
the same in C++. It prints a line for each picture: number, found or not, score, and x, y, width and
height in pixels. Exit status: 0 if the object was found in the (last) picture, 1 if not, 2 if
something cannot be read.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnxruntime as ort

USAGE = "usage: find_and_follow.py BUNDLE FRAME_OR_VIDEO X,Y,W,H [PICTURE]"
BOX_NUMBERS, ARGUMENTS = 4, (3, 4)


class Found(NamedTuple):
    """What find.onnx says: whether, how surely, and where."""

    found: bool
    score: float
    box: tuple[float, ...]


class Graph:
    """One ONNX file: arrays by name in, arrays by name out."""

    def __init__(self, path: Path) -> None:
        self.session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self.session.get_outputs()]

    def run(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Run it once."""
        return dict(zip(self.outputs, self.session.run(None, arrays), strict=True))


def find(graph: Graph, template: dict[str, Any], frame: Any, part: tuple[int, ...]) -> Found:
    """Look for the object in a part of a frame: left, top, right, bottom."""
    left, top, right, bottom = part
    w, h = template["numbers"][:2]
    if right - left < w or bottom - top < h:
        raise ValueError("the picture is smaller than the object")
    image = np.ascontiguousarray(frame[top:bottom, left:right])
    seen = graph.run({"image": image, **template})
    x, y, w, h = (float(side) for side in seen["box"])
    return Found(bool(seen["found"]), float(seen["score"]), (x + left, y + top, w, h))


def around(box: tuple[float, ...], width: int, height: int) -> tuple[int, ...]:
    """The part of a frame around a box: as much again on each side as the longer one has."""
    x, y, w, h = box
    reach = max(w, h)
    return (
        max(0, math.floor(x - reach)),
        max(0, math.floor(y - reach)),
        min(width, math.ceil(x + w + reach)),
        min(height, math.ceil(y + h + reach)),
    )


def follow(graph: Graph, template: dict[str, Any], frame: Any, last: Found) -> Found:
    """Look around the last box, and in the whole frame where it is not there."""
    height, width = frame.shape[:2]
    part = around(last.box, width, height)
    w, h = template["numbers"][:2]
    if last.found and part[2] - part[0] >= w and part[3] - part[1] >= h:
        near = find(graph, template, frame, part)
        if near.found:
            return near
    return find(graph, template, frame, (0, 0, width, height))


def overlaps(box: Any, frame: Any) -> bool:
    """Whether an object can be shown in a box: it may stick out of the frame."""
    x, y, w, h = (float(side) for side in box)
    height, width = frame.shape[:2]
    return 0 < w <= width and 0 < h <= height and -w < x < width and -h < y < height


def tell(number: int, seen: Found) -> None:
    """Print one line."""
    x, y, w, h = seen.box
    print(f"{number} {int(seen.found)} {seen.score:.4f} {x:.3f} {y:.3f} {w:.3f} {h:.3f}")


def run(arguments: list[str]) -> int:
    """Run with the arguments of the command line; returns the exit status.

    Raises:
        Exception: something cannot be read or does not fit.
    """
    if len(arguments) not in ARGUMENTS:
        raise ValueError(USAGE)
    folder, source, numbers = Path(arguments[0]), arguments[1], arguments[2].split(",")
    try:
        box = np.array([float(number) for number in numbers], np.float32)
    except ValueError:
        raise ValueError(USAGE) from None
    if len(box) != BOX_NUMBERS:
        raise ValueError(USAGE)
    # A picture is a video of one frame.
    video = cv2.VideoCapture(source)
    more, frame = video.read()
    if not more:
        raise OSError(f"{source} cannot be read")
    if not overlaps(box, frame):
        height, width = frame.shape[:2]
        raise ValueError(f"box {arguments[2]} does not lie in the frame of {width}x{height}")
    encode, graph = Graph(folder / "encode.onnx"), Graph(folder / "find.onnx")
    template = encode.run({"image": frame, "box": box})
    seen = Found(True, 1.0, tuple(float(side) for side in box))
    if len(arguments) == ARGUMENTS[1]:
        picture = cv2.imread(arguments[3])
        if picture is None:
            raise OSError(f"{arguments[3]} cannot be read")
        seen = find(graph, template, picture, (0, 0, picture.shape[1], picture.shape[0]))
        tell(0, seen)
        return 0 if seen.found else 1
    number = 0
    while True:
        tell(number, seen)
        more, frame = video.read()
        if not more:
            return 0 if seen.found else 1
        number, seen = number + 1, follow(graph, template, frame, seen)


def main() -> int:
    """Run, and say in one line why it cannot."""
    ort.set_default_logger_severity(4)  # its errors are raised
    try:
        return run(sys.argv[1:])
    except Exception as error:  # ONNX Runtime's errors have no other class in common
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
