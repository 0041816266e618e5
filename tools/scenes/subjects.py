"""What takes part in a scene: the object, what is nearly like it, and other things of its sort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .likeness import looks_different, symmetry_of
from .stickers import Sticker

TRIES = 6
"""How often a drawing that does not differ visibly is drawn anew, for each that is wanted."""


@dataclass(frozen=True)
class Kinds:
    """The things of a scene.

    Attributes:
        target: the object.
        lookalikes: nearly like it, visibly different.
        others: of its sort, visibly different.
        subject: what the object is.
        symmetry: of the object, as in a scene.
    """

    target: Sticker
    lookalikes: tuple[Sticker, ...]
    others: tuple[Sticker, ...]
    subject: str
    symmetry: int


def gather(
    target: Sticker,
    near: Callable[[], Sticker],
    other: Callable[[], Sticker],
    counts: tuple[int, int],
    subject: str,
    scale: float = 1.0,
    turns: int = 1,
) -> Kinds:
    """Draw what goes with an object; what cannot be told from it is left out.

    Args:
        target: the object.
        near: draws something nearly like it.
        other: draws something of its sort.
        counts: how many of each.
        subject: what the object is.
        scale: smallest size at which they have to differ visibly.
        turns: in how many turned positions they have to, where things may lie turned.
    """
    return Kinds(
        target,
        tuple(_differing(target, near, counts[0], min(1.0, scale), turns)),
        tuple(_differing(target, other, counts[1], min(1.0, scale), turns)),
        subject,
        symmetry_of(target),
    )


def _differing(
    target: Sticker, draw: Callable[[], Sticker], count: int, scale: float, turns: int
) -> list[Sticker]:
    """Some drawings that differ from the target."""
    found: list[Sticker] = []
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        drawn = draw()
        if looks_different(target, drawn, scale, turns):
            found.append(drawn)
    return found
