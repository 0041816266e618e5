"""Scenes on technical drawings: symbols among wires, walls, dimensions and hatching."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .fonts import FontSet
from .scene import Casting, DrawnScene, Poses, draw_casting, presence_of
from .stickers import (
    Array,
    Picture,
    Sticker,
    at_corner,
    corners_of,
    inside,
    moved,
    paste,
    posed,
    warp,
)
from .subjects import Kinds
from .symbols import TRADES, draw_symbols
from .wear import SCAN, Wear, gentler, worn
from .wording import code, number, title

Random = np.random.Generator
Colour = tuple[int, int, int]

EXPORTED = Wear(jpeg=0.3, quality=(70, 95))
"""A drawing that was saved as a picture, not scanned."""


@dataclass(frozen=True)
class Sheet:
    """A kind of drawing.

    Attributes:
        fonts: type faces.
        face: of text.
        trade: what is drawn.
        paper: colour of the ground.
        line: colour of lines.
        faint: colour of less important lines.
        wide: width of lines, in pixels.
        grid: whether it has a grid.
    """

    fonts: FontSet
    face: int
    trade: str
    paper: Colour
    line: Colour
    faint: Colour
    wide: int
    grid: bool


def drawing_scene(random: Random, fonts: FontSet) -> DrawnScene:
    """Draw a scene on a technical drawing."""
    sheet = _draw_sheet(random, fonts)
    poses, turn = _draw_view(random)
    turns = 4 if poses.rotation[1] > 45.0 else 1
    kinds = draw_symbols(random, fonts, sheet.trade, sheet.line, poses.scale[0], turns)
    poses = poses.legible(kinds.target.size)
    casting = draw_casting(random, most=int(random.choice([6, 40])), decoys=5)
    frame, box = _frame(random, sheet, kinds)
    wide = int(random.integers(520, 1100))
    size = (wide, round(wide * random.uniform(0.6, 1.0)))
    page, truths, decoys = _page(random, sheet, kinds, casting, size, poses)
    if turn:
        page, across = _turned(page, turn, sheet.paper)
        truths = tuple(moved(one, across) for one in truths)
        decoys = tuple(moved(one, across) for one in decoys)
    wear = SCAN if random.random() < 0.5 else EXPORTED
    return DrawnScene(
        frame=worn(frame, gentler(wear, 0.6), random),
        box=box,
        image=worn(page, wear, random),
        truths=truths,
        decoys=decoys,
        symmetry=kinds.symmetry,
        rotation=poses.rotation,
        scale=poses.scale,
        domain="drawing",
        presence=presence_of(truths, decoys),
        subject=kinds.subject,
    )


def _draw_sheet(random: Random, fonts: FontSet) -> Sheet:
    """A kind of drawing: ink on paper, a blueprint, or a dark screen."""
    kind = random.random()
    if kind < 0.65:
        level = int(random.integers(230, 256))
        ink = int(random.integers(0, 70))
        paper, line, faint = (level, level, level), (ink, ink, ink), (150, 150, 150)
    elif kind < 0.82:
        paper = (
            int(random.integers(110, 170)),
            int(random.integers(50, 90)),
            int(random.integers(10, 50)),
        )
        line, faint = (250, 245, 235), (200, 150, 110)
    else:
        level = int(random.integers(10, 45))
        strong = random.integers(120, 256, 3)
        paper, line = (level, level, level), (int(strong[0]), int(strong[1]), int(strong[2]))
        faint = (90, 80, 70)
    trades = list(TRADES)
    return Sheet(
        fonts,
        int(random.integers(len(fonts))),
        trades[int(random.integers(len(trades)))],
        paper,
        line,
        faint,
        int(random.choice([1, 1, 2, 2, 3])),
        bool(random.random() < 0.25),
    )


def _draw_view(random: Random) -> tuple[Poses, float]:
    """How symbols lie, and by how many degrees the sheet is turned as a whole."""
    scale, common = (1.0, 1.0), 1.0
    if random.random() < 0.5:
        most = float(random.choice([2.0, 2.0, 1.5, 1.25]))
        scale, common = (1.0 / most, most), float(most ** random.uniform(-1.0, 1.0))
    kind = random.random()
    if kind < 0.3:
        return Poses((0.0, 0.0), scale, common), 0.0
    if kind < 0.65:
        return Poses((-180.0, 180.0), scale, common, quarters=True), 0.0
    if kind < 0.75:
        return Poses((-10.0, 10.0), scale, common), float(random.uniform(-10, 10))
    quarters = bool(random.random() < 0.4)
    angle = float(random.uniform(-180.0, 180.0))
    if quarters:
        return Poses((-180.0, 180.0), scale, common, quarters=True), angle
    return Poses((-180.0, 180.0), scale, common), angle


def _turned(page: Picture, turn: float, paper: Colour) -> tuple[Picture, Array]:
    """The whole sheet turned, and the matrix that did it."""
    height, width = page.shape[:2]
    corners = corners_of((width, height), posed((width, height), (0.0, 0.0), turn))
    size = np.ceil(np.ptp(corners, axis=0)).astype(int)
    across = posed((width, height), (size[0] / 2.0, size[1] / 2.0), turn)
    return warp(page, across, (int(size[0]), int(size[1])), paper), across


def _frame(random: Random, sheet: Sheet, kinds: Kinds) -> tuple[Picture, tuple[int, int, int, int]]:
    """A picture with the symbol: alone, or on another drawing."""
    side = round(kinds.target.size[0])
    if random.random() < 0.35:
        canvas = np.empty((side, side, 3), np.uint8)
        canvas[:] = sheet.paper
        paste(canvas, kinds.target, at_corner(0, 0))
        return canvas, (0, 0, side, side)
    size = int(random.integers(300, 640)), int(random.integers(260, 520))
    upright = Poses()
    page, truths, _ = _page(random, sheet, kinds, Casting("once", 1, 0), size, upright)
    x, y = np.rint(truths[0][0]).astype(int).tolist()
    return page, (x, y, side, side)


def _page(
    random: Random,
    sheet: Sheet,
    kinds: Kinds,
    casting: Casting,
    size: tuple[int, int],
    poses: Poses,
) -> tuple[Picture, tuple[Array, ...], tuple[Array, ...]]:
    """A drawing, and the corners of the symbol's copies and of decoys."""
    page = np.empty((size[1], size[0], 3), np.uint8)
    page[:] = sheet.paper
    own = _whole_poses(poses)
    side = kinds.target.size[0]
    # Symbols differ in size by the spread, and cells have to hold each of them.
    cell = math.ceil(side * poses.common * (1.0 + poses.spread) * random.uniform(1.25, 2.0)) + 4
    _lines(random, sheet, page, cell)
    places = _cells(random, own, side, cell, size)
    found: tuple[list[Array], list[Array]] = ([], [])
    dense = random.uniform(0.25, 0.7)
    placed: list[tuple[Sticker, Array, Array]] = []
    near = casting.decoys if kinds.lookalikes else 0
    for rank, matrix in enumerate(places):
        corners = corners_of((side, side), matrix)
        sticker = kinds.target
        if rank >= casting.copies + near:
            if not kinds.others or random.random() > dense:
                continue
            sticker = kinds.others[int(random.integers(len(kinds.others)))]
        elif rank >= casting.copies:
            sticker = kinds.lookalikes[rank % len(kinds.lookalikes)]
        if rank < casting.copies + near:
            found[rank >= casting.copies].append(corners)
        placed.append((sticker, matrix, corners))
    for _, _, corners in placed:
        if random.random() < 0.4:
            _label(random, sheet, page, corners)
    for sticker, matrix, corners in placed:
        cv2.fillConvexPoly(page, np.rint(corners - 0.5).astype(np.int32), sheet.paper)
        paste(page, sticker, matrix)
    return page, tuple(found[0]), tuple(found[1])


def _cells(
    random: Random, own: Poses, side: float, cell: int, size: tuple[int, int]
) -> list[Array]:
    """Matrices that put symbols into the middles of cells, in random order; one at least."""
    columns, rows = max(1, size[0] // cell), max(1, size[1] // cell)
    places: list[Array] = []
    for index in random.permutation(columns * rows):
        row, column = divmod(int(index), columns)
        angle, scale = own.draw(random)
        matrix = posed((side, side), ((column + 0.5) * cell, (row + 0.5) * cell), angle, scale)
        if own.rotation == (0.0, 0.0) and scale == 1.0:
            matrix[:, 2] = np.rint(matrix[:, 2])
        if inside(corners_of((side, side), matrix), size):
            places.append(matrix)
    return places or [np.rint(posed((side, side), (size[0] / 2, size[1] / 2)))]


def _whole_poses(poses: Poses) -> Poses:
    """Poses on the sheet: only quarters are single symbols' own, other turns are the sheet's."""
    if poses.quarters:
        return poses
    return Poses((0.0, 0.0), poses.scale, poses.common, poses.spread)


def _lines(random: Random, sheet: Sheet, page: Picture, cell: int) -> None:
    """What is drawn between symbols."""
    height, width = page.shape[:2]
    if sheet.grid:
        step = int(random.integers(12, 40))
        page[::step] = sheet.faint
        page[:, ::step] = sheet.faint
    if random.random() < 0.5:
        cv2.rectangle(page, (6, 6), (width - 7, height - 7), sheet.line, sheet.wide)
        cv2.rectangle(page, (width - 170, height - 60), (width - 7, height - 7), sheet.line, 1)
        _write(sheet, page, (width - 164, height - 56), title(random, 2), 12)
        _write(sheet, page, (width - 164, height - 32), code(random, "AA-0000"), 14)
    draw = {"circuit": _wires, "plant": _wires, "house": _walls, "shop": _shapes}[sheet.trade]
    for _ in range(int(random.integers(6, 26))):
        draw(random, sheet, page, cell)
    for _ in range(int(random.integers(0, 6))):
        _dimension(random, sheet, page)


def _wires(random: Random, sheet: Sheet, page: Picture, cell: int) -> None:
    """A wire along the middles of cells, with corners and a knot."""
    height, width = page.shape[:2]
    columns, rows = max(1, width // cell), max(1, height // cell)
    column, row = int(random.integers(columns)), int(random.integers(rows))
    points = [(column, row)]
    for step in range(int(random.integers(1, 4))):
        if step % 2:
            column = int(random.integers(columns))
        else:
            row = int(random.integers(rows))
        points.append((column, row))
    path = np.rint((np.array(points) + 0.5) * cell).astype(np.int32)
    cv2.polylines(page, [path], False, sheet.line, sheet.wide, cv2.LINE_AA)
    if random.random() < 0.5:
        cv2.circle(page, path[1].tolist(), sheet.wide + 2, sheet.line, -1, cv2.LINE_AA)


def _walls(random: Random, sheet: Sheet, page: Picture, cell: int) -> None:
    """A room: two lines, hatched between or not, with a gap."""
    del cell
    height, width = page.shape[:2]
    x, y = int(random.integers(0, width * 2 // 3)), int(random.integers(0, height * 2 // 3))
    w, h = int(random.integers(60, width // 2)), int(random.integers(60, height // 2))
    thick = int(random.integers(4, 12))
    if random.random() < 0.4:
        cv2.rectangle(page, (x, y), (x + w, y + h), sheet.line, thick)
        return
    cv2.rectangle(page, (x, y), (x + w, y + h), sheet.line, sheet.wide)
    cv2.rectangle(
        page, (x + thick, y + thick), (x + w - thick, y + h - thick), sheet.line, sheet.wide
    )
    if random.random() < 0.5:
        _hatch(random, sheet, page, (x, y, w, thick))


def _shapes(random: Random, sheet: Sheet, page: Picture, cell: int) -> None:
    """Part of a view: circles with centre lines, outlines, hatched cuts."""
    del cell
    height, width = page.shape[:2]
    centre = int(random.integers(width)), int(random.integers(height))
    kind = random.random()
    if kind < 0.4:
        radius = int(random.integers(10, 120))
        cv2.circle(page, centre, radius, sheet.line, sheet.wide, cv2.LINE_AA)
        if random.random() < 0.6:
            cv2.circle(page, centre, radius * 2 // 3, sheet.line, sheet.wide, cv2.LINE_AA)
        _dashed(
            sheet, page, (centre[0] - radius - 12, centre[1]), (centre[0] + radius + 12, centre[1])
        )
        _dashed(
            sheet, page, (centre[0], centre[1] - radius - 12), (centre[0], centre[1] + radius + 12)
        )
    elif kind < 0.7:
        w, h = int(random.integers(30, 260)), int(random.integers(20, 160))
        cv2.rectangle(page, centre, (centre[0] + w, centre[1] + h), sheet.line, sheet.wide)
        if random.random() < 0.6:
            _hatch(random, sheet, page, (centre[0], centre[1], w, h))
    else:
        points = np.array(centre) + random.integers(-120, 120, (int(random.integers(3, 7)), 2))
        cv2.polylines(page, [points.astype(np.int32)], True, sheet.line, sheet.wide, cv2.LINE_AA)


def _hatch(random: Random, sheet: Sheet, page: Picture, area: tuple[int, int, int, int]) -> None:
    """Slanted lines in a rectangle."""
    x, y, w, h = area
    step = int(random.integers(5, 14))
    part = page[y : y + h, x : x + w]
    for start in range(-h, w, step):
        cv2.line(part, (start, h), (start + h, 0), sheet.line, 1, cv2.LINE_AA)


def _dashed(sheet: Sheet, page: Picture, start: tuple[int, int], end: tuple[int, int]) -> None:
    """A centre line: long and short dashes."""
    along = np.linspace(start, end, 14)
    for index in range(0, 13, 2):
        first, last = np.rint(along[[index, index + 1]]).astype(int).tolist()
        cv2.line(page, first, last, sheet.faint, 1, cv2.LINE_AA)


def _dimension(random: Random, sheet: Sheet, page: Picture) -> None:
    """A dimension: a line with an arrow at each end, and a number."""
    height, width = page.shape[:2]
    x, y = (
        int(random.integers(10, max(11, width - 150))),
        int(random.integers(20, max(21, height - 20))),
    )
    length = int(random.integers(50, 240))
    start, end = (x, y), ((x + length, y) if random.random() < 0.5 else (x, y + length))
    cv2.arrowedLine(page, start, end, sheet.line, 1, cv2.LINE_AA, 0, 9 / length)
    cv2.arrowedLine(page, end, start, sheet.line, 1, cv2.LINE_AA, 0, 9 / length)
    prefix = str(random.choice(["", "", "R", "M", "2x "]))
    _write(sheet, page, (x + 8, y + 4), prefix + number(random, int(random.integers(1, 4))), 13)


def _label(random: Random, sheet: Sheet, page: Picture, corners: Array) -> None:
    """The name of a symbol below it."""
    x, y = corners[:, 0].min(), corners[:, 1].max()
    _write(sheet, page, (round(x), round(y) + 2), code(random, "A0"), 12)


def _write(sheet: Sheet, page: Picture, place: tuple[int, int], text: str, size: int) -> None:
    """A line of text, its top left at a place; what is outside is cut off."""
    x, y = max(0, place[0]), max(0, place[1])
    mask = sheet.fonts.line(text, sheet.face, size)
    area = page[y : y + mask.shape[0], x : x + mask.shape[1]]
    share = mask[: area.shape[0], : area.shape[1], None] / 255.0
    area[:] = np.rint(area * (1.0 - share) + np.array(sheet.line) * share)
