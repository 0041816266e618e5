"""Round parts: washers, nuts, heads of screws, gears, bearings, retaining rings, coins."""

from __future__ import annotations

import numpy as np

from .fonts import FontSet
from .part_blank import Blank, around, blank

Numbers = dict[str, float]


def washer(numbers: Numbers, fonts: FontSet) -> Blank:
    """A ring, with teeth, tongues or a gap."""
    del fonts
    part = blank()
    x, y = part.middle
    outer = 60.0
    teeth = round(numbers["teeth"])
    if teeth > 2:
        part.disc(x, y, outer * 0.82)
        for place in around(teeth, outer * 0.84):
            part.disc(x + place[0], y + place[1], min(outer * 0.16, outer * 1.6 / teeth))
    else:
        part.disc(x, y, outer)
    part.disc(x, y, outer * (0.3 + 0.4 * numbers["hole"]), 0)
    if numbers["gap"] < 0.3:
        part.bar(np.array([x + 20, y]), np.array([x + 70, y - 8]), 7, 0)
    if numbers["tongue"] < 0.25:
        part.bar(np.array([x, y + 40]), np.array([x, y + 58]), 16)
        part.disc(x, y - 45, 7, 0)
    return part


def nut(numbers: Numbers, fonts: FontSet) -> Blank:
    """Four, five, six or eight sides and a threaded hole, with or without a flange and a mark."""
    part = blank()
    x, y = part.middle
    sides = (4, 6, 6, 8, 5)[int(numbers["sides"] * 4.99)]
    size = 60.0 if numbers["flange"] > 0.35 else 46.0
    if size < 60.0:
        part.disc(x, y, 60.0)
        part.relief += part.filled(np.add(around(sides, size), (x, y))) * 5.0
    else:
        part.polygon(np.add(around(sides, size), (x, y)))
    hole = 18.0 + 14.0 * numbers["hole"]
    part.ring(x, y, hole + 7, 3, -2.5)
    part.disc(x, y, hole, 0)
    if numbers["mark"] < 0.5:
        text = str(int(numbers["mark"] * 40) % 10)
        part.mark(fonts.ink(text, 0, 24), x, y - (hole + 60) / 2 + 4, 12, -4)
    return part


def screw_head(numbers: Numbers, fonts: FontSet) -> Blank:
    """A round or six-sided head with a drive and a mark."""
    part = blank()
    x, y = part.middle
    if numbers["head"] < 0.4:
        part.polygon(np.add(around(6, 61.0, 30.0), (x, y)))
    else:
        part.disc(x, y, 60.0)
    part.ring(x, y, 52.0, 4, -1.5)
    drive = int(numbers["drive"] * 6.99)
    reach = 24.0 + 14.0 * numbers["reach"]
    if drive == 0:
        part.groove(np.array([[x - reach - 14, y], [x + reach + 14, y]]), 10, -7)
    elif drive == 1:
        part.groove(np.array([[x - reach, y], [x + reach, y]]), 12, -7)
        part.groove(np.array([[x, y - reach], [x, y + reach]]), 12, -7)
    elif drive == 2:
        part.relief -= part.filled(np.add(around(6, reach), (x, y))) * 8.0
    elif drive == 3:
        part.relief -= part.filled(np.add(around(4, reach, 45.0), (x, y))) * 8.0
    elif drive == 4:
        star = np.empty((12, 2))
        star[::2], star[1::2] = around(6, reach), around(6, reach * 0.7, 30.0)
        part.relief -= part.filled(np.add(star, (x, y))) * 8.0
    elif drive == 5:
        part.groove(np.add(around(3, reach)[[0, 1, 2, 0]], (x, y)), 8, -6)
    else:
        text = f"{int(numbers['mark'] * 9.99)}.{int(numbers['reach'] * 9.99)}"
        part.mark(fonts.ink(text, 0, 40), x, y, 60, 3)
    if drive < 6 and numbers["mark"] < 0.35:
        part.disc(x + 42, y, 6, 0)
    return part


def gear(numbers: Numbers, fonts: FontSet) -> Blank:
    """Teeth around a body with a bore, a keyway and holes."""
    del fonts
    part = blank()
    x, y = part.middle
    teeth = 8 + int(numbers["teeth"] * 16.99)
    inner = 50.0 - 5.0 * numbers["depth"]
    angles = np.arange(teeth)[:, None] * 2 * np.pi / teeth
    angles = angles + np.array([-0.32, -0.16, 0.16, 0.32]) * 2 * np.pi / teeth
    radii = np.broadcast_to(np.array([inner, 61.0, 61.0, inner]), angles.shape)
    ring = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=-1).reshape(-1, 2)
    part.polygon(np.add(ring, (x, y)))
    holes = int(numbers["holes"] * 6.99)
    for place in around(holes, 32.0) if holes > 1 else []:
        part.disc(x + place[0], y + place[1], 4.0 + 5.0 * numbers["size"], 0)
    part.ring(x, y, 42.0, 3, -2)
    bore = 8.0 + 8.0 * numbers["bore"]
    part.disc(x, y, bore, 0)
    if numbers["keyway"] < 0.5:
        part.bar(np.array([x, y]), np.array([x, y - bore - 5]), 6, 0)
    return part


def bearing(numbers: Numbers, fonts: FontSet) -> Blank:
    """Two rings with balls between them."""
    del fonts
    part = blank()
    x, y = part.middle
    part.disc(x, y, 61.0)
    bore = 16.0 + 10.0 * numbers["bore"]
    part.disc(x, y, bore, 0)
    middle = (bore + 61.0) / 2.0
    part.ring(x, y, middle, 18, -8)
    balls = 6 + int(numbers["balls"] * 6.99)
    for place in around(balls, middle):
        part.relief += part.dome((x + place[0], y + place[1]), 6.5) * 12.0
    if numbers["seal"] < 0.2:
        part.relief[:] = 0
        part.ring(x, y, middle, 16, -2)
    return part


def clip(numbers: Numbers, fonts: FontSet) -> Blank:
    """A retaining ring with two ears, inside or outside."""
    del fonts
    part = blank()
    x, y = part.middle
    part.disc(x, y, 58.0)
    part.disc(x, y - 4 * numbers["offset"], 38.0 + 8.0 * numbers["hole"], 0)
    gap = 10.0 + 20.0 * numbers["gap"]
    part.polygon(np.array([[x - gap, y + 70], [x, y + 10], [x + gap, y + 70]]), 0)
    side = 1.0 if numbers["inside"] < 0.5 else -1.0
    for sign in (-1.0, 1.0):
        ear = np.array([x + sign * (gap * 0.8 + 8), y + 46 - 8 * side])
        part.disc(ear[0], ear[1], 9 + 3 * numbers["ear"])
        part.disc(ear[0], ear[1], 4, 0)
    return part


def coin(numbers: Numbers, fonts: FontSet) -> Blank:
    """A disc with a rim, a number and dots."""
    part = blank()
    x, y = part.middle
    part.disc(x, y, 61.0)
    part.ring(x, y, 56.0, 6, 3)
    text = str(1 + int(numbers["value"] * 98))
    part.mark(fonts.ink(text, int(numbers["face"] * 5), 80), x, y, 30 + 20 * (len(text) > 1), 4)
    for place in around(int(numbers["dots"] * 20), 46.0):
        part.relief += part.dome((x + place[0], y + place[1]), 2.6) * 4.0
    if numbers["hole"] < 0.15:
        part.disc(x, y, 12.0, 0)
    return part
