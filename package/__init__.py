"""Find and follow a given object in pictures and videos.

import qatm

matcher = qatm.Matcher()
matcher.set_template(frame, box=(x, y, w, h))   # (H, W, 3) uint8 BGR
best = matcher.match(image)[0]                  # Match(Box(…), score=…, found=…)

These are the public names of :mod:`qatm.runtime`, each imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qatm import runtime

if TYPE_CHECKING:
    from qatm.runtime import *  # noqa: F403

__all__ = ["runtime"]
__all__ += runtime.__all__

if not TYPE_CHECKING:  # Editors and type checkers take the names from the import above.

    def __getattr__(name: str) -> object:
        """A public name of the runtime."""
        if name in runtime.__all__:
            return getattr(runtime, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """What there is, imported yet or not."""
        return sorted({*globals(), *__all__})
