"""Registered pixels compared by a trained network: the object, or something nearly like it.

Sums and quantiles of differences cannot tell another tip, hole or letter from another light; what
was taught by many pairs of copies and of near-duplicates can.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import COMPARE_ROLE
from ..images import Image
from ..kinds import Bound, Numeric
from ..session import Session
from .pixels import PixelTemplate
from .pose import Pose, sampled
from .posed_rows import TemplateView

Array = NDArray[Any]

UNKNOWN: Numeric[float] = 0.0
"""Log-odds of what cannot be compared: neither for nor against."""

SUREST: Bound[float] = 12.0
"""Log-odds that are told at most."""

LEAST_ZOOM: Numeric[float] = 1e-3
"""Samples per pixel that are told at least."""

SHAPES: Numeric[tuple[tuple[float, int, int], ...]] = (
    (0.35, 64, 64),
    (1.0, 88, 48),
    (math.inf, 128, 32),
)
"""Up to which logarithm of the longer side over the shorter one pictures are compared at which
size; other shapes would leave too little of a slender object."""


class PictureSize(NamedTuple):
    """How large pictures are compared, and whether on their side."""

    columns: int
    rows: int
    turned: bool

    @classmethod
    def of(cls, size: tuple[int, int]) -> PictureSize:
        """For a template of so many columns and rows of samples."""
        ratio = math.log(size[0] / size[1])
        columns, rows = next((c, r) for most, c, r in SHAPES if abs(ratio) < most)
        return cls(columns, rows, ratio < 0 and columns != rows)

    def fitted(self, samples: Array) -> Array:
        """Samples ``(H, W, 3)`` uint8 at this size, ``(1, rows, columns, 3)`` float32."""
        lying = np.ascontiguousarray(np.rot90(samples)) if self.turned else samples
        picture = cv2.resize(lying, (self.columns, self.rows), interpolation=cv2.INTER_LINEAR)
        return picture[None].astype(np.float32)


@dataclass(frozen=True)
class ComparedTemplate:
    """A template's picture as it is compared.

    Attributes:
        size: of the pictures.
        picture: ``(1, rows, columns, 3)`` float32 BGR.
    """

    size: PictureSize
    picture: Array

    @classmethod
    def of(cls, view: TemplateView, pixels: PixelTemplate) -> ComparedTemplate:
        """From what a template keeps of its picture, sampled as its pixels are."""
        matrix = np.eye(2) * (view.zoom / pixels.zoom)
        border = cv2.BORDER_REPLICATE
        samples = sampled(view.image, matrix, view.box.centre, *pixels.size, border)
        size = PictureSize.of(pixels.size)
        return cls(size, size.fitted(_evened(samples, pixels)))


class PixelComparer:
    """Compares what was found with its template.

    Args:
        session: of a bundle that has such a network.

    Raises:
        BundleError: the graph takes or gives something else than such a network.
        DeviceError: the device does not work with it, or has no engine for it.
    """

    def __init__(self, session: Session) -> None:
        self._graph = session.comparison()

    @classmethod
    def of(cls, session: Session) -> PixelComparer | None:
        """The network of a session's bundle; ``None`` where the bundle has none."""
        return cls(session) if session.bundle.precisions(COMPARE_ROLE) else None

    def odds(
        self, template: ComparedTemplate, pixels: PixelTemplate, image: Image, pose: Pose
    ) -> float:
        """Log-odds that what lies in a pose is what the template shows.

        Args:
            template: its picture.
            pixels: the samples that this is made of.
            image: ``(H, W, 3)`` uint8 BGR.
            pose: registered.

        Raises:
            BundleError: the graph gave something else than such a network.
            DeviceError: the device failed.
        """
        seen, zooms = seen_picture(template, pixels, image, pose)
        told = self._graph.run({"template": template.picture, "seen": seen, "zooms": zooms})
        return min(max(float(told), -SUREST), SUREST)


def seen_picture(
    template: ComparedTemplate, pixels: PixelTemplate, image: Image, pose: Pose
) -> tuple[Array, Array]:
    """What lies in a pose, as it is compared with a template's picture.

    Args:
        template: its picture.
        pixels: the samples that this is made of.
        image: ``(H, W, 3)`` uint8 BGR.
        pose: registered.

    Returns:
        The picture, of the size and type of the template's, and ``(1, 2)`` float32: logarithms of
        samples per pixel of the image, and of the template.
    """
    matrix, border = pose.matrix() / pixels.zoom, cv2.BORDER_REPLICATE
    samples = sampled(image, matrix, (pose.x, pose.y), *pixels.size, border)
    per_pixel = pixels.zoom / pose.scale, pixels.zoom
    zooms = [math.log(max(zoom, LEAST_ZOOM)) for zoom in per_pixel]
    return template.size.fitted(_evened(samples, pixels)), np.array([zooms], np.float32)


def _evened(samples: Array, pixels: PixelTemplate) -> Array:
    """Samples whose mean stands where they do not count."""
    if pixels.whole:
        return samples
    evened = samples.copy()
    evened[~pixels.used] = np.rint(samples[pixels.used].mean(0))
    return evened
