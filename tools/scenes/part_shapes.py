"""Kinds of parts, each a drawing of some numbers.

A part that is nearly like another one differs in one of them: a tooth, a hole, a notch, a mark.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .fonts import FontSet
from .part_blank import Blank, around, blank, rectangle
from .round_parts import bearing, clip, coin, gear, nut, screw_head, washer

Random = np.random.Generator
Numbers = dict[str, float]

RING_COLOURS = (
    *((0.1, 0.1, 0.1), (0.2, 0.35, 0.6), (0.2, 0.2, 1.4), (0.1, 0.7, 1.5), (0.2, 1.4, 1.5)),
    *((0.3, 1.0, 0.3), (1.3, 0.4, 0.2), (1.2, 0.4, 0.9), (0.8, 0.8, 0.8), (1.6, 1.6, 1.6)),
)
"""The colours of digits on resistors, as factors on the colour of the body."""


def bolt(numbers: Numbers, fonts: FontSet) -> Blank:
    """A bolt seen from the side: head, shank, thread, point."""
    del fonts
    part = blank(2.0 + 1.5 * numbers["aspect"])
    width, height = part.mask.shape[1], part.mask.shape[0]
    y = height / 2.0
    head = 10.0 + 22.0 * numbers["head"]
    shank = height * (0.2 + 0.16 * numbers["shank"])
    tall = height / 2.0 - 3
    shape = int(numbers["shape"] * 2.99)
    if shape == 0:
        part.polygon(rectangle(3, y - tall, head, 2 * tall))
    elif shape == 1:
        part.disc(3 + tall, y, tall)
        part.polygon(rectangle(3 + head, 0, width, height), 0)
    else:
        part.polygon(
            np.array([[3, y - tall], [3 + head, y - shank], [3 + head, y + shank], [3, y + tall]])
        )
    end = width - 4.0
    part.polygon(rectangle(3 + head, y - shank, end - head - 9, 2 * shank))
    if numbers["point"] < 0.5:
        part.polygon(np.array([[end - 10, y - shank], [end, y], [end - 10, y + shank]]))
    start = 3 + head + (end - head) * 0.7 * numbers["plain"]
    pitch = 3.5 + 4.0 * numbers["pitch"]
    for x in np.arange(start + 3, end - 8, pitch):
        part.groove(np.array([[x, y - shank], [x + pitch / 3, y + shank]]), pitch / 2.5, -3)
    return part


def bracket(numbers: Numbers, fonts: FontSet) -> Blank:
    """An angle, a Z or a T with holes."""
    del fonts
    part = blank(1.0 + 0.6 * numbers["aspect"])
    width, height = float(part.mask.shape[1]), float(part.mask.shape[0])
    arm = 22.0 + 20.0 * numbers["arm"]
    shape = int(numbers["shape"] * 3.99)
    part.polygon(rectangle(4, height - 4 - arm, width - 8, arm))
    if shape == 0:
        part.polygon(rectangle(4, 4, arm, height - 8))
    elif shape == 1:
        part.polygon(rectangle((width - arm) / 2, 4, arm, height - 8))
    elif shape == 2:
        part.polygon(rectangle(4, 4, arm * 0.8, height - 8))
        part.polygon(rectangle(width - 4 - arm * 0.8, 4, arm * 0.8, height - 8))
    else:
        part.polygon(rectangle(4, 4, arm, height - 8))
        part.polygon(rectangle(4, 4, width * 0.7, arm * 0.8))
    size = 4.0 + 6.0 * numbers["hole"]
    holes = 1 + int(numbers["holes"] * 3.99)
    for index in range(holes):
        x = 4 + arm / 2 + index * (width - 8 - arm) / max(1, holes - 1)
        part.disc(x, height - 4 - arm / 2, size, 0)
    if numbers["upper"] < 0.6:
        part.disc(4 + arm / 2, 6 + arm / 2, size * 0.8, 0)
    if numbers["bend"] < 0.5:
        part.groove(np.array([[0, height - 4 - arm], [width, height - 4 - arm]]), 4, -3)
    return part


def plate(numbers: Numbers, fonts: FontSet) -> Blank:
    """A plate with holes, slots, cut corners and a mark."""
    part = blank(1.0 + 1.2 * numbers["aspect"])
    width, height = float(part.mask.shape[1]), float(part.mask.shape[0])
    part.polygon(rectangle(4, 4, width - 8, height - 8))
    corners = rectangle(4, 4, width - 8, height - 8)
    cut = 8.0 + 14.0 * numbers["cut"]
    for index in range(int(numbers["corners"] * 4.99)):
        before, after = corners[index - 1], corners[(index + 1) % 4]
        corner = corners[index]
        sides = [
            corner + cut * (other - corner) / np.linalg.norm(other - corner)
            for other in (before, after)
        ]
        part.polygon(np.array([corner, *sides]), 0)
    columns, rows = 2 + int(numbers["columns"] * 2.99), 1 + int(numbers["rows"] * 1.99)
    size = 4.0 + 5.0 * numbers["hole"]
    missing = int(numbers["missing"] * 2.0 * columns * rows)
    for index in range(columns * rows):
        if index == missing:
            continue
        column, row = index % columns, index // columns
        x = 22 + column * (width - 44) / (columns - 1)
        y = height / 2 if rows == 1 else 20 + row * (height - 40)
        part.disc(x, y, size, 0)
    if numbers["mark"] < 0.5 and rows == 2:
        text = f"{int(numbers['mark'] * 200) % 100:02d}"
        part.mark(fonts.ink(text, 0, 40), width / 2, height / 2, min(44, height * 0.7), -3)
    return part


def key(numbers: Numbers, fonts: FontSet) -> Blank:
    """A key: a bow and a blade with notches."""
    del fonts
    part = blank(2.4)
    width, height = float(part.mask.shape[1]), float(part.mask.shape[0])
    y = height / 2.0
    bow = int(numbers["bow"] * 2.99)
    if bow == 0:
        part.disc(26, y, 24)
    elif bow == 1:
        part.polygon(np.add(around(6, 26.0), (27, y)))
    else:
        part.polygon(rectangle(4, 4, 40, height - 8))
    part.disc(16, y, 5 + 6 * numbers["ring"], 0)
    part.polygon(rectangle(44, y - 9, width - 60, 18))
    part.polygon(np.array([[width - 17, y - 9], [width - 5, y], [width - 17, y + 9]]))
    for index in range(6):
        depth = 3.0 + 9.0 * numbers[f"cut{index}"]
        x = 58 + index * 9.0
        top = y - 10
        part.polygon(
            np.array([[x - 4, top], [x + 4, top], [x + 1, top + depth], [x - 1, top + depth]]), 0
        )
    part.groove(np.array([[46, y + 3], [width - 16, y + 3]]), 3, -3)
    return part


def lever(numbers: Numbers, fonts: FontSet) -> Blank:
    """A lever: two eyes and an arm, straight or bent."""
    del fonts
    part = blank(2.0 + numbers["aspect"])
    width, height = float(part.mask.shape[1]), float(part.mask.shape[0])
    y = height / 2.0
    large, small = height / 2 - 4, (height / 2 - 4) * (0.45 + 0.4 * numbers["small"])
    right = width - 4 - small
    part.disc(4 + large, y, large)
    part.disc(right, y, small)
    part.bar(np.array([4 + large, y]), np.array([right, y]), small * (0.9 + 0.7 * numbers["arm"]))
    part.disc(4 + large, y, large * (0.3 + 0.35 * numbers["eye"]), 0)
    part.disc(right, y, small * (0.3 + 0.3 * numbers["hole"]), 0)
    if numbers["third"] < 0.5:
        part.disc(width * 0.55, y, small * 0.3, 0)
    if numbers["rib"] < 0.5:
        part.groove(np.array([[large * 2, y - 3], [right - small, y - 3]]), 4, 3)
    return part


def chip(numbers: Numbers, fonts: FontSet) -> Blank:
    """A component: a dark body with legs, a dot and letters."""
    part = blank(1.0 + 1.4 * numbers["aspect"])
    width, height = float(part.mask.shape[1]), float(part.mask.shape[0])
    legs = 3 + int(numbers["legs"] * 6.99)
    for index in range(legs):
        x = 14 + index * (width - 28) / (legs - 1)
        part.polygon(rectangle(x - 3, 3, 6, height - 6))
    body = (6.0, 14.0, width - 12, height - 28)
    part.polygon(rectangle(*body))
    dark = np.full(3, 0.3)
    part.colour(body, dark)
    if numbers["dot"] < 0.7:
        part.relief -= part.dome((18.0, height - 24.0), 5.0) * 8.0
    text = f"{int(numbers['text'] * 9000) + 1000}"
    drawn = fonts.ink(text, 0, 40)
    wide = min(width * 0.62, (height - 34) * 0.7 * drawn.shape[1] / drawn.shape[0])
    part.mark(drawn, width / 2 + 4, height / 2, wide, 4)
    return part


def resistor(numbers: Numbers, fonts: FontSet) -> Blank:
    """A body with coloured rings and two wires."""
    del fonts
    part = blank(3.0)
    width, height = float(part.mask.shape[1]), float(part.mask.shape[0])
    y = height / 2.0
    part.polygon(rectangle(2, y - 2, width - 4, 4))
    part.bar(np.array([36, y]), np.array([width - 36, y]), height * 0.55)
    part.disc(34, y, height * 0.36)
    part.disc(width - 34, y, height * 0.36)
    part.colour((20, 0, width - 40, height), np.array([0.75, 1.05, 1.25]))
    for index in range(4):
        ring = np.array(RING_COLOURS[int(numbers[f"ring{index}"] * 9.99)])
        part.colour((36 + index * 15 + 6 * (index == 3), 0, 7, height), ring)
    return part


def wrench(numbers: Numbers, fonts: FontSet) -> Blank:
    """A wrench: open, with a ring, or both; its size is stamped in."""
    part = blank(3.6)
    width, height = float(part.mask.shape[1]), float(part.mask.shape[0])
    y = height / 2.0
    reach = height / 2 - 2
    part.bar(
        np.array([reach, y]), np.array([width - reach, y]), height * (0.3 + 0.2 * numbers["arm"])
    )
    part.disc(2 + reach, y, reach)
    jaw = 4.0 + 5.0 * numbers["jaw"]
    part.polygon(rectangle(0, y - jaw, reach + 2, 2 * jaw), 0)
    other = int(numbers["other"] * 2.99)
    if other < 2:
        part.disc(width - 2 - reach, y, reach)
    if other == 0:
        part.polygon(np.add(around(6, reach * 0.6), (width - 2 - reach, y)), 0)
    elif other == 1:
        part.polygon(rectangle(width - reach - 2, y - jaw * 0.8, reach + 4, jaw * 1.6), 0)
    text = f"{8 + int(numbers['text'] * 16)}"
    part.mark(fonts.ink(text, 0, 30), width / 2, y, 13, -3)
    return part


SHAPES: dict[str, tuple[Callable[[Numbers, FontSet], Blank], tuple[str, ...]]] = {
    "washer": (washer, ("teeth", "hole", "gap", "tongue")),
    "nut": (nut, ("sides", "flange", "hole", "mark")),
    "screw": (screw_head, ("head", "drive", "reach", "mark")),
    "bolt": (bolt, ("head", "shank", "shape", "point", "plain", "pitch")),
    "gear": (gear, ("teeth", "depth", "holes", "size", "bore", "keyway")),
    "bracket": (bracket, ("arm", "shape", "hole", "holes", "upper", "bend")),
    "plate": (plate, ("cut", "corners", "columns", "rows", "hole", "missing", "mark")),
    "key": (key, ("bow", "ring", "cut0", "cut1", "cut2", "cut3", "cut4", "cut5")),
    "bearing": (bearing, ("bore", "balls", "seal")),
    "lever": (lever, ("small", "arm", "eye", "hole", "third", "rib")),
    "chip": (chip, ("legs", "dot", "text")),
    "resistor": (resistor, ("ring0", "ring1", "ring2", "ring3")),
    "wrench": (wrench, ("arm", "jaw", "other", "text")),
    "clip": (clip, ("offset", "hole", "gap", "inside", "ear")),
    "coin": (coin, ("value", "face", "dots", "hole")),
}
"""Kind -> what draws it, and the numbers 0 to 1 in which such parts differ."""


def draw_numbers(random: Random, kind: str) -> Numbers:
    """The numbers of a part; ``aspect`` belongs to a sort of parts and never differs."""
    names = SHAPES[kind][1]
    numbers = {name: float(random.random()) for name in (*names, "aspect")}
    if kind == "washer":
        numbers["teeth"] = float(random.choice([0, 0, 6, 8, 12, 16, 20]))
    return numbers


def similar_numbers(random: Random, kind: str, numbers: Numbers) -> Numbers:
    """The same with one of them drawn anew."""
    name = SHAPES[kind][1][int(random.integers(len(SHAPES[kind][1])))]
    return {**numbers, name: draw_numbers(random, kind)[name]}
