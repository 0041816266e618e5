"""Which of the boxes that were judged are answers: apart from each other, the surest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from ..errors import InputError, seen
from .judging import JudgedPose
from .matches import Match
from .pose import outline_overlap
from .template import Template

Suppress = Literal["each", "all"]
"""Whether boxes have to be apart from those of the same template, or from those of all."""


def checked_suppress(value: str) -> Suppress:
    """The name of a kind of suppression.

    Raises:
        InputError: there is none of this name.
    """
    if isinstance(value, str) and value in ("each", "all"):
        return value
    raise InputError(
        f"suppress is {seen(value)}; give {' or '.join(map(repr, get_args(Suppress)))}"
    )


def apart(
    judged: Sequence[Sequence[JudgedPose]],
    templates: Sequence[Template],
    top_k: int,
    least: float,
    overlap: float,
    suppress: Suppress,
) -> list[Match]:
    """The best boxes of each template that overlap no surer one, the surest first.

    Args:
        judged: what was found of each template, in any order.
        templates: what was looked for.
        top_k: at most this many of each template.
        least: score from which one is found.
        overlap: IoU of two outlines that are the same.
        suppress: ``each`` lets boxes of several templates share a place, ``all`` gives it to the
            surest.

    Returns:
        Found ones, and the surest of each template that has none.
    """
    ordered = sorted(
        ((each, index) for index, some in enumerate(judged) for each in some),
        key=lambda item: -item[0].preference,
    )
    kept: list[Match] = []
    counts = [0] * len(templates)
    for each, index in ordered:
        if each.score < least or counts[index] == top_k:
            continue
        match = _match(each, index, templates[index], found=True)
        outline = match.corners
        if all(
            outline_overlap(outline, other.corners) <= overlap
            for other in kept
            if suppress == "all" or other.template == index
        ):
            kept.append(match)
            counts[index] += 1
    for index, some in enumerate(judged):
        if some and not counts[index]:
            best = max(some, key=lambda each: each.preference)
            kept.append(_match(best, index, templates[index], found=False))
    return sorted(kept, key=lambda match: -match.score)


def _match(judged: JudgedPose, index: int, template: Template, *, found: bool) -> Match:
    """What a caller is given."""
    return Match.at(
        judged.pose,
        template.size,
        judged.score,
        found,
        index,
        margin=judged.margin,
        name=template.name,
    )
