"""Images in: finding and reading files, checking arrays, resizing, padding; always uint8 BGR.

Pictures of more than 8 bits become so by the rule of :mod:`.value_range`.
"""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .arguments import is_row
from .boxes import Box, as_corners, box_in_frame
from .decoding import decode_values, is_truncated
from .errors import ImageError, InputError, seen
from .files import as_path, is_no_file, read_regular
from .kinds import Bound, Numeric
from .limits import FILE_BYTES, PICTURE_PIXELS
from .value_range import Limits, ValueRange, grey_levels, object_range, own_limits

LOG = logging.getLogger(__name__)

Image = NDArray[np.uint8]
"""``(H, W, 3)`` uint8, BGR."""

AnyImage = NDArray[np.integer[Any] | np.floating[Any]]
"""What is taken as a picture: ``(H, W, 3)`` BGR, ``(H, W)`` grey or ``(H, W, 4)`` BGRA, best uint8;
of other integers and floats see :mod:`.value_range`."""

CHANNELS: Numeric[tuple[int, ...]] = (1, 3, 4)
"""Of a picture: grey, BGR, BGRA."""

IMAGE_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"),
    *(".ppm", ".tif", ".tiff", ".webp"),
)
"""Of files that OpenCV reads, of some only where it was built with their format; of a GIF with
several pictures the first."""

UNREAD_SUFFIXES = (".arw", ".cr2", ".dcm", ".dng", ".heic", ".heif", ".jxl", ".nef", ".psd", ".svg")
"""Of pictures that no OpenCV reads: a folder that holds them is not searched in silence."""

FLAT_RANGE: Bound[int] = 2
"""Grey levels between the darkest and the brightest pixel of what counts as a single colour."""

FEW: Numeric[int] = 8
"""Rows and columns of pixels that are looked at first, to see whether they differ."""

SHOWN_MATCHES: Bound[int] = 3
"""Names that a message about a pattern lists."""


def read_image(path: str | Path) -> Image:
    """Read an image file as ``(H, W, 3)`` uint8 BGR.

    One of more than 8 bits is shown in its own range, see :mod:`.value_range`. To have template and
    images in one range, use :func:`read_values`.

    Raises:
        ImageError: the file is missing, empty, truncated or not an image.
    """
    return as_bgr(read_values(path), str(path))


def read_values(path: str | Path) -> NDArray[Any]:
    """Read an image file with the values that it stores.

    Returns:
        ``(H, W, 3)`` uint8 BGR of an 8-bit file, as :func:`read_image`. Of others ``(H, W, 3)`` BGR
        or ``(H, W)`` grey in the file's own type: uint16, int16, int32, float32 or float64. Every
        entry point takes them.

    Raises:
        ImageError: the file is missing, empty, truncated or not an image, or has more pixels or
            bytes than :mod:`.limits` allow.
    """
    file = as_path(path, "image file")
    data = _read_bytes(file)
    if not data:
        raise ImageError(f"{file} is empty (0 bytes)")
    if is_truncated(data):
        raise ImageError(f"{file} is truncated: its end is missing; copy it again")
    try:
        image = decode_values(data)
    except ImageError as error:
        raise ImageError(f"{file} {error}") from error
    except cv2.error as error:
        raise ImageError(f"{file} cannot be decoded: {error.err}") from error
    if image is None or image.size == 0:
        raise ImageError(
            f"{file} is not an image that OpenCV {cv2.__version__} can read ({len(data)} bytes); "
            "convert it to PNG or JPEG"
        )
    return image


def _read_bytes(file: Path) -> bytes:
    """What is in a picture file, or comes out of a pipe that stands for one.

    Raises:
        ImageError: it cannot be read, or is too large.
    """
    try:
        # A pipe is what a shell makes of ``<(command)``.
        return read_regular(file, FILE_BYTES, pipes=True)
    except FileNotFoundError:
        raise ImageError(f"{file} does not exist") from None
    except IsADirectoryError:
        raise ImageError(f"{file} is a folder, not an image file") from None
    except OSError as error:
        raise ImageError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ImageError(str(error)) from None


def as_bgr(array: Any, name: str = "image", value_range: ValueRange | None = None) -> Image:
    """Check an image array and return it as ``(H, W, 3)`` uint8 BGR.

    Grey ``(H, W)`` or ``(H, W, 1)`` and BGRA ``(H, W, 4)`` arrays are converted. uint8 stays as it
    is; other integers and floats are shown as :mod:`.value_range` says.

    Args:
        array: of any integer or float type.
        name: what messages call it.
        value_range: the template's; ``None`` shows the picture in its own range.

    Raises:
        ImageError: not an array of numbers, wrong number of dimensions or channels, empty, or
            without any finite value.
    """
    pixels = checked_pixels(array, name)
    if pixels.dtype == np.uint8:
        return _three_channels(pixels)
    return _three_channels(grey_levels(pixels, _limits(pixels, name, value_range)))


def as_object_frame(
    array: Any, box: Any = None, limits: Sequence[float] | None = None, name: str = "image"
) -> tuple[Image, ValueRange | None]:
    """The frame that shows an object as :func:`as_bgr`, and the range that is kept for others.

    Args:
        array: of any integer or float type.
        box: ``(x, y, w, h)`` of the object; ``None`` for the whole frame.
        limits: the values to show as black and white; ``None`` to find them.
        name: what messages call the frame.

    Returns:
        The frame, and the range; ``None`` for a uint8 frame without limits.

    Raises:
        ImageError: as :func:`as_bgr`.
        BoxError: malformed, or outside the frame.
        InputError: limits that are not two finite numbers, the lower one first.
    """
    pixels = checked_pixels(array, name)
    height, width = pixels.shape[:2]
    placed = None if box is None else box_in_frame(box, width, height)
    if placed is not None and (guess := as_corners(placed, width, height)):
        size = f"{name} ({width}x{height} px)"
        LOG.warning("box %r sticks out of the %s%s", tuple(placed), size, guess)
    values = object_range(pixels, placed, limits, name)
    if pixels.dtype == np.uint8 or values is None:
        return _three_channels(pixels), values
    return _three_channels(grey_levels(pixels, (values.low, values.high))), values


def limits_of(
    array: Any, name: str = "image", value_range: ValueRange | None = None
) -> Limits | None:
    """Between which values :func:`as_bgr` shows a picture; ``None`` for uint8.

    Arguments and errors as :func:`as_bgr`.
    """
    pixels = checked_pixels(array, name)
    return None if pixels.dtype == np.uint8 else _limits(pixels, name, value_range)


def checked_pixels(array: Any, name: str = "image") -> NDArray[Any]:
    """Check an image array; returns its 1 or 3 channels, ``(H, W, C)``, in its own type.

    Raises:
        ImageError: not an array of numbers, wrong number of dimensions or channels, empty, or of
            more pixels than :mod:`.limits` allow.
    """
    if not isinstance(array, np.ndarray):
        raise ImageError(
            f"{name} is {type(array).__name__}, not a numpy array; read files with read_image()"
        )
    if type(array) is not np.ndarray:
        # A matrix would keep two dimensions, whatever is done to it.
        array = _plain_array(array, name)
    if array.dtype.kind not in "uif":
        raise ImageError(
            f"{name} has dtype {array.dtype}; give integers or floats, best uint8 from 0 to 255"
        )
    if array.size == 0:
        raise ImageError(f"{name} of shape {array.shape} holds no pixels")
    if array.ndim == 2:  # noqa: PLR2004
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in CHANNELS:  # noqa: PLR2004
        raise ImageError(
            f"{name} has shape {array.shape}; expected (H, W, 3) BGR, (H, W) grey or (H, W, 4) BGRA"
        )
    height, width = array.shape[:2]
    if refusal := PICTURE_PIXELS.refusal(width * height):
        raise ImageError(f"{name} is {width}x{height} px: it {refusal}")
    return array[..., :3]


def _plain_array(array: NDArray[Any], name: str) -> NDArray[Any]:
    """An array of a class that derives from numpy's, as one of numpy's own.

    Raises:
        ImageError: it is masked: nobody says what its masked pixels show.
    """
    if np.ma.isMaskedArray(array):
        raise ImageError(
            f"{name} is a masked array; give {name}.filled(value), or its values without the mask"
        )
    return array.view(np.ndarray)


def _three_channels(pixels: NDArray[Any]) -> Image:
    """Checked uint8 pixels as BGR, in one piece."""
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels)


def _limits(pixels: NDArray[Any], name: str, value_range: ValueRange | None) -> Limits:
    """Between which values a checked picture is shown."""
    if value_range is None:
        return own_limits(pixels, name)
    return value_range.for_picture(pixels, name)


def batch_problem(images: object) -> str | None:
    """Why something is no batch of pictures, or ``None``; one picture is none."""
    if not isinstance(images, np.ndarray):
        kind = type(images).__name__
        return None if is_row(images) else f"images is a {kind}; give a list of pictures"
    one = (images.ndim == 3 and images.shape[2] in CHANNELS) or images.ndim < 3  # noqa: PLR2004
    return f"images is one picture, of shape {images.shape}; give a list of them" if one else None


def expand_sources(sources: Iterable[str | Path]) -> list[Path]:
    """Turn files, folders and patterns into a list of image files.

    - A file is kept as it is, whether or not it exists: reading it gives the error.
    - A folder stands for the images in it, sorted by name; what ends otherwise is left out, and
      so are devices and pipes.
    - A pattern (:func:`expand_pattern`) stands for the images that it matches and for those in
      folders that it matches, each once, sorted by name.

    Raises:
        ImageError: a folder or pattern holds no image, or nothing was given.
        InputError: an empty name, or one that no file can have.
    """
    if not is_row(sources):
        raise InputError(f"image sources are {seen(sources)}; give a list of names")
    files: list[Path] = []
    for source in sources:
        path = as_path(source, "image source")
        # Unlike Path.is_dir() this is no error for names that are too long for the system.
        if os.path.isdir(path):
            found = _images_in(path)
            if not found:
                raise ImageError(f"folder {path} holds no image ({', '.join(IMAGE_SUFFIXES)})")
            files += found
        elif is_pattern(source):
            files += _images_of(str(source))
        else:
            files.append(path)
    if not files:
        raise ImageError("no image given; name files, folders or glob patterns")
    return files


def is_pattern(source: str | Path) -> bool:
    """Whether a name has ``*``, ``?`` or ``[…]`` in it and nothing exists that is called so."""
    return glob.has_magic(str(source)) and not os.path.exists(source)


def expand_pattern(pattern: str | Path) -> list[Path]:
    """The files and folders that a pattern matches, sorted; ``**`` stands for any folders.

    A part of the pattern that exists by that very name stands for itself, so that
    ``shots[1]/*.png`` finds the pictures of a folder with brackets in its name.

    Raises:
        ImageError: it matches nothing.
    """
    path = Path(pattern)
    found = [Path(path.anchor)]
    for part in path.parts[1:] if path.anchor else path.parts:
        # Each once: several ``**`` come to a folder in ever more ways.
        found = list(dict.fromkeys(match for place in found for match in _matches_in(place, part)))
    if str(pattern).endswith(("/", os.sep)):
        found = [match for match in found if match.is_dir()]
    if not found:
        raise ImageError(f"pattern {str(pattern)!r} matches no file")
    return sorted(found)


def _matches_in(place: Path, part: str) -> list[Path]:
    """What one part of a pattern matches in a folder."""
    if part == "**":
        return [place, *(place / name for name in glob.glob("**/", root_dir=place, recursive=True))]
    if os.path.lexists(place / part):
        return [place / part]
    return [place / name for name in glob.glob(part, root_dir=place)]


def _images_in(folder: Path) -> list[Path]:
    """The images in a folder, sorted by name; the log names those of kinds that nobody reads."""
    files = sorted(folder.iterdir())
    unread = [path for path in files if path.suffix.lower() in UNREAD_SUFFIXES]
    if unread:
        LOG.warning(
            "%d pictures in %s are left out, such as %s: OpenCV reads no %s; convert them to PNG",
            *(len(unread), folder, unread[0].name, unread[0].suffix),
        )
    return [path for path in files if _is_image(path)]


def _is_image(path: Path) -> bool:
    """Whether a name ends like an image's; pipes are waited for only where they are named."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not is_no_file(path)


def _images_of(pattern: str) -> list[Path]:
    """The images that a pattern stands for.

    Raises:
        ImageError: none; the message says what it matches instead.
    """
    matches = expand_pattern(pattern)
    found = {match for match in matches if _is_image(match)}
    for folder in matches:
        if folder.is_dir():
            found.update(_images_in(folder))
    if not found:
        names = [f"{match}{os.sep if match.is_dir() else ''}" for match in matches[:SHOWN_MATCHES]]
        if len(matches) > len(names):
            names.append(f"{len(matches) - len(names)} more")
        raise ImageError(
            f"pattern {pattern!r} matches only {', '.join(names)}: no image "
            f"({', '.join(IMAGE_SUFFIXES)})"
        )
    return sorted(found)


def is_flat(image: Image, box: Box | None = None, mask: NDArray[Any] | None = None) -> bool:
    """Whether an object's pixels are all of one colour, up to :data:`FLAT_RANGE`.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        box: the object's, in pixels; ``None`` for the whole image.
        mask: ``(H, W)``, above 0 on the object; ``None`` for the whole box.
    """
    top, left, bottom, right = 0, 0, image.shape[0], image.shape[1]
    if box is not None:
        top, left = max(0, int(box.y)), max(0, int(box.x))
        bottom, right = int(np.ceil(box.y + box.h)), int(np.ceil(box.x + box.w))
    part = image[top:bottom, left:right]
    if mask is None and part.size:
        # A few pixels are enough to say of most objects that they are not flat.
        few = part[:: max(1, part.shape[0] // FEW), :: max(1, part.shape[1] // FEW)]
        if int((few.max((0, 1)) - few.min((0, 1))).max()) > FLAT_RANGE:
            return False
    pixels = part.reshape(-1, 3)
    if mask is not None:
        pixels = pixels[mask[top:bottom, left:right].ravel() > 0]
    return pixels.size == 0 or int(np.ptp(pixels, axis=0).max()) <= FLAT_RANGE


def resize_to(image: Image, width: int, height: int) -> Image:
    """Resize to an exact size: area averaging when shrinking, linear when growing."""
    if image.shape[:2] == (height, width):
        return image
    shrinking = width * height < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def pad_to_multiple(image: Image, multiple: int) -> Image:
    """Repeat the last row and column until both sides are multiples of ``multiple``."""
    bottom, right = -image.shape[0] % multiple, -image.shape[1] % multiple
    if not bottom and not right:
        return image
    padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, dtype=np.uint8)
