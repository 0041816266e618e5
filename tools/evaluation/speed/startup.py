"""What it costs to begin: from the import to the first match, each step in milliseconds and MiB.

Run as a module with what :class:`StartupOptions` holds in JSON, it takes the steps in its own
process. Only the standard library is imported before, or the first step would cost nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .process_memory import LARGEST, NOW, grown_mb, memory_mb


@dataclass(frozen=True)
class StartupOptions:
    """What is opened and looked for.

    Attributes:
        width: of the picture, in pixels.
        height: the same.
        template: side of the template, in pixels.
        model: folder of the bundle; ``None`` is the one that ships with the package.
        device: as for ``Matcher``.
    """

    width: int = 640
    height: int = 480
    template: int = 64
    model: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class StartupStep:
    """What one step cost.

    Attributes:
        name: of the step.
        ms: its time, in milliseconds.
        peak_mb: largest resident memory of the process until its end, in MiB.
        growth_mb: how much more the process holds after it than before.
    """

    name: str
    ms: float
    peak_mb: float | None
    growth_mb: float | None


STEPS = (
    "startup_import",
    "startup_open",
    "startup_template",
    "startup_first_match",
    "startup_next_match",
)
"""The steps in their order."""

TOTAL = "startup_total"
"""All of them until the first match is there."""


def take_steps(options: StartupOptions) -> list[StartupStep]:
    """Take each step once, in a process that has imported nothing yet.

    Returns:
        One for each of :data:`STEPS`.
    """
    taken: list[StartupStep] = []

    def timed(name: str, step: Callable[[], Any]) -> Any:
        before, start = memory_mb(NOW), time.perf_counter()
        value = step()
        spent = (time.perf_counter() - start) * 1e3
        grown = grown_mb(before, memory_mb(NOW))
        taken.append(StartupStep(name, round(spent, 3), memory_mb(LARGEST), grown))
        return value

    runtime = timed(STEPS[0], _imported)
    frame, box = _picture(options)
    matcher = timed(STEPS[1], lambda: runtime.Matcher(options.model, options.device))
    timed(STEPS[2], lambda: matcher.set_template(frame, box))
    timed(STEPS[3], lambda: matcher.match(frame))
    timed(STEPS[4], lambda: matcher.match(frame))
    return taken


def _imported() -> Any:
    """The runtime, imported now."""
    from .... import runtime

    return runtime


def _picture(options: StartupOptions) -> tuple[Any, tuple[int, int, int, int]]:
    """A picture, and the box of a template in it."""
    from .bench_pictures import photographs
    from .jobs import BenchJob, template_boxes

    job = BenchJob("matcher", width=options.width, height=options.height, template=options.template)
    return photographs(job)[0], template_boxes(job)[0]


if __name__ == "__main__":
    steps = take_steps(StartupOptions(**json.loads(sys.argv[1])))
    sys.stdout.write(json.dumps([asdict(step) for step in steps]))
