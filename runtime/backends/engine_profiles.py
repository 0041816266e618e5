"""Which optimisation profile of an engine serves an input, or what is wrong with its size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..bundle.sidecar import Profile, ShapeRange
from ..errors import DeviceError

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each input by name."""

DimensionNames = Mapping[str, Sequence[int | str]]
"""What the dimensions of each input are called, as in ``bundle.json``."""


def admitting(profiles: Sequence[Profile], shapes: Shapes) -> list[int]:
    """Indices of the profiles that admit the shapes of some inputs, all together."""
    return [
        index
        for index, profile in enumerate(profiles)
        if all(profile[name].admits(shape) for name, shape in shapes.items())
    ]


def choose_profile(
    profiles: Sequence[Profile], shapes: Shapes, names: DimensionNames, what: str
) -> int:
    """Index of the profile that admits the shapes and is tuned for the most similar ones.

    Args:
        profiles: the engine's, in its order.
        shapes: of all inputs.
        names: for the error text.
        what: what the engine is called in the error text.

    Raises:
        DeviceError: none does; names the offending size and the allowed range.
    """
    fitting = admitting(profiles, shapes)
    if not fitting:
        raise DeviceError(_complaint(profiles, shapes, names, what))
    return min(fitting, key=lambda index: (_distance(profiles[index], shapes), index))


def _distance(profile: Profile, shapes: Shapes) -> float:
    """How far shapes lie from what a profile is tuned for: summed ratios, in logarithms."""
    return sum(
        abs(math.log(side / best))
        for name, shape in shapes.items()
        for side, best in zip(shape, profile[name].optimum, strict=True)
        if side > 0 and best > 0
    )


def _complaint(
    profiles: Sequence[Profile], shapes: Shapes, names: DimensionNames, what: str
) -> str:
    """Why no profile admits the shapes."""
    advice = "use another size, or build the engine for it: qatm-export --shapes"
    for name, shape in shapes.items():
        ranges = [profile[name] for profile in profiles]
        rank = len(ranges[0].minimum)
        if len(shape) != rank:
            return f"{what}: {name} has {len(shape)} dimensions instead of {rank}"
        for axis, side in enumerate(shape):
            allowed = [(entry.minimum[axis], entry.maximum[axis]) for entry in ranges]
            if any(low <= side <= high for low, high in allowed):
                continue
            label = _label(name, axis, names)
            return f"{what}: {label} is {side}, the engine takes {_text(allowed)}; {advice}"
    sizes = ", ".join(f"{name} {_size(shape)}" for name, shape in shapes.items())
    offers = " or ".join(_profile_text(profile) for profile in profiles)
    return f"{what}: no profile takes {sizes} together, only {offers}; {advice}"


def _label(name: str, axis: int, names: DimensionNames) -> str:
    """What a dimension is called."""
    known = names.get(name, ())
    if axis < len(known) and isinstance(known[axis], str):
        return f"{known[axis]} of {name}"
    return f"dimension {axis} of {name}"


def _text(allowed: Sequence[tuple[int, int]]) -> str:
    """Ranges as text, each once."""
    unique = sorted(set(allowed))
    return " or ".join(str(low) if low == high else f"{low} to {high}" for low, high in unique)


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _profile_text(profile: Profile) -> str:
    """A profile's smallest and largest shapes."""
    return ", ".join(f"{name} {_span(entry)}" for name, entry in profile.items())


def _span(entry: ShapeRange) -> str:
    return f"{_size(entry.minimum)} to {_size(entry.maximum)}"
