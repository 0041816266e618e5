"""What every method of the comparison has in common: encode once, search, place a box."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.backends.graph import Device
from ...runtime.boxes import Box, box_in_frame, move_inside
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import TemplateError
from ...runtime.images import Image
from ...runtime.patches.windows import clamped, whole_cells, window_mean

Array = NDArray[Any]
Size = tuple[float, float]


@dataclass(frozen=True)
class MethodOptions:
    """What a method may need to know before it starts.

    Attributes:
        model: folder of a bundle; ``None`` is the one that ships with the package.
        device: as for ``Matcher``.
        weights: VGG19 weights, for the method of the paper.
        threads: CPU threads of the runtime; ``None`` lets it choose.
        recipe: choices of the bundle's recipe that differ, for our own methods.
    """

    model: Path | None = None
    device: Device = "auto"
    weights: Path | None = None
    threads: int | None = None
    recipe: tuple[tuple[str, float], ...] = ()

    def open_bundle(self) -> Bundle:
        """The bundle, with this recipe.

        Raises:
            BundleError: it cannot be used.
            InputError: the recipe has no such field, or the value makes no sense.
        """
        bundle = Bundle.load(self.model)
        return replace(bundle, spec=bundle.spec.with_recipe(dict(self.recipe)))


@dataclass(frozen=True)
class Found:
    """Where a method says the object is.

    Attributes:
        box: ``(x, y, w, h)`` in pixels.
        score: larger means more surely there; only ``qatm`` promises a scale.
        quality: map of the score or quality over the picture, ``(h, w)``; for people who look.
        found: the method's own answer to "is it there?", or ``None`` if it has none.
    """

    box: Box
    score: float
    quality: Array | None = None
    found: bool | None = None


class Method(ABC):
    """A way of finding a template.

    :meth:`search` does what does not depend on the size of the reported box, so that both
    protocols cost one search; :meth:`find` does both steps.
    """

    name: str = ""

    @abstractmethod
    def encode(self, frame: Image, box: Sequence[float]) -> Any:
        """Prepare the object inside ``box`` of a ``(H, W, 3)`` uint8 BGR frame."""

    @abstractmethod
    def search(self, encoded: Any, image: Image) -> Any:
        """Score the places of a ``(H, W, 3)`` uint8 BGR picture."""

    @abstractmethod
    def place(self, searched: Any, size: Size | None) -> Found:
        """Choose the best place.

        Args:
            searched: what :meth:`search` returned.
            size: width and height of the object in the picture, given away by the ground truth
                (protocol gt-size); ``None`` if only the template is known (template-size).
        """

    def find(self, encoded: Any, image: Image, size: Size | None = None) -> Found:
        """Search a picture and choose the best place."""
        return self.place(self.search(encoded, image), size)

    def show(self, encoded: Any, image: Image, found: Found) -> Array | None:
        """The map to show to people, ``(h, w)``; not part of the time a search takes."""
        del encoded, image
        return found.quality

    def close(self) -> None:
        """Release what the method holds."""
        return


@dataclass(frozen=True)
class Crop:
    """A template cut out of its frame on whole pixels.

    Attributes:
        pixels: ``(h, w, 3)`` uint8 BGR.
        box: what was asked for; may be sub-pixel and may stick out of the frame.
        left: first column in the frame.
        top: first row in the frame.
    """

    pixels: Image
    box: Box
    left: int
    top: int

    @property
    def shift(self) -> tuple[float, float]:
        """From the centre of the pixels to the centre of the box."""
        height, width = self.pixels.shape[:2]
        x, y = self.box.centre
        return x - (self.left + width / 2), y - (self.top + height / 2)


def cut_out(frame: Image, box: Sequence[float]) -> Crop:
    """Cut a box out of a frame, on whole pixels and inside the frame.

    Raises:
        BoxError: malformed, or outside the frame.
    """
    height, width = frame.shape[:2]
    asked = box_in_frame(box, width, height)
    left, right = inside_span(asked.x, asked.w, width)
    top, bottom = inside_span(asked.y, asked.h, height)
    return Crop(np.ascontiguousarray(frame[top:bottom, left:right]), asked, left, top)


def inside_span(start: float, length: float, limit: int) -> tuple[int, int]:
    """An interval on whole cells, as far as they lie in ``[0, limit)``: at least one of them."""
    first, count = whole_cells(start, length)
    return clamped(first, first + count, 1, limit)


@dataclass(frozen=True)
class Windows:
    """The score of each window of a picture.

    Attributes:
        values: ``(rows, columns)``, one score a window; larger is better.
        centre: centre of the first window's box in pixels, ``(x, y)``.
        step: pixels from one window to the next, ``(x, y)``.
        size: width and height of the template.
        image: width and height of the picture.
        quality: the map to show; ``None`` shows the values.
    """

    values: Array
    centre: tuple[float, float]
    step: tuple[float, float]
    size: Size
    image: tuple[int, int]
    quality: Array | None = None

    def best(self, size: Size | None) -> Found:
        """The best window, with a box of the given size (default: the template's) around it."""
        row, column = np.unravel_index(int(np.argmax(self.values)), self.values.shape)
        centre = (
            self.centre[0] + self.step[0] * int(column),
            self.centre[1] + self.step[1] * int(row),
        )
        shown = self.on_picture() if self.quality is None else self.quality
        score = float(self.values[row, column])
        return Found(centred(centre, size or self.size, self.image), score, shown)

    def on_picture(self) -> Array:
        """The values at the centres of their windows, ``(H, W)``; the lowest value elsewhere."""
        values = np.asarray(self.values, np.float32)
        matrix = np.array(
            [
                [self.step[0], 0, self.centre[0] - 0.5],
                [0, self.step[1], self.centre[1] - 0.5],
            ]
        )
        return cv2.warpAffine(
            values,
            matrix,
            self.image,
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float(values.min()),
        )


class WindowMethod(Method):
    """A method that gives each window of the template's size a score."""

    def place(self, searched: Windows, size: Size | None) -> Found:
        """Choose the window with the highest score."""
        return searched.best(size)


def centred(centre: tuple[float, float], size: Size, image: tuple[int, int]) -> Box:
    """A box of a size around a point, moved inside the picture."""
    return move_inside(Box.around(centre, *size), *image)


def check_fits(template: Array, image: Image) -> None:
    """Refuse a picture that is smaller than the template.

    Raises:
        TemplateError: it is.
    """
    height, width = template.shape[:2]
    if height > image.shape[0] or width > image.shape[1]:
        raise TemplateError(
            f"the template ({width}x{height} px) is larger than the picture "
            f"({image.shape[1]}x{image.shape[0]} px)"
        )


def pixel_windows(values: Array, crop: Crop, image: Image) -> Windows:
    """Scores of windows one pixel apart, as ``cv2.matchTemplate`` arranges them."""
    height, width = crop.pixels.shape[:2]
    x, y = crop.shift
    return Windows(
        values=values,
        centre=(width / 2 + x, height / 2 + y),
        step=(1.0, 1.0),
        size=(crop.box.w, crop.box.h),
        image=(image.shape[1], image.shape[0]),
    )


def mean_window(response: Array, size: Size) -> Windows:
    """Mean of a map in each window of a size, for windows inside the picture.

    Args:
        response: ``(H, W)`` float32, one value a pixel.
        size: width and height of the window in pixels; rounded, and cut to the picture's.

    Returns:
        Windows whose boxes have the size.
    """
    height, width = response.shape
    columns = min(max(1, round(size[0])), width)
    rows = min(max(1, round(size[1])), height)
    return Windows(
        values=window_mean(response, np.ones((rows, columns), np.float32)),
        centre=(columns / 2, rows / 2),
        step=(1.0, 1.0),
        size=size,
        image=(width, height),
        quality=response,
    )
