"""Scenes by domain and seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from ...runtime.errors import InputError
from .drawing_scenes import drawing_scene
from .fonts import FontSet, installed_fonts
from .letter_scenes import letter_scene
from .part_scenes import part_scene
from .photo_scenes import default_photographs, photo_scene
from .plate_scenes import plate_scene
from .scene import DrawnScene
from .screen_scenes import screen_scene
from .stickers import Picture
from .texture_scenes import texture_scene

Random = np.random.Generator
Draw = Callable[[Random, FontSet], DrawnScene]

DRAWINGS: dict[str, Draw] = {
    "screen": screen_scene,
    "letters": letter_scene,
    "drawing": drawing_scene,
    "parts": part_scene,
    "texture": texture_scene,
    "plates": plate_scene,
}
"""What is drawn from nothing but type faces."""

DOMAINS = (*DRAWINGS, "photo")


def scene(
    domain: str,
    seed: int,
    fonts: FontSet | None = None,
    photographs: Sequence[Picture] | None = None,
) -> DrawnScene:
    """Draw a scene; the same seed, fonts and photographs give the same one.

    Args:
        domain: one of :data:`DOMAINS`.
        seed: 0 or more.
        fonts: type faces; by default those that are installed.
        photographs: for ``photo``, two or more of ``(H, W, 3)`` uint8 BGR; by default those that
            scikit-image carries, or made-up pictures where it is not installed.

    Raises:
        InputError: there is no such domain, the seed is negative, or there are too few photographs.
    """
    if domain not in DOMAINS:
        raise InputError(f"no scenes of domain {domain!r}; choose from {', '.join(DOMAINS)}")
    if seed < 0:
        raise InputError(f"seed {seed} is negative; give 0 or more")
    random = np.random.default_rng([zlib.crc32(domain.encode()), seed])
    if domain in DRAWINGS:
        return DRAWINGS[domain](random, fonts or installed_fonts())
    photographs = default_photographs() if photographs is None else photographs
    if len(photographs) < 2:
        raise InputError(f"scenes of photographs need 2 of them, not {len(photographs)}")
    return photo_scene(random, photographs)
