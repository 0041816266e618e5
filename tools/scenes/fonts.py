"""The type faces that a machine has, and text drawn with them."""

from __future__ import annotations

import functools
import hashlib
import sysconfig
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError

Mask = NDArray[np.uint8]

HERSHEY = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
"""OpenCV's own faces, for text of any size without another library."""

SYSTEM_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts")
NOT_FOR_TEXT = ("lastresort", "nonuni", "siz", "cmex", "cmmi", "cmsy", "icon", "awesome", "symbol")
PROBES = ("A", "g", "R", "3", "8", "e")


@dataclass(frozen=True)
class FontSet:
    """Type faces in a fixed order: the same faces and the same seed give the same scene.

    Attributes:
        files: TrueType and OpenType files; without Pillow there are none.
    """

    files: tuple[Path, ...]

    def __len__(self) -> int:
        """How many faces there are, OpenCV's included."""
        return len(self.files) + len(HERSHEY)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the faces, without folders."""
        return (*(file.name for file in self.files), *(f"hershey-{face}" for face in HERSHEY))

    @property
    def digest(self) -> str:
        """Eight digits that tell this set from others; OpenCV 5 draws other letters than 4."""
        text = "|".join((*self.names, cv2.__version__.split(".")[0]))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def line(self, text: str, face: int, size: float) -> Mask:
        """Draw a line of text.

        Args:
            text: ASCII.
            face: number of the face, modulo the number of faces.
            size: of the face in pixels, about the height of a line.

        Returns:
            Coverage, ``(H, W)``; all lines of one face and size have the same height and baseline.
        """
        face %= len(self)
        size = max(5, round(size))
        if face < len(self.files):
            return _true_type_line(self.files[face], text, size)
        return _hershey_line(HERSHEY[face - len(self.files)], text, size)

    def ink(self, text: str, face: int, size: float) -> Mask:
        """The same, cut to what is inked; at least one pixel."""
        return cut_to_ink(self.line(text, face, size))


def cut_to_ink(mask: Mask) -> Mask:
    """The part of a mask that is not empty; at least one pixel."""
    rows, columns = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
    if not len(rows):
        return mask[:1, :1]
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@functools.cache
def installed_fonts() -> FontSet:
    """The faces of matplotlib, of wheels named ``font_…`` and of the system, sorted by name."""
    if find_spec("PIL") is None:
        return FontSet(())
    site = Path(sysconfig.get_path("purelib"))
    folders = [
        site / "matplotlib" / "mpl-data" / "fonts" / "ttf",
        *sorted(site.glob("font_*")),
        *map(Path, SYSTEM_FOLDERS),
    ]
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.rglob("*.[to]tf")):
            found.setdefault(file.name.lower(), file)
    return FontSet(tuple(found[name] for name in sorted(found) if _has_letters(found[name])))


def fonts_in(folder: Path) -> FontSet:
    """The faces in a folder and below, sorted by name.

    Raises:
        InputError: there are none, or Pillow is not installed.
    """
    files = sorted(folder.rglob("*.[to]tf"), key=lambda file: file.name.lower())
    if find_spec("PIL") is None:
        raise InputError('TrueType faces are drawn with Pillow: pip install "qatm[eval]"')
    usable = tuple(file for file in files if _has_letters(file))
    if not usable:
        raise InputError(f"{folder} holds no .ttf or .otf file with Latin letters")
    return FontSet(usable)


def _has_letters(file: Path) -> bool:
    """Whether a file can be read and draws different letters differently."""
    if any(word in file.name.lower() for word in NOT_FOR_TEXT):
        return False
    try:
        drawn = {zlib.crc32(_true_type_line(file, probe, 24).tobytes()) for probe in PROBES}
    except OSError:
        return False
    return len(drawn) == len(PROBES)


@functools.lru_cache(maxsize=256)
def _true_type(file: Path, size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=4096)
def _true_type_line(file: Path, text: str, size: int) -> Mask:
    font = _true_type(file, size)
    ascent, descent = font.getmetrics()
    drawn, (left, top) = font.getmask2(text or " ", "L")
    width, height = drawn.size
    # Slanted letters reach out of their box on both sides.
    margin = 1 + size // 12
    mask = np.zeros((max(ascent + descent + 1, top + height), width + 2 * margin), np.uint8)
    if width * height:
        left = max(0, margin + min(0, left))
        area = mask[max(0, top) : max(0, top) + height, left : left + width]
        area[:] = np.frombuffer(bytes(drawn), np.uint8).reshape(height, width)
    mask.setflags(write=False)
    return mask


def _hershey_line(face: int, text: str, size: int) -> Mask:
    scale = size / 30.0
    thickness = max(1, round(size / 18))
    (width, height), below = cv2.getTextSize(text, face, scale, thickness)
    mask = np.zeros((height + below + 4, max(1, width) + 6), np.uint8)
    cv2.putText(mask, text, (3, height + 2), face, scale, 255, thickness, cv2.LINE_AA)
    return mask
