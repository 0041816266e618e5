"""Which values of a picture become black and white, where it has more of them than 256.

The networks take 8-bit pictures. An array of another type is shown to them between two values, of
which the lower becomes 0 and the upper 255; what lies beyond is cut off. One rule finds the two:

1. A picture's *own* range goes from its lowest to its highest value, a thousandth of the values at
   either end left out, so that defect pixels do not count. One that fills at least half of 0 to 1
   (floats only), 0 to 255 or 0 to 65535, and does not go beyond, gets that as it is: it looks as
   the 8-bit picture that it may have come from.
2. A template is shown in the range of its box, widened to its frame's own, but to no more than
   :data:`REACH` times the box's: something glowing elsewhere does not take the object's contrast.
3. Other pictures are shown in the template's range, so that the same value is the same grey. Where
   a picture goes beyond, the range is widened, up to the same limit; one that has nothing in common
   with it, or numbers of another kind (whole or float), is shown in its own.

``(low, high)`` of the caller's takes the place of all this and is kept to. NaN is shown as the
middle value of its picture, infinity as black or white.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .arguments import few_floats
from .boxes import Box
from .errors import ImageError, InputError, TemplateError, seen
from .kinds import Bound, Numeric

Array = NDArray[Any]

Limits = tuple[float, float]
"""The value that is shown as black, and the one that is shown as white."""

Kind = Literal["fixed", "integer", "float"]
"""Named by the caller; or found, in pictures of whole numbers or of floats."""

TOPS: Numeric[tuple[int, ...]] = (1, 255, 65535)
"""White of floats, of 8-bit and of 16-bit pictures, by custom."""

FILLED: Bound[float] = 0.5
"""Share of such a range from which a picture is taken to be meant in it."""

LEFT_OUT: Numeric[float] = 0.001
"""Share of the values at either end that do not count."""

REACH: Bound[float] = 12.0
"""Widest range, in widths of the object's own: an object keeps at least 255 / 12 grey levels."""

SAMPLE: Bound[int] = 1 << 18
"""Pixels that are sorted."""

SLIGHT: Numeric[float] = 1e-30
"""Widths down to this are told apart in single precision."""

WIDEST: Numeric[float] = float(np.finfo(np.float32).max)
"""Widths up to this can be computed with in single precision."""

LARGEST: Numeric[float] = float(np.finfo(np.float64).max)

WHITE: Numeric[int] = 255


@dataclass(frozen=True)
class ValueRange:
    """The range in which a template was shown, or the first frame of a tracked object.

    Attributes:
        low: the value that is shown as black.
        high: the value that is shown as white.
        least: how far down other pictures may widen it.
        most: how far up.
        kind: ``fixed`` where the caller named it; it then holds for every picture that is not
            uint8. Otherwise ``integer`` or ``float``, and it holds for pictures of such numbers.
    """

    low: float
    high: float
    least: float
    most: float
    kind: Kind

    @classmethod
    def fixed(cls, limits: Sequence[float], name: str = "value_range") -> ValueRange:
        """The range that a caller named.

        Raises:
            InputError: not two finite numbers, the lower one first.
        """
        numbers = few_floats(limits, 2)
        if len(numbers) != 2:  # noqa: PLR2004
            raise InputError(f"{name} is {seen(limits)}; give two numbers, (low, high)")
        low, high = numbers
        if not (low < high and math.isfinite(high - low)):
            raise InputError(
                f"{name} is {seen(limits)}; give two finite numbers, the lower one first"
            )
        return cls(low, high, low, high, "fixed")

    def record(self) -> dict[str, Any]:
        """Its numbers and kind, to be stored in an ``.npz`` file."""
        numbers = (self.low, self.high, self.least, self.most)
        return {"value_range": np.asarray(numbers, np.float64), "value_kind": self.kind}

    @classmethod
    def recorded(cls, data: Mapping[str, Any]) -> ValueRange | None:
        """The range in an opened ``.npz`` file; ``None`` if there is none.

        Raises:
            ValueError, TypeError: something else is stored there.
        """
        if "value_range" not in data:
            return None
        low, high, least, most = (float(value) for value in data["value_range"])
        kinds: dict[str, Kind] = {"fixed": "fixed", "integer": "integer", "float": "float"}
        finite = math.isfinite(high - low) and math.isfinite(most - least)
        kind = kinds.get(str(data.get("value_kind")))
        if not (finite and least <= low < high <= most) or kind is None:
            raise ValueError("its range of values is none")
        return cls(low, high, least, most, kind)

    def holds_for(self, array: Array) -> bool:
        """Whether it says something of a picture with these values."""
        return array.dtype != np.uint8 and self.kind in ("fixed", kind_of(array))

    def for_picture(self, array: Array, name: str = "image") -> Limits:
        """The limits between which a picture is shown, as the module says.

        Raises:
            ImageError: no value is finite.
        """
        if self.kind == "fixed":
            return self.low, self.high
        low, high = own_limits(array, name)
        if self.kind != kind_of(array) or (
            _customary(self.low, self.high) and _customary(low, high)
        ):
            return low, high
        wide = min(low, self.low), max(high, self.high)
        if self.least <= wide[0] and wide[1] <= self.most:
            return wide
        if high < self.low or low > self.high:
            return low, high
        return max(wide[0], self.least), min(wide[1], self.most)


def kind_of(array: Array) -> Literal["integer", "float"]:
    """The kind of its numbers."""
    return "float" if np.issubdtype(array.dtype, np.floating) else "integer"


def object_range(
    array: Array,
    box: Box | None = None,
    limits: Sequence[float] | None = None,
    name: str = "image",
) -> ValueRange | None:
    """The range of an object in its frame.

    Args:
        array: ``(H, W)`` or ``(H, W, C)``, the frame.
        box: the object's; ``None`` for the whole frame.
        limits: named by the caller; ``None`` to find them.
        name: what messages call the frame.

    Returns:
        ``None`` for a uint8 frame without named limits: it is shown as it is.

    Raises:
        ImageError: no value is finite.
        InputError: limits that are not two finite numbers, the lower one first.
    """
    if limits is not None:
        return ValueRange.fixed(limits)
    if array.dtype == np.uint8:
        return None
    low, high = own_limits(array, name)
    inner = _counted(array if box is None else _inside(array, box))
    # An object of one value only has no contrast that could be kept.
    start, end = (low, high) if inner is None or inner[0] == inner[1] else inner
    middle, half = start / 2 + end / 2, REACH * (end - start) / 2
    least, most = middle - half, middle + half
    low, high = max(least, min(low, start)), min(most, max(high, end))
    return ValueRange(low, high, least, most, kind_of(array))


def shared_range(array: Array, ranges: Iterable[ValueRange | None]) -> ValueRange | None:
    """One range for a picture in which several templates are looked for.

    Raises:
        TemplateError: theirs are too different: one would lose its contrast.
    """
    distinct = list(dict.fromkeys(r for r in ranges if r is not None and r.holds_for(array)))
    if len(distinct) < 2:  # noqa: PLR2004
        return distinct[0] if distinct else None
    low, high = min(r.low for r in distinct), max(r.high for r in distinct)
    for values in distinct:
        if low < values.least or high > values.most:
            raise TemplateError(
                f"templates are shown in values from {values.low:g} to {values.high:g} and from "
                f"{low:g} to {high:g}, too different for one picture; look for each in a call of "
                "its own, or encode all with one value_range=(low, high)"
            )
    least, most = max(r.least for r in distinct), min(r.most for r in distinct)
    return ValueRange(low, high, least, most, distinct[0].kind)


def widened(first: ValueRange | None, added: ValueRange | None) -> ValueRange | None:
    """The range for several objects in the same frames, of which one is added.

    Raises:
        InputError: a range is named that is not that of the objects before.
    """
    if first is None or added is None:
        return added if first is None else first
    if added.kind == "fixed" and added != first:
        raise InputError(
            f"value_range is ({added.low:g}, {added.high:g}), but the objects before have values "
            f"from {first.low:g} to {first.high:g}; give all of them the same"
        )
    if added.kind != first.kind:
        return first
    return ValueRange(
        min(first.low, added.low),
        max(first.high, added.high),
        min(first.least, added.least),
        max(first.most, added.most),
        first.kind,
    )


def own_limits(array: Array, name: str = "image") -> Limits:
    """A picture's own range: lowest and highest value, as the module says.

    Raises:
        ImageError: no value is finite.
    """
    counted = _counted(array)
    if counted is None:
        raise ImageError(
            f"{name} of dtype {array.dtype} holds no finite value, only NaN or infinity; "
            "give a picture with finite values"
        )
    low, high = counted
    widest = WIDEST if np.can_cast(array.dtype, np.float32) else LARGEST / (2 * REACH)
    if max(abs(low), abs(high), high - low) > widest:
        raise ImageError(
            f"{name} of dtype {array.dtype} goes from {low:g} to {high:g}, too far to be shown; "
            "scale its values"
        )
    for top in TOPS if kind_of(array) == "float" else TOPS[1:]:
        # A white mask has a single value too, and is white.
        if low >= 0 and high <= top and (high - low >= FILLED * top or low == high):
            return 0.0, float(top)
    return counted


def grey_levels(array: Array, limits: Limits) -> NDArray[np.uint8]:
    """Show values between two limits: uint8 of the same shape.

    Args:
        array: of any integer or float type.
        limits: what becomes 0, and what becomes 255.
    """
    low, high = limits
    near = max(abs(low), abs(high), high - low) <= WIDEST / 2
    exact = np.can_cast(array.dtype, np.float32) and near and high - low > SLIGHT
    kind = np.float32 if exact else np.float64
    # A copy first: whoever owns the picture may write the next one into it meanwhile.
    values = np.clip(np.asarray(array, kind), low, high)
    if kind_of(array) == "float" and (unknown := np.isnan(values)).any():
        known = np.array(array, kind)
        known = known[np.isfinite(known)]
        values[unknown] = min(max(np.median(known), low), high) if known.size else low
    values -= kind(low)
    if high - low > SLIGHT:
        values *= WHITE / kind(high - low)
    elif high > low:
        # Of the slightest widths the factor has no number.
        values /= kind(high - low)
        values *= WHITE
    return np.rint(values).astype(np.uint8)


def _customary(low: float, high: float) -> bool:
    """Whether limits are those of a type and not of a picture."""
    return low == 0 and high in TOPS


def _inside(array: Array, box: Box) -> Array:
    """The pixels that a box touches."""
    left, top = max(0, int(box.x)), max(0, int(box.y))
    return array[top : math.ceil(box.y + box.h), left : math.ceil(box.x + box.w)]


def _counted(array: Array) -> Limits | None:
    """Lowest and highest value without those that do not count; ``None`` if none is finite."""
    pixels = array.reshape(array.shape[0] * array.shape[1], -1)
    step = max(1, -(-len(pixels) // SAMPLE))
    while math.gcd(step, array.shape[1]) > 1 and step > 1:
        # Whole columns would be left out.
        step += 1
    values = _finite(pixels[::step])
    if not values.size:
        values = _finite(pixels)
        if not values.size:
            return None
    skip = min(math.ceil(LEFT_OUT * values.size), (values.size - 1) // 2)
    order = np.partition(values, (skip, values.size - 1 - skip))
    low, high = order[skip], order[values.size - 1 - skip]
    if low == high:
        # A drawing, or a few bright spots on black.
        whole = _finite(pixels)
        # Another thread may have written something else into it since.
        low, high = (whole.min(), whole.max()) if whole.size else (low, high)
    return float(low), float(high)


def _finite(values: Array) -> Array:
    """The values that are numbers, in a row."""
    flat = values.ravel()
    return flat[np.isfinite(flat)] if kind_of(values) == "float" else flat
