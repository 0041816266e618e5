"""Made-up views of one object that moves: a first frame, a later one, and some soon after that.

The object (:mod:`.moving_objects`) is drawn over a photograph, beside another one that may look
like it, behind what may hide a part of it, blurred, noisy and compressed as frames of a video are.
Its true box is that of its mask, drawn as loosely as people draw boxes, and as tight in every view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...calib.photographs import TRAINING, photograph_files
from ...runtime.boxes import Box
from ...runtime.images import Image, read_image
from .moving_objects import (
    CANVAS,
    Drawn,
    MovingObject,
    ObjectPose,
    Pictures,
    in_light,
    random_cut_out,
    random_part,
)
from .moving_poses import HEIGHT, WIDTH, first_pose, in_shape, later_pose, soon_after

Array = NDArray[Any]
Random = np.random.Generator

SIZES = (20, 110)
"""Least and most size of the object in the first frame: the square root of its box's area."""

QUERIES = 3
"""Frames soon after the later one."""

SHOWN = 0.4
"""Share of a pixel that an object covers at least where its box reaches."""

FEWEST = 30
"""Pixels of a mask that are needed to have a box."""

TALLEST = 800
"""Photographs of so many rows are shrunk, so that a part of them shows something."""

SHRUNK = 0.6
"""By this factor."""

PIECES = (0.35, 0.75)
"""Sides of a piece, in those of the whole."""

HIDING = (0.3, 0.7)
"""Size of what hides a part of a box, in the box's."""

HIDING_PIECES = (0.2, 0.4)
"""The same where the box is around a piece."""


class SceneView(NamedTuple):
    """A frame ``(HEIGHT, WIDTH, 3)`` uint8 BGR, and where the object is in it."""

    image: Image
    box: Box


@dataclass(frozen=True)
class _Company:
    """What is in a scene beside the object.

    Attributes:
        other: another object, or ``None``.
        apart: how far it lies off, in sizes of the object.
        angle: in which direction, in the first frame.
        always: whether it is in the first frame, too.
        hidden: whether something covers a part of the object after the first frame.
    """

    other: MovingObject | None
    apart: float
    angle: float
    always: bool
    hidden: bool


def default_grounds() -> list[Image]:
    """The photographs that scikit-image carries and that networks may be trained on.

    Raises:
        InputError: they are not installed.
    """
    files = photograph_files(TRAINING, "give a folder of photographs with --grounds")
    return [_handy(read_image(file)) for file in files]


def make_clip(pictures: Pictures, random: Random, *, piece: bool = False) -> list[SceneView] | None:
    """Views of one object: the first, a later one, and :data:`QUERIES` soon after that.

    Args:
        pictures: what object and scene are made up from.
        random: decides everything.
        piece: the box is around a piece of what is drawn, as that around a head; all of it moves
            as one and stays in shape.

    Returns:
        ``None`` if the object is too thin to have a box in one of them.
    """
    thing = MovingObject(pictures, random)
    ground = _random_ground(pictures, random)
    side = np.exp(random.uniform(*np.log(SIZES)))
    change = random.choice([0.3, 1, 1.6], p=[0.3, 0.45, 0.25])
    first = first_pose(random)
    later = later_pose(first, random, change, side)
    if piece:
        later = in_shape(later, first)
        shares, places = random.uniform(*PIECES, 2), random.uniform(0, 1, 2)
    else:
        shares, places = np.ones(2), np.zeros(2)
    loose = random.uniform(-0.03, 0.12, 4) * (random.random() < 0.7)
    random.integers(1 << 30)  # Of an earlier version; the samples that it made stay what they are.
    company = _random_company(pictures, random)
    light = float(np.exp(random.normal(0, 0.15 * change)))
    views: list[SceneView] = []
    unit, corners = 1.0, np.zeros((4, 2), np.float32)
    for index in range(2 + QUERIES):
        pose, bright = (first, 1.0) if index == 0 else (later, light)
        if index > 1:
            pose = soon_after(later, random, shaped=piece)
            bright = light * np.exp(random.normal(0, 0.05))
        drawn = thing.draw(pose)
        extent = mask_box(drawn.alpha, np.eye(3))
        if extent is None:
            return None
        if index == 0:
            shown = _piece_of(extent, shares, places)
            unit, corners = side / _size(shown), _corners(shown)
        warp = to_frame(pose, unit, thing.stretch)
        frame = _shown_ground(ground, pose)
        box = _around(corners, warp) if piece else mask_box(drawn.alpha, warp)
        assert box is not None
        _draw_company(frame, company, pose, warp, box, index)
        paste(frame, drawn, warp)
        if company.hidden and index >= 1:
            _hide(frame, pictures, random, box, HIDING_PIECES if piece else HIDING)
        views.append(SceneView(_taken(frame * bright, random), _loosened(box, loose)))
    return views


def mask_box(alpha: Array, warp: Array) -> Array | None:
    """Left, top, right and bottom of what a mask shows, mapped; ``None`` if it shows too little.

    Args:
        alpha: ``(H, W)``.
        warp: ``(3, 3)`` from its pixels to where the box is wanted.
    """
    rows, columns = np.nonzero(alpha > SHOWN)
    if len(columns) < FEWEST:
        return None
    points = np.stack([columns, rows], 1).astype(np.float32)[None] + 0.5
    mapped = cv2.perspectiveTransform(points, warp)[0]
    return np.concatenate([mapped.min(0), mapped.max(0)])


def to_frame(pose: ObjectPose, unit: float, stretch: float) -> Array:
    """From the canvas to the frame, ``(3, 3)``.

    Args:
        pose: of the object.
        unit: pixels of the frame per pixel of the canvas at the first size.
        stretch: width over height that the object has beside its parts'.
    """
    size = unit * np.exp(pose.zoom)
    c, s = np.cos(pose.turn), np.sin(pose.turn)
    sides = [
        size * stretch**0.5 * np.exp(pose.stretch),
        size * stretch**-0.5 * np.exp(-pose.stretch),
    ]
    linear = np.array([[c, -s], [s, c]]) @ np.diag(sides)
    centre = np.array([CANVAS / 2, CANVAS / 2])
    warp, slant, centred = np.eye(3), np.eye(3), np.eye(3)
    warp[:2, :2] = linear
    warp[:2, 2] = np.array(pose.middle) - linear @ centre
    slant[2, :2] = pose.slant
    centred[:2, 2] = -centre
    return warp @ np.linalg.inv(centred) @ slant @ centred


def paste(frame: Array, drawn: Drawn, warp: Array) -> Array:
    """Draw a canvas into a frame, in place.

    Args:
        frame: ``(H, W, 3)`` float32.
        drawn: the canvas.
        warp: ``(3, 3)`` from its pixels to the frame's.

    Returns:
        ``(H, W)`` what it covers, 0 to 1.
    """
    colours, alpha = drawn
    scale = np.sqrt(abs(np.linalg.det(warp[:2, :2])))
    if scale < 0.6:
        blur = 0.5 / scale * 0.8
        colours, alpha = (cv2.GaussianBlur(each, (0, 0), blur) for each in (colours, alpha))
    size = (frame.shape[1], frame.shape[0])
    shown, share = (
        cv2.warpPerspective(each, warp, size, flags=cv2.INTER_LINEAR) for each in (colours, alpha)
    )
    frame[:] = frame * (1 - share[..., None]) + shown * share[..., None]
    return share


def _handy(picture: Image) -> Image:
    """A photograph at a size of which parts show something."""
    if picture.shape[0] < TALLEST:
        return picture
    shrunk = cv2.resize(picture, None, fx=SHRUNK, fy=SHRUNK, interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8)


def _random_ground(pictures: Pictures, random: Random) -> Array:
    """The background, twice as large as a frame: a photograph, maybe with things on it."""
    ground = random_part(pictures.grounds, random, 2 * WIDTH, 2 * HEIGHT).astype(np.float32)
    if random.random() < 0.3:
        for _ in range(int(random.integers(1, 8))):
            thing = random_cut_out(pictures.cut_outs, random).part
            side = int(random.uniform(60, 260))
            colours, alpha = (
                cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in thing
            )
            top = int(random.integers(2 * HEIGHT - side))
            left = int(random.integers(2 * WIDTH - side))
            place = (slice(top, top + side), slice(left, left + side))
            share = alpha[..., None]
            ground[place] = ground[place] * (1 - share) + in_light(random, colours) * share
    return ground


def _random_company(pictures: Pictures, random: Random) -> _Company:
    """What is in a scene beside the object."""
    return _Company(
        other=MovingObject(pictures, random) if random.random() < 0.35 else None,
        apart=random.uniform(0.9, 1.8),
        angle=random.uniform(0, 6.28),
        always=random.random() < 0.3,
        hidden=random.random() < 0.2,
    )


def _shown_ground(ground: Array, pose: ObjectPose) -> Array:
    """The part of the background that a frame shows, ``(HEIGHT, WIDTH, 3)`` float32."""
    middle = (WIDTH / 2 + pose.ground[0], HEIGHT / 2 + pose.ground[1])
    zoom = np.exp(pose.ground_zoom)
    if zoom == 1:
        frame = cv2.getRectSubPix(ground, (WIDTH, HEIGHT), middle)
    else:
        size = int(WIDTH / zoom * 0.95), int(HEIGHT / zoom * 0.95)
        frame = cv2.resize(cv2.getRectSubPix(ground, size, middle), (WIDTH, HEIGHT))
    return np.ascontiguousarray(frame)


def _draw_company(
    frame: Array, company: _Company, pose: ObjectPose, warp: Array, box: Array, index: int
) -> None:
    """Draw the other object beside the place of the object, in place."""
    if company.other is None or (index == 0 and not company.always):
        return
    other = company.other.draw(replace(pose, yaw=0.0, flip=False, morph=0))
    angle = company.angle + 0.3 * index
    beside = np.eye(3)
    beside[:2, 2] = np.array([np.cos(angle), np.sin(angle)]) * _size(box) * company.apart
    paste(frame, other, beside @ warp)


def _hide(
    frame: Array, pictures: Pictures, random: Random, box: Array, sizes: tuple[float, float]
) -> None:
    """Draw something of a size, in the box's, over a part of a box, in place."""
    thing = random_cut_out(pictures.cut_outs, random).part
    side = int(random.uniform(*sizes) * _size(box)) + 8
    colours, alpha = (
        cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in thing
    )
    half = side / 2
    place = np.eye(3)
    place[0, 2] = int(random.uniform(box[0] - half, box[2] - half))
    place[1, 2] = int(random.uniform(box[1] - half, box[3] - half))
    paste(frame, Drawn(colours, alpha), place)


def _taken(frame: Array, random: Random) -> Image:
    """A frame as a camera and a codec leave it: blurred by motion or not sharp, noisy, as JPEG."""
    chance = random.random()
    if chance < 0.25:
        side = int(random.integers(3, 10))
        path = np.zeros((side, side), np.float32)
        begin, end = ([int(at) for at in random.integers(0, side, 2)] for _ in range(2))
        cv2.line(path, begin, end, (1.0,))
        frame = cv2.filter2D(frame, -1, path / (path.sum() or 1))
    elif chance < 0.5:
        frame = cv2.GaussianBlur(frame, (0, 0), random.uniform(0.4, 1.8))
    noise = random.normal(0, random.uniform(0, 5), frame.shape)
    picture = np.clip(frame + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(40, 95))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)
    return np.asarray(picture, np.uint8)


def _loosened(box: Array, loose: Array) -> Box:
    """A box with the margins that people leave, in its sides: left, top, right, bottom."""
    left, top, right, bottom = (float(edge) for edge in box)
    width, height = right - left, bottom - top
    left, top = left - loose[0] * width, top - loose[1] * height
    right, bottom = right + loose[2] * width, bottom + loose[3] * height
    return Box(float(left), float(top), float(right - left), float(bottom - top))


def _piece_of(extent: Array, shares: Array, places: Array) -> Array:
    """A piece of left, top, right and bottom: its sides and where it lies, in parts of those."""
    sides = (extent[2:] - extent[:2]) * shares
    corner = extent[:2] + places * (extent[2:] - extent[:2] - sides)
    return np.concatenate([corner, corner + sides])


def _corners(box: Array) -> Array:
    """The corners ``(4, 2)`` of left, top, right and bottom."""
    left, top, right, bottom = box
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def _around(points: Array, warp: Array) -> Array:
    """Left, top, right and bottom of mapped points ``(N, 2)``."""
    mapped = cv2.perspectiveTransform(points[None], warp)[0]
    return np.concatenate([mapped.min(0), mapped.max(0)])


def _size(box: Array) -> float:
    """Square root of the area between left, top, right and bottom."""
    return float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))
