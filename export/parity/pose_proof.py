"""Proof that a bundle finds turned and resized objects in every precision, where they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime import Box, Match, Matcher
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import QatmError
from ...runtime.images import Image
from ...runtime.match.pose import Pose
from .judge import PIXELS, Deviation, Tolerance, ran_on
from .pair_proof import only_features
from .parity_scenes import GAIN, photograph

Array = NDArray[Any]

TASK = "match"
"""Of the bundles whose poses are compared."""

ROTATION, SCALE = 180.0, 2.0
"""Degrees and factor on sizes that are searched."""

TOLERANCES = (
    Tolerance("corners", "fp32", 0.1, PIXELS),
    Tolerance("corners", "fp16", 0.1, PIXELS),
    Tolerance("corners", "int8", 0.1, PIXELS),
)
"""Photographs are rigid: pixels say where they are, whatever the features were computed in."""


class PoseView(NamedTuple):
    """A photograph, an object in it, and how it is turned and resized.

    Attributes:
        name: for people.
        shown: number of the photograph.
        size: its height and width in pixels.
        box: of the object.
        angle: degrees, counter-clockwise.
        scale: relative to the photograph.
    """

    name: str
    shown: int
    size: tuple[int, int]
    box: Box
    angle: float
    scale: float


VIEWS = (
    PoseView("a third of a turn", 0, (300, 400), Box(150, 90, 80, 70), 120.0, 1.0),
    PoseView("turned and nearer", 1, (320, 400), Box(180, 120, 60, 60), -37.0, 1.4),
    PoseView("upside down and farther", 2, (400, 360), Box(140, 60, 96, 96), 171.0, 0.7),
)


def compare_poses(bundle: Bundle, engines: Sequence[tuple[str, str]] = ()) -> Iterator[Deviation]:
    """Compare where a bundle finds turned and resized objects with where they are.

    Nothing is compared where the bundle is for another task, or where no score was fitted for its
    network, so that "found" means little.

    Args:
        bundle: any.
        engines: flavour and precision of those that run here.

    Raises:
        BundleError: a file is damaged or missing.
    """
    if bundle.spec.task != TASK or not bundle.spec.calibrated(TASK):
        return
    for name, info in bundle.spec.files.items():
        if info.role == "features":
            with only_features(bundle, name) as folder:
                yield from _judged(name, info.precision, folder, "cpu", "fp32")
    for flavour, precision in engines:
        row = ran_on(flavour, precision)
        yield from _judged(row, precision, bundle.path, flavour, precision)


def _judged(
    name: str, precision: str, folder: Path, device: Any, asked: Any
) -> Iterator[Deviation]:
    """The corners of each view's object, against those that it was given."""
    family = precision.partition("-")[0]
    limit = next(row for row in TOLERANCES if row.precision == family)
    for view in VIEWS:
        error, where = _error(view, folder, device, asked)
        yield Deviation(
            artefact=f"{name}, poses",
            precision=precision,
            what=limit.what,
            reference="known pose",
            candidate="matcher",
            size=view.name,
            error=error,
            tolerance=limit.limit,
            unit=limit.unit,
            where=where,
        )


def _error(view: PoseView, folder: Path, device: Any, precision: Any) -> tuple[float, str]:
    """How far the farthest corner is from where it should be, and what was found."""
    _, picture = photograph(view.shown, *view.size)
    image, truth = _posed(picture, view)
    try:
        with Matcher(folder, device, precision=precision) as matcher:
            template = matcher.encode_template(picture, Box(*view.box))
            found = matcher.match(image, templates=[template], rotation=ROTATION, scale=SCALE)
            best: Match = found[0]
    # A damaged graph may give arrays of any shape.
    except (QatmError, ValueError, IndexError) as error:
        return math.inf, f"did not run: {error}"
    apart = float(np.linalg.norm(best.corners - truth, axis=1).max())
    where = f"angle {best.angle:.2f}, scale {best.scale:.3f}, score {best.score:.3f}"
    return (apart if best.found else math.inf), where


def _posed(picture: Image, view: PoseView) -> tuple[Image, Array]:
    """The picture turned and resized about its object, and the object's corners in it."""
    height, width = picture.shape[:2]
    x, y = view.box.centre
    matrix = cv2.getRotationMatrix2D((x - 0.5, y - 0.5), view.angle, view.scale)
    matrix[:, 2] += np.array([width / 2, height / 2]) - (x, y)
    image = cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    pose = Pose(width / 2, height / 2, view.angle, view.scale)
    seen = np.asarray(np.rint(image * GAIN), np.uint8)
    return seen, pose.corners((view.box.w, view.box.h))
