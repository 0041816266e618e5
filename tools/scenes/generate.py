"""Scenes by domain and seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from ...runtime.errors import InputError
from .drawing_scenes import drawing_scene
from .fonts import FontSet, installed_fonts
from .letter_scenes import letter_scene
from .scene import DrawnScene
from .screen_scenes import screen_scene

Random = np.random.Generator
Draw = Callable[[Random, FontSet], DrawnScene]

DRAWINGS: dict[str, Draw] = {
    "screen": screen_scene,
    "letters": letter_scene,
    "drawing": drawing_scene,
}

DOMAINS = tuple(DRAWINGS)


def scene(domain: str, seed: int, fonts: FontSet | None = None) -> DrawnScene:
    """Draw a scene; the same seed and the same fonts give the same one.

    Args:
        domain: one of :data:`DOMAINS`.
        seed: 0 or more.
        fonts: type faces; by default those that are installed.

    Raises:
        InputError: there is no such domain, or the seed is negative.
    """
    if domain not in DRAWINGS:
        raise InputError(f"no scenes of domain {domain!r}; choose from {', '.join(DOMAINS)}")
    if seed < 0:
        raise InputError(f"seed {seed} is negative; give 0 or more")
    random = np.random.default_rng([zlib.crc32(domain.encode()), seed])
    return DRAWINGS[domain](random, fonts or installed_fonts())
