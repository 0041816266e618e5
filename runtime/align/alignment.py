"""``Alignment``: how one picture of a kind of object is bent onto another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..answers import PlainAnswer, rounded
from ..errors import InputError, seen
from ..images import AnyImage, as_bgr, checked_pixels
from ..kinds import Numeric
from .maps import pixel_matrix, to_pixels
from .spline import ThinPlate, fit_thin_plate

Array = NDArray[Any]

EXACT: Numeric[float] = 1e-9
"""Smoothness at which a spline goes through its control points."""

WARP_STEP: Numeric[int] = 8
"""The backward map is computed at every so many pixels and interpolated between."""


BENDABLE = (np.uint16, np.int16, np.float32, np.float64)
"""Types beside uint8 that OpenCV bends as they are."""


@dataclass(frozen=True)
class Parameters:
    """Numbers of a transform from source pixels to target pixels.

    Attributes:
        affine: ``(2, 3)`` float64, ``y = affine [x, 1]``.
        control_source: ``(K, 2)`` control points in source pixels; none for an affine map.
        control_target: ``(K, 2)`` where a thin-plate spline takes them, in target pixels.
    """

    affine: Array
    control_source: Array
    control_target: Array

    @classmethod
    def from_fractions(
        cls,
        matrix: Array,
        control: tuple[Array, Array] | None,
        source: tuple[int, int],
        target: tuple[int, int],
    ) -> Parameters:
        """The numbers of a transform that is known in fractions of the pictures' sides.

        Args:
            matrix: ``(2, 3)`` affine map.
            control: ``(K, 2)`` control points of the source, and where they go in the target.
            source: width and height of the source in pixels.
            target: the same of the target.
        """
        affine = pixel_matrix(matrix, source, target)
        if control is None:
            return cls(affine, np.empty((0, 2)), np.empty((0, 2)))
        return cls(affine, to_pixels(control[0], source), to_pixels(control[1], target))


@dataclass(frozen=True)
class Alignment(PlainAnswer):
    """A transform from a source picture to a target picture.

    Pixel centres have integer coordinates, as in OpenCV.

    Attributes:
        parameters: of the transform; where nothing reliable was found, they stretch the one
            picture to the size of the other.
        score: 0 to 1; how surely the two show the same kind of object in a similar view.
        found: whether the score reaches the threshold.
        source_size: width and height of the source in pixels.
        target_size: width and height of the target.
        ms: milliseconds that it took to find; ``None`` if it was not found by an aligner.
    """

    parameters: Parameters
    score: float
    found: bool
    source_size: tuple[int, int]
    target_size: tuple[int, int]
    ms: float | None = field(default=None, compare=False)

    def transfer(self, points: ArrayLike) -> Array:
        """Where points of the source lie in the target.

        Args:
            points: ``(N, 2)`` x and y in source pixels.

        Returns:
            ``(N, 2)`` float64 in target pixels; may lie outside the target.

        Raises:
            InputError: another shape, not finite, or a masked array.
        """
        try:
            if np.iscomplexobj(points) or np.ma.isMaskedArray(points):
                raise TypeError
            given = np.asarray(points, np.float64)
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"points are {seen(points)}; give x and y of each, shape (N, 2)"
            ) from None
        if given.ndim != 2 or given.shape[1] != 2 or not np.isfinite(given).all():  # noqa: PLR2004
            raise InputError(
                f"points have shape {given.shape}; give finite x and y of each, shape (N, 2)"
            )
        numbers = self.parameters
        if len(numbers.control_source):
            spline = _through(numbers.control_source, numbers.control_target)
            return spline(given)
        return given @ numbers.affine[:, :2].T + numbers.affine[:, 2]

    def warp(self, image: AnyImage) -> Array:
        """Bend the source, or anything drawn on it, onto the target.

        Args:
            image: ``(H, W, 3)`` uint8 BGR of the source's size; grey and BGRA are converted. Other
                integers and floats keep their type and their values.

        Returns:
            ``(H, W, 3)`` of the image's type and the target's size, 0 where the source does not
            reach; ``(H, W)`` or ``(H, W, 3)`` of an image that is not uint8.

        Raises:
            ImageError: not a usable image.
            InputError: the image is not of the source's size.
        """
        picture = _warpable(image)
        if (picture.shape[1], picture.shape[0]) != self.source_size:
            width, height = self.source_size
            raise InputError(
                f"image is {picture.shape[1]}x{picture.shape[0]} px, but the aligned source was "
                f"{width}x{height} px; warp an image of that size"
            )
        numbers = self.parameters
        if not len(numbers.control_source):
            warped = cv2.warpAffine(picture, numbers.affine, self.target_size)
            return _of_type(warped, image.dtype)
        back = _through(numbers.control_target, numbers.control_source)
        x, y = _map_between(back, *self.target_size)
        return _of_type(cv2.remap(picture, x, y, cv2.INTER_LINEAR), image.dtype)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as ``qatm align --json`` has it.

        ``affine`` has two rows of three numbers, from source pixels to target pixels; the control
        points are lists of ``[x, y]``, empty for an affine map alone.
        """
        numbers = self.parameters
        return {
            "found": bool(self.found),
            "score": rounded(self.score, 4),
            "affine": numbers.affine.round(6).tolist(),
            "control_source": numbers.control_source.round(2).tolist(),
            "control_target": numbers.control_target.round(2).tolist(),
        }

    def __repr__(self) -> str:
        sizes = (f"{width}x{height}" for width, height in (self.source_size, self.target_size))
        return (
            f"Alignment({' onto '.join(sizes)} px, score={self.score:.4f}, "
            f"found={bool(self.found)}, {len(self.parameters.control_source)} control points)"
        )


def _warpable(image: AnyImage) -> Array:
    """An image in a type that OpenCV bends."""
    pixels = checked_pixels(image)
    if pixels.dtype == np.uint8:
        return as_bgr(pixels)
    kind = pixels.dtype if pixels.dtype in BENDABLE else np.float64
    return np.ascontiguousarray(pixels, kind)


def _of_type(values: Any, kind: np.dtype[Any]) -> Array:
    """Bent values in the type that they came in."""
    array = np.asarray(values)
    if np.issubdtype(kind, np.integer) and array.dtype != kind:
        array = np.rint(array)
    return array.astype(kind, copy=False)


def _through(points: Array, values: Array) -> ThinPlate:
    """The spline through control points, computed around their middle for accuracy."""
    return fit_thin_plate(points, points, values, np.ones(len(points)), EXACT)


def _map_between(spline: ThinPlate, width: int, height: int) -> tuple[Array, Array]:
    """Maps for ``cv2.remap``: the spline on a coarse lattice, linear between its points."""
    columns, rows = (max(2, -(-side // WARP_STEP) + 1) for side in (width, height))
    x, y = np.meshgrid(np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows))
    at = spline(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(rows, columns, 2)
    dense_x = np.linspace(0, columns - 1, width, dtype=np.float32)
    dense_y = np.linspace(0, rows - 1, height, dtype=np.float32)
    grid = np.meshgrid(dense_x, dense_y)
    full = cv2.remap(at.astype(np.float32), grid[0], grid[1], cv2.INTER_LINEAR)
    return np.ascontiguousarray(full[..., 0]), np.ascontiguousarray(full[..., 1])
