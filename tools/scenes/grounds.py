"""Grounds that things lie on: noise of several spectra, wood, cloth, rubber, metal, paper."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .stickers import Picture

Random = np.random.Generator
Field = np.ndarray

GROUNDS = ("plain", "cloudy", "brushed", "wood", "belt", "cloth", "speckled", "board", "light")


@dataclass(frozen=True)
class Ground:
    """What things lie on.

    Attributes:
        kind: one of :data:`GROUNDS`; any if it is empty.
        seed: two pictures with the same one show the same ground.
    """

    kind: str = ""
    seed: int | None = None

    def draw(self, random: Random, size: tuple[int, int]) -> Picture:
        """Draw it: ``(H, W, 3)`` uint8."""
        own = random if self.seed is None else np.random.default_rng(self.seed)
        return draw_ground(own, size, self.kind)


def noise(random: Random, size: tuple[int, int], coarsest: float, decay: float = 0.6) -> Field:
    """Smooth noise of several octaves, about -1 to 1: ``(H, W)`` float32.

    Args:
        random: everything depends on it only.
        size: width and height.
        coarsest: size of its largest parts, in pixels.
        decay: strength of an octave by that of the next larger one.
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    strength, sum_of_squares, step = 1.0, 0.0, max(1.0, coarsest)
    while step >= 1.0 and strength > 0.02:
        cells = max(2, round(width / step) + 1), max(2, round(height / step) + 1)
        octave = random.standard_normal(cells[::-1], np.float32)
        total += strength * cv2.resize(octave, size, interpolation=cv2.INTER_CUBIC)
        sum_of_squares += strength**2
        strength, step = strength * decay, step / 2.0
    return total * (0.7 / sum_of_squares**0.5)


def streaks(random: Random, size: tuple[int, int], length: int) -> Field:
    """Noise drawn out along rows, about -1 to 1."""
    width, height = size
    rough = random.standard_normal((height, max(2, width // length + 2)), np.float32)
    return cv2.resize(rough, size, interpolation=cv2.INTER_LINEAR)


def coloured(field: Field, base: np.ndarray, strength: np.ndarray | float) -> Picture:
    """A colour that a field makes lighter and darker: ``(H, W, 3)`` uint8."""
    levels = base + field[..., None] * np.asarray(strength, np.float32)
    return np.clip(levels, 0, 255).astype(np.uint8)


def draw_ground(random: Random, size: tuple[int, int], kind: str = "") -> Picture:
    """A ground.

    Args:
        random: everything depends on it only.
        size: width and height.
        kind: one of :data:`GROUNDS`; by default any.
    """
    kind = kind or GROUNDS[int(random.integers(len(GROUNDS)))]
    level = random.uniform(50, 215)
    tint = random.uniform(-12, 12, 3) * (3.0 if random.random() < 0.2 else 1.0)
    base = np.clip(level + tint, 20, 235).astype(np.float32)
    grain = float(random.uniform(2, 14))
    match kind:
        case "wood":
            picture = _wood(random, size)
        case "belt":
            picture = _belt(random, size)
        case "cloth":
            picture = _cloth(random, size, base)
        case _:
            field, base, strength = _plain(random, size, kind, base, grain)
            picture = coloured(field, base, strength)
    return picture


def _plain(
    random: Random, size: tuple[int, int], kind: str, base: np.ndarray, grain: float
) -> tuple[Field, np.ndarray, float]:
    """Grounds of one colour: a field, the colour, and how strongly the field shows."""
    match kind:
        case "plain":
            found = noise(random, size, 4.0), base, grain / 3.0
        case "cloudy":
            found = noise(random, size, random.uniform(30, 250)), base, 2.0 * grain
        case "brushed":
            found = streaks(random, size, int(random.integers(20, 120))), base, grain
        case "speckled":
            field = noise(random, size, 6.0)
            found = np.where(np.abs(field) > 0.9, field, 0.1 * field), base, 3.0 * grain
        case "board":
            found = noise(random, size, 2.0), np.array([95, 150, 190], np.float32), grain
        case _:
            found = noise(random, size, 300.0), np.full(3, 238, np.float32), 6.0
    return found


def _wood(random: Random, size: tuple[int, int]) -> Picture:
    """Boards with grain along them."""
    height = size[1]
    field = streaks(random, size, 90) * 0.4
    rows = np.linspace(0, height / random.uniform(8, 30), height, dtype=np.float32)[:, None]
    field = field + np.sin(rows * 6.0 + 3.0 * noise(random, size, 160.0, 0.4))
    base = np.array([80, 130, 175], np.float32) * random.uniform(0.5, 1.2)
    picture = coloured(field, base, np.array([7, 10, 12]) * random.uniform(0.6, 1.8))
    board = int(random.integers(50, 200))
    picture[::board] = picture[::board] // 2
    return picture


def _belt(random: Random, size: tuple[int, int]) -> Picture:
    """Dark rubber with ribs."""
    width = size[0]
    step = int(random.integers(6, 40))
    place = np.arange(width) % step
    rib = np.where(place < max(2, step // 6), -12.0, 4.0).astype(np.float32)
    picture = noise(random, size, 5.0) * 5.0 + rib[None, :]
    return coloured(picture, np.full(3, random.uniform(35, 80), np.float32), 1.0)


def _cloth(random: Random, size: tuple[int, int], base: np.ndarray) -> Picture:
    """A plain weave."""
    width, height = size
    step = float(random.uniform(3, 9))
    x = np.arange(width, dtype=np.float32) * np.float32(2 * np.pi / step)
    y = np.arange(height, dtype=np.float32) * np.float32(2 * np.pi / step)
    weave = np.sin(x)[None, :] * np.sin(y)[:, None] + 0.5 * noise(random, size, 8.0)
    return coloured(weave, base, random.uniform(5, 16))
