"""What ``qatm bench`` measures: a method at one size, and what it is once it is in memory.

Only the standard library is imported before a method asks for more, so that the memory of one is
not mixed with what another needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

from ....runtime.backends.graph import Device, Precision
from ....runtime.errors import QatmError

Repeat = Callable[[int], object]
Facts = Mapping[str, Any]
"""What was seen beside time and memory: ``right``, whether the answers were, and the like."""


class LeftOut(QatmError):  # noqa: N818
    """Something cannot be measured here; the message says why, and what would help."""


class Loaded(NamedTuple):
    """A method with its libraries, its model and its pictures in memory.

    Attributes:
        encode: prepares the templates; called once.
        call: what is measured; its argument counts repeats.
        facts: what the calls so far found.
    """

    encode: Callable[[], object]
    call: Repeat
    facts: Callable[[], Facts] = dict


@dataclass(frozen=True)
class BenchJob:
    """One method at one size.

    Attributes:
        method: a key of ``METHODS``.
        height: of the picture that is searched, in pixels.
        width: the same.
        template: side of each template or object, in pixels.
        templates: how many are looked for in a picture, or followed.
        pictures: how many photographs the repeats go through in turn.
        model: folder of the bundle; ``None`` is the one that ships with the package.
        device: as for ``Matcher``.
        precision: as for ``Matcher``.
        budget_ms: of a tracker, as in ``TrackerOptions``; 0 is none.
    """

    method: str
    height: int = 480
    width: int = 640
    template: int = 64
    templates: int = 1
    pictures: int = 1
    model: str | None = None
    device: Device = "auto"
    precision: Precision = "auto"
    budget_ms: float = 0.0


def template_boxes(job: BenchJob) -> list[tuple[int, int, int, int]]:
    """Boxes ``(x, y, w, h)`` of the templates, spread evenly over the picture."""
    columns = max(1, round(job.templates**0.5))
    rows = -(-job.templates // columns)
    free_x, free_y = job.width - job.template, job.height - job.template
    return [
        (
            round(free_x * (i % columns + 0.5) / columns),
            round(free_y * (i // columns + 0.5) / rows),
            job.template,
            job.template,
        )
        for i in range(job.templates)
    ]


def nothing() -> None:
    """For methods that have no templates to encode."""


def need_package(module: str, extra: str) -> None:
    """Go on only where a package can be imported.

    Args:
        module: its name in Python.
        extra: what brings it, of ``qatm[...]``.

    Raises:
        LeftOut: it is not installed.
    """
    try:
        there = find_spec(module) is not None
    except (ImportError, ValueError):
        there = False
    if not there:
        raise LeftOut(f'{module} is not installed; pip install "qatm[{extra}]"')
