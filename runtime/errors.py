"""The exceptions of the toolkit: one tree, so that ``except QatmError`` catches them all."""

from __future__ import annotations

import re
import reprlib

from .kinds import Bound

SHOWN: Bound[int] = 120
"""Characters of a wrong value that a message repeats."""


LONGEST: Bound[int] = 2000
"""Characters of a message; the middle of a longer one is left out, for the cure is at its end."""

ENDS_OF_LINES = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


class QatmError(Exception):
    """Base class: the message names what was wrong, the value seen and the fix.

    It is one line of bounded length, and nothing in it moves a terminal's cursor or hides what
    follows: names come from files that anybody may have made.
    """

    def __init__(self, *words: object) -> None:
        super().__init__(*(plain(word) if isinstance(word, str) else word for word in words))


class InputError(QatmError, ValueError):
    """Something the caller passed in cannot be used."""


class ImageError(InputError):
    """An image is missing, unreadable or of an unsupported type."""


class VideoError(InputError):
    """A video, camera or stream cannot be opened, read or written."""


class BoxError(InputError):
    """A box is malformed, empty or outside its image."""


class TemplateError(InputError):
    """A template is missing, does not fit the image, or comes from another model."""


class BundleError(QatmError):
    """A bundle is missing, incomplete, damaged or of another schema version."""


class DeviceError(QatmError):
    """A device, provider or precision that was asked for cannot be used here."""


class PackageError(QatmError, ImportError):
    """A package that is needed is missing or cannot be loaded."""


class ExportError(QatmError):
    """A model cannot be exported, or an exported file failed its check."""


class CalibrationError(QatmError):
    """INT8 cannot be calibrated: unusable images, or a network that cannot be quantised."""


def plain(text: str) -> str:
    """Text in one line, whatever cannot be printed written as Python does: ``\\x1b``."""
    line = ENDS_OF_LINES.sub(" ", text.strip())
    if not line.isprintable():
        line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST - SHOWN - 3]} … {line[-SHOWN:]}"


def seen(value: object) -> str:
    """A value for a message: one line, cut short, whatever it is."""
    try:
        text = " ".join(reprlib.repr(value).split())
    except ValueError:
        # Whole numbers of many thousands of digits are not written out.
        text = f"{type(value).__name__} too long to be shown"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, or its kind where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
