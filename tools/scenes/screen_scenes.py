"""Scenes on screens: icons, boxes to tick, buttons and words, on desktops, pages and telephones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .fonts import FontSet
from .scene import SMALLEST, Casting, DrawnScene, Poses, draw_casting, presence_of
from .screen_layouts import Screen, draw_layout
from .stickers import Array, Picture, Sticker, at_corner, corners_of, paste, shrunk, with_margin
from .subjects import Kinds
from .wear import SCREEN, worn
from .widgets import Theme, draw_kinds, draw_theme

Random = np.random.Generator

SIZES = (
    *((800, 600), (800, 600), (1024, 768), (1024, 768), (1280, 720), (1280, 800), (1366, 768)),
    *((1440, 900), (1600, 900), (1920, 1080), (720, 1280), (750, 1334)),
)
ZOOMS = (0.5, 0.75, 0.8, 1.25, 1.5, 2.0)
LAYOUT_TRIES = 5
FILLED = 0.85
"""Share of the slots that hold something."""


def screen_scene(random: Random, fonts: FontSet) -> DrawnScene:
    """Draw a scene on a screen."""
    theme = draw_theme(random, fonts)
    zoom = float(random.choice(ZOOMS)) if random.random() < 0.25 else 1.0
    kinds = draw_kinds(random, fonts, theme, min(1.0, zoom))
    if zoom < 1.0 and min(kinds.target.size) * zoom < SMALLEST:
        zoom = 1.0
    if random.random() < 0.35:
        rim = int(random.integers(1, 4))
        kinds = replace(
            kinds,
            target=with_margin(kinds.target, rim),
            lookalikes=tuple(with_margin(one, rim) for one in kinds.lookalikes),
            others=tuple(with_margin(one, rim) for one in kinds.others),
        )
    casting = draw_casting(random, most=int(random.choice([6, 20, 100])), decoys=8)
    frame, box = _frame(random, fonts, theme, kinds)
    size = SIZES[int(random.integers(len(SIZES)))]
    image, truths, decoys = _filled(random, fonts, theme, kinds, casting, size, zoom)
    limits = (0.5, 2.0) if zoom != 1.0 else (1.0, 1.0)
    poses = Poses(scale=limits)
    return DrawnScene(
        frame=worn(frame, SCREEN, random),
        box=box,
        image=worn(image, SCREEN, random),
        truths=truths,
        decoys=decoys,
        symmetry=kinds.symmetry,
        rotation=poses.rotation,
        scale=poses.scale,
        domain="screen",
        presence=presence_of(truths, decoys),
        subject=kinds.subject,
    )


def _frame(
    random: Random, fonts: FontSet, theme: Theme, kinds: Kinds
) -> tuple[Picture, tuple[int, int, int, int]]:
    """A picture with the object: alone on its ground, or on a smaller screen."""
    width, height = (round(side) for side in kinds.target.size)
    if random.random() < 0.3:
        canvas = np.empty((height, width, 3), np.uint8)
        canvas[:] = theme.panel
        paste(canvas, kinds.target, at_corner(0, 0))
        return canvas, (0, 0, width, height)
    size = int(random.integers(480, 1000)), int(random.integers(360, 720))
    canvas, truths, _ = _filled(random, fonts, theme, kinds, Casting("once", 1, 0), size, 1.0)
    x, y = np.rint(truths[0][0]).astype(int).tolist()
    return canvas, (x, y, width, height)


def _filled(
    random: Random,
    fonts: FontSet,
    theme: Theme,
    kinds: Kinds,
    casting: Casting,
    size: tuple[int, int],
    zoom: float,
) -> tuple[Picture, tuple[Array, ...], tuple[Array, ...]]:
    """A screen with things in its slots, and the corners of the object's copies and of decoys."""
    width, height = kinds.target.size
    slot = int(np.ceil(width * zoom)), int(np.ceil(height * zoom))
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    # The word of a text or a button stands nowhere else in the same type.
    sort, _, words_on = kinds.subject.partition(" ")
    banned = words_on if sort in ("text", "button") else ""
    screen = Screen(canvas, theme, fonts, random, slot, zoom, sort == "text", banned)
    for _ in range(LAYOUT_TRIES):
        screen.slots.clear()
        draw_layout(screen)
        if len(screen.slots) >= min(8, casting.copies + casting.decoys):
            break
    if not screen.slots:
        screen.add_slot((size[0] - slot[0]) // 2, (size[1] - slot[1]) // 2)
    target = shrunk(kinds.target, zoom)
    lookalikes = [shrunk(one, zoom) for one in kinds.lookalikes]
    others = [shrunk(one, zoom) for one in kinds.others]
    order = random.permutation(len(screen.slots))
    decoys = casting.decoys if kinds.lookalikes else 0
    truths: list[Array] = []
    near: list[Array] = []
    for rank, index in enumerate(order):
        matrix = at_corner(*screen.slots[int(index)], zoom)
        corners = corners_of(kinds.target.size, matrix)
        if rank < casting.copies:
            screen.place(target, matrix)
            truths.append(corners)
        elif rank < casting.copies + decoys:
            screen.place(_one(lookalikes, random), matrix)
            near.append(corners)
        elif others and random.random() < FILLED:
            screen.place(_one(others, random), matrix)
    return screen.canvas, tuple(truths), tuple(near)


def _one(stickers: list[Sticker], random: Random) -> Sticker:
    """One of several."""
    return stickers[int(random.integers(len(stickers)))]
