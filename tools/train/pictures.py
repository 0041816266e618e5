"""The pictures to train on: a folder of them, or photographs that installed packages carry."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...calib.photographs import TRAINING, photograph_files
from ...runtime.errors import ImageError, InputError
from ...runtime.images import IMAGE_SUFFIXES, Image, read_image, resize_to

FEWEST = 4
"""Usable pictures that a training usually needs."""

MIN_SIDE = 64
"""A picture with a shorter side shows too little."""

MAX_SIDE = 512
"""Longer pictures are shrunk."""

FLAT = 4.0
"""Standard deviation, in grey levels, below which a picture shows nothing."""

HELD = 512 * 2**20
"""Bytes of pictures that are kept in memory; the others are read again each time."""

TEXTURES = 10
"""Generated textures that join the photographs."""


@dataclass(frozen=True)
class TrainingImages:
    """Pictures to train on, at most :data:`MAX_SIDE` pixels long.

    Attributes:
        source: where they are from, in words.
        names: one per picture.
        skipped: name of what was left out, and why.
        digest: SHA-256 of their pixels.
        files: where each can be read again; ``None`` for generated ones.
        held: the pictures in memory; ``None`` where there was no room.
    """

    source: str
    names: tuple[str, ...]
    skipped: dict[str, str]
    digest: str
    files: tuple[Path | None, ...]
    held: tuple[Image | None, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def content(self) -> str:
        """What they are, in words that do not say where: the same for the same pictures."""
        drawn = self.files.count(None)
        if not drawn:
            return f"{len(self)} pictures of a folder"
        names = ", ".join(name for name, file in zip(self.names, self.files, strict=True) if file)
        return (
            f"CC0 and public-domain photographs that scikit-image carries ({names}), "
            f"{drawn} generated textures"
        )

    def __getitem__(self, index: int) -> Image:
        """Picture ``index``, ``(H, W, 3)`` uint8 BGR.

        Raises:
            ImageError: its file has gone since.
        """
        picture, file = self.held[index], self.files[index]
        if picture is None:
            assert file is not None
            return _shrunk(read_image(file))
        return picture


def open_images(folder: Path | None, *, fewest: int = FEWEST) -> TrainingImages:
    """Read the pictures of a folder and of the folders in it, or the default ones.

    Args:
        folder: where they lie; ``None`` for the default ones.
        fewest: usable pictures that are enough.

    Raises:
        InputError: the folder is missing, or has too few pictures to train on; the default ones
            are not installed.
    """
    if folder is None:
        files = photograph_files(TRAINING, "give a folder of pictures to train on")
        drawn = [texture(seed) for seed in range(TEXTURES)]
        words = f"{len(files)} photographs that scikit-image carries, {TEXTURES} textures"
        return _read(files, drawn, words, fewest)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give one with pictures to train on")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise InputError(f"{folder} holds no picture ({', '.join(IMAGE_SUFFIXES)}) to train on")
    return _read(files, [], str(folder), fewest)


def texture(seed: int, side: int = 320) -> Image:
    """Coloured noise of several grains with shapes on it, ``(side, side, 3)`` uint8 BGR."""
    random = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), np.float32)
    for cell in (3, 10, 40, 120):
        small = random.standard_normal((side // cell + 2, side // cell + 2, 3)).astype(np.float32)
        total += random.uniform(0.2, 1.0) * cv2.resize(small, (side, side))
    picture = np.clip(128 + 45 * total, 0, 255).astype(np.uint8)
    for _ in range(int(random.integers(8, 25))):
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        centre = tuple(int(value) for value in random.integers(0, side, 2))
        axes = tuple(int(value) for value in random.integers(5, side // 5, 2))
        if random.random() < 0.5:
            turn = float(random.uniform(0, 180))
            thickness = -1 if random.random() < 0.5 else 3
            cv2.ellipse(picture, centre, axes, turn, 0, 360, colour, thickness, cv2.LINE_AA)
        else:
            corner = (centre[0] + axes[0], centre[1] + axes[1])
            cv2.rectangle(picture, centre, corner, colour, -1)
    return picture


def _read(
    files: Sequence[Path], drawn: Sequence[Image], source: str, fewest: int
) -> TrainingImages:
    """Read every file once and keep what can be used."""
    skipped: dict[str, str] = {}
    names: list[str] = []
    kept: list[Path | None] = []
    held: list[Image | None] = []
    digest, room = hashlib.sha256(), HELD
    for file in files:
        try:
            picture = _usable(read_image(file), file)
        except ImageError as error:
            skipped[str(file)] = str(error)
            continue
        digest.update(repr(picture.shape).encode() + picture.tobytes())
        room -= picture.nbytes
        names.append(file.name)
        kept.append(file)
        held.append(picture if room >= 0 else None)
    if len(names) < fewest:
        told = "; ".join(list(skipped.values())[:3])
        raise InputError(
            f"{source}: {len(names)} usable pictures out of {len(files)}, at least {fewest} are "
            f"needed to train{': ' + told if told else ''}"
        )
    for number, picture in enumerate(drawn):
        digest.update(picture.tobytes())
        names.append(f"texture {number}")
        kept.append(None)
        held.append(picture)
    return TrainingImages(
        source, tuple(names), skipped, digest.hexdigest(), tuple(kept), tuple(held)
    )


def _usable(image: Image, file: Path) -> Image:
    """The picture at its size for training.

    Raises:
        ImageError: too small, or of one colour.
    """
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ImageError(f"{file} has {width}x{height} px; a side needs at least {MIN_SIDE}")
    picture = _shrunk(image)
    if float(picture.std(axis=(0, 1)).max()) < FLAT:
        raise ImageError(f"{file} is of one colour")
    return picture


def _shrunk(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    return resize_to(image, max(1, round(width * scale)), max(1, round(height * scale)))
