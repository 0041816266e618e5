"""Signs that icons, keys and labels carry, as short paths on a grid of 24.

A path is a list of shapes: ``l`` a line through points, ``p`` a polygon, ``c`` a circle (x, y,
radius), ``r`` a rectangle (two corners), ``a`` an arc (x, y, radius, from, to in degrees), ``d``
and ``b`` a disc and a rectangle that are always filled. ``x`` is a line and ``h`` a disc that are
cut out of what is filled. Polygons, circles and rectangles are filled or drawn as outlines, as the
style wants.
"""

from __future__ import annotations

import cv2
import numpy as np

from .fonts import Mask

Random = np.random.Generator

MOTIFS = {
    "home": "p12,3,22,12,19,12,19,21,5,21,5,12,2,12 x12,21,12,15",
    "arrow": "l4,12,20,12 l13,5,20,12,13,19",
    "chevron": "l9,5,16,12,9,19",
    "double": "l5,5,12,12,5,19 l13,5,20,12,13,19",
    "search": "c10,10,6 l15,15,21,21",
    "zoom-in": "c10,10,6 l15,15,21,21 l7,10,13,10 l10,7,10,13",
    "heart": "p12,21,3,12,3,7,7,4,10,5,12,8,14,5,17,4,21,7,21,12",
    "star": "p12,2,15,9,22,9,16,14,18,21,12,17,6,21,8,14,2,9,9,9",
    "cloud": "p6,19,3,16,4,12,7,11,9,7,14,6,17,10,20,11,21,15,19,19",
    "mail": "r3,5,21,19 x3,6,12,13,21,6 l3,6,12,13,21,6",
    "bell": "p12,3,17,8,18,16,20,18,4,18,6,16,7,8 d12,20,2",
    "user": "c12,8,4 p4,21,5,16,9,14,15,14,19,16,20,21",
    "users": "c9,8,3 p2,20,3,15,9,13,15,15,16,20 a16,8,3,-100,100 l18,14,21,16,22,20",
    "lock": "r5,11,19,21 a12,11,4,180,360 h12,16,1.6",
    "unlock": "r5,11,19,21 a12,9,4,180,330 h12,16,1.6",
    "key": "c8,16,4 l11,13,20,4 l17,7,20,10",
    "trash": "r6,8,18,21 l4,6,20,6 l10,3,14,3 x10,11,10,18 x14,11,14,18",
    "pen": "p4,20,5,15,16,4,20,8,9,19 x14,6,18,10",
    "folder": "p2,5,9,5,11,8,22,8,22,20,2,20",
    "file": "p5,2,14,2,19,7,19,22,5,22 x14,2,14,7,19,7",
    "text": "p5,2,14,2,19,7,19,22,5,22 x8,12,16,12 x8,16,16,16",
    "calendar": "r3,5,21,21 x3,10,21,10 l8,2,8,7 l16,2,16,7",
    "camera": "p2,7,7,7,9,4,15,4,17,7,22,7,22,20,2,20 h12,13,4",
    "bars": "b3,13,7,21 b10,7,14,21 b17,3,21,21",
    "growth": "l3,18,9,11,13,15,21,5 l15,5,21,5,21,11",
    "pie": "c12,12,9 x12,12,12,3 x12,12,20,16",
    "clock": "c12,12,9 x12,6,12,12,16,14",
    "globe": "c12,12,9 x3,12,21,12 x12,3,12,21 a12,12,9,0,360 a12,12,4,0,360",
    "pin": "p12,22,5,12,5,7,8,3,12,2,16,3,19,7,19,12 h12,9,3",
    "phone": "p5,3,9,3,11,8,9,10,14,15,16,13,21,15,21,19,18,21,9,17,3,8",
    "mic": "r9,2,15,13 a12,11,7,0,180 l12,18,12,22",
    "speaker": "p3,9,7,9,12,4,12,20,7,15,3,15 a12,12,5,-50,50 a12,12,9,-50,50",
    "mute": "p3,9,7,9,12,4,12,20,7,15,3,15 l15,9,21,15 l21,9,15,15",
    "play": "p6,3,20,12,6,21",
    "pause": "b6,4,10,20 b14,4,18,20",
    "stop": "b5,5,19,19",
    "next": "p4,4,15,12,4,20 b16,4,19,20",
    "record": "d12,12,7",
    "music": "l9,18,9,5,19,3,19,16 d7,18,3 d17,16,3",
    "wifi": "a12,19,4,225,315 a12,19,9,225,315 a12,19,14,225,315 d12,19,1.6",
    "battery": "r2,7,19,17 b20,10,22,14 x6,10,6,14",
    "eye": "p2,12,7,6,12,5,17,6,22,12,17,18,12,19,7,18 h12,12,3",
    "flag": "l5,22,5,3 p5,3,19,5,16,9,19,13,5,13",
    "tag": "p3,3,12,3,21,12,12,21,3,12 h7,7,1.6",
    "cart": "l2,3,5,3,8,15,19,15,21,7,6,7 d9,19,2 d18,19,2",
    "gift": "r3,9,21,21 x12,9,12,21 x3,13,21,13 c9,6,2.5 c15,6,2.5",
    "link": "a8,16,4,45,315 a16,8,4,-135,135 l9,15,15,9",
    "sun": (
        "c12,12,4 l12,1,12,4 l12,20,12,23 l1,12,4,12 l20,12,23,12 "
        "l4,4,6,6 l18,18,20,20 l4,20,6,18 l18,6,20,4"
    ),
    "moon": "p20,14,16,15,11,13,9,8,10,3,5,6,3,12,6,18,12,21,18,18",
    "drop": "p12,2,18,11,19,15,17,19,12,21,7,19,5,15,6,11",
    "bolt": "p13,2,4,14,11,14,10,22,20,9,13,9",
    "plus": "l12,4,12,20 l4,12,20,12",
    "minus": "l4,12,20,12",
    "tick": "l4,12,10,18,20,6",
    "cross": "l5,5,19,19 l19,5,5,19",
    "menu": "l3,6,21,6 l3,12,21,12 l3,18,21,18",
    "dots": "d5,12,2 d12,12,2 d19,12,2",
    "grid": "b3,3,10,10 b14,3,21,10 b3,14,10,21 b14,14,21,21",
    "list": "d4,6,1.6 d4,12,1.6 d4,18,1.6 l8,6,21,6 l8,12,21,12 l8,18,21,18",
    "filter": "p2,4,22,4,14,13,14,21,10,18,10,13",
    "sliders": "l3,7,21,7 l3,17,21,17 d9,7,3 d16,17,3",
    "refresh": "a12,12,8,-60,220 p19,1,20,8,13,7",
    "undo": "a13,14,7,190,400 p2,9,10,7,7,15",
    "download": "l12,3,12,15 l6,10,12,16,18,10 l4,21,20,21",
    "upload": "l12,16,12,4 l6,9,12,3,18,9 l4,21,20,21",
    "share": "d6,12,3 d18,5,3 d18,19,3 l6,12,18,5 l6,12,18,19",
    "cursor": "p5,2,19,13,12,14,16,21,13,22,9,15,5,19",
    "hash": "l9,3,7,21 l17,3,15,21 l4,9,21,9 l3,16,20,16",
    "bug": (
        "c12,13,5 l12,8,12,18 l3,8,8,11 l21,8,16,11 "
        "l3,19,8,16 l21,19,16,16 l2,13,7,13 l17,13,22,13"
    ),
    "leaf": "p20,3,20,12,15,19,8,19,5,15,6,9,12,5 l3,22,14,11",
    "cup": "p4,7,17,7,16,19,6,19 a17,11,4,-90,90 l8,2,8,5 l12,2,12,5",
    "book": "p3,4,11,6,11,21,3,19 p21,4,13,6,13,21,21,19",
    "printer": "r2,9,22,17 b6,2,18,8 r6,14,18,22",
    "disk": "p3,3,18,3,21,6,21,21,3,21 x8,3,8,8,16,8,16,3 h12,15,3",
    "screen": "r2,3,22,17 l8,21,16,21 l12,17,12,21",
    "info": "c12,12,9 x12,11,12,17 h12,7,1.4",
    "warn": "p12,2,23,21,1,21 x12,9,12,15 h12,18,1.4",
    "gear": (
        "p10,2,14,2,15,5,18,4,20,7,18,9,22,10,22,14,18,15,20,18,17,20,15,18,"
        "14,22,10,22,9,18,6,20,4,17,6,15,2,14,2,10,6,9,4,6,7,4,9,6 "
        "h12,12,3.4"
    ),
    "person": "d12,4,2.4 l12,7,12,14,8,22 l12,14,16,22 l5,10,19,10",
    "plane": "p2,11,22,3,16,21,11,14 l11,14,22,3",
    "box": "p12,2,21,7,21,17,12,22,3,17,3,7 x3,7,12,12,21,7 x12,12,12,22",
    "shield": "p12,2,20,5,19,14,12,22,5,14,4,5",
    "crown": "p3,19,2,7,8,12,12,4,16,12,22,7,21,19",
    "rss": "d6,18,2.4 a4,20,9,270,360 a4,20,15,270,360",
    "scissors": "c6,6,3 c6,18,3 l8,8,20,19 l8,16,20,5",
    "code": "l8,6,2,12,8,18 l16,6,22,12,16,18 l14,4,10,20",
    "magnet": "a12,12,8,180,360 a12,12,4,180,360 l4,12,4,20 l20,12,20,20 l8,12,8,20 l16,12,16,20",
    "target": "c12,12,9 h12,12,5 d12,12,2",
    "tree": "p12,2,19,11,15,11,20,18,4,18,9,11,5,11 b11,18,13,22",
    "anchor": "c12,5,2.4 l12,8,12,21 l8,11,16,11 a12,13,8,10,170",
}  # fmt: skip

SHIFT = 4


def random_motif(random: Random) -> str:
    """A path of its own: some strokes and shapes on the grid, which no other is likely to share."""
    shapes: list[str] = []
    for _ in range(int(random.integers(2, 5))):
        sign = "lpcradb"[int(random.integers(7))]
        x, y = random.integers(4, 15, 2)
        w, h = random.integers(4, 9, 2)
        numbers: list[float] = {
            "l": [*random.integers(3, 22, 2 * int(random.integers(2, 5)))],
            "p": [*random.integers(3, 22, 2 * int(random.integers(3, 6)))],
            "c": [x + 2, y + 2, w / 2],
            "r": [x, y, x + w, y + h],
            "a": [x + 3, y + 3, w / 2 + 1, *sorted(random.integers(0, 360, 2))],
            "d": [x + 2, y + 2, w / 3],
            "b": [x, y, x + w, y + h / 2],
        }[sign]
        shapes.append(sign + ",".join(f"{float(value):g}" for value in numbers))
    return " ".join(shapes)


def identicon(random: Random) -> str:
    """A symmetric pattern of cells, as sites draw for people without a picture."""
    cells = random.random((6, 3)) < 0.5
    cells[2, 2] = True
    boxes = [
        f"b{3 + 3 * column},{3 + 3 * row},{6 + 3 * column},{6 + 3 * row}"
        for row in range(6)
        for half in range(3)
        if cells[row, half]
        for column in (half, 5 - half)
    ]
    return " ".join(boxes)


def stroke_path(path: str, side: int, width: float, *, solid: bool) -> Mask:
    """Draw a path.

    Args:
        path: see the module.
        side: of the square mask, in pixels.
        width: of strokes, on the grid of 24.
        solid: whether shapes are filled.

    Returns:
        Coverage, ``(side, side)``.
    """
    mask = np.zeros((side, side), np.uint8)
    unit = side / 24.0
    thickness = max(1, round(width * unit))
    for token in path.split():
        _stroke(mask, token[0], [float(n) * unit for n in token[1:].split(",")], thickness, solid)
    return mask


def _stroke(mask: Mask, sign: str, numbers: list[float], thickness: int, solid: bool) -> None:
    """Draw one shape of a path; angles of arcs were multiplied by the unit, too."""
    filled = sign in "db" or (solid and sign in "pcr")
    line = -1 if filled else thickness
    value = 0 if sign in "xh" else 255
    if sign in "lpx":
        points = _fixed(np.reshape(numbers, (-1, 2)))
        if filled:
            cv2.fillPoly(mask, [points], value, cv2.LINE_AA, SHIFT)
        elif sign != "x" or solid:
            cv2.polylines(mask, [points], sign == "p", value, thickness, cv2.LINE_AA, SHIFT)
    elif sign in "rb":
        points = _fixed(np.reshape(numbers, (2, 2)))
        cv2.rectangle(mask, points[0].tolist(), points[1].tolist(), value, line, cv2.LINE_AA, SHIFT)
    elif sign == "a":
        unit = mask.shape[0] / 24.0
        centre, radius = _fixed(np.array(numbers[:2])).tolist(), round(numbers[2] * 2**SHIFT)
        start, end = numbers[3] / unit, numbers[4] / unit
        axes = (radius, radius)
        cv2.ellipse(mask, centre, axes, 0, start, end, value, thickness, cv2.LINE_AA, SHIFT)
    else:
        centre, radius = _fixed(np.array(numbers[:2])).tolist(), round(numbers[2] * 2**SHIFT)
        if sign == "h":
            value, line = (0, -1) if solid else (255, thickness)
        cv2.circle(mask, centre, radius, value, line, cv2.LINE_AA, SHIFT)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Places in OpenCV's fixed point, counted from the centres of pixels."""
    return np.rint((points - 0.5) * 2**SHIFT).astype(np.int32)
