"""Registration of a template's pixels with an image's: the last fraction of a pixel.

Where an object is rigid, its pixels say more exactly than features where it is. Inverse
compositional Gauss-Newton steps (Baker and Matthews, "Lucas-Kanade 20 years on", IJCV 2004) for a
similarity, on standardised grey values, so that gain and offset of the light do not count. Features
come first: the pixels find their way only from a pixel or two away.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..kinds import Numeric
from .pose import ALIAS, Pose, sampled, warped, wrapped
from .posed_rows import TemplateView

Array = NDArray[Any]

SAMPLES: Numeric[int] = 64
"""Samples along a template's side: the root of how many are compared."""

STEPS: Numeric[int] = 12
"""Gauss-Newton steps at most."""

SETTLED: Numeric[float] = 0.003
"""Samples by which the last step moved a corner, below which there is no further one."""

FLAT: Numeric[float] = 2.0
"""Standard deviation of grey values below which there is nothing to register."""

SMOOTH: Numeric[float] = 0.7
"""Standard deviation in samples of the average over both pictures, or noise would steer."""

INNER: Numeric[float] = 0.8
"""Axes of the inner ellipse, relative to the box: round objects fill it, and what is averaged over
a little around it."""

WORSE: Numeric[float] = 0.05
"""Loss of correlation after which no further step is taken."""

LEAST: Numeric[float] = 0.1
"""Correlation below which a step is no longer scaled up by its inverse."""

AROUND: Numeric[float] = 0.6
"""Diagonals of the object on each side that a step may look at."""

FARTHEST: Numeric[float] = 0.1
"""Sides that a registration may move a corner: farther, it has lost its way."""


SURE: Numeric[float] = 0.95
"""Correlation from which it has not lost its way, ..."""

FARTHEST_SURE: Numeric[float] = 0.3
"""... and may move a corner by so many sides."""


@dataclass(frozen=True)
class Registration:
    """A template's pixels registered with an image's.

    Attributes:
        pose: at which they fit best.
        correlation: zero-mean normalised cross-correlation there, in [-1, 1].
        before: the same at the pose that was given.
    """

    pose: Pose
    correlation: float
    before: float


@dataclass(frozen=True)
class PixelTemplate:
    """A template's pixels and how they change with its pose.

    Attributes:
        zoom: samples per pixel of the template.
        size: columns and rows of samples.
        grey: ``(N,)`` float32, zero mean and unit length, of the samples that count.
        used: ``(rows, columns)`` bool, which ones do.
        steepest: ``(4, N)``: change of ``grey`` for steps right, down, of turn and of size.
        inverse: ``(4, 4)``: of their products.
    """

    zoom: float
    size: tuple[int, int]
    grey: Array
    used: Array
    steepest: Array
    inverse: Array

    @classmethod
    def of(cls, view: TemplateView, *, core: bool = False) -> PixelTemplate | None:
        """From what a template keeps of its picture; ``None`` where it is flat.

        Args:
            view: what is kept.
            core: take only samples inside the inner ellipse, behind which nothing shows.
        """
        width, height = view.box.w / view.zoom, view.box.h / view.zoom
        zoom = min(view.zoom, SAMPLES / math.sqrt(width * height))
        size = max(4, round(width * zoom)), max(4, round(height * zoom))
        matrix = np.eye(2) * (view.zoom / zoom)
        middle = view.box.centre
        picture = smoothed(
            sampled(grey_values(view.image), matrix, middle, *size, cv2.BORDER_REPLICATE)
        )
        used = np.ones(size[::-1], bool)
        if view.mask is not None:
            shown = sampled(
                view.mask.astype(np.float32), matrix, middle, *size, cv2.BORDER_REPLICATE
            )
            used = shown > 0.5  # noqa: PLR2004
        if core:
            used = _inner(used)
        if used.sum() < used.size / 8 or float(picture[used].std()) < FLAT:
            return None
        right, down = gradient(picture)
        rows, columns = picture.shape
        x = np.arange(columns) - (columns - 1) / 2
        y = (np.arange(rows) - (rows - 1) / 2)[:, None]
        # Offsets change by (dx, dy) + turn (-y, x) + size (x, y).
        moves = np.stack([right, down, down * x - right * y, right * x + down * y])[:, used]
        grey = picture[used] - picture[used].mean()
        length = float(np.linalg.norm(grey))
        grey = (grey / length).astype(np.float32)
        moves = moves / length
        moves -= moves.mean(1, keepdims=True)
        # What only changes the contrast is no move.
        moves -= (moves @ grey)[:, None] * grey
        products = moves @ moves.T
        scale = np.sqrt(np.maximum(np.diag(products), 1e-12))
        if np.linalg.cond(products / np.outer(scale, scale)) > 1e6:  # noqa: PLR2004
            return None
        return cls(zoom, size, grey, used, moves.astype(np.float32), np.linalg.inv(products))

    @cached_property
    def whole(self) -> bool:
        """Whether all samples count."""
        return bool(self.used.all())

    @cached_property
    def inner(self) -> Array:
        """``(rows, columns)`` bool: samples that count inside the ellipse in the box."""
        return _inner(self.used)

    def register(self, image: Array, pose: Pose) -> Registration:
        """Find the pose at which the pixels fit best.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            pose: known to a sample or two.
        """
        part, left, top = _around(image, pose, self.size, self.zoom)
        start = here = best = _Similarity.of(pose, left, top)
        before = highest = -2.0
        rows, columns = self.used.shape
        reach = math.hypot(rows, columns) / 2
        for _ in range(STEPS):
            seen = self._seen(part, here)
            correlation = -1.0 if seen is None else float(seen @ self.grey)
            if before < -1:
                before = correlation
            if correlation > highest:
                highest, best = correlation, here
            if seen is None or correlation < highest - WORSE:
                break
            # The image is scaled so that its part along the template has the template's length.
            error = seen / np.float32(max(correlation, LEAST)) - self.grey
            dx, dy, turn, grow = (self.inverse @ (self.steepest @ error)).tolist()
            here = here.after(1 / complex(1 + grow, turn), complex(dx, dy) / self.zoom)
            if math.hypot(dx, dy) + math.hypot(turn, grow) * reach < SETTLED:
                break
        # The last step has not been looked at yet.
        seen = self._seen(part, here)
        if seen is not None and (correlation := float(seen @ self.grey)) > highest:
            highest, best = correlation, here
        if not self._near(start, best, FARTHEST if highest < SURE else FARTHEST_SURE):
            highest, best = before, start
        found = pose if best is start else best.pose(left, top)
        return Registration(found, max(-1.0, highest), max(-1.0, before))

    def seen(self, image: Array, pose: Pose) -> Array | None:
        """The image's samples at a pose, ``(N,)`` float32, zero mean and unit length.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            pose: of the object.

        Returns:
            The samples, or ``None`` where the image is flat.
        """
        part, left, top = _around(image, pose, self.size, self.zoom)
        return self._seen(part, _Similarity.of(pose, left, top))

    def _near(self, start: _Similarity, best: _Similarity, farthest: float) -> bool:
        """Whether a registration stayed where it began."""
        width, height = self.size[0] / self.zoom, self.size[1] / self.zoom
        side = math.sqrt(width * height) * abs(start.factor)
        shift, bend = best.middle - start.middle, best.factor - start.factor
        # Opposite corners mirror each other.
        corners = complex(width, height) / 2, complex(width, -height) / 2
        moved = max(abs(shift + sign * bend * corner) for corner in corners for sign in (1, -1))
        return moved <= farthest * side + 1

    def _seen(self, part: Array, here: _Similarity) -> Array | None:
        """The image's samples at a pose, ``(N,)`` float32, zero mean and unit length."""
        middle, factor = (here.middle.real, here.middle.imag), here.factor / self.zoom
        matrix = (factor.real, -factor.imag), (factor.imag, factor.real)
        cubic = cv2.INTER_CUBIC
        if abs(factor) > ALIAS:
            picture = sampled(
                part, np.array(matrix), middle, *self.size, cv2.BORDER_REPLICATE, cubic
            )
        else:
            picture = warped(part, matrix, middle, self.size, cv2.BORDER_REPLICATE, cubic)
        values = smoothed(picture)
        values = values.reshape(-1) if self.whole else values[self.used]
        values -= np.add.reduce(values) / np.float32(len(values))
        length = math.sqrt(values @ values)
        if length < FLAT * math.sqrt(len(values)) / 4:
            return None
        values /= np.float32(length)
        return values


class _Similarity(NamedTuple):
    """A pose in complex numbers, of which one product turns and resizes.

    Attributes:
        middle: where the template's middle lies.
        factor: takes offsets in the template to offsets in the image.
    """

    middle: complex
    factor: complex

    @classmethod
    def of(cls, pose: Pose, left: int, top: int) -> _Similarity:
        """A pose in the part of a picture from there on."""
        c, s = pose.terms()
        return cls(complex(pose.x - left, pose.y - top), complex(c, -s))

    def after(self, factor: complex, undone: complex) -> _Similarity:
        """The pose after offsets in the template went through another, and back by a shift.

        Args:
            factor: of the other.
            undone: shift that the other takes back, in pixels of the template.
        """
        return _Similarity(self.middle - self.factor * factor * undone, self.factor * factor)

    def pose(self, left: int, top: int) -> Pose:
        """The same, in a picture of which this was the part from there on."""
        angle = wrapped(-math.degrees(cmath.phase(self.factor)))
        return Pose(self.middle.real + left, self.middle.imag + top, angle, abs(self.factor))


def _inner(used: Array) -> Array:
    """Samples that count inside the inner ellipse; all where none do."""
    rows, columns = used.shape
    y = ((np.arange(rows) + 0.5) * 2 / rows - 1)[:, None]
    x = (np.arange(columns) + 0.5) * 2 / columns - 1
    inside = used & (y * y + x * x < INNER**2)
    return inside if inside.any() else used


def _around(image: Array, pose: Pose, size: tuple[int, int], zoom: float) -> tuple[Array, int, int]:
    """The grey part of an image around an object, and where it begins."""
    radius = math.hypot(*size) / zoom * pose.scale * AROUND + 4
    rows, columns = image.shape[:2]
    left = min(max(0, math.floor(pose.x - radius)), columns - 1)
    top = min(max(0, math.floor(pose.y - radius)), rows - 1)
    right = max(left + 1, min(columns, math.ceil(pose.x + radius)))
    bottom = max(top + 1, min(rows, math.ceil(pose.y + radius)))
    return grey_values(image[top:bottom, left:right]), left, top


def grey_values(image: Array) -> Array:
    """Grey values ``(H, W)`` float32 of ``(H, W, 3)`` uint8 BGR."""
    return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY).astype(np.float32)


def smoothed(picture: Array) -> Array:
    """A picture ``(H, W)`` float32, a little smoother."""
    return cv2.GaussianBlur(picture, (0, 0), SMOOTH, borderType=cv2.BORDER_REPLICATE)


def gradient(picture: Array) -> tuple[Array, Array]:
    """Change of grey values ``(H, W)`` per sample, right and down."""
    padded = cv2.copyMakeBorder(picture, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    right = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    return right, down
