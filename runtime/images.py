"""Images in: finding and reading files, checking arrays, resizing, padding; always uint8 BGR."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .boxes import Box
from .errors import ImageError
from .kinds import Bound, Numeric

Image = NDArray[np.uint8]
"""``(H, W, 3)`` uint8, BGR."""

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

FLAT_RANGE: Bound[int] = 2
"""Grey levels between the darkest and the brightest pixel of what counts as a single colour."""

FEW: Numeric[int] = 8
"""Rows and columns of pixels that are looked at first, to see whether they differ."""

SHOWN_MATCHES: Bound[int] = 3
"""Names that a message about a pattern lists."""


def read_image(path: str | Path) -> Image:
    """Read an image file as ``(H, W, 3)`` uint8 BGR.

    Raises:
        ImageError: the file is missing, empty, truncated or not an image.
    """
    file = Path(path)
    if file.is_dir():
        raise ImageError(f"{file} is a folder, not an image file")
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{file} does not exist") from None
    except OSError as error:
        raise ImageError(f"{file} cannot be read: {error.strerror}") from error
    if not data:
        raise ImageError(f"{file} is empty (0 bytes)")
    if _is_truncated(data):
        raise ImageError(f"{file} is truncated: its end is missing; copy it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"{file} cannot be decoded: {error.err}") from error
    if image is None or image.size == 0:
        raise ImageError(f"{file} is not an image that OpenCV can read ({len(data)} bytes)")
    return np.asarray(image, dtype=np.uint8)


def _is_truncated(data: bytes) -> bool:
    """Decoders fill the missing part of a cut JPEG or PNG with grey; find it by the end marker."""
    if data.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in data[_jpeg_scan(data) :]
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND" not in data
    return False


def _jpeg_scan(data: bytes) -> int:
    """Where the pixels of a JPEG start: after its header, which may hold a whole small JPEG."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        fill = data[at + 1 : at + 2] == b"\xff"
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def as_bgr(array: Any, name: str = "image") -> Image:
    """Check an image array and return it as ``(H, W, 3)`` uint8 BGR.

    Grey ``(H, W)`` or ``(H, W, 1)`` and BGRA ``(H, W, 4)`` arrays are converted.

    Raises:
        ImageError: not an array, not uint8, wrong number of dimensions or channels, or empty.
    """
    if not isinstance(array, np.ndarray):
        raise ImageError(
            f"{name} is {type(array).__name__}, not a numpy array; read files with read_image()"
        )
    if array.dtype != np.uint8:
        raise ImageError(_dtype_message(array, name))
    if array.size == 0:
        raise ImageError(f"{name} of shape {array.shape} holds no pixels")
    if array.ndim == 2:  # noqa: PLR2004
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):  # noqa: PLR2004
        raise ImageError(
            f"{name} has shape {array.shape}; expected (H, W, 3) BGR, (H, W) grey or (H, W, 4) BGRA"
        )
    if array.shape[2] == 1:
        return np.ascontiguousarray(np.repeat(array, 3, axis=2))
    return np.ascontiguousarray(array[..., :3])


def _dtype_message(array: NDArray[Any], name: str) -> str:
    """Say what is wrong with an image that is not uint8, and how to convert it."""
    fix = "convert it to uint8, 0 to 255"
    if array.dtype == np.uint16:
        fix = "convert 16-bit images first, for example (image >> 8).astype(numpy.uint8)"
    elif np.issubdtype(array.dtype, np.floating):
        bad = " and it holds NaN or infinity" if not np.isfinite(array).all() else ""
        return f"{name} has dtype {array.dtype}{bad}; {fix}, for example (image * 255).round()"
    return f"{name} has dtype {array.dtype}; {fix}"


def expand_sources(sources: Iterable[str | Path]) -> list[Path]:
    """Turn files, folders and patterns into a list of image files.

    - A file is kept as it is, whether or not it exists: reading it gives the error.
    - A folder stands for the images in it, sorted by name; what ends otherwise is left out.
    - A pattern (:func:`expand_pattern`) stands for the images that it matches and for those in
      folders that it matches, each once, sorted by name.

    Raises:
        ImageError: a folder or pattern holds no image, or nothing was given.
    """
    files: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
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
        found = [match for place in found for match in _matches_in(place, part)]
    if str(pattern).endswith(("/", os.sep)):
        found = [match for match in found if match.is_dir()]
    if not found:
        raise ImageError(f"pattern {str(pattern)!r} matches no file")
    return sorted(set(found))


def _matches_in(place: Path, part: str) -> list[Path]:
    """What one part of a pattern matches in a folder."""
    if part == "**":
        return [place, *(place / name for name in glob.glob("**/", root_dir=place, recursive=True))]
    if os.path.lexists(place / part):
        return [place / part]
    return [place / name for name in glob.glob(part, root_dir=place)]


def _images_in(folder: Path) -> list[Path]:
    """The images in a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if _is_image(path))


def _is_image(path: Path) -> bool:
    """Whether a name ends like an image's and is no folder's."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


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
