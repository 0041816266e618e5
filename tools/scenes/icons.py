"""Icons of thousands of kinds: a plate, a motif or letters, a badge; and their look-alikes."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np

from .fonts import FontSet, Mask
from .motifs import MOTIFS, identicon, random_motif, stroke_path
from .stickers import Sticker, cut_out

Random = np.random.Generator
Colour = tuple[int, int, int]
Plate = Literal["none", "square", "rounded", "circle", "hexagon", "sheet"]

PLATES: tuple[Plate, ...] = ("none", "square", "rounded", "circle", "hexagon", "sheet")
BADGES = ("none", "dot", "number", "plus", "tick", "cross")
MASTER = 128
"""Side of an icon as it is drawn, in pixels; it is shown smaller."""


@dataclass(frozen=True)
class IconStyle:
    """What the icons of one set share.

    Attributes:
        plate: what lies below the motif.
        solid: whether motifs are filled.
        stroke: width of lines, on a grid of 24.
        gradient: how much lighter the upper end of a plate is, in grey levels.
        gloss: whether a plate shines.
        face: type face of letters.
        ink: one colour for all motifs; without one each has its own.
        shadow: whether motifs cast one.
    """

    plate: Plate
    solid: bool
    stroke: float
    gradient: int
    gloss: bool
    face: int
    ink: Colour | None
    shadow: bool


@dataclass(frozen=True)
class IconDesign:
    """One icon of a set.

    Attributes:
        style: of its set.
        motif: path of its sign; empty where it has letters.
        letters: one to three.
        turn: quarters by which the motif is turned.
        mirrored: whether it is mirrored.
        ground: colour of the plate.
        ink: colour of the motif.
        badge: a small sign in a corner.
        count: the badge's number.
        corner: 0 to 3.
        struck: whether it is crossed out.
    """

    style: IconStyle
    motif: str
    letters: str
    turn: int
    mirrored: bool
    ground: Colour
    ink: Colour
    badge: str = "none"
    count: int = 1
    corner: int = 1
    struck: bool = False


def vivid(random: Random, value: tuple[float, float] = (0.45, 0.95)) -> Colour:
    """A strong colour, BGR."""
    red, green, blue = colorsys.hsv_to_rgb(
        random.random(), random.uniform(0.5, 1.0), random.uniform(*value)
    )
    return round(255 * blue), round(255 * green), round(255 * red)


def draw_style(random: Random, fonts: FontSet, *, dark: bool) -> IconStyle:
    """A style for a set of icons.

    Args:
        random: everything depends on it only.
        fonts: type faces.
        dark: whether they lie on a dark ground.
    """
    plate = PLATES[int(random.choice(len(PLATES), p=[0.4, 0.08, 0.24, 0.14, 0.04, 0.1]))]
    level = int(random.integers(180, 256) if dark else random.integers(10, 100))
    mono = random.random() < 0.55 and plate == "none"
    return IconStyle(
        plate=plate,
        solid=bool(random.random() < 0.5),
        stroke=float(random.choice([1.0, 1.5, 2.0, 2.0, 2.5, 3.0])),
        gradient=int(random.choice([0, 0, 25, 60])),
        gloss=bool(random.random() < 0.15),
        face=int(random.integers(len(fonts))),
        ink=(level, level, level) if mono else None,
        shadow=bool(random.random() < 0.15),
    )


def draw_icon(random: Random, style: IconStyle) -> IconDesign:
    """An icon of a set."""
    names = list(MOTIFS)
    kind = random.random()
    motif, letters = MOTIFS[names[int(random.integers(len(names)))]], ""
    plain = style.plate == "none"
    if kind < 0.18:
        count = int(random.choice([1, 1, 2, 3]))
        signs = "ABCDEFGHKLMNPRSTUVWXYZabdefghknpqrst0123456789"
        letters = "".join(signs[int(index)] for index in random.integers(0, len(signs), count))
    elif kind < 0.38:
        motif = random_motif(random)
        # Without a plate a few strokes would be too little to be known by.
        motif += f" {random_motif(random)}" if plain else ""
    elif kind < 0.43:
        motif = identicon(random)
    ground = vivid(random)
    ink = style.ink or vivid(random)
    if style.plate not in ("none", "sheet"):
        light = sum(ground) / 3.0 > 170
        ink = (40, 40, 40) if light else (255, 255, 255)
    return IconDesign(
        style,
        "" if letters else motif,
        letters,
        turn=int(random.choice([0, 0, 0, 1, 2, 3])),
        mirrored=bool(random.random() < 0.2),
        ground=ground,
        ink=ink,
        badge=BADGES[int(random.choice(len(BADGES), p=[0.7, 0.06, 0.09, 0.05, 0.05, 0.05]))],
        count=int(random.integers(1, 10)),
        corner=int(random.integers(4)),
        struck=bool(random.random() < 0.04),
    )


def look_alike(design: IconDesign, random: Random) -> IconDesign:
    """An icon that differs in one respect: a letter, a badge, a direction, a colour."""
    ways = ["badge", "badge", "struck", "colour", "detail", "turn"]
    ways += ["letters"] * 6 if design.letters else ["motif", "detail"]
    bare = design.style.plate in ("none", "sheet")
    match ways[int(random.integers(len(ways)))]:
        case "badge":
            change = _other_badge(design, random)
        case "struck":
            change = {"struck": not design.struck}
        case "colour":
            change = {"ink" if bare else "ground": vivid(random)}
        case "letters":
            change = {"letters": _other_letter(design.letters, random)}
        case "turn":
            change = {"turn": (design.turn + int(random.integers(1, 4))) % 4}
        case "motif":
            change = {"motif": draw_icon(random, design.style).motif or MOTIFS["plus"]}
        case _:
            change = {"motif": f"{design.motif} {random_motif(random).split()[0]}"}
    return replace(design, **change)


def paint_icon(design: IconDesign, fonts: FontSet, size: float) -> Sticker:
    """Draw an icon.

    Args:
        design: what it shows.
        fonts: type faces.
        size: its side where it is shown, in pixels.
    """
    style = design.style
    colour = np.zeros((MASTER, MASTER, 3), np.uint8)
    plate = _plate(style.plate)
    colour[:] = (245, 245, 245) if style.plate == "sheet" else design.ground
    if style.gradient or style.gloss:
        colour = _shaded(colour, style)
    sign = _sign(design, fonts)
    coverage = np.maximum(plate, sign)
    if style.shadow and style.plate != "none":
        below = np.roll(sign, (3, 3), (0, 1)).astype(np.float32)[..., None] / 255.0
        colour = (colour * (1.0 - 0.45 * below)).astype(np.uint8)
    colour = _over(colour, design.ink, sign if style.plate != "none" else np.full_like(sign, 255))
    if design.badge != "none":
        colour, coverage = _badge(design, fonts, colour, coverage)
    if design.struck:
        line = np.zeros_like(coverage)
        cv2.line(line, (13, MASTER - 13), (MASTER - 13, 13), 255, 12, cv2.LINE_AA)
        colour, coverage = _over(colour, (40, 40, 220), line), np.maximum(coverage, line)
    return cut_out(colour, coverage, MASTER / size)


def _sign(design: IconDesign, fonts: FontSet) -> Mask:
    """The motif or the letters, where they belong on the plate."""
    style = design.style
    share = {"none": 0.96, "sheet": 0.55}.get(style.plate, 0.62)
    side = round(MASTER * share)
    if design.letters:
        drawn = fonts.ink(design.letters, style.face, side)
        factor = min(side / drawn.shape[1], 0.8 * side / drawn.shape[0])
        size = (max(1, round(drawn.shape[1] * factor)), max(1, round(drawn.shape[0] * factor)))
        drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    else:
        drawn = stroke_path(design.motif, side, style.stroke / share**0.5, solid=style.solid)
        drawn = np.rot90(drawn, design.turn)
        drawn = drawn[:, ::-1] if design.mirrored else drawn
    mask = np.zeros((MASTER, MASTER), np.uint8)
    top, left = (MASTER - drawn.shape[0]) // 2, (MASTER - drawn.shape[1]) // 2
    top += MASTER // 12 if style.plate == "sheet" else 0
    mask[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    return mask


def _plate(plate: Plate) -> Mask:
    """The shape below the motif."""
    mask = np.zeros((MASTER, MASTER), np.uint8)
    low, high, middle = 5, MASTER - 6, MASTER // 2
    match plate:
        case "square":
            mask[low:high, low:high] = 255
        case "rounded":
            rounded_box(mask, (low, low, high - low, high - low), MASTER // 5, 255)
        case "circle":
            cv2.circle(mask, (middle, middle), middle - low, 255, -1, cv2.LINE_AA)
        case "hexagon":
            angles = np.arange(6) * np.pi / 3.0
            ring = middle + (middle - low) * np.stack([np.cos(angles), np.sin(angles)], 1)
            cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 255, cv2.LINE_AA)
        case "sheet":
            ring = np.array([[21, 5], [80, 5], [107, 32], [107, 122], [21, 122]], np.int32)
            cv2.fillPoly(mask, [ring], 255, cv2.LINE_AA)
        case "none":
            pass
    return mask


def rounded_box(
    picture: Any, box: tuple[int, int, int, int], radius: int, colour: Any, line: int = -1
) -> None:
    """Draw a rectangle with round corners: x, y, w, h; filled unless it has a line width."""
    x, y, w, h = box
    radius = max(0, min(radius, w // 2, h // 2))
    if radius == 0:
        cv2.rectangle(picture, (x, y), (x + w - 1, y + h - 1), colour, line, cv2.LINE_AA)
        return
    middles = [(x + w - 1 - radius, y + h - 1 - radius), (x + radius, y + h - 1 - radius)]
    middles += [(x + radius, y + radius), (x + w - 1 - radius, y + radius)]
    ring = []
    for quarter, middle in enumerate(middles):
        angles = np.radians(90.0 * quarter + np.linspace(0.0, 90.0, 2 + radius // 2))
        ring.append(np.array(middle) + radius * np.stack([np.cos(angles), np.sin(angles)], 1))
    points = np.rint(np.concatenate(ring) * 16).astype(np.int32)
    if line < 0:
        cv2.fillPoly(picture, [points], colour, cv2.LINE_AA, 4)
    else:
        cv2.polylines(picture, [points], True, colour, line, cv2.LINE_AA, 4)


def _shaded(colour: np.ndarray, style: IconStyle) -> np.ndarray:
    """A plate that gets darker downwards, or shines."""
    rows = np.linspace(style.gradient, -style.gradient, MASTER)
    if style.gloss:
        rows[: MASTER // 2] += 40
    return np.clip(colour + rows[:, None, None], 0, 255).astype(np.uint8)


def _badge(
    design: IconDesign, fonts: FontSet, colour: np.ndarray, coverage: Mask
) -> tuple[np.ndarray, Mask]:
    """Put a badge into a corner."""
    radius = 29 if design.badge != "dot" else 20
    low, high = radius + 2, MASTER - radius - 3
    x, y = (low if design.corner in (0, 3) else high), (low if design.corner < 2 else high)
    disc, rim = np.zeros_like(coverage), np.zeros_like(coverage)
    cv2.circle(rim, (x, y), radius + 4, 255, -1, cv2.LINE_AA)
    cv2.circle(disc, (x, y), radius, 255, -1, cv2.LINE_AA)
    ground = {"plus": (60, 160, 40), "tick": (60, 160, 40)}.get(design.badge, (50, 40, 215))
    coverage = np.maximum(np.minimum(coverage, 255 - rim), disc)
    colour = _over(colour, ground, disc)
    if design.badge == "dot":
        return colour, coverage
    if design.badge == "number":
        drawn = fonts.ink(str(design.count), 0, 50)
    else:
        drawn = stroke_path(MOTIFS[design.badge], 42, 3.5, solid=True)
    sign = np.zeros_like(coverage)
    top, left = y - drawn.shape[0] // 2, x - drawn.shape[1] // 2
    sign[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    return _over(colour, (255, 255, 255), sign), coverage


def _other_badge(design: IconDesign, random: Random) -> dict[str, Any]:
    """Another badge, or another number in it."""
    if design.badge == "number" and random.random() < 0.5:
        return {"count": (design.count + int(random.integers(0, 8))) % 9 + 1}
    others = [badge for badge in BADGES if badge != design.badge]
    return {"badge": others[int(random.integers(len(others)))]}


def _other_letter(letters: str, random: Random) -> str:
    """The same with another letter at one place."""
    place = int(random.integers(len(letters)))
    pool = "ABCDEFGHKLMNPRSTUVWXYZ" if letters[place].isupper() else "abdefghknpqrst"
    pool = ("0123456789" if letters[place].isdigit() else pool).replace(letters[place], "")
    return letters[:place] + pool[int(random.integers(len(pool)))] + letters[place + 1 :]


def _over(colour: np.ndarray, ink: Colour, mask: Mask) -> np.ndarray:
    """One colour laid over others where a mask covers them."""
    share = mask[..., None].astype(np.float32) / 255.0
    return np.rint(colour * (1.0 - share) + np.array(ink, np.float32) * share).astype(np.uint8)
