"""Scenes of plates, labels and tags: nearly equal ones that differ in a number or a letter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .fonts import FontSet
from .grounds import draw_ground
from .icons import Colour, rounded_box, vivid
from .motifs import MOTIFS, stroke_path
from .scatter import Floor, scattered
from .scene import Casting, DrawnScene, Poses, draw_casting, draw_poses, presence_of
from .stickers import Array, Picture, Sticker, corners_of, cut_out, paste
from .subjects import Kinds, gather
from .wear import CAMERA, gentler, worn
from .wording import code, misread, title

Random = np.random.Generator

PATTERNS = (
    *("AA 0000", "A-AA 000", "000 AAA", "AAA-000", "00-AA-00", "0000", "00", "000", "A0", "A-00"),
    *(
        "No. 00",
        "00:00",
        "Room 000",
        "Gate A0",
        "AA00 AAA",
        "0.00",
        "00.00",
        "LOT 0000",
        "SN 00000",
    ),
)
FINER = 2


@dataclass(frozen=True)
class PlateDesign:
    """A plate.

    Attributes:
        text: the large line.
        line: a small line; may be empty.
        ground: colour of the plate.
        ink: colour of text.
        rim: colour of its rim.
        face: type face.
        width: in pixels.
        height: the same.
        radius: of corners.
        frame: width of its rim; 0 for none.
        sign: a sign at its left; may be empty.
        holes: whether it has screws.
        bars: whether it has bars below the text.
    """

    text: str
    line: str
    ground: Colour
    ink: Colour
    rim: Colour
    face: int
    width: int
    height: int
    radius: int
    frame: int
    sign: str
    holes: bool
    bars: bool


def plate_scene(random: Random, fonts: FontSet) -> DrawnScene:
    """Draw a scene of plates."""
    poses = draw_poses(random, turning=0.5)
    design = _draw_design(random, fonts)
    turns = 4 if poses.rotation[1] > 45.0 else 1

    def other() -> Sticker:
        drawn = _draw_design(random, fonts)
        if random.random() < 0.5:
            drawn = replace(design, text=_numbered(random), sign=drawn.sign)
        return paint_plate(replace(drawn, width=design.width, height=design.height), fonts)

    kinds = gather(
        paint_plate(design, fonts),
        lambda: paint_plate(replace(design, text=misread(design.text, random)), fonts),
        other,
        (5, 5),
        f"plate {design.text}",
        min(1.0, poses.common / 1.03),
        turns,
    )
    poses = poses.legible(kinds.target.size)
    casting = draw_casting(random, most=int(random.choice([4, 12])), decoys=10)
    frame, box = _frame(random, kinds)
    size = int(random.integers(480, 1000)), int(random.integers(400, 760))
    image, truths, decoys = _wall(random, kinds, casting, poses, size)
    return DrawnScene(
        frame=worn(frame, gentler(CAMERA, 0.5), random),
        box=box,
        image=worn(image, CAMERA, random),
        truths=truths,
        decoys=decoys,
        symmetry=kinds.symmetry,
        rotation=poses.rotation,
        scale=poses.scale,
        domain="plates",
        presence=presence_of(truths, decoys),
        subject=kinds.subject,
    )


def paint_plate(design: PlateDesign, fonts: FontSet) -> Sticker:
    """Draw a plate."""
    w, h = design.width * FINER, design.height * FINER
    shape = np.zeros((h, w), np.uint8)
    rounded_box(shape, (0, 0, w, h), design.radius * FINER, 255)
    colour = np.full((h, w, 3), design.ground, np.uint8)
    rim = design.frame * FINER
    if rim:
        colour[:] = design.rim
        inner = (rim, rim, w - 2 * rim, h - 2 * rim)
        rounded_box(colour, inner, max(0, design.radius * FINER - rim), design.ground)
    left, top, right, bottom = rim + w // 24, rim + h // 10, w - rim - w // 24, h - rim - h // 10
    if design.sign:
        side = min(bottom - top, (right - left) // 3)
        sign = stroke_path(design.sign, side, 2.0, solid=True)
        _ink(colour, sign, (left, (h - side) // 2), design.ink)
        left += side + w // 24
    if design.line:
        _fitted(
            colour,
            fonts.ink(design.line, design.face, 24),
            (left, bottom - (bottom - top) // 5, right, bottom),
            design.ink,
        )
        bottom -= (bottom - top) // 4
    if design.bars:
        start = bottom - (bottom - top) // 3
        widths = np.frombuffer(design.text.encode() * 8, np.uint8) % 5 + 1
        x = left
        for index, wide in enumerate(widths):
            if x >= right:
                break
            if index % 2 == 0:
                cv2.rectangle(
                    colour, (x, start), (min(right, x + int(wide)), bottom), design.ink, -1
                )
            x += int(wide) + 1
        bottom = start - h // 16
    _fitted(colour, fonts.ink(design.text, design.face, h), (left, top, right, bottom), design.ink)
    if design.holes:
        for x in (w // 16, w - w // 16):
            cv2.circle(colour, (x, h // 2), max(2, h // 16), (90, 90, 90), -1, cv2.LINE_AA)
    return cut_out(colour, shape, FINER)


def _draw_design(random: Random, fonts: FontSet) -> PlateDesign:
    """Any plate."""
    height = int(random.integers(24, 84))
    text = _numbered(random)
    width = round(
        height * float(np.clip(0.5 * len(text) + 0.4, 1.0, 5.0) * random.uniform(0.8, 1.2))
    )
    width = min(240, width)
    light = random.random() < 0.65
    ground = (240, 240, 240) if light else vivid(random, (0.3, 0.7))
    if light and random.random() < 0.4:
        ground = (
            int(random.integers(40, 120)),
            int(random.integers(190, 230)),
            int(random.integers(220, 250)),
        )
    ink = (25, 25, 25) if light else (245, 245, 245)
    if light and random.random() < 0.2:
        ink = vivid(random, (0.3, 0.6))
    names = list(MOTIFS)
    return PlateDesign(
        text,
        title(random, 2) if random.random() < 0.3 and height > 40 else "",
        ground,
        ink,
        ink if random.random() < 0.7 else vivid(random),
        int(random.integers(len(fonts))),
        width,
        height,
        int(random.choice([0, 2, 5, height // 3])),
        int(random.choice([0, 1, 2, 3])),
        MOTIFS[names[int(random.integers(len(names)))]] if random.random() < 0.25 else "",
        bool(random.random() < 0.2),
        bool(random.random() < 0.15 and height > 36),
    )


def _numbered(random: Random) -> str:
    """A number for a plate."""
    return code(random, PATTERNS[int(random.integers(len(PATTERNS)))])


def _frame(random: Random, kinds: Kinds) -> tuple[Picture, tuple[int, int, int, int]]:
    """A picture with the plate upright, on a wall of its own."""
    width, height = (round(side) for side in kinds.target.size)
    size = width + int(random.integers(20, 260)), height + int(random.integers(20, 200))
    canvas, truths, _ = _wall(random, kinds, Casting("once", 1, 0), Poses(), size)
    x, y = np.rint(truths[0][0]).astype(int).tolist()
    if random.random() < 0.25:
        return np.ascontiguousarray(canvas[y : y + height, x : x + width]), (0, 0, width, height)
    return canvas, (x, y, width, height)


def _wall(
    random: Random,
    kinds: Kinds,
    casting: Casting,
    poses: Poses,
    size: tuple[int, int],
) -> tuple[Picture, tuple[Array, ...], tuple[Array, ...]]:
    """A ground with plates, and the corners of the object's copies and of decoys."""
    canvas = draw_ground(random, size)
    near = [
        kinds.lookalikes[i % len(kinds.lookalikes)]
        for i in range(casting.decoys)
        if kinds.lookalikes
    ]
    count = int(random.integers(0, 6)) if casting.presence != "clutter" else 6
    extra = [kinds.others[i % len(kinds.others)] for i in range(count) if kinds.others]
    plates = [*[kinds.target] * casting.copies, *near, *extra]
    places = scattered(random, Floor(size), [one.size for one in plates], poses, 3.0)
    if casting.copies and places[0] is None:
        places[0] = np.array([[1.0, 0.0, 4.0], [0.0, 1.0, 4.0]])
    found: tuple[list[Array], list[Array]] = ([], [])
    dark = cut_out((0, 0, 0), np.full((4, 4), 90, np.uint8))
    for index, (plate, place) in enumerate(zip(plates, places, strict=True)):
        if place is None:
            continue
        below = place.copy()
        below[:, :2] = place[:, :2] @ np.diag(np.array(plate.size) / 4.0)
        below[:, 2] += 1.5
        paste(canvas, dark, below)
        paste(canvas, plate, place)
        if index < casting.copies + len(near):
            found[index >= casting.copies].append(corners_of(plate.size, place))
    return canvas, tuple(found[0]), tuple(found[1])


def _fitted(
    colour: Picture, mask: np.ndarray, area: tuple[int, int, int, int], ink: Colour
) -> None:
    """Ink a mask into an area (left, top, right, bottom), as large as it fits, in the middle."""
    left, top, right, bottom = area
    factor = min((right - left) / mask.shape[1], (bottom - top) / mask.shape[0])
    if factor <= 0.0:
        return
    size = max(1, int(mask.shape[1] * factor)), max(1, int(mask.shape[0] * factor))
    way = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_LINEAR
    drawn = np.asarray(cv2.resize(mask, size, interpolation=way))
    _ink(colour, drawn, ((left + right - size[0]) // 2, (top + bottom - size[1]) // 2), ink)


def _ink(colour: Picture, mask: np.ndarray, place: tuple[int, int], ink: Colour) -> None:
    """Ink a mask, its top left at a place."""
    x, y = place
    area = colour[y : y + mask.shape[0], x : x + mask.shape[1]]
    share = mask[: area.shape[0], : area.shape[1], None] / 255.0
    area[:] = np.rint(area * (1.0 - share) + np.array(ink) * share)
