"""Symbols of technical drawings by trade, as paths on a grid of 24; see :mod:`.motifs`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .fonts import FontSet
from .motifs import random_motif, stroke_path
from .stickers import Sticker, cut_out
from .subjects import Kinds, gather
from .wording import LETTERS, code, misread

Random = np.random.Generator

CIRCUIT = (
    "l0,12,5,12 r5,8,19,16 l19,12,24,12",
    "l0,12,4,12,6,7,9,17,12,7,15,17,18,7,20,12,24,12",
    "l0,12,10,12 l10,5,10,19 l14,5,14,19 l14,12,24,12",
    "l0,12,10,12 l10,5,10,19 a20,12,7,130,230 l13,12,24,12 l3,6,7,6 l5,4,5,8",
    "l0,12,8,12 l8,6,8,18,17,12,8,6 l17,6,17,18 l17,12,24,12",
    (
        "l0,12,8,12 l8,6,8,18,17,12,8,6 l17,6,17,18 l17,12,24,12 "
        "l13,5,17,1 l17,5,21,1 l17,1,15,1 l17,1,17,3"
    ),
    "l0,12,8,12 l8,6,8,18,17,12,8,6 l14,5,17,6,17,18,20,19 l17,12,24,12",
    "c13,12,9 l0,12,9,12 l9,6,9,18 l9,10,18,5,18,0 l9,14,18,19,18,24 p18,19,13,18,15,15",
    "c13,12,9 l0,12,9,12 l9,6,9,18 l9,10,18,5,18,0 l9,14,18,19,18,24 p10,14,15,15,13,18",
    (
        "l0,16,7,16,7,6 l10,5,10,9 l10,10,10,14 l10,15,10,19 "
        "l10,7,18,7,18,0 l10,17,18,17,18,24 l10,12,18,12,18,17"
    ),
    "l4,2,4,22,21,12,4,2 l0,7,4,7 l0,17,4,17 l21,12,24,12 l6,7,9,7 l6,17,9,17 l7.5,15.5,7.5,18.5",
    "l12,0,12,12 l4,12,20,12 l7,16,17,16 l10,20,14,20",
    "l0,12,8,12 l8,4,8,20 l11,8,11,16 l14,4,14,20 l17,8,17,16 l17,12,24,12",
    "l0,12,7,12 d7,12,1.4 l7,12,17,5 d17,12,1.4 l17,12,24,12",
    "l0,12,7,12 d7,12,1.4 l7,11,17,11 d17,12,1.4 l17,12,24,12",
    "c12,12,8 l0,12,4,12 l20,12,24,12 l6,6,18,18 l18,6,6,18",
    "c12,12,8 l0,12,4,12 l20,12,24,12 a9,12,3,180,360 a15,12,3,0,180",
    "c12,12,8 l0,12,4,12 l20,12,24,12 l9,12,15,12 l12,9,12,15",
    "l0,12,4,12 r4,9,20,15 l0,12,24,12",
    "l0,12,4,12 a7,12,3,180,360 a12,12,3,180,360 a17,12,3,180,360 l20,12,24,12",
    "l0,12,4,12 b4,10,20,14 l20,12,24,12",
    "l5,3,12,3 a12,12,9,-90,90 l12,21,5,21,5,3 l0,7,5,7 l0,17,5,17 l21,12,24,12",
    "l5,3,10,3 a10,12,9,-90,90 l10,21,5,21,5,3 l0,7,5,7 l0,17,5,17 c21,12,2",
    "l4,3,10,3,17,7,21,12,17,17,10,21,4,21,7,12,4,3 l0,7,5,7 l0,17,5,17 l21,12,24,12",
    (
        "l6,3,12,3,18,7,21,12,18,17,12,21,6,21,9,12,6,3 "
        "l3,3,6,12,3,21 l0,7,5,7 l0,17,5,17 l21,12,24,12"
    ),
    "l4,4,4,20,17,12,4,4 c19,12,2 l0,12,4,12 l21,12,24,12",
    "l0,12,8,12 r10,6,14,18 l8,6,8,18 l16,6,16,18 l16,12,24,12",
    "l12,24,12,8 l4,2,12,8,20,2,4,2",
    "l0,12,5,12 r5,8,19,16 l19,12,24,12 l4,20,19,3 p19,3,14,5,17,8",
    (
        "l0,5,4,5 a8,5,3,180,360 a14,5,3,180,360 l17,5,24,5 l3,11,20,11 "
        "l3,13,20,13 l0,19,4,19 a8,19,3,0,180 a14,19,3,0,180 l17,19,24,19"
    ),
)  # fmt: skip

PLANT = (
    "l0,12,3,12 l3,6,3,18,21,6,21,18,3,6 l21,12,24,12",
    "l0,14,3,14 l3,9,3,19,21,9,21,19,3,9 l21,14,24,14 l12,14,12,5 l8,5,16,5",
    "l0,14,3,14 p3,9,3,19,21,9,21,19 l21,14,24,14 a12,6,4,180,360 l8,6,16,6 l12,14,12,6",
    "l0,12,3,12 p3,6,3,18,21,12 l21,6,21,18 l21,12,24,12",
    "l0,12,3,12 l3,6,3,18,12,12,3,6 p21,6,21,18,12,12 l21,12,24,12",
    "c12,12,9 p6,5,21,12,6,19",
    "c12,12,9 l12,3,21,12,12,21 l0,12,3,12 l21,12,24,12",
    "c12,10,8 l7,16,3,22,21,22,17,16 l12,10,24,3",
    "l6,4,6,20 a12,4,6,180,360 a12,20,6,0,180 l18,4,18,20 l0,8,6,8 l18,16,24,16",
    "c12,12,9 l0,12,6,12,9,7,13,17,16,12,24,12",
    "c12,12,10",
    "c12,12,10 l2,12,22,12",
    "r2,2,22,22 c12,12,10",
    "r2,2,22,22 c12,12,10 l2,12,22,12",
    "p12,1,23,12,12,23,1,12",
    "l0,12,4,12 r4,4,20,20 l4,20,20,4 l20,12,24,12",
    "l0,12,4,12 l4,4,4,20 l4,6,20,2,20,22,4,18 l20,12,24,12",
    "l2,20,9,4,15,4,22,20,2,20 l12,4,12,0",
    "r3,6,21,18 l3,10,21,10 l3,14,21,14 l0,12,3,12 l21,12,24,12",
    "l0,12,24,12 l8,4,8,20 l16,4,16,20",
    "l0,12,9,12 l9,5,9,19 l15,5,15,19 l15,12,24,12 l9,5,15,19",
    "c12,12,9 l12,3,12,21 l3,12,21,12 l6,6,18,18 l18,6,6,18",
)  # fmt: skip

HOUSE = (
    "l2,22,2,2 a2,22,20,-90,0 l2,22,22,22",
    "l1,20,1,9 a1,20,11,-90,0 l23,20,23,9 a23,20,11,180,270",
    "r5,1,19,7 a12,14,6,0,360 a12,14,7.5,0,360 l6,7,6,14 l18,7,18,14",
    "r2,4,22,20 r5,7,19,18 d12,9,1.4 l12,4,12,8",
    "r1,5,23,19 r3,7,21,17 d6,12,1.2",
    "r2,2,22,22 r4,3,11,8 r13,3,20,8 l2,10,22,10",
    "r2,2,22,22 c8,8,3.5 c16,8,3 c8,16,3 c16,16,3.5",
    "r6,6,18,18 r9,1,15,4 r9,20,15,23 r1,9,4,15 r20,9,23,15",
    "c12,12,6 c12,2.5,2 c12,21.5,2 c2.5,12,2 c21.5,12,2",
    "r1,8,23,20 r1,4,23,8 l4,8,4,20 l20,8,20,20 l12,8,12,20",
    "r2,1,22,23 l2,5,22,5 l2,9,22,9 l2,13,22,13 l2,17,22,17 l12,21,12,3 l9,6,12,3,15,6",
    "r2,2,22,22 l2,2,22,22 l22,2,2,22 c12,12,2.5",
    "r2,2,22,22 p2,2,22,2,2,22",
    "c12,12,10 c12,12,3 l12,2,12,9 l12,15,12,22 l2,12,9,12 l15,12,22,12",
    "c12,12,10 l12,2,12,22 l2,12,22,12 l5,5,19,19 l19,5,5,19",
    "r2,7,22,17 l2,7,22,17 l6,7,6,17",
    "c9,12,7 c15,12,7",
    "r3,3,21,21 c12,12,7 l12,5,12,12,17,17",
    "r2,4,22,20 c7,12,3.5 c17,12,3.5 d12,6,1",
    "l12,2,12,22 l2,12,22,12 c12,12,5 c12,12,9",
)  # fmt: skip

SHOP = (
    "c12,12,8 l12,0,12,24 l0,12,24,12",
    "c12,12,9 c12,12,4 l12,0,12,24 l0,12,24,12",
    "c12,12,8 p12,4,12,12,20,12 p12,20,12,12,4,12",
    "p22,12,17,21,7,21,2,12,7,3,17,3 c12,12,5",
    "p22,12,17,21,7,21,2,12,7,3,17,3 c12,12,7 c12,12,4",
    "l0,12,5,20,13,3,24,3",
    "l0,12,5,20,13,3,24,3 l3,16,8,16 c6,14,3",
    "l0,12,5,20,13,3,24,3 l3,12,9,12",
    "p12,22,4,9,20,9 l12,9,12,4 r6,0,18,4",
    "r1,6,23,18 l9,6,9,18 l17,6,17,18 c5,12,3 l3,12,7,12",
    "r1,6,23,18 l9,6,9,18 l17,6,17,18 l2,15,6,9 l4,15,8,9",
    "r1,6,23,18 l9,6,9,18 l17,6,17,18 l5,8,5,16 l2,16,8,16",
    "r3,2,21,22 l3,2,21,22 l21,2,3,22",
    "r2,8,22,16 l0,12,24,12 l5,8,5,16 l19,8,19,16",
    "l0,18,14,18 l14,18,6,8 l14,18,22,8 l14,18,24,18",
    "l0,18,24,18 p8,18,16,18,16,10",
    "l0,18,24,18 l8,10,8,18 l16,10,16,18",
    "l0,18,24,18 a12,18,5,180,360",
    "r4,4,20,20 c12,12,6 l4,4,8,8 l20,4,16,8 l4,20,8,16 l20,20,16,16",
    "c12,12,10 c12,5,1.6 c12,19,1.6 c5,12,1.6 c19,12,1.6 c12,12,3",
    "c12,12,10 c12,5,1.6 c18,15,1.6 c6,15,1.6 c12,12,3",
    "l2,4,6,20,10,4,14,20,18,4,22,20",
    "p2,2,22,2,22,8,14,8,14,22,10,22,10,8,2,8",
    "p2,2,8,2,8,16,22,16,22,22,2,22 c5,5,1.4 c19,19,1.4",
)  # fmt: skip

TRADES = {"circuit": CIRCUIT, "plant": PLANT, "house": HOUSE, "shop": SHOP}


@dataclass(frozen=True)
class SymbolDesign:
    """A symbol of a drawing.

    Attributes:
        path: its lines.
        tag: letters in its middle; may be empty.
        mirrored: whether it is mirrored.
        size: side in pixels.
        line: width of lines in pixels.
        solid: whether closed shapes are filled.
        face: type face of the tag.
    """

    path: str
    tag: str
    mirrored: bool
    size: int
    line: float
    solid: bool
    face: int


def paint_symbol(design: SymbolDesign, fonts: FontSet, colour: tuple[int, int, int]) -> Sticker:
    """Draw a symbol in one colour."""
    finer = 4 if design.size < 48 else 3
    side = design.size * finer
    mask = stroke_path(design.path, side, design.line * 24.0 / design.size, solid=design.solid)
    mask = np.ascontiguousarray(mask[:, ::-1]) if design.mirrored else mask
    if design.tag:
        drawn = fonts.ink(design.tag, design.face, side * 0.4)
        factor = min(1.0, side * 0.55 / drawn.shape[1])
        size = max(1, round(drawn.shape[1] * factor)), max(1, round(drawn.shape[0] * factor))
        drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        top, left = (side - size[1]) // 2, (side - size[0]) // 2
        area = mask[top : top + size[1], left : left + size[0]]
        np.maximum(area, drawn, out=area)
    return cut_out(colour, mask, finer)


def draw_symbols(
    random: Random,
    fonts: FontSet,
    trade: str,
    colour: tuple[int, int, int],
    scale: float,
    turns: int,
) -> Kinds:
    """A symbol, its look-alikes and others of one drawing.

    Args:
        random: everything depends on it only.
        fonts: type faces.
        trade: one of :data:`TRADES`.
        colour: of lines.
        scale: smallest size at which they are shown.
        turns: in how many turned positions others have to differ.
    """
    paths = TRADES[trade]
    size = int(random.choice([24, 32, 32, 40, 48, 64, 80]))
    line = float(random.choice([1.0, 1.5, 2.0, 3.0]))
    face = int(random.integers(len(fonts)))

    def draw() -> SymbolDesign:
        path = paths[int(random.integers(len(paths)))]
        if random.random() < 0.12:
            path = random_motif(random)
        round_one = path.startswith(("c12,12,10", "r2,2,22,22", "p12,1", "c12,12,9"))
        tagged = (round_one and random.random() < 0.7) or random.random() < 0.06
        tag = code(random, str(random.choice(["A", "AA", "0", "00", "A0"]))) if tagged else ""
        mirrored = bool(random.random() < 0.25)
        return SymbolDesign(path, tag, mirrored, size, line, bool(random.random() < 0.12), face)

    own = draw()
    while len(own.path.split()) < 2 and not own.tag:
        own = draw()

    def near() -> Sticker:
        return paint_symbol(_similar_symbol(own, paths, random), fonts, colour)

    other = lambda: paint_symbol(draw(), fonts, colour)  # noqa: E731
    subject = f"symbol {trade} {own.tag}".strip()
    return gather(paint_symbol(own, fonts, colour), near, other, (4, 9), subject, scale, turns)


def _similar_symbol(design: SymbolDesign, paths: tuple[str, ...], random: Random) -> SymbolDesign:
    """A symbol that differs in a tag, a line, a filling, or is a neighbour in the table."""
    ways = ["line", "fill", "mirror", *(["tag"] * 6 if design.tag else ["new tag"])]
    tokens = design.path.split()
    ways += ["gap"] if len(tokens) > 2 else []
    ways += ["neighbour"] if design.path in paths else []
    match ways[int(random.integers(len(ways)))]:
        case "tag":
            change = {"tag": misread(design.tag, random)}
        case "new tag":
            change = {"tag": LETTERS[int(random.integers(26))]}
        case "gap":
            tokens.pop(int(random.integers(len(tokens))))
            change = {"path": " ".join(tokens)}
        case "line":
            change = {"path": f"{design.path} {random_motif(random).split()[0]}"}
        case "neighbour":
            step = 1 if random.random() < 0.5 else -1
            change = {"path": paths[(paths.index(design.path) + step) % len(paths)]}
        case "fill":
            change = {"solid": not design.solid}
        case _:
            change = {"mirrored": not design.mirrored}
    return replace(design, **change)
