"""``Bound`` and ``Numeric``: what the numbers are that stand in modules and not in recipes.

Every number was fitted, chosen, set as a bound, or belongs to the arithmetic, as
:mod:`.bundle.fields` says. What was fitted or chosen is a field of a recipe, so that a bundle
stores it; the rest may stand in the module that uses it, annotated with its kind and its type:

    SMALLEST: Bound[int] = 32
    EPSILON: Numeric[float] = 1e-9
"""

from __future__ import annotations

from typing import Annotated, TypeVar

NumberT = TypeVar("NumberT")

Bound = Annotated[NumberT, "bound"]
"""A limit on work or memory, or of what is accepted."""

Numeric = Annotated[NumberT, "numeric"]
"""A number of the arithmetic or of a format: what is computed would hardly change if it were a
little different, or it follows from how something was built, as with a trained network."""
