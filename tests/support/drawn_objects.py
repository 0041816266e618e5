"""Parts, boxes, icons, logos and pages, drawn for tests that know where each of them is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from qatm.runtime.images import Image

FINER = 4
"""Drawn so many times larger, and shrunk."""

FONT = cv2.FONT_HERSHEY_SIMPLEX
INKS = ((70, 60, 50), (190, 100, 20), (30, 30, 190), (50, 130, 30))
SYLLABLES = [
    "lo",
    "rem",
    "ip",
    "sum",
    "do",
    "lor",
    "sit",
    "a",
    "met",
    "con",
    "sec",
    "te",
    "tur",
    "ad",
    "ip",
    "is",
    "cing",
    "e",
    "lit",
    "sed",
]


def shrunk(picture: Image) -> Image:
    """A picture in its final size."""
    size = picture.shape[1] // FINER, picture.shape[0] // FINER
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def washer(side: int) -> tuple[Image, Image]:
    """A round part with a notch and a mark, and its mask ``(side, side)`` uint8."""
    whole = FINER * side
    middle, radius = (whole // 2, whole // 2), whole // 2 - FINER
    part, mask = np.zeros((whole, whole, 3), np.uint8), np.zeros((whole, whole), np.uint8)
    cv2.circle(mask, middle, radius, 255, -1)
    cv2.circle(part, middle, radius, (60, 150, 215), -1)
    cv2.circle(part, middle, round(0.75 * radius), (30, 90, 150), whole // 20)
    points = [
        (
            middle[0] + round(0.5 * radius * math.cos(angle)),
            middle[1] + round(0.5 * radius * math.sin(angle)),
        )
        for angle in (-1.6, 0.3, 2.2)
    ]
    cv2.fillPoly(part, [np.array(points)], (235, 245, 250))
    cv2.putText(part, "7", (whole // 2, whole // 2), FONT, whole / 130, (40, 40, 110), whole // 40)
    return shrunk(part), shrunk(mask)


def gravel(width: int, height: int, rng: np.random.Generator) -> Image:
    """A ground of grey grains ``(height, width, 3)``."""
    grey = np.full((height, width), 120.0)
    for grain, contrast in ((2, 12.0), (5, 22.0), (12, 14.0)):
        noise = rng.normal(0, contrast, (height // grain + 2, width // grain + 2))
        size = (width + 2 * grain, height + 2 * grain)
        grey += cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)[:height, :width]
    values = np.clip(grey, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(values, cv2.COLOR_GRAY2BGR), np.uint8)


def laid(ground: Image, part: Image, mask: Image, at: tuple[int, int]) -> None:
    """Draw a part over a ground, its top left corner at ``(x, y)``."""
    x, y = at
    height, width = mask.shape
    under = ground[y : y + height, x : x + width]
    share = mask[:, :, None] / 255.0
    under[:] = np.rint(part * share + under * (1 - share)).astype(np.uint8)


def scattered(
    count: int, size: tuple[int, int], side: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Places ``(x, y)`` of parts that do not touch, in a picture of a size ``(width, height)``."""
    places: list[tuple[int, int]] = []
    while len(places) < count:
        x, y = (int(rng.integers(4, length - side - 4)) for length in size)
        if all(max(abs(x - left), abs(y - top)) > side + 4 for left, top in places):
            places.append((x, y))
    return places


def ticked(page: Image, at: tuple[int, int]) -> None:
    """Draw a ticked box of 16 pixels."""
    x, y = at
    cv2.rectangle(page, (x, y), (x + 15, y + 15), (110, 110, 110), 1)
    tick = np.array([(x + 3, y + 8), (x + 6, y + 11), (x + 12, y + 4)])
    cv2.polylines(page, [tick], False, (190, 90, 20), 2, cv2.LINE_AA)


def words(page: Image, at: tuple[int, int], end: int, rng: np.random.Generator) -> None:
    """Write made-up words from a place to a column."""
    x, y = at
    while x < end:
        word = "".join(rng.choice(SYLLABLES, rng.integers(1, 4)))
        cv2.putText(page, word, (x, y), FONT, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
        x += 9 * len(word) + 12


def icon(number: int) -> Image:
    """A line icon of 24 pixels; those 5 apart differ in a letter only."""
    side = 24 * FINER
    ink = INKS[number % 5 % len(INKS)]
    picture = np.full((side, side, 3), 242, np.uint8)
    shape, thick = number % 5, 6
    low, high, middle = side // 6, side - side // 6, side // 2
    if shape == 0:
        cv2.circle(picture, (middle - 6, middle - 6), side // 4, ink, thick)
        cv2.line(picture, (middle + 12, middle + 12), (high, high), ink, thick + 2)
    elif shape == 1:
        cv2.rectangle(picture, (low, low), (high, high), ink, thick)
        cv2.line(picture, (low, middle), (high, middle), ink, thick)
    elif shape == 2:
        cv2.line(picture, (low, middle), (high, middle), ink, thick)
        cv2.line(picture, (middle, low), (middle, high), ink, thick)
    elif shape == 3:
        cv2.fillPoly(picture, [np.array([(low, high), (high, high), (middle, low)])], ink)
    else:
        for y in (low, middle, high):
            cv2.line(picture, (low, y), (high, y), ink, thick)
    if number >= 5:
        letter = chr(ord("A") + number)
        cv2.putText(picture, letter, (middle, high + 8), FONT, 1.6, (20, 20, 20), 6)
    return shrunk(picture)


def screen(icons: Sequence[int], rng: np.random.Generator) -> tuple[Image, list[tuple[int, int]]]:
    """A window of 640 by 400 pixels with a bar of icons and a table, and the icons' places."""
    shown = np.full((400, 640, 3), 255, np.uint8)
    shown[:24] = (130, 80, 30)
    shown[28:64] = 242
    places = [(20 + 52 * index, 34) for index in range(len(icons))]
    for number, (x, y) in zip(icons, places, strict=True):
        shown[y : y + 24, x : x + 24] = icon(number)
    for y in range(90, 390, 26):
        cv2.line(shown, (0, y + 8), (640, y + 8), (225, 225, 225), 1)
        words(shown, (12, y), 560, rng)
    return shown, places


NAMES = ("NORDA", "Kelvix", "PRISMO", "Tessel")


def logo(number: int) -> Image:
    """A sign and a name, 120 by 48 pixels on white."""
    ink = INKS[number % len(INKS)]
    picture = np.full((48 * FINER, 120 * FINER, 3), 255, np.uint8)
    if number == 0:
        cv2.circle(picture, (90, 96), 64, ink, 24)
    elif number == 1:
        cv2.fillPoly(picture, [np.array([(20, 160), (90, 24), (160, 160)])], ink)
    elif number == 2:
        for step in range(4):
            cv2.rectangle(
                picture, (24 + 36 * step, 130 - 30 * step), (48 + 36 * step, 164), ink, -1
            )
    else:
        cv2.ellipse(picture, (90, 96), (70, 36), 30, 0, 360, ink, 14)
        cv2.ellipse(picture, (90, 96), (70, 36), -30, 0, 360, ink, 14)
    cv2.putText(picture, NAMES[number], (180, 120), FONT, 2.2, ink, 9, cv2.LINE_AA)
    return shrunk(picture)


def letter_page(number: int, at: tuple[int, int], rng: np.random.Generator) -> Image:
    """A scanned letter of 480 by 640 pixels with a logo at ``(x, y)``."""
    page = np.full((640, 480, 3), 255, np.uint8)
    x, y = at
    page[y : y + 48, x : x + 120] = logo(number)
    for line in range(180, 600, 22):
        if rng.random() < 0.9:
            words(page, (50, line), 360, rng)
    matrix = cv2.getRotationMatrix2D((240, 320), float(rng.uniform(-0.8, 0.8)), 1)
    turned = cv2.warpAffine(page, matrix, (480, 640), borderValue=(255, 255, 255))
    noisy = np.clip(turned * 0.97 + rng.normal(0, 3, turned.shape), 0, 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 75])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
