"""Poses: where an object lies, how it is turned and how large it is; and which are searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arguments import as_float, few_floats
from ..errors import InputError, seen
from ..kinds import Bound, Numeric

Array = NDArray[Any]

FULL_TURN: Numeric[float] = 360.0
HALF_TURN: Numeric[float] = 180.0

LARGEST_ZOOM: Bound[float] = 16.0
"""Scales beyond this, or below its inverse, are not searched."""


@dataclass(frozen=True)
class Pose:
    """A similarity: from the pixels of a template to those of an image.

    Attributes:
        x: where the middle of the template's box lies in the image, in pixels.
        y: the same.
        angle: degrees by which the object is turned, counter-clockwise as seen in the picture.
        scale: its size, relative to the template.
    """

    x: float
    y: float
    angle: float = 0.0
    scale: float = 1.0

    def matrix(self) -> Array:
        """``(2, 2)``: from offsets in the template to offsets in the image."""
        c, s = self.terms()
        return np.array([[c, s], [-s, c]])

    def terms(self) -> tuple[float, float]:
        """The first row of :meth:`matrix`, which says all of it."""
        a = math.radians(self.angle)
        return self.scale * math.cos(a), self.scale * math.sin(a)

    def offset(self, across: float, down: float) -> tuple[float, float]:
        """Where an offset in the template points to in the image."""
        c, s = self.terms()
        return c * across + s * down, c * down - s * across

    def transform(self, size: tuple[float, float]) -> Array:
        """``(3, 3)``: from pixels of a template of this size to pixels of the image."""
        matrix = self.matrix()
        middle = np.array([self.x, self.y]) - matrix @ (np.array(size) / 2)
        return np.vstack([np.column_stack([matrix, middle]), [0.0, 0.0, 1.0]])

    def corners(self, size: tuple[float, float]) -> Array:
        """``(4, 2)``: the template's corners in the image, clockwise from its top-left one."""
        w, h = size[0] / 2, size[1] / 2
        offsets = np.array([[-w, -h], [w, -h], [w, h], [-w, h]])
        return offsets @ self.matrix().T + (self.x, self.y)

    def moved(self, matrix: Array, x: float, y: float) -> Pose:
        """The pose whose offsets go through another similarity ``(2, 2)`` first.

        Args:
            matrix: of the template's offsets.
            x: where the middle lies then.
            y: the same.
        """
        (a, b), (c, d) = matrix.tolist()
        angle = self.angle + math.degrees(math.atan2(b, a))
        return Pose(x, y, wrapped(angle), self.scale * math.sqrt(abs(a * d - b * c)))


Interval = float | tuple[float, float] | list[int] | list[float]
"""How far poses may be: one number for both sides, or the least and the most."""


@dataclass(frozen=True)
class PoseRange:
    """The poses in which an object is looked for.

    Attributes:
        angles: lowest and highest angle, in degrees within ±180.
        scales: smallest and largest size, relative to the template.
    """

    angles: tuple[float, float] = (0.0, 0.0)
    scales: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(
        cls, rotation: float | Sequence[float] | None, scale: float | Sequence[float] | None
    ) -> PoseRange | None:
        """The range that a caller names, or ``None`` for the template as it is.

        Args:
            rotation: ``r`` for ±r degrees, ``(lo, hi)``, or ``None`` for no turn.
            scale: ``s`` for 1/s to s, ``(lo, hi)``, or ``None`` for the template's own size.

        Raises:
            InputError: an empty or reversed range, angles beyond ±180°, or scales of zero.
        """
        if rotation is None and scale is None:
            return None
        angles = (0.0, 0.0) if rotation is None else _angles(rotation)
        scales = (1.0, 1.0) if scale is None else _scales(scale)
        return cls(angles, scales)

    @property
    def full(self) -> bool:
        """Whether every angle is searched."""
        return self.angles[1] - self.angles[0] >= FULL_TURN - 1e-9

    def angle_steps(self, step: float) -> list[float]:
        """Angles to look at first: multiples of ``step`` next to those in the range, in degrees."""
        low, high = self.angles
        count = round(FULL_TURN / step)
        first, last = math.floor(low / step + 0.5), math.ceil(high / step - 0.5)
        every = range(min(first, last), max(first, last) + 1)
        return [wrapped(k * step) for k in every][:count]

    def scale_steps(self, steps: int) -> list[float]:
        """Sizes to look at first: powers of ``2 ** (1 / steps)`` next to those in the range."""
        low, high = (steps * math.log2(s) for s in self.scales)
        first, last = math.floor(low + 0.5), math.ceil(high - 0.5)
        return [2.0 ** (k / steps) for k in range(min(first, last), max(first, last) + 1)]

    def contains(self, pose: Pose, angle: float, factor: float) -> bool:
        """Whether a pose lies in the range, or outside of it by so little.

        Args:
            pose: what was found.
            angle: degrees by which it may lie outside.
            factor: the same for its scale.
        """
        low, high = self.scales
        if not low / factor <= pose.scale <= high * factor:
            return False
        middle, half = sum(self.angles) / 2, (self.angles[1] - self.angles[0]) / 2
        return self.full or abs(wrapped(pose.angle - middle)) <= half + angle


def wrapped(angle: float) -> float:
    """The same angle in (-180, 180], in degrees."""
    turned = math.remainder(angle, FULL_TURN)
    return HALF_TURN if turned == -HALF_TURN else turned


def _numbers(value: float | Sequence[float], name: str) -> tuple[float, ...]:
    """One number or two.

    Raises:
        InputError: neither.
    """
    one = as_float(value)
    numbers = few_floats(value, 2) if one is None else [one]
    if len(numbers) != (2 if one is None else 1) or not all(map(math.isfinite, numbers)):
        raise InputError(f"{name} is {seen(value)}; give a number, or (lo, hi)")
    return tuple(numbers)


def _angles(value: float | Sequence[float]) -> tuple[float, float]:
    """See :meth:`PoseRange.of`."""
    given = _numbers(value, "rotation")
    if len(given) == 1:
        if not 0 <= given[0] <= HALF_TURN:
            raise InputError(f"rotation is {given[0]:g}; give 0 to 180 degrees, or (lo, hi)")
        return -given[0], given[0]
    low, high = given
    if not -HALF_TURN <= low <= high <= HALF_TURN:
        raise InputError(
            f"rotation is ({low:g}, {high:g}); give (lo, hi) with -180 <= lo <= hi <= 180"
        )
    return low, high


def _scales(value: float | Sequence[float]) -> tuple[float, float]:
    """See :meth:`PoseRange.of`."""
    given = _numbers(value, "scale")
    if len(given) == 1:
        most = given[0]
        if not 1 <= most <= LARGEST_ZOOM:
            raise InputError(
                f"scale is {most:g}; give 1 to {LARGEST_ZOOM:g} for 1/scale to scale, or (lo, hi)"
            )
        return 1 / most, most
    low, high = given
    if not 1 / LARGEST_ZOOM <= low <= high <= LARGEST_ZOOM:
        raise InputError(
            f"scale is ({low:g}, {high:g}); give (lo, hi) with {1 / LARGEST_ZOOM:g} <= lo <= hi "
            f"<= {LARGEST_ZOOM:g}"
        )
    return low, high


def outline_overlap(a: Array, b: Array) -> float:
    """Intersection over union of two convex outlines ``(4, 2)``, in [0, 1]."""
    first, second = np.asarray(a, np.float32), np.asarray(b, np.float32)
    common = float(cv2.intersectConvexConvex(first, second)[0])
    areas = cv2.contourArea(first) + cv2.contourArea(second)
    return min(1.0, common / max(areas - common, 1e-9))


def upright_crop(
    image: Array, pose: Pose, zoom: float, width: int, height: int, border: int
) -> Array:
    """What an image shows of an object, turned upright and resized.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` uint8 or float32.
        pose: of the object; its middle becomes the middle of the crop.
        zoom: pixels of the crop per pixel of the template.
        width: of the crop.
        height: of the crop.
        border: of OpenCV, what lies outside the image.

    Returns:
        The crop, of the image's type.
    """
    matrix = pose.matrix() / zoom
    return sampled(image, matrix, (pose.x, pose.y), width, height, border)


def turned_crop(
    image: Array,
    middle: tuple[float, float],
    angle: float,
    zoom: float,
    sides: tuple[int, int],
    border: int,
) -> Array:
    """A part of an image turned counter-clockwise by an angle, and resized.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``.
        middle: of the part, in pixels of the image.
        angle: in degrees.
        zoom: pixels of the crop per pixel of the image.
        sides: width and height of the crop.
        border: of OpenCV, what lies outside the image.
    """
    matrix = Pose(0, 0, -angle, 1 / zoom).matrix()
    return sampled(image, matrix, middle, *sides, border)


def sampled(
    image: Array,
    matrix: Array,
    middle: tuple[float, float],
    width: int,
    height: int,
    border: int,
    interpolation: int = cv2.INTER_LINEAR,
) -> Array:
    """Sample an image at affine places; it is averaged first where it is shrunk.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``.
        matrix: ``(2, 2)``, from offsets in the crop to offsets in the image.
        middle: what lies in the middle of the crop, in pixels of the image.
        width: of the crop.
        height: of the crop.
        border: of OpenCV, what lies outside the image.
        interpolation: of OpenCV.
    """
    (a, b), (c, d) = matrix.tolist()
    step = math.sqrt(abs(a * d - b * c))
    reach = math.ceil(2 * step) + 2
    across = (abs(a) * width + abs(b) * height) / 2 + reach
    down = (abs(c) * width + abs(d) * height) / 2 + reach
    rows, columns = image.shape[:2]
    x, y = middle
    left, right = _span(x - across, x + across, columns)
    top, bottom = _span(y - down, y + down, rows)
    part = image[top:bottom, left:right]
    if step > ALIAS:
        part = cv2.GaussianBlur(part, (0, 0), BLUR * step, borderType=cv2.BORDER_REPLICATE)
    return warped(
        part, matrix.tolist(), (x - left, y - top), (width, height), border, interpolation
    )


def warped(
    image: Array,
    matrix: Sequence[Sequence[float]],
    middle: tuple[float, float],
    size: tuple[int, int],
    border: int,
    interpolation: int,
) -> Array:
    """Sample an image at affine places that are near enough to one another.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``.
        matrix: two rows, from offsets in the crop to offsets in the image.
        middle: what lies in the middle of the crop, in pixels of the image.
        size: width and height of the crop.
        border: of OpenCV, what lies outside the image.
        interpolation: of OpenCV.
    """
    (a, b), (c, d) = matrix
    # Pixel i covers [i, i + 1), so its centre lies at i + 1/2 in both pictures.
    u, v = (size[0] - 1) / 2, (size[1] - 1) / 2
    x, y = middle[0] - 0.5 - (a * u + b * v), middle[1] - 0.5 - (c * u + d * v)
    inverse = np.array([[a, b, x], [c, d, y]])
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, inverse, size, flags=flags, borderMode=border)


ALIAS: Numeric[float] = 1.6
"""Pixels of the image per sample from which fine texture would alias."""

BLUR: Numeric[float] = 0.45
"""Standard deviation of the average that prevents it, in steps between samples."""


def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    """Whole pixels of an image around an interval, at least one."""
    first = min(max(0, math.floor(low)), limit - 1)
    return first, max(min(limit, math.ceil(high)), first + 1)
