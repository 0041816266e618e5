"""Proof that the graphs that find by themselves give what the matcher gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime import Box, Match, Matcher
from ...runtime.backends.onnx import OnnxGraph
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import ExportError
from ...runtime.images import Image
from ...runtime.match.find_inputs import find_inputs
from ..find.find_models import ENCODE, FIND
from .judge import ABSOLUTE, PIXELS, Deviation, Tolerance
from .parity_scenes import GAIN, photograph

Array = NDArray[Any]

BOX = Tolerance("box", "fp32", 0.05, PIXELS)
SCORE = Tolerance("score", "fp32", 0.01, ABSOLUTE)
"""What the box and the score may be off. Where nothing is found a box says nothing."""

TASK = "match"
"""Whose recipe the graphs follow."""

SAVED, BOTH = "find.onnx, saved template", "encode.onnx + find.onnx"


class FindView(NamedTuple):
    """A picture with an object, and another one in which it is looked for.

    Attributes:
        name: for people.
        shown: number of the photograph.
        size: its height and width in pixels.
        box: of the object.
        angle: degrees by which the other picture is turned.
        scale: by which it is resized.
        other: number of the photograph that is searched, where the object is absent.
    """

    name: str
    shown: int
    size: tuple[int, int]
    box: Box
    angle: float = 0.0
    scale: float = 1.0
    other: int | None = None


VIEWS = (
    FindView("as it is", 0, (300, 400), Box(150, 90, 80, 70)),
    FindView("a little turned", 1, (320, 400), Box(180.5, 120.25, 60, 64), -9.0),
    FindView("smaller", 2, (400, 360), Box(140, 60, 96, 110), 4.0, 0.8),
    FindView("small", 3, (360, 480), Box(200, 200, 24, 22), 0.0, 1.1),
    FindView("a larger picture", 0, (1100, 1500), Box(700, 600, 70, 60), 3.0, 1.0),
    FindView("cut by the frame's edge", 1, (300, 400), Box(-12, 80, 70, 60)),
    FindView("absent", 0, (300, 400), Box(60, 90, 72, 64), other=1),
    FindView("absent, large", 2, (400, 400), Box(60, 90, 150, 140), other=0),
)


def compare_find(bundle: Bundle) -> Iterator[Deviation]:
    """Compare boxes and scores of the bundle's ``find.onnx`` with the matcher's.

    Nothing is compared where the bundle has no such file.

    Raises:
        BundleError: a file is damaged or missing.
    """
    described = {info.role: info for info in bundle.spec.files.values()}
    if FIND not in described:
        return
    compared = "picture" in {tensor.name for tensor in described[FIND].inputs}
    find = OnnxGraph(bundle.file(FIND, "fp32"), "cpu")
    encode = OnnxGraph(bundle.file(ENCODE, "fp32"), "cpu") if ENCODE in described else None
    with Matcher(bundle, "cpu", precision="fp32") as matcher:
        for view in VIEWS:
            frame, image = pictures_of(view)
            template = matcher.encode_template(frame, view.box)
            best = matcher.match(image, templates=[template])[0]
            inputs = {SAVED: find_inputs(template, compared=compared)}
            if encode is not None:
                inputs[BOTH] = encoded_by(encode, frame, view.box)
            for name, given in inputs.items():
                found = found_by(find, image, given)
                yield from _deviations(name, view, best, found)


def check_find(bundle: Bundle) -> None:
    """Refuse graphs that find other boxes than the matcher does.

    They have to run in any case. With a network whose score was not fitted "found" means too
    little to compare boxes.

    Raises:
        ExportError: they do.
    """
    for deviation in compare_find(bundle):
        if not deviation.passed and bundle.spec.calibrated(TASK):
            raise ExportError(
                f"{deviation.artefact}: {deviation.what} differs from the matcher's by "
                f"{deviation.error:.3g} {deviation.unit} ({deviation.where})"
            )


def encoded_by(encode: OnnxGraph, frame: Image, box: Box) -> dict[str, Array]:
    """What ``encode.onnx`` gives, by name."""
    names = encode.output_names
    values = encode.run({"image": frame, "box": np.array(box, np.float32)}, names)
    return dict(zip(names, values, strict=True))


def found_by(find: OnnxGraph, image: Image, template: dict[str, Array]) -> dict[str, Array]:
    """What ``find.onnx`` gives, by name."""
    names = find.output_names
    return dict(zip(names, find.run({"image": image, **template}, names), strict=True))


def _deviations(
    name: str, view: FindView, best: Match, found: dict[str, Array]
) -> Iterator[Deviation]:
    """Of the score, and of the box where there is an object."""
    score = float(found["score"])
    agreed = bool(found["found"]) == best.found
    errors = {SCORE: abs(score - best.score) if agreed else math.inf}
    if best.found:
        errors[BOX] = float(np.abs(found["box"] - np.array(best.box)).max())
    for limit, error in errors.items():
        yield Deviation(
            artefact=name,
            precision=limit.precision,
            what=limit.what,
            reference="matcher",
            candidate="onnxruntime",
            size=f"{view.size[0]}x{view.size[1]}, template {view.box.h:g}x{view.box.w:g}",
            error=error,
            tolerance=limit.limit,
            unit=limit.unit,
            where=f"{view.name}: score {best.score:.3f} and {score:.3f}",
        )


def pictures_of(view: FindView) -> tuple[Image, Image]:
    """The frame with the object, and the picture that is searched."""
    _, frame = photograph(view.shown, *view.size)
    frame = np.ascontiguousarray(frame)
    height, width = view.size
    if view.other is not None:
        _, image = photograph(view.other, height, width)
    else:
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), view.angle, view.scale)
        matrix[:, 2] += (3.3, -2.2)
        image = cv2.warpAffine(
            frame, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
    return frame, np.asarray(np.rint(image * GAIN), np.uint8)
