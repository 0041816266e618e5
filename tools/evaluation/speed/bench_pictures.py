"""The pictures of ``qatm bench``: photographs, or drawn ones where scikit-image is missing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from ....calib.photographs import SPEED, find_photographs
from ....runtime.boxes import Box
from ....runtime.errors import QatmError
from ....runtime.images import Image, read_image
from .jobs import BenchJob, template_boxes

PHOTOGRAPHS, DRAWN = "photographs", "drawn"
DRAWN_SIDE = 512
OCTAVES = (4, 8, 16, 32, 64, 128, 256)
"""Cells of the noise on a side of a drawn picture, coarse to fine, ..."""

FADING = 0.75
"""... each as strong as the one before times this, as in photographs."""

SHAPES = 60

OBJECTS, *GROUNDS = SPEED
"""Objects are cut from one photograph, so that they are nowhere else in a scene."""

TILE = 400
PIECE = 96
"""Side of the pieces of a photograph that become objects, in its pixels."""

BLUR = 8.0
"""Standard deviation in pixels of what makes a ground out of focus."""

GAINS = (1.0, 0.85, 1.1, 0.7, 0.95)

PATH = (0, 1, 2, 3, 2, 1)
"""How many steps the objects of a scene have gone in each frame, to and fro."""


def pictures_used() -> str:
    """Which pictures are measured with here: ``photographs`` or ``drawn``."""
    try:
        folder = find_photographs()
        there = folder is not None and all((folder / name).is_file() for name in SPEED)
    except (ImportError, ValueError):
        there = False
    return PHOTOGRAPHS if there else DRAWN


def picture(name: str) -> Image:
    """One picture as it is, ``(H, W, 3)`` uint8 BGR.

    Args:
        name: one of ``SPEED``; a drawn picture stands for it where there are no photographs.
    """
    folder = find_photographs() if pictures_used() == PHOTOGRAPHS else None
    if folder is not None:
        return read_image(folder / name)
    return drawn_pieces() if name == OBJECTS else drawn(SPEED.index(name))


def drawn(number: int) -> Image:
    """A picture with structure of all sizes, edges and colours; the same for the same number.

    Returns:
        ``(512, 512, 3)`` uint8 BGR.
    """
    random = np.random.default_rng(number)
    whole = np.zeros((DRAWN_SIDE, DRAWN_SIDE, 3), np.float32)
    for depth, cells in enumerate(OCTAVES):
        noise = random.standard_normal((cells, cells, 3)).astype(np.float32) * FADING**depth
        whole += cv2.resize(noise, (DRAWN_SIDE, DRAWN_SIDE), interpolation=cv2.INTER_CUBIC)
    image = np.clip(128 + 30 * whole, 0, 255).astype(np.uint8)
    for _ in range(SHAPES):
        x, y, radius, kind = (int(v) for v in random.integers(0, (DRAWN_SIDE, DRAWN_SIDE, 40, 3)))
        colour = [int(v) for v in random.integers(0, 256, 3)]
        if kind == 0:
            cv2.circle(image, (x, y), 4 + radius, colour, 3, cv2.LINE_AA)
        elif kind == 1:
            cv2.rectangle(image, (x, y), (x + 4 + radius, y + 44 - radius), colour, 3)
        else:
            cv2.line(image, (x, y), (x + 80 - 4 * radius, y + 60), colour, 2, cv2.LINE_AA)
    return image


def drawn_pieces() -> Image:
    """A picture whose pieces look like nothing in the others: spirals of two colours each.

    Returns:
        ``(512, 512, 3)`` uint8 BGR.
    """
    random = np.random.default_rng(0)
    image = np.empty((DRAWN_SIDE, DRAWN_SIDE, 3), np.uint8)
    y, x = np.mgrid[:PIECE, :PIECE] - (PIECE - 1) / 2
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    for top, left in itertools.product(range(0, DRAWN_SIDE, PIECE), repeat=2):
        arms, spread = int(random.integers(1, 5)), float(random.uniform(4, 12))
        share = (0.5 + 0.5 * np.cos(arms * angle + radius / spread))[..., None]
        dark, light = random.integers(0, 120, 3), random.integers(136, 256, 3)
        target = image[top : top + PIECE, left : left + PIECE]
        target[:] = (share * dark + (1 - share) * light)[: target.shape[0], : target.shape[1]]
    return image


def photographs(job: BenchJob) -> list[Image]:
    """Whole pictures at the job's size, ``(H, W, 3)`` uint8 BGR, as many as it asks for."""
    names = [SPEED[i % len(SPEED)] for i in range(job.pictures)]
    return [
        np.asarray(cv2.resize(picture(name), (job.width, job.height)), np.uint8) for name in names
    ]


class ObjectScene:
    """Objects in pictures of any size, and where they are.

    The ground is put together from photographs in their own resolution, each time turned, mirrored
    or darkened in another way: an enlarged one would be blurred at the size of a small object.
    The objects are pieces of another photograph.

    Args:
        job: size of the pictures, side and number of the objects.
    """

    def __init__(self, job: BenchJob) -> None:
        self.job = job
        self.ground = mosaic(job.width, job.height)
        self.objects = pieces(job.templates, job.template)
        self.pace = max(2, job.template // 12)

    def boxes(self, index: int = 0) -> list[Box]:
        """Where the objects are in a frame; they move to and fro, a twelfth of a side a frame."""
        gone = self.pace * PATH[index % len(PATH)]
        room = self.job.width - self.job.template, self.job.height - self.job.template
        return [
            Box(
                float(min(x + gone, room[0])),
                float(min(y + gone // 2, room[1])),
                float(w),
                float(h),
            )
            for x, y, w, h in template_boxes(self.job)
        ]

    def frame(self, boxes: Sequence[Box] = (), gain: float = 1.0) -> Image:
        """A picture with the objects in these boxes; none shows the ground alone.

        Args:
            boxes: of the first objects, in whole pixels.
            gain: how much brighter the objects are than in other frames.

        Returns:
            ``(H, W, 3)`` uint8 BGR.
        """
        image = self.ground.copy()
        for box, thing in zip(boxes, self.objects, strict=False):
            x, y, w, h = map(int, box)
            image[y : y + h, x : x + w] = cv2.convertScaleAbs(thing, alpha=gain)
        return image

    def frames(self) -> list[Image]:
        """The frames of one way to and fro."""
        distinct = [self.frame(self.boxes(i)) for i in range(max(PATH) + 1)]
        return [distinct[steps] for steps in PATH]

    def out_of_focus(self) -> Image:
        """A picture of the ground in which nothing can be taken for an object, ``(H, W, 3)``."""
        return np.asarray(cv2.GaussianBlur(self.ground, (0, 0), BLUR), np.uint8)

    def elsewhere(self) -> Box:
        """A place for the first object far from where it is in the first frame."""
        side = self.job.template
        left, top = round(0.78 * (self.job.width - side)), round(0.23 * (self.job.height - side))
        return Box(float(left), float(top), float(side), float(side))


def mosaic(width: int, height: int) -> Image:
    """Photographs side by side in their own resolution, no two of them alike.

    Returns:
        ``(height, width, 3)`` uint8 BGR.
    """
    tiles = [squared(picture(name), TILE) for name in GROUNDS]
    whole = np.empty((height, width, 3), np.uint8)
    places = itertools.product(range(0, height, TILE), range(0, width, TILE))
    for number, (top, left) in enumerate(places):
        which, kind = number % len(tiles), number // len(tiles)
        tile = np.rot90(tiles[which], kind % 4)
        tile = tile[:, ::-1] if kind // 4 % 2 else tile
        tile = cv2.convertScaleAbs(np.ascontiguousarray(tile), alpha=GAINS[kind % len(GAINS)])
        target = whole[top : top + TILE, left : left + TILE]
        target[:] = tile[: target.shape[0], : target.shape[1]]
    return whole


def pieces(count: int, side: int) -> list[Image]:
    """The pieces with the most contrast of one photograph, as objects ``(side, side, 3)`` uint8.

    Raises:
        QatmError: it has fewer.
    """
    source = picture(OBJECTS)
    corners = itertools.product(
        *(range(0, length - PIECE + 1, PIECE) for length in source.shape[:2])
    )
    found = [source[y : y + PIECE, x : x + PIECE] for y, x in corners]
    if count > len(found):
        raise QatmError(f"{count} objects were asked for; a scene has at most {len(found)}")
    found.sort(key=lambda piece: -float(piece.std()))
    way = cv2.INTER_AREA if side < PIECE else cv2.INTER_CUBIC
    return [
        np.asarray(cv2.resize(piece, (side, side), interpolation=way), np.uint8)
        for piece in found[:count]
    ]


def squared(image: Image, side: int) -> Image:
    """The middle of a picture as a square, resized to this side."""
    height, width = image.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    middle = image[top : top + least, left : left + least]
    return np.asarray(cv2.resize(middle, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
