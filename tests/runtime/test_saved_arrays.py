"""Arrays of files that somebody else made: mapped only where their bytes are there."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from qatm.runtime import Template, TemplateError
from qatm.runtime.saved_arrays import map_array, read_arrays


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_mapped_as_it_was_saved(tmp_path: Path, order: str) -> None:
    saved = np.asarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4), order=order)  # pyright: ignore[reportCallIssue, reportArgumentType]
    np.save(tmp_path / "a.npy", saved)
    mapped = map_array(tmp_path / "a.npy")
    np.testing.assert_array_equal(mapped, saved)
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable


def header(text: str) -> bytes:
    """A file that begins with a header of these words."""
    words = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words


DESCRIBED = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header(DESCRIBED.format("|u1", "(1 << 40,)")), "malformed"),
        (header(DESCRIBED.format("|u1", "(1099511627776,)")) + bytes(100), "in 100 bytes"),
        (header(DESCRIBED.format("|u1", "(-1, -4)")) + bytes(4), "in 4 bytes"),
        (header(DESCRIBED.format("|u1", "(0,)")), "in 0 bytes"),
        (header(DESCRIBED.format("|O", "(1,)")) + bytes(8), "object of shape"),
        (header("(" * 5000), "a damaged header"),
        (header("[" * 90 + "]" * 90), "a damaged header: Header is not a dictionary"),
        (header("{" + " " * 20_000 + "}"), "a damaged header: Header info length"),
        (header("-" * 9000 + "1"), "a damaged header"),
        (b"\x93NUMPY broken", "header"),
        (b"PK\x03\x04" + bytes(100), "header: the magic"),
        (b"", "magic"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        map_array(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("words", ["(" * 5000, "-" * 9000 + "1", "{'descr': ", "[" * 90 + "]" * 90])
def test_a_damaged_header_in_an_archive_is_refused(tmp_path: Path, words: str) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header(words))
    with pytest.raises(ValueError, match=r"header|dictionary"):
        read_arrays(path)
    with pytest.raises(TemplateError, match=r"a\.npz"):
        Template.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    for path in (tmp_path / "pipe.npy", tmp_path, Path("/dev/null")):
        with pytest.raises(OSError, match="not a file"):
            map_array(path)
    with pytest.raises(FileNotFoundError):
        map_array(tmp_path / "none.npy")


def test_header_that_numpy_warns_of_is_read_without_a_word(tmp_path: Path) -> None:
    # As Python 2 wrote whole numbers; the tests take every warning for an error.
    path = tmp_path / "a.npy"
    path.write_bytes(header(DESCRIBED.format("|u1", "(4L,)")) + bytes(4))
    assert map_array(path).shape == (4,)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_that_are_packed_otherwise_are_refused(tmp_path: Path, packing: int) -> None:
    path = tmp_path / "a.npz"
    np.savez(tmp_path / "good.npz", one=np.arange(3))
    with zipfile.ZipFile(tmp_path / "good.npz") as good, zipfile.ZipFile(path, "w", packing) as bad:
        bad.writestr("one.npy", good.read("one.npy"))
    with pytest.raises(ValueError, match=rf"entries are packed in another way \({packing}\)"):
        read_arrays(path)


def test_an_archive_of_very_many_arrays_is_not_listed(tmp_path: Path) -> None:
    path, count = tmp_path / "a.npz", 100_000
    entry = b"PK\1\2" + bytes(24) + b"\1" + bytes(17) + b"a"
    size = len(entry) * count
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0)
    where = struct.pack("<4sIQI", b"PK\6\7", 0, size, 1)
    for content in (entry * count + end, entry * count + large + where + end):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a list of its arrays of 4,700,000 bytes"):
            read_arrays(path)


def test_large_arrays_are_read(tmp_path: Path) -> None:
    saved = np.zeros((1 << 21), np.float32)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", a=saved)
        np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz")["a"], saved)
