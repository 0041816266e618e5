"""Scenes of photographs: another view of one, or things cut out of one and laid onto another."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...calib.photographs import TRAINING, find_photographs
from ...runtime.errors import InputError
from ...runtime.images import read_image
from .likeness import looks_different, symmetry_of
from .scatter import Floor, scattered
from .scene import DrawnScene, Poses, Presence, draw_casting, draw_poses, presence_of
from .stickers import (
    Array,
    Picture,
    Sticker,
    corners_of,
    cut_out,
    moved,
    paste,
    posed,
    warp,
)
from .textures import draw_texture
from .wear import CAMERA, gentler, worn

Random = np.random.Generator

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
MADE_UP = 12
"""Pictures like nature that stand in where there are no photographs."""

LARGEST = 900
"""Longer side of a photograph as it is kept, in pixels."""

FLAT = 28.0
"""Standard deviation of grey levels at which a piece shows enough; others are tried before."""

TRIES = 20


def photographs_in(folder: Path) -> tuple[Picture, ...]:
    """The photographs in a folder, sorted by name, made smaller where they are large.

    Raises:
        InputError: there are fewer than two.
        ImageError: one cannot be read.
    """
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES)
    if len(files) < 2:
        raise InputError(f"{folder} holds {len(files)} pictures; scenes of photographs need 2")
    return tuple(_kept(read_image(file)) for file in files)


@functools.cache
def default_photographs() -> tuple[Picture, ...]:
    """Those that scikit-image carries and that may be trained on; else made-up pictures."""
    folder = find_photographs()
    if folder is None:
        return tuple(
            draw_texture(np.random.default_rng(seed), (640, 480)) for seed in range(MADE_UP)
        )
    return tuple(_kept(read_image(folder / name)) for name in TRAINING if (folder / name).is_file())


def photo_scene(random: Random, photographs: Sequence[Picture]) -> DrawnScene:
    """Draw a scene of photographs.

    Args:
        random: everything depends on it only.
        photographs: two or more, ``(H, W, 3)`` uint8 BGR.
    """
    first, second = (photographs[int(index)] for index in random.permutation(len(photographs))[:2])
    photo, other = _sized(random, first), _sized(random, second)
    side = _side(random, photo), _side(random, photo)
    corner = _interesting(random, photo, side)
    poses = draw_poses(random)
    draw = _view_scene if random.random() < 0.5 else _cut_scene
    return draw(random, photo, other, (*corner, *side), poses)


def _view_scene(
    random: Random, photo: Picture, other: Picture, box: tuple[int, int, int, int], poses: Poses
) -> DrawnScene:
    """The photograph turned and zoomed about the object; or without it; or another one."""
    x, y, w, h = box
    casting = draw_casting(random, most=1)
    presence: Presence = "once" if casting.copies else casting.presence
    shown = photo
    if presence == "near":
        shown = _covered(random, photo, box)
    elif presence == "clutter":
        shown = other
    angle, scale = poses.draw(random)
    size = photo.shape[1], photo.shape[0]
    middle = (
        (x + w / 2.0, y + h / 2.0)
        if presence != "clutter"
        else (other.shape[1] / 2.0, other.shape[0] / 2.0)
    )
    reach = np.ptp(corners_of((w, h), posed((w, h), (0.0, 0.0), angle, scale)), axis=0) / 2.0
    if (2.0 * reach + 4.0 > size).any():
        size = round(2.0 * reach[0] + 40.0), round(2.0 * reach[1] + 40.0)
    free = np.maximum(0.0, np.array(size) / 2.0 - reach - 1.0)
    aim = np.array(size) / 2.0 + random.uniform(-0.8, 0.8, 2) * free
    matrix = posed((2 * middle[0], 2 * middle[1]), (float(aim[0]), float(aim[1])), angle, scale)
    image = warp(shown, matrix, size)
    truths = (moved(np.add(corners_of((w, h)), (x, y)), matrix),) if presence == "once" else ()
    return _finish(random, photo, box, image, (list(truths), []), poses, (1, presence, "view"))


def _cut_scene(
    random: Random, photo: Picture, other: Picture, box: tuple[int, int, int, int], poses: Poses
) -> DrawnScene:
    """Things cut out of a photograph, on another one."""
    x, y, w, h = box
    shape = _outline(random, w, h)
    piece = photo[y : y + h, x : x + w]
    target = cut_out(piece, shape)
    turns = 12 if poses.rotation[1] > 15.0 else 1
    candidates = (piece[:, ::-1], _tampered(random, piece), _tampered(random, piece))
    stickers = [cut_out(candidate, shape) for candidate in candidates]
    least = min(1.0, poses.common)
    near = [one for one in stickers if looks_different(target, one, least, turns)]
    others: list[Sticker] = []
    for _ in range(int(random.integers(0, 5))):
        u, v = _interesting(random, photo, (w, h))
        if abs(u - x) > w / 2 or abs(v - y) > h / 2:
            others.append(cut_out(photo[v : v + h, u : u + w], shape))
    casting = draw_casting(random, most=8, decoys=4)
    decoys = [near[index % len(near)] for index in range(casting.decoys) if near]
    image = other.copy()
    if max(w, h) * poses.common * 1.5 > min(image.shape[:2]):
        image = np.ascontiguousarray(cv2.resize(image, None, fx=1.6, fy=1.6))
    size = image.shape[1], image.shape[0]
    actors = [*[target] * casting.copies, *decoys, *others]
    places = scattered(random, Floor(size), [one.size for one in actors], poses, 2.0)
    if casting.copies and places[0] is None:
        places[0] = posed((w, h), (size[0] / 2.0, size[1] / 2.0), 0.0, poses.common)
    found: tuple[list[Array], list[Array]] = ([], [])
    for index, (actor, place) in enumerate(zip(actors, places, strict=True)):
        if place is None:
            continue
        paste(image, actor, place)
        if index < casting.copies + len(decoys):
            found[index >= casting.copies].append(corners_of((w, h), place))
    frame, own = photo, box
    if random.random() < 0.4:
        # The object on a ground of its own, as from a catalogue.
        frame = np.full((h, w, 3), random.integers(60, 256), np.uint8)
        paste(frame, target, posed((w, h), (w / 2.0, h / 2.0)))
        own = (0, 0, w, h)
    about = (symmetry_of(target), presence_of(*found), "cut-out")
    return _finish(random, frame, own, image, found, poses, about)


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
        frame=worn(frame, gentler(CAMERA, 0.3), random),
        box=box,
        image=worn(image, gentler(CAMERA, 0.7), random),
        truths=tuple(found[0]),
        decoys=tuple(found[1]),
        symmetry=symmetry,
        rotation=poses.rotation,
        scale=poses.scale,
        domain="photo",
        presence=presence,
        subject=subject,
    )


def _kept(photo: Picture) -> Picture:
    """A photograph no larger than it has to be."""
    scale = LARGEST / max(photo.shape[:2])
    if scale >= 1.0:
        return photo
    return np.asarray(
        cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )


def _sized(random: Random, photo: Picture) -> Picture:
    """A photograph at some size."""
    scale = float(random.uniform(380, 760)) / max(photo.shape[:2])
    size = max(200, round(photo.shape[1] * scale)), max(200, round(photo.shape[0] * scale))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def _side(random: Random, photo: Picture) -> int:
    """A side of a box: small ones as often as large ones."""
    return int(np.exp(random.uniform(np.log(32.0), np.log(0.5 * min(photo.shape[:2])))))


def _interesting(random: Random, photo: Picture, side: tuple[int, int]) -> tuple[int, int]:
    """The corner of a piece that shows something; the best of several."""
    best, most = (0, 0), -1.0
    for _ in range(TRIES):
        x = int(random.integers(0, photo.shape[1] - side[0] + 1))
        y = int(random.integers(0, photo.shape[0] - side[1] + 1))
        spread = float(photo[y : y + side[1] : 2, x : x + side[0] : 2, 1].std())
        if spread > most:
            best, most = (x, y), spread
        if most > FLAT:
            break
    return best


def _covered(random: Random, photo: Picture, box: tuple[int, int, int, int]) -> Picture:
    """A photograph whose object is hidden by another piece of it, with soft edges."""
    x, y, w, h = box
    u = int(random.integers(0, photo.shape[1] - w + 1))
    v = int(random.integers(0, photo.shape[0] - h + 1))
    if abs(u - x) < w / 2 and abs(v - y) < h / 2:
        u = 0 if x > photo.shape[1] / 2 else photo.shape[1] - w
    answer = photo.copy()
    piece = photo[v : v + h, u : u + w][:, ::-1].astype(np.float32)
    share = cv2.GaussianBlur(
        np.full((h, w), 1.0, np.float32), (0, 0), 3.0, borderType=cv2.BORDER_CONSTANT
    )
    mixed = piece * share[..., None] + answer[y : y + h, x : x + w] * (1.0 - share[..., None])
    answer[y : y + h, x : x + w] = np.clip(mixed, 0, 255).astype(np.uint8)
    return answer


def _tampered(random: Random, piece: Picture) -> Picture:
    """A piece with a part of it exchanged for another one."""
    answer = piece.copy()
    h, w = piece.shape[:2]
    tall, wide = max(4, round(h * 0.45)), max(4, round(w * 0.45))
    y, x = int(random.integers(0, h - tall + 1)), int(random.integers(0, w - wide + 1))
    v, u = int(random.integers(0, h - tall + 1)), int(random.integers(0, w - wide + 1))
    answer[y : y + tall, x : x + wide] = piece[v : v + tall, u : u + wide][::-1, ::-1]
    return answer


def _outline(random: Random, width: int, height: int) -> Picture:
    """The shape of a cut: a rectangle, an ellipse or a rough polygon."""
    kind = random.random()
    shape = np.full((height, width), 255, np.uint8)
    if kind < 0.4:
        return shape
    shape[:] = 0
    centre, reach = np.array([width, height]) / 2.0, np.array([width, height]) / 2.0 - 1.0
    count = 48 if kind < 0.7 else int(random.integers(5, 12))
    angles = np.arange(count) * 2 * np.pi / count
    rough = np.ones(count) if kind < 0.7 else random.uniform(0.7, 1.0, count)
    ring = centre + reach * rough[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    cv2.fillPoly(shape, [np.rint((ring - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return shape
