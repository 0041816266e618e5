"""The calibration set: images from files, folders, globs, videos and arrays, read when needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..runtime.errors import CalibrationError, ImageError
from ..runtime.images import (
    Image,
    as_bgr,
    expand_pattern,
    expand_sources,
    is_pattern,
    pad_to_multiple,
    read_image,
    resize_to,
)
from ..runtime.saved_arrays import map_array
from .calibration import MIN_IMAGES, CalibrationOptions, Progress, silent
from .photographs import default_photographs
from .video_frames import VIDEO_SUFFIXES, count_frames, read_frame

MIN_SIDE = 32
"""An image with a shorter side shows too little."""

FLAT = 1.0
"""Standard deviation, in grey levels, below which an image shows nothing."""

ARRAY_DIMENSIONS = 4


class Read(Protocol):
    """Reads one image."""

    def __call__(self) -> Image:
        """``(H, W, 3)`` uint8 BGR."""
        ...


@dataclass(frozen=True)
class Item:
    """One image of a source: its name, and how to read it."""

    name: str
    read: Read


@dataclass(frozen=True)
class CalibrationView:
    """What is calibrated with: an image, or a part of it.

    Attributes:
        item: the image.
        crop: left, top, right and bottom as fractions of its sides.
    """

    item: Item
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class CalibrationSet:
    """The views to calibrate with; going through it reads them one at a time.

    Attributes:
        source: the set in words.
        views: what was chosen.
        skipped: what was left out, with the reason.
        digest: SHA-256 of the pixels of all views.
        max_side: longest side in pixels.
        align: sides are padded to multiples of this.
    """

    source: str
    views: tuple[CalibrationView, ...]
    skipped: dict[str, str]
    digest: str
    max_side: int
    align: int

    def __len__(self) -> int:
        return len(self.views)

    def __iter__(self) -> Iterator[Image]:
        return (load_view(view, self.max_side, self.align) for view in self.views)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each view's image."""
        return tuple(view.item.name for view in self.views)

    def first(self, count: int) -> Iterator[Image]:
        """The first views only."""
        return (load_view(view, self.max_side, self.align) for view in self.views[:count])


def open_set(
    options: CalibrationOptions, align: int, progress: Progress = silent
) -> CalibrationSet:
    """Choose the views of a calibration set and read each of them once.

    The choice depends on the options and on the number of images only.

    Args:
        options: sources, how many views, seed and size.
        align: sides are padded to multiples of this, as the runtime does.
        progress: told about every view.

    Raises:
        CalibrationError: nothing usable, too few usable images, all of them flat, or a source that
            is neither images, a video nor an array of images.
        ImageError: a folder or pattern that holds no image.
    """
    items, source = list_items(options.sources)
    random = np.random.default_rng(options.seed)
    chosen, skipped = _choose(items, random, options, progress)
    views = tuple(CalibrationView(item) for item in chosen) + _crops(chosen, random, options.images)
    digest, lively = hashlib.sha256(), False
    for view in views:
        image = load_view(view, options.max_side, align)
        lively = lively or float(image.std()) >= FLAT
        digest.update(repr(image.shape).encode() + image.tobytes())
    if not lively:
        raise CalibrationError(
            f"every calibration image of {source} is black or of one colour, so that no range can "
            "be measured; use photographs like those that will be searched"
        )
    return CalibrationSet(source, views, skipped, digest.hexdigest(), options.max_side, align)


def list_items(sources: Sequence[str]) -> tuple[list[Item], str]:
    """Every image of the sources, unread, and the sources in words; none is the default set."""
    if not sources:
        files = default_photographs()
        words = f"{len(files)} photographs that scikit-image carries"
        return [Item(file.name, partial(read_image, file)) for file in files], words
    items: list[Item] = []
    for source in sources:
        items += _items_of(source)
    return items, ", ".join(sources)


def _items_of(source: str) -> list[Item]:
    """The images of one source."""
    path = Path(source)
    if is_pattern(source) and path.suffix.lower() in (".npy", *VIDEO_SUFFIXES):
        return [item for match in expand_pattern(source) for item in _items_of(str(match))]
    if not path.is_dir() and path.suffix.lower() == ".npy":
        return _array_items(path)
    if not path.is_dir() and path.suffix.lower() in VIDEO_SUFFIXES:
        frames = count_frames(path)
        return [Item(f"{path}#{i}", partial(read_frame, path, i)) for i in range(frames)]
    return [Item(str(file), partial(read_image, file)) for file in expand_sources([source])]


def _array_items(path: Path) -> list[Item]:
    """The images of a ``.npy`` file, which is mapped, not read."""
    try:
        array = map_array(path)
    except FileNotFoundError:
        raise CalibrationError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{path} is not an array that can be read: {error}") from error
    if array.ndim == ARRAY_DIMENSIONS - 1:
        array = array[None]
    shaped = array.ndim == ARRAY_DIMENSIONS and array.shape[-1] == 3  # noqa: PLR2004
    if array.dtype != np.uint8 or not shaped or not array.size:
        raise CalibrationError(
            f"{path} holds {array.dtype} of shape {array.shape}; "
            "expected uint8 BGR images, (N, H, W, 3)"
        )
    return [Item(f"{path}#{i}", partial(_array_image, array, i)) for i in range(len(array))]


def _array_image(array: Any, index: int) -> Image:
    """One image of a mapped array."""
    return as_bgr(np.array(array[index]))


def _choose(
    items: Sequence[Item],
    random: np.random.Generator,
    options: CalibrationOptions,
    progress: Progress,
) -> tuple[list[Item], dict[str, str]]:
    """Draw images until there are enough; those that cannot be used are replaced by others."""
    chosen: list[Item] = []
    skipped: dict[str, str] = {}
    wanted = min(options.images, len(items))
    for index in random.permutation(len(items)):
        if len(chosen) == wanted:
            break
        reason = _problem(items[index])
        if reason:
            skipped[items[index].name] = reason
        else:
            chosen.append(items[index])
            progress("reading images", len(chosen), wanted)
    if len(chosen) < MIN_IMAGES:
        told = "; ".join(list(skipped.values())[:3])
        raise CalibrationError(
            f"{len(chosen)} usable calibration images out of {len(items)}, at least {MIN_IMAGES} "
            f"are needed{': ' + told if told else ''}"
        )
    return chosen, skipped


def _problem(item: Item) -> str | None:
    """Why an image cannot be used, or ``None``."""
    try:
        image = item.read()
    except ImageError as error:
        return str(error)
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        return f"{item.name} has {width}x{height} px; a side needs at least {MIN_SIDE}"
    return None


def _crops(
    items: Sequence[Item], random: np.random.Generator, total: int
) -> tuple[CalibrationView, ...]:
    """Parts of the images, from half to nine tenths of their sides, to fill up a small set."""
    views: list[CalibrationView] = []
    for number in range(max(0, total - len(items))):
        side = random.uniform(0.5, 0.9)
        left, top = random.uniform(0, 1 - side, 2)
        crop = (float(left), float(top), float(left + side), float(top + side))
        views.append(CalibrationView(items[number % len(items)], crop))
    return tuple(views)


def load_view(view: CalibrationView, max_side: int, align: int) -> Image:
    """Read a view: cropped, shrunk to ``max_side`` and padded to ``align``, as the runtime does."""
    image = view.item.read()
    height, width = image.shape[:2]
    left, top, right, bottom = view.crop
    image = image[round(top * height) : round(bottom * height)]
    image = image[:, round(left * width) : round(right * width)]
    scale = min(1.0, max_side / max(image.shape[:2]))
    rows, columns = (max(1, round(side * scale)) for side in image.shape[:2])
    return pad_to_multiple(resize_to(np.ascontiguousarray(image), columns, rows), align)
