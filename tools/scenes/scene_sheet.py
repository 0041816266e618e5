"""Sheets to look at: scenes in rows, the object beside the picture that it is looked for in."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .scene import DrawnScene
from .stickers import Array, Picture

COLUMNS = 2
ROOM = (200, 150)
"""For the frame, and below it for the object, in pixels."""

PICTURE = (440, 304)
CAPTION = 20
GROUND = 48
TRUE_COLOUR = (60, 200, 40)
DECOY_COLOUR = (60, 60, 240)
BOX_COLOUR = (255, 140, 0)
CORNER_COLOUR = (255, 0, 255)


def scene_sheet(scenes: Sequence[DrawnScene], names: Sequence[str]) -> Picture:
    """Draw scenes with what is true.

    The object is framed in blue, its copies in green with a dot at their top left corner,
    near-duplicates in red.

    Args:
        scenes: what to draw.
        names: of each, for its caption.

    Returns:
        ``(H, W, 3)`` uint8 BGR.
    """
    tiles = [_tile(scene, name) for scene, name in zip(scenes, names, strict=True)]
    if not tiles:
        return np.full((CAPTION, PICTURE[0], 3), GROUND, np.uint8)
    tiles += [np.full_like(tiles[0], GROUND)] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _tile(scene: DrawnScene, name: str) -> Picture:
    """One scene."""
    x, y, w, h = scene.box
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], float)
    frame, scale = _fitted(scene.frame, ROOM)
    _outline(frame, corners * scale, BOX_COLOUR)
    thing, _ = _fitted(scene.frame[y : y + h, x : x + w], ROOM)
    image, scale = _fitted(scene.image, PICTURE)
    for corners in scene.decoys:
        _outline(image, corners * scale, DECOY_COLOUR)
    for corners in scene.truths:
        _outline(image, corners * scale, TRUE_COLOUR)
        place = np.rint(corners[0] * scale).astype(int).tolist()
        cv2.circle(image, place, 2, CORNER_COLOUR, -1)
    left = np.vstack([_framed(frame, ROOM), _framed(thing, ROOM)])
    right = _framed(image, PICTURE)
    tile = np.full((CAPTION + PICTURE[1], ROOM[0] + PICTURE[0], 3), GROUND, np.uint8)
    tile[CAPTION : CAPTION + left.shape[0], : ROOM[0]] = left
    tile[CAPTION:, ROOM[0] :] = right
    text = (
        f"{name} {scene.presence} {scene.subject} {w}x{h}, {len(scene.truths)} true, "
        f"{len(scene.decoys)} near, symmetry {scene.symmetry}, +-{scene.rotation[1]:.0f} deg, "
        f"x{scene.scale[1]:.2f}"
    )
    cv2.putText(tile, text[:100], (4, CAPTION - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (230, 230, 230))
    return tile


def _fitted(picture: Picture, room: tuple[int, int]) -> tuple[Picture, float]:
    """A picture as large as a room holds, at most three times its size, and its scale."""
    height, width = picture.shape[:2]
    scale = min(room[0] / width, room[1] / height, 3.0)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_NEAREST
    return np.array(cv2.resize(picture, size, interpolation=way), np.uint8), scale


def _framed(picture: Picture, room: tuple[int, int]) -> Picture:
    """A picture in the middle of a room."""
    canvas = np.full((room[1], room[0], 3), GROUND, np.uint8)
    height, width = min(picture.shape[0], room[1]), min(picture.shape[1], room[0])
    top, left = (room[1] - height) // 2, (room[0] - width) // 2
    canvas[top : top + height, left : left + width] = picture[:height, :width]
    return canvas


def _outline(picture: Picture, corners: Array, colour: tuple[int, int, int]) -> None:
    """Draw a quadrangle."""
    cv2.polylines(picture, [np.rint(corners).astype(np.int32)], True, colour, 1, cv2.LINE_AA)
