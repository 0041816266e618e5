"""Textures that do not repeat: noise of several spectra, marble, stones, grass, terrazzo."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .grounds import coloured, draw_ground, noise, streaks
from .stickers import Picture

Random = np.random.Generator


def draw_texture(random: Random, size: tuple[int, int]) -> Picture:
    """A texture that does not repeat: ``(H, W, 3)`` uint8 BGR.

    Args:
        random: everything depends on it only.
        size: width and height.
    """
    draw = (_spectrum, _marble, _cells, _strokes, _ground, _spots, _blend)
    return draw[int(random.integers(len(draw)))](random, size)


def _spectrum(random: Random, size: tuple[int, int]) -> Picture:
    """Noise of a random spectrum, grey or coloured."""
    coarsest, decay = float(random.uniform(6, 120)), float(random.uniform(0.4, 0.95))
    base = random.uniform(60, 190, 3).astype(np.float32)
    field = noise(random, size, coarsest, decay)
    picture = coloured(field, base, random.uniform(15, 60) * random.uniform(0.5, 1.0, 3))
    if random.random() < 0.4:
        other = noise(random, size, coarsest, decay)[..., None] * random.uniform(-30, 30, 3)
        picture = np.clip(picture + other, 0, 255).astype(np.uint8)
    return picture


def _marble(random: Random, size: tuple[int, int]) -> Picture:
    """Veins: a wave bent by noise."""
    width, height = size
    across = np.linspace(0, random.uniform(4, 30), width, dtype=np.float32)[None]
    down = np.linspace(0, random.uniform(2, 20), height, dtype=np.float32)[:, None]
    field = np.sin(across + down + random.uniform(2, 6) * noise(random, size, 150.0, 0.55))
    field = np.sign(field) * np.abs(field) ** float(random.choice([0.5, 1.0, 3.0]))
    return coloured(field, random.uniform(80, 180, 3).astype(np.float32), random.uniform(20, 60))


def _cells(random: Random, size: tuple[int, int]) -> Picture:
    """Stones or leather: cells about random points, dark between them."""
    width, height = size
    step = int(random.integers(12, 48))
    seeds = np.full((height, width), 255, np.uint8)
    count = width * height // step**2
    seeds[random.integers(0, height, count), random.integers(0, width, count)] = 0
    away, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    tones = random.uniform(-30, 30, (int(labels.max()) + 1, 3)).astype(np.float32)
    base = random.uniform(70, 180, 3).astype(np.float32)
    dark = np.clip(away / step, 0, 1)[..., None] * random.uniform(-70, 40)
    picture = (
        base
        + tones[np.asarray(labels, np.int32)]
        + dark
        + noise(random, size, 6.0)[..., None] * 8.0
    )
    return np.clip(picture, 0, 255).astype(np.uint8)


def _strokes(random: Random, size: tuple[int, int]) -> Picture:
    """Grass, hair or fibres: many short lines."""
    width, height = size
    base = random.uniform(40, 160, 3)
    picture = np.full((height, width, 3), base, np.uint8)
    count = 2500
    starts = random.uniform(0, 1, (count, 2)) * size
    angles = random.normal(random.uniform(0, 3.1), random.choice([0.2, 0.6, 2.0]), count)
    lengths = random.uniform(8, 36, count)
    ends = starts + lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    tones = np.clip(
        base + random.normal(0, 45, (count, 1)) + random.normal(0, 12, (count, 3)), 0, 255
    )
    places = np.rint(np.stack([starts, ends], 1)).astype(int).tolist()
    for (start, end), tone in zip(places, tones.tolist(), strict=True):
        cv2.line(picture, start, end, tone, 1 + (int(tone[0]) & 1), cv2.LINE_AA)
    return picture


def _ground(random: Random, size: tuple[int, int]) -> Picture:
    """What things lie on."""
    return draw_ground(random, size)


def _spots(random: Random, size: tuple[int, int]) -> Picture:
    """Terrazzo: chips and dots of several colours."""
    width, height = size
    picture = np.full((height, width, 3), random.uniform(90, 230, 3), np.uint8)
    tones = random.integers(20, 240, (int(random.integers(2, 6)), 3)).tolist()
    largest = int(random.integers(6, 26))
    for _ in range(min(3000, width * height // (largest * largest * 3))):
        x, y = int(random.integers(width)), int(random.integers(height))
        tone = tones[int(random.integers(len(tones)))]
        points = np.array([x, y]) + random.integers(-largest, largest + 1, (4, 2))
        cv2.fillConvexPoly(picture, cv2.convexHull(points.astype(np.int32)), tone, cv2.LINE_AA)
    return picture


def _blend(random: Random, size: tuple[int, int]) -> Picture:
    """Something like nature: broad shapes of several textures, lit from one side."""
    parts: list[Callable[[Random, tuple[int, int]], Picture]] = [_spectrum, _marble, _ground]
    first = parts[int(random.integers(3))](random, size)
    second = parts[int(random.integers(3))](random, size)
    edge = np.clip(noise(random, size, 260.0, 0.5) * float(random.uniform(2, 12)), -1, 1)
    share = (0.5 + 0.5 * edge)[..., None].astype(np.float32)
    light = 1.0 + 0.15 * noise(random, size, 400.0, 0.3)[..., None]
    grain = streaks(random, size, 3)[..., None] * 3.0
    return np.clip((first * share + second * (1.0 - share)) * light + grain, 0, 255).astype(
        np.uint8
    )
