"""How a tracker follows an object, as an argument."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..bundle.recipes import TrackRecipe


@dataclass(frozen=True)
class TrackerOptions(TrackRecipe):
    """Options of a tracker: the fields of a bundle's recipe for following, with their defaults.

    :meth:`as_dict` and :meth:`from_dict` keep them as plain data. See :class:`TrackRecipe` for
    what each of them does.

    Raises:
        InputError: a value of another type or outside its range, or a ``lost_score`` above the
            ``found_score``.
    """

    @classmethod
    def of(cls, recipe: TrackRecipe) -> TrackerOptions:
        """The options of a bundle's recipe."""
        return cls(**{entry.name: getattr(recipe, entry.name) for entry in fields(recipe)})
