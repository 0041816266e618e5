"""Words beside outlines, on filled tags in their colour."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from ..images import Image
from ..kinds import Bound, Numeric
from .outlines import INK, Colour, line_unit, whole_edges

FOUND_COLOUR: Numeric[Colour] = (90, 230, 60)
MISSED_COLOUR: Numeric[Colour] = (30, 150, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX
LONGEST_NAME: Bound[int] = 18


def in_short(name: str) -> str:
    """A name as the font can write it, cut off where it is long."""
    plain = name.encode("ascii", "replace").decode("ascii")
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 2]}.."


def draw_label(
    canvas: Image,
    box: Sequence[float],
    scale: float,
    text: str,
    colour: Colour,
    smaller: float = 1.0,
) -> None:
    """Write on a filled tag above the box, or below it where there is no room above."""
    unit = line_unit(canvas) * smaller
    size, thickness = 0.5 * unit, max(1, round(1.2 * unit))
    (wide, tall), below = cv2.getTextSize(text, FONT, size, thickness)
    pad = max(2, round(3 * unit))
    tag_w, tag_h = wide + 2 * pad, tall + below + 2 * pad
    height, width = canvas.shape[:2]
    if tag_w > width or 2 * tag_h > height:
        return
    left, top, _, bottom = whole_edges(box, scale)
    x = min(max(left, 0), width - tag_w)
    y = top - tag_h if top >= tag_h else min(bottom + 1, height - tag_h)
    y = min(max(y, 0), height - tag_h)
    cv2.rectangle(canvas, (x, y), (x + tag_w - 1, y + tag_h - 1), colour, cv2.FILLED)
    origin = (x + pad, y + pad + tall)
    cv2.putText(canvas, text, origin, FONT, size, INK, thickness, cv2.LINE_AA)
