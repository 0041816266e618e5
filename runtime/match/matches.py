"""What a matcher gives back."""

from __future__ import annotations

from dataclasses import dataclass

from ..boxes import Box


@dataclass(frozen=True)
class Match:
    """One place where a template may be.

    Attributes:
        box: ``(x, y, w, h)`` in pixels of the searched image.
        score: 0 to 1; how surely the object is there.
        found: whether the score reaches the threshold.
        template: index of the template in the searched list (0 for a single one).
    """

    box: Box
    score: float
    found: bool
    template: int = 0


@dataclass(frozen=True)
class MatchEvidence:
    """What the score of a match is made of.

    Attributes:
        quality: mean quality of the window without competitors, in [0, 1]; 0 where the template or
            the window shows a single colour.
        likeness: mean over its cells of the similarity to the patch of the template that they
            resemble most, in [-1, 1].
    """

    quality: float
    likeness: float
