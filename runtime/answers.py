"""What the answers of all tasks have in common: plain data, with the names of the ``--json`` lines.

Each class of answers says in ``as_dict`` what it holds; the commands print just that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from .errors import InputError, first_line
from .kinds import Numeric

NOTHING: Numeric[float] = 1e-12
"""What rounding leaves of a number of a transform that is zero."""

LEAST_SIDE: Numeric[float] = 0.01
"""In pixels, of a box as it is written: one without width or height is none."""

MS: Numeric[float] = 1000.0
"""In a second."""


NOT_PLAIN = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What comes of an answer that was made by hand and holds something else than numbers or text."""


class PlainAnswer:
    """An answer that can be turned into plain data."""

    def as_dict(self) -> dict[str, Any]:
        """The answer as numbers, strings, lists and truth values, with the names of ``--json``.

        Numbers are rounded to what they mean. How long it took is not part of it, so that equal
        answers are equal.
        """
        raise NotImplementedError

    def to_json(self) -> str:
        """:meth:`as_dict` as one line of strict JSON.

        Raises:
            InputError: something in it is no finite number, or none at all: no task answers so.
        """
        try:
            return json.dumps(self.as_dict(), allow_nan=False)
        except NOT_PLAIN as error:
            raise odd_answer(self, error) from error


def odd_answer(answer: PlainAnswer, error: Exception) -> InputError:
    """What to say of an answer that was made by hand, and holds what no task answers."""
    return InputError(
        f"a {type(answer).__name__} cannot be written ({first_line(error)}); make it of finite "
        "numbers, text and truth values"
    )


def ms_since(start: float) -> float:
    """Milliseconds since a reading of ``time.perf_counter()``."""
    return (time.perf_counter() - start) * MS


def rounded(value: float, digits: int) -> float:
    """A value rounded; what rounds to zero has no sign."""
    return round(float(value), digits) + 0.0


def plain_box(box: Iterable[float]) -> list[float]:
    """The numbers of a box or point, to a hundredth of a pixel, which a side has at least."""
    numbers = [rounded(value, 2) for value in box]
    return numbers[:2] + [max(side, LEAST_SIDE) for side in numbers[2:]]


def significant(value: float) -> float:
    """A number of a transform; those in the last row are small, and are multiplied by pixels."""
    near = 0.0 if abs(value) < NOTHING else value
    return float(f"{near:.7g}") + 0.0
