"""Scenes on paper: scanned letters and forms with logos, stamps, signatures, words and codes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .fonts import FontSet
from .page_marks import draw_mark
from .scatter import Floor, scattered
from .scene import TOLERATED_TURN, UPRIGHT, Casting, DrawnScene, Poses, draw_casting, presence_of
from .stickers import (
    Array,
    Picture,
    at_corner,
    corners_of,
    moved,
    paste,
    posed,
    warp,
    with_margin,
)
from .subjects import Kinds
from .wear import SCAN, gentler, worn
from .wording import number, title, without, words

Random = np.random.Generator


@dataclass(frozen=True)
class Paper:
    """A kind of page.

    Attributes:
        fonts: type faces.
        face: of text.
        size: of text, in pixels.
        tint: colour of the paper.
        ink: strength of what is printed, 0 to 1.
        form: whether it is a form with lines and boxes rather than a letter.
        banned: words that its text does not hold, since they are looked for.
    """

    fonts: FontSet
    face: int
    size: int
    tint: tuple[int, int, int]
    ink: float
    form: bool
    banned: str = ""


def letter_scene(random: Random, fonts: FontSet) -> DrawnScene:
    """Draw a scene on paper."""
    level = random.uniform(225, 256)
    tint = np.clip(level + np.array([-1.0, 0.0, 0.3]) * random.uniform(0, 18), 0, 255).astype(int)
    paper = Paper(
        fonts,
        face=int(random.integers(len(fonts))),
        size=int(random.integers(11, 18)),
        tint=(int(tint[0]), int(tint[1]), int(tint[2])),
        ink=float(random.uniform(0.8, 1.0)),
        form=bool(random.random() < 0.4),
    )
    poses, turn = _draw_scan(random)
    turns = 4 if poses.rotation[1] > 45.0 else 1
    kinds = draw_mark(random, fonts, paper.face, paper.size, poses.common, turns)
    if kinds.subject.startswith("word"):
        paper = replace(paper, banned=kinds.subject.removeprefix("word"))
    if random.random() < 0.4:
        rim = int(random.integers(1, 7))
        kinds = replace(
            kinds,
            target=with_margin(kinds.target, rim),
            lookalikes=tuple(with_margin(one, rim) for one in kinds.lookalikes),
        )
    poses = poses.legible(kinds.target.size)
    most = 30 if kinds.subject.startswith("word") else 4
    casting = draw_casting(random, most, decoys=3)
    frame, box = _frame(random, paper, kinds)
    side = random.uniform(620, 950) / max(1.0, poses.common**0.8)
    size = round(side), round(side * random.choice([1.41, 1.29, 0.75]))
    page, truths, decoys = _page(random, paper, kinds, casting, size)
    page, across = _scanned(random, page, turn, poses.common)
    return DrawnScene(
        frame=worn(frame, gentler(SCAN, 0.6), random),
        box=box,
        image=worn(page, SCAN, random),
        truths=tuple(moved(one, across) for one in truths),
        decoys=tuple(moved(one, across) for one in decoys),
        symmetry=kinds.symmetry,
        rotation=poses.rotation,
        scale=poses.scale,
        domain="letters",
        presence=presence_of(truths, decoys),
        subject=kinds.subject,
    )


def _draw_scan(random: Random) -> tuple[Poses, float]:
    """How a page lies on the scanner: its range of poses, and its own turn in degrees."""
    kind = random.random()
    scale, common = (1.0, 1.0), 1.0
    if random.random() < 0.45:
        most = float(random.choice([2.0, 1.5, 1.25]))
        scale, common = (1.0 / most, most), float(most ** random.uniform(-1.0, 1.0))
    if kind < 0.3:
        return Poses(scale=scale, common=common), 0.0
    if kind < 0.6:
        return Poses(scale=scale, common=common), float(
            random.uniform(-TOLERATED_TURN, TOLERATED_TURN)
        )
    if kind < 0.78:
        return Poses((-10.0, 10.0), scale, common), float(random.uniform(-10.0, 10.0))
    around = float(random.choice([90.0, 180.0, -90.0])) + float(random.uniform(-3.0, 3.0))
    angle = around if random.random() < 0.6 else float(random.uniform(-180.0, 180.0))
    angle = (angle + 180.0) % 360.0 - 180.0
    return Poses((-180.0, 180.0), scale, common), angle


def _scanned(random: Random, page: Picture, turn: float, scale: float) -> tuple[Picture, Array]:
    """A page turned and zoomed as a whole, and the matrix that did it."""
    height, width = page.shape[:2]
    if turn == 0.0 and scale == 1.0:
        return page, at_corner(0, 0)
    corners = corners_of((width, height), posed((width, height), (0.0, 0.0), turn, scale))
    size = np.ceil(np.ptp(corners, axis=0)).astype(int)
    across = posed((width, height), (size[0] / 2.0, size[1] / 2.0), turn, scale)
    level = float(random.choice([255.0, 235.0, 60.0, 20.0]))
    done = warp(page, across, (int(size[0]), int(size[1])), (level, level, level))
    return done, across


def _frame(random: Random, paper: Paper, kinds: Kinds) -> tuple[Picture, tuple[int, int, int, int]]:
    """A picture with the object: alone on paper, or on another page."""
    width, height = (round(side) for side in kinds.target.size)
    if random.random() < 0.5:
        canvas = np.empty((height, width, 3), np.uint8)
        canvas[:] = paper.tint
        paste(canvas, kinds.target, at_corner(0, 0), paper.ink)
        return canvas, (0, 0, width, height)
    size = (
        max(width + 60, int(random.integers(420, 800))),
        max(height + 60, int(random.integers(360, 700))),
    )
    page, truths, _ = _page(random, paper, kinds, Casting("once", 1, 0), size)
    x, y = np.rint(truths[0][0]).astype(int).tolist()
    return page, (x, y, width, height)


def _page(
    random: Random, paper: Paper, kinds: Kinds, casting: Casting, size: tuple[int, int]
) -> tuple[Picture, tuple[Array, ...], tuple[Array, ...]]:
    """A page with text around marks, and the corners of the object's copies and of decoys."""
    page = np.empty((size[1], size[0], 3), np.uint8)
    page[:] = paper.tint
    floor = Floor(size)
    near = [
        kinds.lookalikes[i % len(kinds.lookalikes)]
        for i in range(casting.decoys)
        if kinds.lookalikes
    ]
    extra = list(kinds.others[: int(random.integers(0, len(kinds.others) + 1))])
    if casting.presence == "clutter":
        extra = list(kinds.others)
    actors = [*[kinds.target] * casting.copies, *near, *extra]
    places = scattered(random, floor, [one.size for one in actors], UPRIGHT, gap=5.0)
    if casting.copies and places[0] is None:
        places[0] = at_corner(2, 2)
    _write_text(random, paper, page, floor)
    found: tuple[list[Array], list[Array]] = ([], [])
    for index, (actor, place) in enumerate(zip(actors, places, strict=True)):
        if place is None:
            continue
        paste(page, actor, place, paper.ink)
        if index < casting.copies + len(near):
            found[index >= casting.copies].append(corners_of(kinds.target.size, place))
    return page, tuple(found[0]), tuple(found[1])


def _write_text(random: Random, paper: Paper, page: Picture, floor: Floor) -> None:
    """Fill what is free of a page: headings, paragraphs, tables, lines of a form."""
    height, width = page.shape[:2]
    margin = int(random.integers(10, max(11, width // 8)))
    step = round(paper.size * random.uniform(1.3, 1.9))
    top = margin
    while top < height - margin - step:
        kind = random.random()
        if kind < 0.12:
            top += int(step * random.uniform(0.5, 4.0))
        elif kind < 0.2:
            _line(
                random, paper, page, floor, (margin, top, width // 2), title(random, 3).split(), 1.5
            )
            top += round(step * 1.8)
        elif kind < (0.5 if paper.form else 0.27):
            top = _fields(random, paper, page, floor, (margin, top, width - 2 * margin), step)
        else:
            short = 1.0 if random.random() < 0.8 else random.uniform(0.2, 0.8)
            area = (margin, top, round((width - 2 * margin) * short))
            _line(random, paper, page, floor, area, words(random, 1 + width // 25), 1.0)
            top += step


def _line(
    random: Random,
    paper: Paper,
    page: Picture,
    floor: Floor,
    area: tuple[int, int, int],
    text: list[str],
    larger: float,
) -> None:
    """Write words from x, y on as far as a width reaches, around what is there."""
    x, y, width = area
    end, size = x + width, paper.size * larger
    space = round(size * 0.35)
    for word in text:
        shown = number(random, 3) if random.random() < 0.05 else without(word, paper.banned)
        mask = paper.fonts.line(shown, paper.face, size)
        h, w = mask.shape
        if x + w > end or y + h > page.shape[0]:
            break
        if not floor.taken[y // 2 : (y + h) // 2 + 1, x // 2 : (x + w) // 2 + 1].any():
            cell = page[y : y + h, x : x + w]
            dark = 1.0 - mask[..., None] * (paper.ink * 0.88 / 255.0)
            cell[:] = cv2.multiply(cell, np.repeat(dark, 3, axis=2), dtype=cv2.CV_8U)
        x += w + space


def _fields(
    random: Random,
    paper: Paper,
    page: Picture,
    floor: Floor,
    area: tuple[int, int, int],
    step: int,
) -> int:
    """Lines and boxes of a form or a table; returns where it ends."""
    x, y, width = area
    columns = int(random.integers(1, 6))
    rows = int(random.integers(1, 6))
    boxed = random.random() < 0.6
    tall = round(step * 1.3)
    for row in range(rows):
        top = y + row * tall
        if top + tall >= page.shape[0] - 4:
            return top
        for column in range(columns):
            left = x + column * width // columns
            wide = width // columns
            if floor.taken[top // 2 : (top + tall) // 2, left // 2 : (left + wide) // 2].any():
                continue
            grey = (90, 90, 90)
            if boxed:
                cv2.rectangle(page, (left, top), (left + wide, top + tall), grey, 1)
            else:
                cv2.line(page, (left, top + tall - 3), (left + wide - 8, top + tall - 3), grey, 1)
            text = [number(random, 4)] if row and column else title(random, 2).split()
            _line(random, paper, page, floor, (left + 4, top + 2, wide - 8), text, 0.9)
    return y + rows * tall + step // 2
