"""What the parity check is run on: pairs of pictures, with templates of several sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...calib.photographs import PARITY, find_photographs
from ...runtime.bundle.manifest import BackboneInfo
from ...runtime.images import Image, read_image
from ...runtime.patches.agreement import cells_at_shifts

Array = NDArray[Any]

SHIFT = (11, 7)
"""Pixels, right and down, between the frame of the template and the searched picture."""

AROUND = 4
"""Cells of the finest map around the template's place that it is shifted over."""

GAIN = 0.9
"""Brightness of the searched picture; the frame's is 1."""


@dataclass(frozen=True)
class ParityScene:
    """One size of everything; none is a size that the graphs were traced at.

    Attributes:
        height: of both pictures, in pixels; rounded to what the bundle needs.
        width: the same.
        template: height and width in pixels.
        batch: pictures that go through the features graph at once.
        competitors: patches around the template that take part in the softmax over it.
    """

    height: int
    width: int
    template: tuple[int, int]
    batch: int = 1
    competitors: int = 0


CASES = (
    ParityScene(64, 80, (16, 16)),
    ParityScene(176, 240, (40, 24), batch=2),
    ParityScene(320, 240, (64, 64), competitors=200),
    ParityScene(480, 640, (48, 96)),
)
"""Small to large, upright and lying, with and without competitors."""


@dataclass(frozen=True)
class ParityPictures:
    """The pictures of one case.

    Attributes:
        case: what was asked for.
        source: file name of the photograph, or ``texture``.
        both: frame and searched picture, ``(2, H, W, 3)`` uint8 BGR.
        cells: top, left, bottom and right of the template in the frame's coarse map.
        crop: the template for the joint graph, ``(1, h, w, 3)``, sides as the bundle needs them.
    """

    case: ParityScene
    source: str
    both: Image
    cells: tuple[int, int, int, int]
    crop: Image

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns of the template in the coarse map."""
        top, left, bottom, right = self.cells
        return bottom - top, right - left

    @property
    def size(self) -> str:
        """For people: ``480x640, template 48x96`` (height x width, pixels)."""
        height, width = self.both.shape[1:3]
        return f"{height}x{width}, template {self.case.template[0]}x{self.case.template[1]}"


def make_pictures(case: ParityScene, index: int, backbone: BackboneInfo) -> ParityPictures:
    """The pictures of a case, from the photograph with that index or else a texture."""
    align, stride = backbone.align, backbone.coarse_stride
    height, width = (max(align, side // align * align) for side in (case.height, case.width))
    source, scene = photograph(index, height + SHIFT[1], width + SHIFT[0])
    frame = scene[:height, :width]
    search = scene[SHIFT[1] :, SHIFT[0] :]
    both = np.stack([frame, (search * GAIN).astype(np.uint8)])
    rows, columns = (max(1, side // stride) for side in case.template)
    # Right and below the middle, so that the shift does not take it out of the picture.
    top = min((height // stride - rows) // 2 + 1, height // stride - rows)
    left = min((width // stride - columns) // 2 + 1, width // stride - columns)
    y, x = top * stride, left * stride
    h, w = (-(-side // align) * align for side in case.template)
    y, x = min(y, height - h), min(x, width - w)
    crop = np.ascontiguousarray(frame[None, y : y + h, x : x + w])
    return ParityPictures(case, source, both, (top, left, top + rows, left + columns), crop)


def batches(pictures: ParityPictures) -> list[Array]:
    """Both pictures, as many at once as the case says."""
    step = pictures.case.batch
    return [pictures.both[i : i + step] for i in range(0, 2, step)]


def match_inputs(pictures: ParityPictures, coarse: Array) -> dict[str, Array]:
    """Inputs of the matching graph from the coarse maps ``(2, C, h, w)`` of both pictures."""
    template, target = _template(coarse[0], pictures.cells, pictures.case.competitors)
    search = np.ascontiguousarray(coarse[1])
    return {"template": template, "target": target, "search": search}


def place_inputs(pictures: ParityPictures, joined: Array) -> dict[str, Array]:
    """Inputs of the placing graph from the joined maps ``(2, C, 2h, 2w)`` of both pictures."""
    top, left, bottom, right = cells = tuple(2 * side for side in pictures.cells)
    template, target = _template(joined[0], cells, pictures.case.competitors)
    around = joined[1][:, max(0, top - AROUND) : bottom + AROUND, max(0, left - AROUND) :]
    search = around[:, :, : right + AROUND - max(0, left - AROUND)]
    footprint = np.ones((bottom - top, right - left), np.float32)
    return {
        "template": template,
        "target": target,
        "search": np.ascontiguousarray(search),
        "cells": cells_at_shifts(footprint, search.shape[1:])[0],
    }


def _template(features: Array, cells: tuple[int, ...], competitors: int) -> tuple[Array, Array]:
    """Rows of a window of a map ``(C, H, W)`` and of so many cells around it, and their flags."""
    top, left, bottom, right = cells
    channels, height, width = features.shape
    own = np.zeros((height, width), bool)
    own[top:bottom, left:right] = True
    flat = features.reshape(channels, -1).T
    others = np.flatnonzero(~own)
    others = others[:: max(1, len(others) // max(1, competitors))][:competitors]
    rows = np.concatenate([flat[own.ravel()], flat[others]])
    target = np.zeros(len(rows), np.float32)
    target[: own.sum()] = 1
    return np.ascontiguousarray(rows), target


def photograph(index: int, height: int, width: int) -> tuple[str, Image]:
    """A photograph that scikit-image carries, cut to a size, or a seeded texture.

    Args:
        index: which one.
        height: in pixels.
        width: in pixels.

    Returns:
        File name or ``texture``, and the picture ``(height, width, 3)`` uint8 BGR.
    """
    name, folder = PARITY[index % len(PARITY)], find_photographs()
    if folder is None or not (folder / name).is_file():
        return "texture", _texture(index, height, width)
    image = read_image(folder / name)
    # Photographs that are large enough are only cut, so that their pixels stay real.
    scale = max(height / image.shape[0], width / image.shape[1], 1.0)
    if scale > 1:
        size = (int(np.ceil(image.shape[1] * scale)), int(np.ceil(image.shape[0] * scale)))
        image = np.asarray(cv2.resize(image, size), dtype=np.uint8)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return name, image[top : top + height, left : left + width]


def _texture(seed: int, height: int, width: int) -> Image:
    """Coarse and fine coloured noise, ``(height, width, 3)``."""
    generator = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cell in (2, 8, 32):
        shape = (height // cell + 2, width // cell + 2, 3)
        noise = generator.standard_normal(shape).astype(np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 40 * total, 0, 255).astype(np.uint8)
