"""Beginning with a look of the object that was kept from elsewhere, and finding it in a frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..boxes import Box
from ..bundle.log_odds import log_odds
from ..errors import InputError, TemplateError
from ..images import Image, resize_to
from ..kinds import Bound, Numeric
from ..patches.kept_look import KeptTemplate, KeptView, ObjectView
from ..patches.region import Region
from .follower import Follower

Array = NDArray[Any]

SIZES: Bound[tuple[float, ...]] = (1.0, 1.41, 0.71, 2.0, 0.5)
"""Sizes at which the object is looked for, relative to its template: all, as a part of a large
object resembles a small one."""

SAME: Numeric[float] = 1.02
"""Factor on a size that is the same."""

SIZED: Bound[int] = 9
"""How often the size of what was found is measured: each time it changes by one step at most."""

SURER: Bound[float] = 2.0
"""What is found must be as surely the object as so many independent looks that find a lost one
would be together: all that follows rests on it, and more sizes are tried."""

REACH: Numeric[float] = 2.0
"""Sides of the object around it that are handed over with its look."""


class FoundObject(NamedTuple):
    """Where an object is in a frame, and how surely it is that one, 0 to 1."""

    box: Box
    score: float


@dataclass(frozen=True)
class FirstLook:
    """A picture with an object that is to be followed.

    Attributes:
        frame: ``(H, W, 3)`` uint8 BGR.
        box: the object in it.
    """

    frame: Image
    box: Box

    @classmethod
    def alone(cls, view: KeptView) -> FirstLook:
        """The picture that was kept, the object as large as in the frame that it came from."""
        height, width = view.image.shape[:2]
        size = max(1, round(width / view.zoom)), max(1, round(height / view.zoom))
        return cls(resize_to(view.image, *size), view.box.scaled(size[0] / width, size[1] / height))

    @classmethod
    def drawn(cls, view: KeptView, frame: Image, box: Box) -> FirstLook:
        """A frame in which the object looks as it was kept, fitted into a box.

        What surrounds it is that of the frame: it is there that it is to be told from others.
        """
        rows, columns = view.image.shape[:2]
        factors = box.w / view.box.w, box.h / view.box.h
        size = max(1, round(columns * factors[0])), max(1, round(rows * factors[1]))
        placed = view.box.scaled(size[0] / columns, size[1] / rows)
        picture = resize_to(view.image, *size)
        drawn = frame.copy()
        left, top = max(0, math.floor(box.x)), max(0, math.floor(box.y))
        right, bottom = math.ceil(box.x + box.w), math.ceil(box.y + box.h)
        under = drawn[top:bottom, left:right]
        # Pixel i covers [i, i + 1), so its centre lies at i + 1/2 on both sides of the map.
        scale = box.w / placed.w, box.h / placed.h
        matrix = np.array(
            [
                [scale[0], 0, box.x - left - placed.x * scale[0] + (scale[0] - 1) / 2],
                [0, scale[1], box.y - top - placed.y * scale[1] + (scale[1] - 1) / 2],
            ]
        )
        into = under.shape[1::-1]
        pixels = cv2.warpAffine(picture, matrix, into, borderMode=cv2.BORDER_REPLICATE)
        if view.mask is None:
            under[:] = pixels
        else:
            mask = resize_to(np.dstack([view.mask.astype(np.uint8) * 255] * 3), *size)
            part = cv2.warpAffine(mask, matrix, into, borderMode=cv2.BORDER_REPLICATE) / 255.0
            under[:] = np.rint(part * pixels + (1 - part) * under)
        return cls(drawn, box)

    def view(self) -> ObjectView:
        """What is handed over of it: the object and what is around it."""
        (x, y), side = self.box.centre, max(self.box.w, self.box.h)
        rows, columns = self.frame.shape[:2]
        reach = (REACH + 0.5) * side
        left, top = max(0, math.floor(x - reach)), max(0, math.floor(y - reach))
        right, bottom = min(columns, math.ceil(x + reach)), min(rows, math.ceil(y + reach))
        part = self.frame[top:bottom, left:right].copy()
        return ObjectView(part, Box(self.box.x - left, self.box.y - top, self.box.w, self.box.h))


def view_of(template: KeptTemplate, check: Callable[[str, str, str], None]) -> KeptView:
    """The picture that a template kept.

    Args:
        template: to begin with.
        check: refuses another model, by the model, what has it and the remedy.

    Raises:
        InputError: something else than a template.
        TemplateError: of another model, or without a picture.
    """
    model = getattr(template, "model", None)
    if not isinstance(model, str) or not hasattr(template, "view"):
        raise InputError(
            f"template is {type(template).__name__}; give a runtime.Template (read files with "
            "Template.load), or what Tracker.template() gives"
        )
    name = getattr(template, "name", "")
    check(model, f"template {name!r}" if name else "template", "encode it again")
    if template.view is None:
        raise TemplateError(
            f"template {name!r} was saved by an earlier version and has no picture of the object; "
            "encode it again"
        )
    return template.view


def find_in(follower: Follower, frame: Image) -> FoundObject | None:
    """Look for an object in a whole frame, with the means by which lost ones are found again.

    Args:
        follower: of the object, of which nothing is changed.
        frame: ``(H, W, 3)`` uint8 BGR.

    Returns:
        The best place, or ``None`` if none shows the object surely enough.
    """
    found = None
    for size in SIZES:
        for part in follower.search.parts(frame, size):
            for centre in follower.search.inside(frame, part, size):
                seen = _seen_at(follower, frame, centre, size)
                if found is None or seen.score > found.score:
                    found = seen
    needed = SURER * log_odds(follower.options.elsewhere_score)
    return found if found is not None and log_odds(found.score) >= needed else None


def _seen_at(
    follower: Follower, frame: Image, centre: tuple[float, float], size: float
) -> FoundObject:
    """What is seen at a likely place, in the size that fits best."""
    model, options, score = follower.model, follower.options, 0.0
    for last in (*[False] * SIZED, True):
        region = Region.around(centre, model.scale / size, *model.region_size)
        seen = model.encode(frame, region)
        sighting = model.look(seen, centre)
        centre, score = sighting.centre, follower.score(sighting)
        if last or score < options.found_score or options.scale_gain == 0:
            break
        read = model.read_motion(seen, centre)
        if read is None or abs(math.log(read.zoom)) < math.log(SAME):
            break
        size *= read.zoom
    box = Box.around(centre, model.box.w * size, model.box.h * size)
    return FoundObject(box, score)
