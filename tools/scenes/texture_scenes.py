"""Scenes of textures: a piece of one, a tile among tiles, a print on a pattern."""

from __future__ import annotations

import numpy as np

from .fonts import FontSet
from .icons import draw_icon, draw_style, look_alike, paint_icon
from .scatter import Floor, scattered
from .scene import DrawnScene, Poses, Presence, draw_casting, draw_poses, presence_of
from .stickers import (
    Array,
    Picture,
    corners_of,
    moved,
    paste,
    posed,
    warp,
)
from .subjects import gather
from .textures import draw_texture
from .tile_scenes import tile_scene
from .wear import CAMERA, gentler, worn

Random = np.random.Generator


def texture_scene(random: Random, fonts: FontSet) -> DrawnScene:
    """Draw a scene of textures."""
    kind = random.random()
    if kind < 0.45:
        return _piece_scene(random)
    if kind < 0.75:
        return tile_scene(random, fonts)
    return _print_scene(random, fonts)


def _finish(
    random: Random,
    frame: Picture,
    box: tuple[int, int, int, int],
    image: Picture,
    found: tuple[list[Array], list[Array]],
    poses: Poses,
    about: tuple[int, Presence, str],
) -> DrawnScene:
    """Put a scene together and let cameras look at it."""
    symmetry, presence, subject = about
    return DrawnScene(
        frame=worn(frame, gentler(CAMERA, 0.5), random),
        box=box,
        image=worn(image, gentler(CAMERA, 0.8), random),
        truths=tuple(found[0]),
        decoys=tuple(found[1]),
        symmetry=symmetry,
        rotation=poses.rotation,
        scale=poses.scale,
        domain="texture",
        presence=presence,
        subject=subject,
    )


def _piece_scene(random: Random) -> DrawnScene:
    """A piece of a texture, looked for in another view of it, or of another piece."""
    poses = draw_poses(random)
    seed = int(random.integers(2**31))
    world = draw_texture(np.random.default_rng(seed), (1000, 900))
    side = int(random.integers(40, 130)), int(random.integers(40, 130))
    size = int(random.integers(420, 720)), int(random.integers(360, 600))
    centre = float(random.integers(340, 660)), float(random.integers(300, 600))
    corner = round(centre[0] - side[0] / 2), round(centre[1] - side[1] / 2)
    wide, tall = int(random.integers(180, 480)), int(random.integers(160, 400))
    left = max(0, corner[0] - int(random.integers(0, max(1, wide - side[0]))))
    top = max(0, corner[1] - int(random.integers(0, max(1, tall - side[1]))))
    if random.random() < 0.3:
        left, top, (wide, tall) = *corner, side
    wide, tall = max(wide, corner[0] - left + side[0]), max(tall, corner[1] - top + side[1])
    frame = world[top : top + tall, left : left + wide]
    box = (corner[0] - left, corner[1] - top, *side)
    casting = draw_casting(random, most=1)
    presence: Presence = "once" if casting.copies else casting.presence
    if presence == "near":
        # The same kind of texture, another piece of it.
        world = draw_texture(np.random.default_rng(seed), (1000, 900))[::-1, ::-1]
        world = _elsewhere(world, corner, side)
    elif presence == "clutter":
        world = draw_texture(random, (1000, 900))
    angle, scale = poses.draw(random)
    matrix = _view(random, corner, side, angle, scale, size)
    image = warp(world, matrix, size)
    found: tuple[list[Array], list[Array]] = ([], [])
    if presence == "once":
        box_corners = np.add(corners_of(side), corner)
        found[0].append(moved(box_corners, matrix))
    return _finish(random, frame, box, image, found, poses, (1, presence, "piece"))


def _view(
    random: Random,
    corner: tuple[int, int],
    side: tuple[int, int],
    angle: float,
    scale: float,
    size: tuple[int, int],
) -> Array:
    """A matrix from a world to an image in which all of a box is seen."""
    middle = np.array(corner) + np.array(side) / 2.0
    reach = np.ptp(corners_of(side, posed(side, (0.0, 0.0), angle, scale)), axis=0) / 2.0
    free = np.maximum(0.0, np.array(size) / 2.0 - reach - 1.0)
    aim = np.array(size) / 2.0 + random.uniform(-1.0, 1.0, 2) * free
    matrix = posed((2 * middle[0], 2 * middle[1]), (float(aim[0]), float(aim[1])), angle, scale)
    if angle == 0.0 and scale == 1.0:
        matrix[:, 2] = np.rint(matrix[:, 2])
    return matrix


def _elsewhere(world: Picture, corner: tuple[int, int], side: tuple[int, int]) -> Picture:
    """A turned world without the piece itself, wherever it came to lie."""
    height, width = world.shape[:2]
    world = world.copy()
    x, y = width - corner[0] - side[0], height - corner[1] - side[1]
    other = world[20 : 20 + side[1], 20 : 20 + side[0]]
    world[y : y + side[1], x : x + side[0]] = other[::-1]
    return world


def _print_scene(random: Random, fonts: FontSet) -> DrawnScene:
    """Prints on cloth, stone or a pattern: a motif, its look-alikes and others."""
    poses = draw_poses(random)
    style = draw_style(random, fonts, dark=False)
    design = draw_icon(random, style)
    side = int(random.integers(32, 100))
    turns = 4 if poses.rotation[1] > 45.0 else 1
    kinds = gather(
        paint_icon(design, fonts, side),
        lambda: paint_icon(look_alike(design, random), fonts, side),
        lambda: paint_icon(draw_icon(random, style), fonts, side),
        (3, 5),
        "print",
        poses.scale[0],
        turns,
    )
    casting = draw_casting(random, most=20, decoys=5)
    seed = int(random.integers(2**31))

    def sheet(
        size: tuple[int, int], copies: int, decoys: int, how: Poses
    ) -> tuple[Picture, list[Array], list[Array]]:
        canvas = draw_texture(np.random.default_rng(seed), size)
        near = [
            kinds.lookalikes[i % len(kinds.lookalikes)] for i in range(decoys) if kinds.lookalikes
        ]
        extra = list(kinds.others[: int(random.integers(0, 6))])
        if not copies and not near:
            extra = list(kinds.others)
        actors = [*[kinds.target] * copies, *near, *extra]
        floor = Floor(size)
        places = scattered(random, floor, [one.size for one in actors], how, 4.0)
        found: tuple[list[Array], list[Array]] = ([], [])
        for index, (actor, place) in enumerate(zip(actors, places, strict=True)):
            if place is None:
                continue
            paste(canvas, actor, place)
            if index < copies + len(near):
                found[index >= copies].append(corners_of((side, side), place))
        return canvas, *found

    small = int(random.integers(side + 40, side + 300)), int(random.integers(side + 40, side + 240))
    frame, own, _ = sheet(small, 1, 0, Poses())
    x, y = np.rint(own[0][0]).astype(int).tolist()
    size = int(random.integers(460, 820)), int(random.integers(400, 640))
    image, truths, decoys = sheet(size, casting.copies, casting.decoys, poses)
    about = (kinds.symmetry, presence_of(truths, decoys), kinds.subject)
    return _finish(random, frame, (x, y, side, side), image, (truths, decoys), poses, about)
