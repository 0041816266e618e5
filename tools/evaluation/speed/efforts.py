"""How much ``qatm bench`` measures: everything, or a little of each."""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        repeats: timed calls of each side of a comparison.
        least: timed calls of what takes long.
        pictures: photographs that they go through in turn.
        size: width and height of the pictures of comparisons and of the curve over templates.
        sizes: ``(width, height, side of the template)``, the points of the curve with one template.
        counts: numbers of templates, its points at ``size``.
        sides_in: width and height of the pictures in which ``sides`` are looked for.
        sides: of the template, the points of the curve over its size.
        memory: widths and heights of pictures that are searched in a process of its own.
        large: ``(width, height, side of the object)`` of small objects in large pictures.
        frames: timed frames of each tracker.
        tracked: widths and heights of their frames.
        objects: how many are followed at once, in frames of ``sides_in``.
        starts: processes that are started.
    """

    repeats: int = 12
    least: int = 3
    pictures: int = 4
    size: Size = (640, 480)
    sizes: tuple[tuple[int, int, int], ...] = (
        (320, 240, 64),
        (640, 480, 64),
        (1280, 960, 64),
        (1920, 1080, 64),
        (3840, 2160, 64),
        (4000, 4000, 200),
    )
    counts: tuple[int, ...] = (2, 4, 8, 16)
    sides_in: Size = (1280, 720)
    sides: tuple[int, ...] = (16, 32, 64, 128, 256)
    memory: tuple[Size, ...] = ((640, 480), (1920, 1080))
    large: tuple[tuple[int, int, int], ...] = (
        (1920, 1080, 24),
        (4000, 4000, 64),
        (4000, 3000, 20),
    )
    frames: int = 30
    tracked: tuple[Size, ...] = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
    objects: tuple[int, ...] = (1, 2, 4, 8)
    starts: int = 5


FULL = Effort()
QUICK = Effort(
    repeats=1,
    least=1,
    pictures=1,
    size=(320, 240),
    sizes=((320, 240, 64), (640, 480, 64)),
    counts=(2,),
    sides_in=(640, 480),
    sides=(32, 64),
    memory=((640, 480),),
    large=((800, 600, 24),),
    frames=2,
    tracked=((320, 240), (640, 480)),
    objects=(1, 2),
    starts=1,
)
