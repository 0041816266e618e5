"""Files of arrays that somebody else may have made: ``.npz`` and ``.npy``, read without trust.

An archive says how large its arrays are, and so does each array; neither is believed before both
agree and what they say together is no more than :mod:`.limits` allow. Nothing is unpickled.
"""

from __future__ import annotations

import errno
import io
import math
import os
import stat
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .files import read_regular
from .kinds import Bound
from .limits import FILE_BYTES, SAVED_BYTES

Array = NDArray[Any]

MEMBERS: Bound[int] = 4096
"""Arrays in one file."""

DIRECTORY_BYTES: Bound[int] = 1 << 20
"""Of the part of an archive that lists them: an entry of ours has 70."""

ENDING = ".npy"

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How numpy packs arrays. Others take as much memory to unpack as a few bytes of theirs say."""

HEADER_ERRORS = (
    *(ValueError, TypeError, LookupError, RuntimeError, MemoryError, EOFError),
    *(SyntaxError, TokenError),
)
"""What Python and numpy raise of words that they take for the description of an array."""

SHOWN: Bound[int] = 80
"""Characters of what they say that a message repeats."""


class _Archive(io.BytesIO):
    """An archive of which a little is read at once until it is open.

    What lists its entries is read as a whole, however much that is, before anybody can count them.

    Attributes:
        most: bytes that may be read at once.
    """

    most: int = DIRECTORY_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most so many bytes.

        Raises:
            ValueError: they are too many.
        """
        left = len(self.getbuffer()) - self.tell()
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > self.most:
            raise ValueError(f"a list of its arrays of {wanted:,} bytes; {self.most:,} are enough")
        return super().read(size)


def read_arrays(path: Path) -> dict[str, Array]:
    """All arrays of a ``.npz`` file, by name.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: it is damaged, none of ours, or too large.
    """
    data = read_regular(path, FILE_BYTES)
    file = _Archive(data)
    try:
        with zipfile.ZipFile(file) as archive:
            file.most = len(data)
            return _members(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"no archive of arrays, or a damaged one ({error})") from error
    except (RuntimeError, LookupError, OverflowError, MemoryError, TypeError) as error:
        # What the libraries say of entries that are encrypted, or misnamed.
        raise ValueError(f"a damaged archive ({type(error).__name__}: {error})") from error


def map_array(path: Path) -> Array:
    """The array of a ``.npy`` file, mapped and not read: it may be larger than the memory.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: it is damaged, of another kind, or has fewer bytes than it says.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is a folder, device or pipe, not a file", str(path))
    with path.open("rb") as file:
        shape, column_first, dtype = _header(file)
        start = file.tell()
        size = os.fstat(file.fileno()).st_size - start
        if _is_odd(dtype) or not 0 < _bytes_of(shape, dtype) <= size:
            raise ValueError(f"{dtype} of shape {shape} in {size} bytes")
        order = "F" if column_first else "C"
        return np.memmap(file, dtype, "r", start, shape, order)


def _members(archive: zipfile.ZipFile) -> dict[str, Array]:
    """The arrays of an opened archive.

    Raises:
        ValueError: as :func:`read_arrays`.
    """
    entries = archive.infolist()
    if len(entries) > MEMBERS:
        raise ValueError(f"{len(entries)} arrays; at most {MEMBERS} are accepted")
    if refusal := SAVED_BYTES.refusal(sum(entry.file_size for entry in entries)):
        raise ValueError(f"it {refusal}")
    found: dict[str, Array] = {}
    for entry in entries:
        if entry.compress_type not in PACKED:
            raise ValueError(f"its entries are packed in another way ({entry.compress_type})")
        name = entry.filename.removesuffix(ENDING)
        if name in found:
            raise ValueError(f"array {name!r} is there twice")
        with archive.open(entry) as member:
            content = member.read(entry.file_size)
        found[name] = _array(content, name)
    return found


def _array(content: bytes, name: str) -> Array:
    """An array from its bytes, whose header must say what is there.

    Raises:
        ValueError: it does not.
    """
    stream = io.BytesIO(content)
    shape, column_first, dtype = _header(stream)
    start = stream.tell()
    if _is_odd(dtype):
        raise ValueError(f"array {name!r} is of {dtype}")
    if _bytes_of(shape, dtype) != len(content) - start:
        raise ValueError(f"array {name!r} of shape {shape} has {len(content) - start} bytes")
    values = np.frombuffer(content, dtype, math.prod(shape), start)
    return values.reshape(shape, order="F" if column_first else "C").copy()


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of the array that a file begins with.

    Raises:
        ValueError: they are not there, or damaged.
    """
    try:
        read = npy.read_array_header_1_0
        if npy.read_magic(file) != (1, 0):
            read = npy.read_array_header_2_0
        with warnings.catch_warnings():
            # A header that only old versions of Python can have written is read all the same.
            warnings.simplefilter("ignore", UserWarning)
            return read(file)
    except HEADER_ERRORS as error:
        # Numpy repeats the whole of it, in several lines.
        words = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"a damaged header: {words:.{SHOWN}}") from error


def _is_odd(dtype: np.dtype[Any]) -> bool:
    """Whether it is of objects, of fields or of nothing, which no file of ours has."""
    return dtype.hasobject or dtype.fields is not None or dtype.itemsize == 0


def _bytes_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Bytes of an array; -1 if a side is below 0."""
    return -1 if any(side < 0 for side in shape) else math.prod(shape) * dtype.itemsize


def array_of(
    arrays: Mapping[str, Array], name: str, kinds: str, shape: tuple[int | None, ...]
) -> Array:
    """One of the arrays, as it has to be.

    Args:
        arrays: all of them.
        name: its own.
        kinds: of numpy types, such as ``f`` for floats or ``b`` for truth values.
        shape: ``None`` for any number.

    Raises:
        ValueError: it is missing, of another kind or shape, or has a number that is not finite.
    """
    if name not in arrays:
        raise ValueError(f"array {name!r} is missing")
    array = arrays[name]
    fits = len(array.shape) == len(shape) and all(
        wanted is None or side == wanted for side, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.kind not in kinds:
        raise ValueError(f"array {name!r} is {array.dtype} of shape {array.shape}")
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise ValueError(f"array {name!r} has numbers that are not finite")
    return array


def numbers_of(
    arrays: Mapping[str, Array], name: str, count: int | None, low: float, high: float
) -> list[float]:
    """A few numbers, each from ``low`` to ``high``.

    Args:
        arrays, name: as for :func:`array_of`.
        count: how many; ``None`` for any number of them.
        low, high: their range.

    Raises:
        ValueError: something else is there.
    """
    values = [float(value) for value in array_of(arrays, name, "fiu", (count,))]
    if not all(low <= value <= high for value in values):
        raise ValueError(f"array {name!r} has numbers that are not from {low:g} to {high:g}")
    return values


def switch_of(arrays: Mapping[str, Array], name: str) -> bool:
    """A truth value.

    Raises:
        ValueError: something else is there.
    """
    return bool(array_of(arrays, name, "b", ()))


def text_of_array(arrays: Mapping[str, Array], name: str) -> str:
    """A text.

    Raises:
        ValueError: something else is there, or half a character.
    """
    text = str(array_of(arrays, name, "U", ()))
    text.encode()
    return text
