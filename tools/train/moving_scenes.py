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
    Pictures,
    Pose,
    in_light,
    random_cut_out,
    random_part,
)

Array = NDArray[Any]
Random = np.random.Generator

WIDTH, HEIGHT = 400, 300
"""Pixels of a frame."""

SIZES = (20, 110)
"""Least and most size of the object in the first frame: the square root of its box's area."""

LATER_SIZES = (12, 150)
"""The same in the later ones."""

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

SLANT = 3e-4
"""Standard deviation of perspective, for each pixel of the canvas."""


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


def make_clip(pictures: Pictures, random: Random) -> list[SceneView] | None:
    """Views of one object: the first, a later one, and :data:`QUERIES` soon after that.

    Args:
        pictures: what object and scene are made up from.
        random: decides everything.

    Returns:
        ``None`` if the object is too thin to have a box in one of them.
    """
    thing = MovingObject(pictures, random)
    ground = _random_ground(pictures, random)
    side = np.exp(random.uniform(*np.log(SIZES)))
    change = random.choice([0.3, 1, 1.6], p=[0.3, 0.45, 0.25])
    first = _first_pose(random)
    later = _later_pose(first, random, change, side)
    loose = random.uniform(-0.03, 0.12, 4) * (random.random() < 0.7)
    random.integers(1 << 30)  # Of an earlier version; the samples that it made stay what they are.
    company = _random_company(pictures, random)
    light = float(np.exp(random.normal(0, 0.15 * change)))
    views: list[SceneView] = []
    unit = 1.0
    for index in range(2 + QUERIES):
        pose, bright = (first, 1.0) if index == 0 else (later, light)
        if index > 1:
            pose = _soon_after(later, random)
            bright = light * np.exp(random.normal(0, 0.05))
        drawn = thing.draw(pose)
        extent = mask_box(drawn.alpha, np.eye(3))
        if extent is None:
            return None
        if index == 0:
            unit = side / _size(extent)
        warp = to_frame(pose, unit, thing.stretch)
        frame = _shown_ground(ground, pose)
        box = mask_box(drawn.alpha, warp)
        assert box is not None
        _draw_company(frame, company, pose, warp, box, index)
        paste(frame, drawn, warp)
        if company.hidden and index >= 1:
            _hide(frame, pictures, random, box)
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


def to_frame(pose: Pose, unit: float, stretch: float) -> Array:
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


def _first_pose(random: Random) -> Pose:
    """How the object stands in the first frame."""
    return Pose(
        yaw=0.0,
        pitch=0.0,
        phase=random.uniform(0, 6),
        bend=random.normal(),
        turn=random.uniform(-0.2, 0.2),
        slant=random.normal(0, SLANT, 2),
        middle=(WIDTH / 2 + random.uniform(-50, 50), HEIGHT / 2 + random.uniform(-30, 30)),
        ground=(random.uniform(0, WIDTH * 0.5), random.uniform(0, HEIGHT * 0.5)),
    )


def _later_pose(first: Pose, random: Random, change: float, side: float) -> Pose:
    """How it stands after much has changed.

    Args:
        first: how it stood.
        random: the source of the changes.
        change: factor on them.
        side: its size in the first frame, in pixels.
    """
    pose = replace(
        first,
        yaw=random.normal(0, 0.6 * change),
        pitch=random.normal(0, 0.3 * change),
        phase=first.phase + random.normal(0, 2 * change),
        bend=first.bend + random.normal(0, 0.8 * change),
        flip=random.random() < 0.1 * change,
        morph=int(random.integers(-3, 4)) if random.random() < 0.15 * change else 0,
        turn=first.turn + random.normal(0, 0.2 * change),
        zoom=np.clip(random.normal(0, 0.45 * change), -1.3, 1.3),
        stretch=random.normal(0, 0.1 * change),
        ground=(random.uniform(0, WIDTH * 0.5), random.uniform(0, HEIGHT * 0.5)),
        ground_zoom=random.normal(0, 0.2),
        slant=random.normal(0, SLANT, 2),
    )
    return replace(pose, zoom=float(np.clip(pose.zoom, *np.log(np.array(LATER_SIZES) / side))))


def _soon_after(pose: Pose, random: Random) -> Pose:
    """How it stands a few frames after a pose."""
    change = random.choice([0.3, 1, 2])
    yaw, pitch, phase, bend, turn, zoom, stretch = (
        before + random.normal(0, spread * change)
        for before, spread in (
            (pose.yaw, 0.15),
            (pose.pitch, 0.08),
            (pose.phase, 0.7),
            (pose.bend, 0.3),
            (pose.turn, 0.07),
            (pose.zoom, 0.1),
            (pose.stretch, 0.04),
        )
    )
    x, y = (
        float(np.clip(before + random.normal(0, spread * change), 0, most))
        for before, spread, most in zip(
            pose.ground, (15, 10), (WIDTH * 0.5, HEIGHT * 0.5), strict=True
        )
    )
    return replace(
        pose,
        yaw=yaw,
        pitch=pitch,
        phase=phase,
        bend=bend,
        turn=turn,
        zoom=zoom,
        stretch=stretch,
        ground=(x, y),
    )


def _random_company(pictures: Pictures, random: Random) -> _Company:
    """What is in a scene beside the object."""
    return _Company(
        other=MovingObject(pictures, random) if random.random() < 0.35 else None,
        apart=random.uniform(0.9, 1.8),
        angle=random.uniform(0, 6.28),
        always=random.random() < 0.3,
        hidden=random.random() < 0.2,
    )


def _shown_ground(ground: Array, pose: Pose) -> Array:
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
    frame: Array, company: _Company, pose: Pose, warp: Array, box: Array, index: int
) -> None:
    """Draw the other object beside the place of the object, in place."""
    if company.other is None or (index == 0 and not company.always):
        return
    other = company.other.draw(replace(pose, yaw=0.0, flip=False, morph=0))
    angle = company.angle + 0.3 * index
    beside = np.eye(3)
    beside[:2, 2] = np.array([np.cos(angle), np.sin(angle)]) * _size(box) * company.apart
    paste(frame, other, beside @ warp)


def _hide(frame: Array, pictures: Pictures, random: Random, box: Array) -> None:
    """Draw something over a part of a box, in place."""
    thing = random_cut_out(pictures.cut_outs, random).part
    side = int(random.uniform(0.3, 0.7) * _size(box)) + 8
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


def _size(box: Array) -> float:
    """Square root of the area between left, top, right and bottom."""
    return float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))
