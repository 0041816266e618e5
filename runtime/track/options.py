"""How a tracker follows an object, as an argument."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..bundle.fields import bound
from ..bundle.track_recipe import TrackRecipe


@dataclass(frozen=True)
class TrackerOptions(TrackRecipe):
    """Options of a tracker: the fields of a bundle's recipe for following, and a budget.

    :meth:`as_dict` and :meth:`from_dict` keep them as plain data. See :class:`TrackRecipe` for
    what each field of a recipe does.

    Attributes:
        budget_ms: milliseconds that a frame may take while an object is looked for; 0 sets no
            limit. The search for a lost object, and the comparison of what was found again with
            other places, then go on from frame to frame in pieces of work that fit. Where the
            ordinary look at a lost object leaves no time for any piece, look and search take
            turns: every second frame goes without the look, and its score is that of the frame
            before. Objects that are not lost are always looked at, and a tenth of that time is
            always searched. What a piece takes is estimated from what such pieces took before,
            and one look is not divided: a budget shorter than a look is exceeded by one. Of
            several objects, those that are looked for share the time. An object is found again
            later than without a limit; which frame finds it then depends on how fast the machine
            is.

    Raises:
        InputError: a value of another type or outside its range, or a ``lost_score`` above the
            ``found_score``.
    """

    budget_ms: float = bound(0.0, 0, 3_600_000)

    @classmethod
    def of(cls, recipe: TrackRecipe) -> TrackerOptions:
        """The options of a bundle's recipe."""
        return cls(**{entry.name: getattr(recipe, entry.name) for entry in fields(recipe)})
