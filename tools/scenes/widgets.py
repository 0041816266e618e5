"""Controls of screens: boxes to tick, switches, buttons, chips, words; and their look-alikes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .fonts import FontSet
from .icons import Colour, draw_icon, draw_style, look_alike, paint_icon, rounded_box, vivid
from .motifs import MOTIFS, stroke_path
from .stickers import Sticker, cut_out
from .subjects import Kinds, gather
from .wording import code, misread, title, words

Random = np.random.Generator
FINER = 4


@dataclass(frozen=True)
class Theme:
    """Colours, type and measures of a screen.

    Attributes:
        ground: colour behind everything.
        panel: of windows and cards.
        text: of text.
        muted: of less important text.
        border: of lines.
        accent: of what is chosen.
        face: type face.
        size: of text, in pixels.
        radius: of corners, in pixels.
        dark: light text on a dark ground.
    """

    ground: Colour
    panel: Colour
    text: Colour
    muted: Colour
    border: Colour
    accent: Colour
    face: int
    size: int
    radius: int
    dark: bool


def draw_theme(random: Random, fonts: FontSet) -> Theme:
    """A theme, light or dark."""
    dark = bool(random.random() < 0.35)
    tint = random.uniform(-6.0, 6.0, 3)

    def shade(level: float) -> Colour:
        blue, green, red = np.clip(level + tint, 0, 255).astype(int).tolist()
        return blue, green, red

    base = random.uniform(20, 55) if dark else random.uniform(225, 250)
    side = 1.0 if dark else -1.0
    return Theme(
        ground=shade(base + side * random.uniform(0, 14)),
        panel=shade(base - side * random.uniform(0, 12)),
        text=shade(random.uniform(200, 250) if dark else random.uniform(5, 70)),
        muted=shade(random.uniform(130, 170) if dark else random.uniform(100, 150)),
        border=shade(base + side * random.uniform(15, 45)),
        accent=vivid(random, (0.5, 0.95)),
        face=int(random.integers(len(fonts))),
        size=int(random.integers(11, 17)),
        radius=int(random.choice([0, 2, 4, 6, 10])),
        dark=dark,
    )


def draw_kinds(random: Random, fonts: FontSet, theme: Theme, scale: float = 1.0) -> Kinds:
    """An object of a screen, its look-alikes and others of its sort, all of one size.

    Args:
        random: everything depends on it only.
        fonts: type faces.
        theme: of the screen.
        scale: smallest size at which they are shown.
    """
    sorts: tuple[tuple[float, Callable[..., Kinds]], ...] = (
        (0.52, _icon_kinds),
        (0.14, _tick_kinds),
        (0.12, _text_kinds),
        (0.12, _button_kinds),
        (0.10, _switch_kinds),
    )
    chances = [chance for chance, _ in sorts]
    make = sorts[int(random.choice(len(sorts), p=chances))][1]
    return make(random, fonts, theme, scale)


def _icon_kinds(random: Random, fonts: FontSet, theme: Theme, scale: float) -> Kinds:
    """Icons of one set."""
    size = int(random.choice([16, 18, 20, 22, 24, 24, 28, 32, 32, 40, 48, 64]))
    style = draw_style(random, fonts, dark=theme.dark)
    design = draw_icon(random, style)
    return gather(
        paint_icon(design, fonts, size),
        lambda: paint_icon(look_alike(design, random), fonts, size),
        lambda: paint_icon(draw_icon(random, style), fonts, size),
        (5, 11),
        "icon",
        scale,
    )


def _tick_kinds(random: Random, fonts: FontSet, theme: Theme, scale: float) -> Kinds:
    """Boxes to tick and radio buttons; the state is what tells them apart."""
    del fonts
    size = int(random.integers(13, 25))
    round_one = bool(random.random() < 0.3)
    filled = bool(random.random() < 0.5)
    states = ["dot", "off"] if round_one else ["tick", "off", "minus", "cross"]
    mine = states[int(random.integers(2))]
    rim = int(random.integers(1, 3))

    def paint(state: str, disabled: bool = False) -> Sticker:
        side = size * FINER
        colour = np.empty((side, side, 3), np.uint8)
        colour[:] = theme.panel
        shape = np.zeros((side, side), np.uint8)
        radius = side // 2 if round_one else min(theme.radius, 4) * FINER
        rounded_box(shape, (0, 0, side, side), radius, 255)
        on = filled and state != "off"
        edge = theme.muted if disabled or state == "off" else theme.accent
        rounded_box(colour, (0, 0, side, side), radius, edge)
        if not on:
            inner = side - 2 * rim * FINER
            edge_width = rim * FINER
            rounded_box(colour, (edge_width, edge_width, inner, inner), radius, theme.panel)
        ink = theme.panel if on else edge
        if state == "dot":
            cv2.circle(colour, (side // 2, side // 2), side // 4, ink, -1, cv2.LINE_AA)
        elif state != "off":
            sign = stroke_path(MOTIFS[state], side * 3 // 4, 3.6, solid=True)
            rows = slice(side // 8, side // 8 + sign.shape[0])
            share = sign[..., None] / 255.0
            colour[rows, rows] = colour[rows, rows] * (1 - share) + np.array(ink) * share
        return cut_out(colour, shape, FINER)

    wrong = [state for state in states if state != mine]
    chosen = iter(range(1_000))
    return gather(
        paint(mine),
        lambda: paint(wrong[next(chosen) % len(wrong)]),
        lambda: paint(wrong[0], disabled=True),
        (2, 1),
        f"box {mine}",
        scale,
    )


def _switch_kinds(random: Random, fonts: FontSet, theme: Theme, scale: float) -> Kinds:
    """Switches, stars that rate, sliders: the position is what tells them apart."""
    del fonts
    height = int(random.integers(14, 29))
    sort = int(random.integers(3))
    steps = (2, 6, 5)[sort]
    width = round(height * (1.8, 5.0, 5.0)[sort])
    mine = int(random.integers(steps))

    def paint(step: int) -> Sticker:
        w, h = width * FINER, height * FINER
        colour = np.empty((h, w, 3), np.uint8)
        colour[:] = theme.panel
        if sort == 0:
            rounded_box(colour, (0, 0, w, h), h // 2, theme.accent if step else theme.border)
            x = w - h // 2 if step else h // 2
            cv2.circle(colour, (x, h // 2), h * 2 // 5, (250, 250, 250), -1, cv2.LINE_AA)
        elif sort == 1:
            for index in range(5):
                star = stroke_path(MOTIFS["star"], h * 9 // 10, 1.5, solid=True)
                ink = theme.accent if index < step else theme.border
                left = index * w // 5
                area = colour[: star.shape[0], left : left + star.shape[1]]
                share = star[: area.shape[0], : area.shape[1], None] / 255.0
                area[:] = area * (1 - share) + np.array(ink) * share
        else:
            x = h // 2 + step * (w - h) // (steps - 1)
            rounded_box(colour, (0, h * 2 // 5, w, h // 5), h // 10, theme.border)
            rounded_box(colour, (0, h * 2 // 5, x, h // 5), h // 10, theme.accent)
            cv2.circle(colour, (x, h // 2), h * 2 // 5, theme.accent, -1, cv2.LINE_AA)
        return cut_out(colour, np.full((h, w), 255, np.uint8), FINER)

    wrong = [step for step in range(steps) if step != mine]
    turn = iter(range(1_000))
    draw = lambda: paint(wrong[next(turn) % len(wrong)])  # noqa: E731
    return gather(paint(mine), draw, draw, (min(4, len(wrong)), 1), "switch", scale)


def _button_kinds(random: Random, fonts: FontSet, theme: Theme, scale: float) -> Kinds:
    """Buttons of one look with different words."""
    size = theme.size + int(random.integers(-1, 4))
    text = title(random, int(random.choice([1, 1, 2])))
    outlined = bool(random.random() < 0.4)
    ground = vivid(random) if random.random() < 0.5 else theme.accent
    plain = random.random() < 0.3
    ground = theme.border if plain else ground
    widest = fonts.line(text, theme.face, size * 2).shape[1] / 2
    width = round(widest) + int(random.integers(10, 40))
    height = size + int(random.integers(6, 20))

    def paint(words_on: str, colour_of: Colour = ground) -> Sticker:
        w, h = width * 2, height * 2
        colour = np.empty((h, w, 3), np.uint8)
        colour[:] = colour_of
        shape = np.zeros((h, w), np.uint8)
        radius = theme.radius * 2
        rounded_box(shape, (0, 0, w, h), radius, 255)
        if outlined:
            rounded_box(colour, (2, 2, w - 4, h - 4), radius, theme.panel)
        tone = theme.text if plain else colour_of if outlined else (255, 255, 255)
        _write(colour, fonts, words_on, theme.face, size * 2, tone)
        return cut_out(colour, shape, 2)

    def near() -> Sticker:
        if random.random() < 0.25:
            return paint(text, vivid(random))
        return paint(misread(text, random))

    return gather(
        paint(text), near, lambda: paint(title(random, 1)), (4, 6), f"button {text}", scale
    )


def _text_kinds(random: Random, fonts: FontSet, theme: Theme, scale: float) -> Kinds:
    """Words and numbers as text."""
    size = int(random.integers(11, 31))
    if random.random() < 0.4:
        text = code(random, str(random.choice(["000-000", "A000", "00:00", "AA-0000", "$00.00"])))
    else:
        text = " ".join(words(random, int(random.choice([1, 1, 2])))).capitalize()
    face = theme.face if random.random() < 0.6 else int(random.integers(len(fonts)))
    ink = theme.text if random.random() < 0.7 else theme.accent
    mask = fonts.ink(text, face, size)
    height, width = mask.shape[0] + 4, mask.shape[1] + 6

    def paint(words_on: str) -> Sticker:
        drawn = fonts.ink(words_on, face, size)
        shape = np.zeros((height, width), np.uint8)
        h, w = min(height - 2, drawn.shape[0]), min(width - 3, drawn.shape[1])
        shape[2 : 2 + h, 3 : 3 + w] = drawn[:h, :w]
        return cut_out(ink, shape)

    def fitting(draw: Callable[[], str]) -> Sticker:
        """Of some words the one that fits best, since what is cut off looks wrong."""
        tried = [draw() for _ in range(4)]
        over = [abs(fonts.ink(one, face, size).shape[1] - width + 5) for one in tried]
        return paint(tried[int(np.argmin(over))])

    return gather(
        paint(text),
        lambda: fitting(lambda: misread(text, random)),
        lambda: fitting(lambda: " ".join(words(random, 1)).capitalize()),
        (5, 8),
        f"text {text}",
        scale,
    )


def _write(
    colour: np.ndarray, fonts: FontSet, text: str, face: int, size: int, ink: Colour
) -> None:
    """Put a line of text into the middle of a picture, made narrower where it is too long."""
    height, width = colour.shape[:2]
    mask = fonts.line(text, face, size)
    factor = min(1.0, 0.94 * width / mask.shape[1], height / mask.shape[0])
    if factor < 1.0:
        mask = cv2.resize(mask, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    top, left = (height - mask.shape[0]) // 2, (width - mask.shape[1]) // 2
    area = colour[top : top + mask.shape[0], left : left + mask.shape[1]]
    share = mask[..., None] / 255.0
    area[:] = area * (1 - share) + np.array(ink) * share
