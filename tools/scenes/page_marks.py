"""What is found on paper: logos, stamps, signatures, words, codes; and their look-alikes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from .fonts import FontSet, Mask, cut_to_ink
from .icons import Colour, IconDesign, draw_icon, draw_style, look_alike, paint_icon, vivid
from .stickers import Sticker, at_corner, cut_out, paste
from .subjects import Kinds, gather
from .wording import NAMES, code, misread, title, words

Random = np.random.Generator
FINER = 2


def draw_mark(
    random: Random, fonts: FontSet, face: int, size: int, scale: float, turns: int
) -> Kinds:
    """Something to look for on paper, its look-alikes and others.

    Args:
        random: everything depends on it only.
        fonts: type faces.
        face: of the page's text.
        size: of the page's text, in pixels.
        scale: smallest size at which they are shown.
        turns: in how many turned positions others have to differ.
    """
    kind = random.random()
    if kind < 0.4:
        return _logo_kinds(random, fonts, scale, turns)
    if kind < 0.58:
        return _stamp_kinds(random, fonts, scale, turns)
    if kind < 0.7:
        return _signature_kinds(random, scale, turns)
    if kind < 0.88:
        return _word_kinds(random, fonts, face, size, scale, turns)
    return _code_kinds(random, scale, turns)


@dataclass(frozen=True)
class Logo:
    """A sign and a name.

    Attributes:
        icon: the sign.
        name: the name.
        line: a second, smaller line; may be empty.
        face: type face.
        colour: of the name.
        layout: 0 sign before the name, 1 above it, 2 behind it, 3 name in a frame without a sign.
        width: in pixels, where it is shown.
        height: the same.
    """

    icon: IconDesign
    name: str
    line: str
    face: int
    colour: Colour
    layout: int
    width: int
    height: int


def draw_logo(random: Random, fonts: FontSet, size: tuple[int, int] | None = None) -> Logo:
    """A logo, of a given size or its own."""
    style = draw_style(random, fonts, dark=False)
    icon = replace(draw_icon(random, style), badge="none", struck=False)
    layout = int(random.choice([0, 0, 1, 2, 3]))
    name = NAMES[int(random.integers(len(NAMES)))]
    if random.random() < 0.4:
        name = name.upper()
    if random.random() < 0.3:
        name += str(random.choice([" Co", " AG", " Ltd", " & Co", " Group", " Lab"]))
    height = int(random.integers(36, 100))
    width = round(height * random.uniform(2.0, 3.6)) if layout != 1 else round(height * 1.2)
    if size:
        width, height = size
        layout = 1 if width < 1.5 * height else (layout if layout != 1 else 0)
    line = title(random, 2) if random.random() < 0.3 else ""
    dark = random.random() < 0.4
    colour = (30, 30, 30) if dark else vivid(random, (0.3, 0.7))
    return Logo(icon, name, line, int(random.integers(len(fonts))), colour, layout, width, height)


def paint_logo(logo: Logo, fonts: FontSet) -> Sticker:
    """Draw a logo."""
    w, h = logo.width * FINER, logo.height * FINER
    colour = np.full((h, w, 3), 255, np.uint8)
    text_area = (0, 0, w, h)
    side = h
    match logo.layout:
        case 0:
            text_area = (h + h // 8, 0, w - h - h // 8, h)
        case 1:
            side = h * 2 // 3
            text_area = (0, side, w, h - side)
        case 2:
            text_area = (0, 0, w - h - h // 8, h)
        case _:
            rim = max(3, h // 20)
            cv2.rectangle(colour, (rim, rim), (w - rim, h - rim), logo.colour, rim)
            text_area = (h // 8, h // 8, w - h // 4, h - h // 4)
    if logo.layout != 3:
        sign = paint_icon(logo.icon, fonts, side)
        left = {0: 0, 1: (w - side) // 2, 2: w - side}[logo.layout]
        paste(colour, sign, at_corner(left, 0))
    x, y, tw, th = text_area
    if logo.line:
        _fit(
            colour,
            fonts.ink(logo.line, logo.face, th / 3),
            (x, y + th * 7 // 10, tw, th // 4),
            (90, 90, 90),
        )
        th = th * 2 // 3
    _fit(
        colour,
        fonts.ink(logo.name, logo.face, th),
        (x, y + th // 10, tw, th * 8 // 10),
        logo.colour,
    )
    return cut_out(colour, _not_white(colour), FINER)


def similar_logo(logo: Logo, fonts: FontSet, random: Random) -> Logo:
    """A logo that differs in a letter or in its sign."""
    del fonts
    if logo.layout == 3 or random.random() < 0.5:
        name = misread(logo.name, random, int(random.integers(1, 3)))
        return replace(logo, name=name)
    icon = replace(look_alike(logo.icon, random), badge="none")
    if icon == logo.icon:
        icon = replace(draw_icon(random, logo.icon.style), badge="none")
    return replace(logo, icon=icon)


def _logo_kinds(random: Random, fonts: FontSet, scale: float, turns: int) -> Kinds:
    """Logos."""
    logo = draw_logo(random, fonts)
    size = (logo.width, logo.height) if random.random() < 0.5 else None
    return gather(
        paint_logo(logo, fonts),
        lambda: paint_logo(similar_logo(logo, fonts, random), fonts),
        lambda: paint_logo(draw_logo(random, fonts, size), fonts),
        (3, 5),
        f"logo {logo.name}",
        scale,
        turns,
    )


def _stamp_kinds(random: Random, fonts: FontSet, scale: float, turns: int) -> Kinds:
    """Stamps: round or rectangular, of one colour, with a date or a number."""
    colour = (vivid(random, (0.4, 0.8)), (40, 30, 190), (160, 60, 30))[int(random.integers(3))]
    ring = bool(random.random() < 0.5)
    width = int(random.integers(70, 150))
    height = width if ring else round(width * random.uniform(0.35, 0.6))
    face = int(random.integers(len(fonts)))
    turn = float(random.uniform(-12, 12)) if random.random() < 0.5 else 0.0
    date = code(random, "00.00.2000")
    around, middle = title(random, 3).upper(), title(random, 1).upper()
    seed = int(random.integers(2**31))

    def paint(around: str, middle: str, date: str, ring: bool = ring) -> Sticker:
        w, h = width * FINER, height * FINER
        mask = np.zeros((h, w), np.uint8)
        if ring:
            _ring_stamp(mask, fonts, face, around)
        else:
            line = max(3, h // 25)
            cv2.rectangle(mask, (line, line), (w - line, h - line), 255, line)
        box = (
            (w // 5, h * 3 // 10, w * 3 // 5, h // 5)
            if ring
            else (w // 12, h // 8, w * 10 // 12, h // 2)
        )
        _fit(mask, fonts.ink(middle, face, h / 3), box, 255)
        _fit(
            mask,
            fonts.ink(date, 0, h / 4),
            (box[0], h * 11 // 20 if ring else h * 13 // 20, box[2], h // 5),
            255,
        )
        patchy = cv2.resize(np.random.default_rng(seed).random((12, 12), np.float32), (w, h))
        mask = (mask * np.clip(0.55 + 0.9 * patchy, 0, 1)).astype(np.uint8)
        if turn:
            matrix = cv2.getRotationMatrix2D((w / 2, h / 2), turn, 0.86)
            mask = np.asarray(cv2.warpAffine(mask, matrix, (w, h)), np.uint8)
        return cut_out(colour, mask, FINER)

    def near() -> Sticker:
        which = int(random.integers(3))
        if which == 0:
            return paint(around, middle, misread(date, random, 3))
        if which == 1:
            return paint(around, misread(middle, random, 2), date)
        return paint(title(random, 3).upper(), middle, date)

    def other() -> Sticker:
        words_on = title(random, 3).upper(), title(random, 1).upper()
        return paint(*words_on, code(random, "00.00.2000"), ring and bool(random.random() < 0.6))

    return gather(paint(around, middle, date), near, other, (3, 3), f"stamp {middle}", scale, turns)


def _signature_kinds(random: Random, scale: float, turns: int) -> Kinds:
    """Signatures; another hand writes otherwise."""
    width, height = int(random.integers(90, 180)), int(random.integers(35, 70))
    colour = (120, 50, 20) if random.random() < 0.6 else (35, 30, 30)
    pen = float(random.uniform(1.2, 2.6))

    def curve() -> np.ndarray:
        count = int(random.integers(9, 16))
        x = np.linspace(0.06, 0.94, count) + random.normal(0, 0.05, count)
        tall = random.uniform(0.1, 0.45, count) * np.where(np.arange(count) % 2, 1, -1)
        return np.stack([np.clip(x, 0.03, 0.97), np.clip(0.55 + tall, 0.05, 0.95)], axis=1)

    def paint(points: np.ndarray) -> Sticker:
        w, h = width * FINER, height * FINER
        path = _smooth(points) * (w - 1, h - 1)
        mask = np.zeros((h, w), np.uint8)
        fixed = np.rint(path * 16).astype(np.int32)
        cv2.polylines(mask, [fixed], False, 255, max(1, round(pen * FINER)), cv2.LINE_AA, 4)
        return cut_out(colour, mask, FINER)

    own = curve()

    def near() -> Sticker:
        changed = own.copy()
        rows = random.permutation(len(own))[: len(own) // 3]
        changed[rows, 1] = random.uniform(0.05, 0.95, len(rows))
        return paint(changed)

    return gather(paint(own), near, lambda: paint(curve()), (3, 4), "signature", scale, turns)


def _word_kinds(
    random: Random, fonts: FontSet, face: int, size: int, scale: float, turns: int
) -> Kinds:
    """Words as they are printed."""
    if random.random() < 0.4:
        face, size = int(random.integers(len(fonts))), int(random.integers(14, 40))
    text = words(random, 1)[0]
    if len(text) < 4:
        text += f" {words(random, 1)[0]}"
    if random.random() < 0.5:
        text = text.capitalize()
    if random.random() < 0.25:
        text = code(random, str(random.choice(["0000-000", "AA 0000", "00.00.2000", "0 000.00"])))
    rim = int(random.integers(1, 4))
    height, width = np.array(fonts.ink(text, face, size).shape) + 2 * rim

    def paint(one: str) -> Sticker:
        drawn = fonts.ink(one, face, size)
        mask = np.zeros((int(height), int(width)), np.uint8)
        h, w = min(height - rim, drawn.shape[0]), min(width - rim, drawn.shape[1])
        mask[rim : rim + h, rim : rim + w] = drawn[:h, :w]
        return cut_out((25, 25, 25), mask)

    def fitting(draw: Callable[[], str]) -> Sticker:
        tried = [draw() for _ in range(4)]
        over = [abs(fonts.ink(one, face, size).shape[1] + 2 * rim - width) for one in tried]
        return paint(tried[int(np.argmin(over))])

    return gather(
        paint(text),
        lambda: fitting(lambda: misread(text, random)),
        lambda: fitting(lambda: words(random, 1)[0]),
        (5, 6),
        f"word {text}",
        scale,
        turns,
    )


def _code_kinds(random: Random, scale: float, turns: int) -> Kinds:
    """Square codes with three finders, or bars."""
    cells = int(random.choice([21, 25, 29]))
    side = cells * int(random.integers(2, 5))
    bars = bool(random.random() < 0.4)

    def paint(pattern: np.ndarray) -> Sticker:
        if bars:
            row = np.repeat(pattern[:3].ravel(), 2)[: 3 * cells]
            picture = np.repeat(row[None], cells, axis=0)
        else:
            picture = pattern.copy()
            for y, x in ((0, 0), (0, cells - 7), (cells - 7, 0)):
                picture[y : y + 7, x : x + 7] = 1
                picture[y + 1 : y + 6, x + 1 : x + 6] = 0
                picture[y + 2 : y + 5, x + 2 : x + 5] = 1
        mask = (picture * 255).astype(np.uint8)
        times = side // cells * 2
        mask = np.kron(mask, np.ones((times, times), np.uint8))
        return cut_out((20, 20, 20), mask, 2.0)

    own = random.integers(0, 2, (cells, cells))

    def near() -> Sticker:
        changed = np.where(random.random(own.shape) < 0.25, 1 - own, own)
        return paint(changed)

    other = lambda: paint(random.integers(0, 2, (cells, cells)))  # noqa: E731
    return gather(paint(own), near, other, (3, 3), "bars" if bars else "square code", scale, turns)


def _ring_stamp(mask: Mask, fonts: FontSet, face: int, text: str) -> None:
    """Two rings with letters between them."""
    side = mask.shape[0]
    middle, line = side // 2, max(2, side // 50)
    cv2.circle(mask, (middle, middle), middle - line, 255, line, cv2.LINE_AA)
    cv2.circle(mask, (middle, middle), middle * 13 // 20, 255, line, cv2.LINE_AA)
    text = f"{text} * "
    for index, sign in enumerate(text):
        if sign == " ":
            continue
        letter = fonts.line(sign, face, side * 0.15)
        angle = 360.0 * index / len(text)
        reach = middle * 0.82
        turn = np.radians(angle)
        centre = middle + reach * np.sin(turn), middle - reach * np.cos(turn)
        matrix = cv2.getRotationMatrix2D((letter.shape[1] / 2, letter.shape[0] / 2), -angle, 1.0)
        matrix[:, 2] += np.array(centre) - (letter.shape[1] / 2, letter.shape[0] / 2)
        drawn = cv2.warpAffine(letter, matrix, (side, side))
        np.maximum(mask, drawn, out=mask)


def _smooth(points: np.ndarray) -> np.ndarray:
    """A Catmull-Rom curve through points."""
    padded = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0.0, 1.0, 10, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        parts.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
        )
    return np.clip(np.concatenate(parts), 0.01, 0.99)


def _fit(picture: np.ndarray, mask: Mask, box: tuple[int, int, int, int], colour: object) -> None:
    """Put a mask into the middle of a box, as large as it fits; of masks the larger value stays."""
    x, y, w, h = box
    mask = cut_to_ink(mask)
    factor = min(w / mask.shape[1], h / mask.shape[0])
    size = max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor))
    drawn = cv2.resize(mask, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    top, left = y + (h - size[1]) // 2, x + (w - size[0]) // 2
    area = picture[top : top + size[1], left : left + size[0]]
    if picture.ndim == 2:
        np.maximum(area, drawn, out=area)
    else:
        share = drawn[..., None] / 255.0
        area[:] = np.rint(area * (1 - share) + np.asarray(colour) * share)


def _not_white(colour: np.ndarray) -> Mask:
    """Coverage of what was drawn on white: everything that is not."""
    return np.where(colour.min(axis=2) < 250, 255, 0).astype(np.uint8)
