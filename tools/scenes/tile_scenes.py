"""Walls of tiles, and the scenes in which one of them is looked for."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .fonts import FontSet
from .grounds import coloured, noise
from .icons import draw_icon, draw_style, paint_icon
from .likeness import visible_pixels
from .scene import DrawnScene, draw_casting, draw_poses, presence_of
from .stickers import (
    Array,
    Picture,
    at_corner,
    corners_of,
    inside,
    moved,
    paste,
    posed,
    warp,
)
from .wear import CAMERA, gentler, worn

Random = np.random.Generator
Views = tuple[list[Array], list[Array]]


@dataclass(frozen=True)
class TileSet:
    """The tiles of a wall.

    Attributes:
        target: the one that is looked for.
        near: nearly like it.
        common: what the rest of the wall is made of; at least one.
        joint: width of joints, in pixels.
        grout: their colour.
    """

    target: Picture
    near: Picture
    common: tuple[Picture, ...]
    joint: int
    grout: tuple[int, int, int]

    def wall(
        self, random: Random, shape: tuple[int, int], copies: int, decoys: int
    ) -> tuple[Picture, Views]:
        """A wall of columns and rows, and the corners of the target's copies and of decoys."""
        columns, rows = shape
        side = self.target.shape[0]
        step = side + self.joint
        size = (rows * step + self.joint, columns * step + self.joint, 3)
        canvas = np.full(size, self.grout, np.uint8)
        order = random.permutation(columns * rows)
        views: Views = ([], [])
        for rank, cell in enumerate(order.tolist()):
            row, column = divmod(cell, columns)
            x, y = self.joint + column * step, self.joint + row * step
            tile = self.common[(row * 7 + column) % len(self.common)]
            if rank < copies + decoys:
                tile = self.target if rank < copies else self.near
                views[rank >= copies].append(np.add(corners_of((side, side)), (x, y)))
            canvas[y : y + side, x : x + side] = tile
        return canvas, views


def tile_scene(random: Random, fonts: FontSet) -> DrawnScene:
    """Draw a scene of tiles: one kind among others, upright or turned as a whole."""
    poses = draw_poses(random, turning=0.5)
    tiles = _draw_tiles(random, fonts)
    side = tiles.target.shape[0]
    casting = draw_casting(random, most=int(random.choice([6, 40])), decoys=4)
    small = int(random.integers(2, 7)), int(random.integers(2, 6))
    frame, own = tiles.wall(random, small, 1, 0)
    x, y = np.rint(own[0][0][0]).astype(int).tolist()
    step = (side + tiles.joint) * poses.common
    columns, rows = (max(3, int(random.integers(380, 760) / step)) for _ in "xy")
    canvas, views = tiles.wall(random, (columns, rows), casting.copies, casting.decoys)
    angle, scale = poses.draw(random)
    height, width = canvas.shape[:2]
    size = min(900, round(width * scale)), min(700, round(height * scale))
    matrix = posed((width, height), (size[0] / 2, size[1] / 2), angle, scale)
    if casting.copies and not any(inside(moved(one, matrix), size) for one in views[0]):
        matrix[:, 2] += np.array(size) / 2.0 - moved(views[0][0], matrix).mean(axis=0)
    if angle == 0.0 and scale == 1.0:
        matrix[:, 2] = np.rint(matrix[:, 2])
    truths, decoys = (
        tuple(there for one in each if inside(there := moved(one, matrix), size)) for each in views
    )
    return DrawnScene(
        frame=worn(frame, gentler(CAMERA, 0.5), random),
        box=(x, y, side, side),
        image=worn(warp(canvas, matrix, size, tiles.grout), gentler(CAMERA, 0.8), random),
        truths=truths,
        decoys=decoys,
        symmetry=_tile_symmetry(tiles.target),
        rotation=poses.rotation,
        scale=poses.scale,
        domain="texture",
        presence=presence_of(truths, decoys),
        subject="tile",
    )


def _draw_tiles(random: Random, fonts: FontSet) -> TileSet:
    """A tile, one nearly like it, and one to three others."""
    side = 2 * int(random.integers(14, 45))
    drawn = [_draw_tile(random, fonts, side) for _ in range(int(random.integers(1, 4)))]
    target = _draw_tile(random, fonts, side)
    red, green, blue = random.integers(60, 230, 3).tolist()
    common = [one for one in drawn if visible_pixels(one, target) > 0.03 * side * side]
    if not common:
        common = [np.full((side, side, 3), (red, green, blue), np.uint8)]
    near = _changed_tile(random, target)
    return TileSet(target, near, tuple(common), int(random.integers(0, 6)), (red, green, blue))


def _draw_tile(random: Random, fonts: FontSet, side: int) -> Picture:
    """A tile: an ornament of four mirrored quarters, a picture, or plain."""
    base = np.full((side, side, 3), random.integers(30, 235, 3), np.uint8)
    kind = random.random()
    if kind < 0.5:
        half = side // 2
        quarter = np.full((half * 4, half * 4, 3), base[0, 0], np.uint8)
        for _ in range(int(random.integers(2, 6))):
            colour = tuple(int(value) for value in random.integers(10, 250, 3))
            points = random.integers(0, half * 4, (int(random.integers(2, 5)), 2)).astype(np.int32)
            if random.random() < 0.5:
                cv2.fillPoly(quarter, [points], colour, cv2.LINE_AA)
            else:
                cv2.circle(
                    quarter,
                    points[0].tolist(),
                    int(random.integers(4, half * 2)),
                    colour,
                    6,
                    cv2.LINE_AA,
                )
        small = cv2.resize(quarter, (half, half), interpolation=cv2.INTER_AREA)
        quarter = np.asarray(small, np.uint8)
        top = np.hstack([quarter, quarter[:, ::-1]])
        return np.ascontiguousarray(np.vstack([top, top[::-1]]))
    if kind < 0.85:
        icon = paint_icon(
            draw_icon(random, draw_style(random, fonts, dark=False)), fonts, side * 3 // 4
        )
        paste(base, icon, at_corner(side // 8, side // 8))
        return base
    return coloured(noise(random, (side, side), side / 2.0), base[0, 0].astype(np.float32), 70.0)


def _changed_tile(random: Random, tile: Picture) -> Picture:
    """The same with a flaw or a quarter that is another one's."""
    changed = tile.copy()
    side = tile.shape[0]
    colour = tuple(int(value) for value in (tile.mean(axis=(0, 1)) + 128) % 256)
    x, y = random.integers(side // 4, side * 3 // 4, 2).tolist()
    if random.random() < 0.5:
        cv2.circle(changed, (x, y), max(3, side // 8), colour, -1, cv2.LINE_AA)
    else:
        changed[y - side // 5 : y + side // 5, x - side // 5 : x + side // 5] = colour
    return changed


def _tile_symmetry(tile: Picture) -> int:
    """How often a tile looks the same during one turn."""
    most = 0.004 * tile.shape[0] ** 2
    if visible_pixels(tile, np.ascontiguousarray(np.rot90(tile))) <= most:
        return 4
    return 2 if visible_pixels(tile, np.ascontiguousarray(tile[::-1, ::-1])) <= most else 1
