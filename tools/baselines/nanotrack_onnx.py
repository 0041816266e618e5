"""NanoTrack v3, a small siamese tracker: its two published graphs, run with ONNX Runtime.

OpenCV cannot load these graphs. What happens around them follows the papers: views as in Bertinetto
et al., "Fully-convolutional siamese networks for object tracking", ECCV Workshops 2016; the choice
among the boxes as in Li et al., "High performance visual tracking with siamese region proposal
network", CVPR 2018, on the selection of proposals (a cosine window, and a penalty on changes of
size and shape); one box without anchors in each cell, by the distances of its sides. The numbers
are NanoTrack's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.onnx import import_onnxruntime
from ...runtime.boxes import Box
from ...runtime.errors import InputError, first_line
from ...runtime.images import Image
from .compared_tracker import TRACKING, Step, files_in

NANOTRACK3 = "nanotrack3"
NANOTRACK3_FILES = ("nanotrack_backbone.onnx", "nanotrack_head.onnx")

TEMPLATE = 127
"""Side of the first view in pixels."""

SEARCH = 255
"""Side of every further view."""

STRIDE = 16
"""Pixels of a view between neighbouring answers."""

CONTEXT = 0.5
"""Part of the mean side that a view has on top of the box, in the scale of the template."""

WINDOW = 0.455
"""How much the cosine window counts beside the network's score."""

PENALTY = 0.138
"""How fast a change of size or shape lowers a score."""

LEARNING_RATE = 0.348
"""Part of a new size that is believed where the score is 1."""

SMALLEST = 10.0
"""Least width and height of a box in pixels."""

FATAL = 4
Array = NDArray[Any]


class NanoTrackOnnx:
    """NanoTrack v3; it always says that it is tracking.

    Args:
        folder: holds the two graphs.
        threads: of the processor.

    Raises:
        InputError: the folder is not given, a graph is missing or cannot be run, or what runs it
            is not installed.
    """

    def __init__(self, folder: Path | None, threads: int) -> None:
        backbone, head = files_in(folder, NANOTRACK3, NANOTRACK3_FILES)
        self.backbone: Any = _session(backbone, threads, free=True)
        self.head: Any = _session(head, threads)
        self.template: Array | None = None
        self.box = Box(0, 0, 0, 0)
        self.fill: tuple[float, ...] = ()

    def init(self, frame: Image, box: Box) -> None:
        """Begin with the object's box in a frame."""
        self.box = box
        # What a view shows beyond the frame.
        self.fill = tuple(map(float, frame.mean(axis=(0, 1))))
        view = square_view(frame, box.centre, template_side(box.w, box.h), TEMPLATE, self.fill)
        self.template = self._encoded(view)

    def update(self, frame: Image) -> Step:
        """Find it in the next frame."""
        side = template_side(self.box.w, self.box.h)
        zoom = TEMPLATE / side
        view = square_view(frame, self.box.centre, side * SEARCH / TEMPLATE, SEARCH, self.fill)
        inputs = (entry.name for entry in self.head.get_inputs())
        features = (self.template, self._encoded(view))
        logits, distances = self.head.run(None, dict(zip(inputs, features, strict=True)))
        scores = 1.0 / (1.0 + np.exp(logits[0, 0] - logits[0, 1]))
        best, gain = chosen_cell(scores, distances[0], (self.box.w * zoom, self.box.h * zoom))
        offset, size = cell_box(distances[0], best)
        rate = gain * LEARNING_RATE
        w, h = (
            (1.0 - rate) * old + rate * new / zoom
            for old, new in zip(self.box[2:], size, strict=True)
        )
        x, y = (old + move / zoom for old, move in zip(self.box.centre, offset, strict=True))
        height, width = frame.shape[:2]
        self.box = Box.around(
            (min(max(x, 0.0), width), min(max(y, 0.0), height)),
            min(max(w, SMALLEST), width),
            min(max(h, SMALLEST), height),
        )
        return Step(self.box, float(scores[best]), TRACKING)

    def close(self) -> None:
        """Let go of the graphs."""
        self.backbone = self.head = None

    def _encoded(self, view: Image) -> Array:
        """The features of a view: blue, green and red as they are."""
        pixels = np.ascontiguousarray(view.transpose(2, 0, 1)[None], np.float32)
        return self.backbone.run(None, {self.backbone.get_inputs()[0].name: pixels})[0]


def template_side(w: Any, h: Any) -> Any:
    """Side of the square that shows a box with its surroundings, or of arrays of such squares.

    Its area is (w + p)(h + p), where p is the mean of width and height.
    """
    context = CONTEXT * (w + h)
    return np.sqrt((w + context) * (h + context))


def square_view(
    frame: Image, centre: tuple[float, float], side: float, pixels: int, fill: tuple[float, ...]
) -> Image:
    """A square part of a frame at another size.

    Args:
        frame: ``(H, W, 3)`` uint8.
        centre: of the square, ``(x, y)``.
        side: its length in pixels of the frame.
        pixels: its length in what is returned.
        fill: colour of what lies beyond the frame.

    Returns:
        ``(pixels, pixels, 3)`` uint8.
    """
    step = side / pixels
    # Centres of pixels lie at half a pixel from their edges.
    first = [middle - side / 2.0 + step / 2.0 - 0.5 for middle in centre]
    places = np.array([[step, 0.0, first[0]], [0.0, step, first[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpAffine(frame, places, (pixels, pixels), flags=flags, borderValue=fill)
    return np.asarray(view, np.uint8)


def chosen_cell(
    scores: Array, distances: Array, size: tuple[float, float]
) -> tuple[tuple[int, ...], float]:
    """The cell whose box is followed, and its score after the penalty.

    Args:
        scores: ``(N, N)`` from 0 to 1.
        distances: ``(4, N, N)`` from the cell to the left, top, right and bottom side.
        size: width and height of the last box, in pixels of the view.
    """
    w, h = distances[0] + distances[2], distances[1] + distances[3]
    grown = _ratio(template_side(w, h) / template_side(*size))
    bent = _ratio((size[0] / size[1]) / (w / h))
    gains = np.exp((1.0 - grown * bent) * PENALTY) * scores
    wave = np.hanning(len(scores))
    ranks = (1.0 - WINDOW) * gains + WINDOW * np.outer(wave, wave)
    best = np.unravel_index(int(np.argmax(ranks)), ranks.shape)
    return tuple(map(int, best)), float(gains[best])


def cell_box(
    distances: Array, cell: tuple[int, ...]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where the box of a cell is from the middle of the view, and its size, in pixels of it."""
    left, top, right, bottom = (float(side[cell]) for side in distances)
    middle = (distances.shape[1] - 1) / 2.0
    x, y = ((place - middle) * STRIDE for place in reversed(cell))
    return (x + (right - left) / 2.0, y + (bottom - top) / 2.0), (left + right, top + bottom)


def _ratio(change: Array) -> Array:
    """A change as a factor of at least 1."""
    return np.maximum(change, 1.0 / change)


def _session(path: Path, threads: int, *, free: bool = False) -> Any:
    """Open a graph.

    Args:
        path: its file.
        threads: of the processor.
        free: let its pictures have any height and width; the file names one of the two sizes.
    """
    onnxruntime = import_onnxruntime()
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise InputError(
            f"tracker {NANOTRACK3} needs {error.name}, which is not installed: pip install "
            '"qatm[cpu,export]"'
        ) from error
    try:
        model = onnx.load(path)
        if free:
            for entry in (*model.graph.input, *model.graph.output):
                for length in entry.type.tensor_type.shape.dim[2:]:
                    length.ClearField("dim_value")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = FATAL
        providers = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers)
    # Each of the two libraries has its own errors for a file that is no such graph.
    except Exception as error:
        raise InputError(
            f"tracker {NANOTRACK3} cannot be made: {path}: {first_line(error)}"
        ) from error
