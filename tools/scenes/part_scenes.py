"""Scenes of parts on trays, belts and tables: many equal ones, turned, touching, beside others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .fonts import FontSet
from .grounds import Ground
from .likeness import looks_different, symmetry_of
from .part_blank import LONGER
from .part_light import Finish, Lamp, LitPart, draw_finish, draw_lamp
from .part_shapes import SHAPES, draw_numbers, similar_numbers
from .scatter import Floor, scattered
from .scene import Casting, DrawnScene, Poses, draw_casting, draw_poses, presence_of
from .stickers import Array, Picture, at_corner, corners_of, paste
from .wear import CAMERA, gentler, grey, worn

Random = np.random.Generator

FLAT = Lamp(0.0, 90.0, 0.5, back=False)
"""Light from above, in which parts are compared."""

TRIES = 8

THINNEST = 20.0
"""Shorter side of the smallest part, in pixels."""


@dataclass(frozen=True)
class PartKinds:
    """The parts of a scene: the object, near-duplicates, others; the object's symmetry."""

    target: LitPart
    lookalikes: tuple[LitPart, ...]
    others: tuple[LitPart, ...]
    symmetry: int
    subject: str


def part_scene(random: Random, fonts: FontSet) -> DrawnScene:
    """Draw a scene of parts."""
    poses = draw_poses(random, turning=0.8)
    lamp = draw_lamp(random)
    kinds = _draw_parts(random, fonts, poses)
    poses = poses.legible(kinds.target.size)
    casting = draw_casting(random, most=int(random.choice([8, 30, 100])), decoys=6)
    same = int(random.integers(2**31)) if random.random() < 0.8 else None
    ground = Ground("light" if lamp.back else "", same)
    frame, box = _frame(random, kinds, lamp, ground)
    size = int(random.integers(440, 960)), int(random.integers(360, 720))
    image, truths, decoys = _tray(random, kinds, casting, poses, lamp, size, ground)
    colourless = random.random() < 0.35
    if colourless:
        frame, image = grey(frame), grey(image)
    return DrawnScene(
        frame=worn(frame, gentler(CAMERA, 0.5), random),
        box=box,
        image=worn(image, CAMERA, random),
        truths=truths,
        decoys=decoys,
        symmetry=kinds.symmetry,
        rotation=poses.rotation,
        scale=poses.scale,
        domain="parts",
        presence=presence_of(truths, decoys),
        subject=kinds.subject,
    )


def _draw_parts(random: Random, fonts: FontSet, poses: Poses) -> PartKinds:
    """A part, some that are nearly like it, and others."""
    names = list(SHAPES)
    kind = names[int(random.integers(len(names)))]
    numbers = draw_numbers(random, kind)
    finish, seed = draw_finish(random), int(random.integers(2**31))
    side = float(random.choice([28, 36, 48, 56, 64, 80, 110, 140]))
    drawn = SHAPES[kind][0](numbers, fonts).mask.shape
    side = max(side, THINNEST * max(drawn) / min(drawn))

    def make(kind: str, numbers: dict[str, float], finish: Finish, longer: float) -> LitPart:
        return LitPart(SHAPES[kind][0](numbers, fonts), finish, seed, LONGER / longer)

    target = make(kind, numbers, finish, side)
    flat = target.lit(FLAT)
    smallest = min(1.0, poses.common / 1.03)
    turns = 12 if poses.rotation[1] > 15.0 else 1
    near: list[LitPart] = []
    for _ in range(TRIES):
        one = make(kind, similar_numbers(random, kind, numbers), finish, side)
        if looks_different(flat, one.lit(FLAT), smallest, turns):
            near.append(one)
        one.seen.clear()
        if len(near) == 3:
            break
    others: list[LitPart] = []
    for _ in range(int(random.integers(2, 6))):
        other = names[int(random.integers(len(names)))]
        if other != kind:
            metal = finish if random.random() < 0.5 else draw_finish(random)
            longer = side * float(random.uniform(0.7, 1.4))
            others.append(make(other, draw_numbers(random, other), metal, longer))
    symmetry = symmetry_of(target.chart())
    target.seen.clear()
    return PartKinds(target, tuple(near), tuple(others), symmetry, kind)


def _frame(
    random: Random, kinds: PartKinds, lamp: Lamp, ground: Ground
) -> tuple[Picture, tuple[int, int, int, int]]:
    """A picture with the part upright: cut out closely, or among others."""
    box_size = kinds.target.box
    if random.random() < 0.25:
        canvas = ground.draw(random, (box_size[0] + 40, box_size[1] + 40))
        place = at_corner(20, 20)
        _lay(canvas, kinds.target, place, 0.0, lamp, random)
        cut = canvas[20 : 20 + box_size[1], 20 : 20 + box_size[0]]
        return np.ascontiguousarray(cut), (0, 0, *box_size)
    size = max(box_size[0] + 60, int(random.integers(260, 560))), int(random.integers(240, 460))
    only = Casting("once", 1, 0)
    canvas, truths, _ = _tray(random, kinds, only, Poses(), lamp, size, ground)
    x, y = np.rint(truths[0][0]).astype(int).tolist()
    return canvas, (x, y, *box_size)


def _tray(
    random: Random,
    kinds: PartKinds,
    casting: Casting,
    poses: Poses,
    lamp: Lamp,
    size: tuple[int, int],
    ground: Ground,
) -> tuple[Picture, tuple[Array, ...], tuple[Array, ...]]:
    """A ground with parts, and the corners of the object's copies and of decoys."""
    canvas = ground.draw(random, size)
    near = [
        kinds.lookalikes[i % len(kinds.lookalikes)]
        for i in range(casting.decoys)
        if kinds.lookalikes
    ]
    count = int(random.integers(0, 14)) if kinds.others else 0
    if casting.presence == "clutter":
        count = max(3, count)
    extra = [
        kinds.others[int(random.integers(len(kinds.others)))]
        for _ in range(count if kinds.others else 0)
    ]
    parts = [*[kinds.target] * casting.copies, *near, *extra]
    sizes = [one.box for one in parts]
    floor = Floor(size)
    gap = float(random.choice([0.5, 1.5, 4.0, 8.0]))
    if random.random() < 0.25:
        places = _in_cells(random, canvas, sizes, poses, size)
    else:
        places = scattered(random, floor, sizes, poses, gap)
    if casting.copies and places[0] is None:
        places[0] = at_corner(10, 10)
    found: tuple[list[Array], list[Array]] = ([], [])
    for index, (part, place) in enumerate(zip(parts, places, strict=True)):
        if place is None:
            continue
        angle = float(np.degrees(np.arctan2(-place[1, 0], place[0, 0])))
        _lay(canvas, part, place, angle, lamp, random)
        if index < casting.copies + len(near):
            found[index >= casting.copies].append(corners_of(part.box, place))
    return canvas, tuple(found[0]), tuple(found[1])


def _in_cells(
    random: Random,
    canvas: Picture,
    sizes: Sequence[tuple[float, float]],
    poses: Poses,
    size: tuple[int, int],
) -> list[Array | None]:
    """Places in the cells of a tray, whose walls are drawn."""
    longest = max((float(np.hypot(*one)) for one in sizes), default=20.0)
    cell = round(longest * poses.common * (1.0 + poses.spread)) + int(random.integers(6, 24))
    columns, rows = size[0] // cell, size[1] // cell
    wall = int(random.integers(2, 6))
    shade = int(random.integers(20, 230))
    for column in range(columns + 1):
        cv2.line(canvas, (column * cell, 0), (column * cell, rows * cell), (shade,) * 3, wall)
    for row in range(rows + 1):
        cv2.line(canvas, (0, row * cell), (columns * cell, row * cell), (shade,) * 3, wall)
    order = random.permutation(max(0, columns * rows))
    places: list[Array | None] = [None] * len(sizes)
    for index, number in enumerate(order[: len(sizes)]):
        row, column = divmod(int(number), columns)
        inner = Floor((cell - 2 * wall, cell - 2 * wall))
        place = scattered(random, inner, [sizes[index]], poses)[0]
        if place is not None:
            place[:, 2] += (column * cell + wall, row * cell + wall)
            places[index] = place
    return places


def _lay(
    canvas: Picture, part: LitPart, place: Array, angle: float, lamp: Lamp, random: Random
) -> None:
    """Put a part and its shadow onto a picture."""
    if not lamp.back:
        away = np.radians(lamp.angle)
        reach = 0.05 * part.size[0] / np.tan(np.radians(lamp.height)) + 0.5
        shadow = part.shadow(1.2, float(random.uniform(0.35, 0.6)))
        rim = (shadow.size[0] - part.size[0]) / 2.0
        below = place.copy()
        below[:, 2] += place[:, :2] @ (-rim, -rim)
        below[:, 2] += reach * np.array([-np.cos(away), np.sin(away)])
        paste(canvas, shadow, below)
    paste(canvas, part.lit(lamp, angle), place)
