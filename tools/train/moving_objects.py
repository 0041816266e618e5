"""Objects that move, made up from cut-outs and photographs, and how they look in a pose.

There are three kinds: a cut-out or a blob of a photograph by itself, turned as if it were on a
cylinder; several of them that swing about each other like limbs; and boxes with six faces in
perspective. All that is random in an object follows from its generator, all that differs between
two views of it from their poses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from .cut_outs import SIDE, CutOut, CutOuts

Array = NDArray[Any]
Random = np.random.Generator

CANVAS = 384
"""Pixels of the square that objects are drawn in, in both directions."""

FACE = 128
"""The same of a box's faces."""

CAMERA = 0.18
"""Perspective of boxes: how much nearer a corner is for each unit towards the camera."""

BOX_SIZE = 150.0
"""Half the diagonal of a box, in pixels of the canvas."""

SEEN = 0.02
"""A face counts as seen from this cosine on, and its light is weaker the more it is turned away."""

FINE = 4
"""Bits of a pixel's fraction that polygons are drawn with."""

BEND = 6.0
"""Pixels by which an object bends for a bend of 1."""


class Grounds(Protocol):
    """Photographs by number, ``(H, W, 3)`` uint8 BGR of any size."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, index: int, /) -> Array:
        """One of them."""
        ...


@dataclass(frozen=True)
class Pictures:
    """What objects and scenes are made up from."""

    cut_outs: CutOuts
    grounds: Grounds


@dataclass(frozen=True)
class ObjectPose:
    """How an object and the camera stand.

    Attributes:
        yaw: turn about the vertical axis, in radians.
        pitch: about the horizontal one; boxes have it.
        phase: of the limbs' swing, in radians.
        bend: how far it is bent.
        flip: whether it is mirrored.
        morph: how many cut-outs further in the folder it is drawn as.
        turn: in the picture, in radians.
        zoom: natural logarithm of its size over the first one.
        stretch: of its width over its height, half.
        slant: perspective of the canvas, ``(2,)``.
        middle: in the frame, x and y.
        ground: how far the frame lies in its background, x and y.
        ground_zoom: natural logarithm of the background's size; 0 is as it is.
    """

    yaw: float
    pitch: float
    phase: float
    bend: float
    turn: float
    slant: Array
    middle: tuple[float, float]
    ground: tuple[float, float]
    flip: bool = False
    morph: int = 0
    zoom: float = 0.0
    stretch: float = 0.0
    ground_zoom: float = 0.0


class ObjectLayer(NamedTuple):
    """A part of an object, and its number among the cut-outs; -1 for blobs."""

    part: CutOut
    number: int


class Drawn(NamedTuple):
    """An object on its canvas: ``colours (CANVAS, CANVAS, 3)``, ``alpha (CANVAS, CANVAS)``."""

    colours: Array
    alpha: Array


class MovingObject:
    """One object.

    Args:
        pictures: what it is made up from.
        random: decides everything.
    """

    def __init__(self, pictures: Pictures, random: Random) -> None:
        self._cut_outs = pictures.cut_outs
        chance = random.random()
        single = chance < 0.5
        self._single = single
        self._boxy = chance >= 0.68
        self._light = int(random.integers(1 << 30))
        patterned = random.random() < 0.4
        pattern = random_part(pictures.grounds, random, SIDE, SIDE).astype(np.float32)
        mix = random.uniform(0.2, 0.8)
        self._pattern = (pattern, mix) if patterned else None
        count = 1 if single else int(random.integers(2, 5))
        self._layers = [_random_layer(pictures, random) for _ in range(count)]
        # Where each part lies, how large it is, how it is turned, and how far it swings.
        self._places = [
            (
                random.uniform(-45, 45),
                random.uniform(-70, 70),
                random.uniform(0.35, 0.8),
                random.uniform(-60, 60),
            )
            for _ in self._layers
        ]
        self._swings = [random.uniform(0, 25) for _ in self._layers]
        sides = np.exp(random.uniform(-0.7, 0.7, 3))
        self._sides = sides / np.linalg.norm(sides)
        self._faces = [_random_face(pictures, random) for _ in range(6)]
        if random.random() < 0.5:
            self._faces[1], self._faces[3] = self._faces[0], self._faces[2]
        self._yaw, self._pitch = random.uniform(-0.8, 0.8), random.uniform(-0.5, 0.5)
        stretched = random.random() < 0.5
        self.stretch = float(np.exp(random.uniform(-0.5, 0.5))) if stretched else 1.0
        """Width over height, beside what its parts have."""

    def draw(self, pose: ObjectPose) -> Drawn:
        """How it looks in a pose, in its own light; where it lies in the frame is left out."""
        if self._boxy:
            colours, alpha = self._draw_box(pose)
        else:
            colours, alpha = self._turned(*self._draw_layers(pose), pose)
        lit = in_light(np.random.default_rng(self._light), colours)
        return Drawn(np.ascontiguousarray(lit), np.ascontiguousarray(alpha))

    def _draw_box(self, pose: ObjectPose) -> tuple[Array, Array]:
        """The faces of a box that are seen."""
        colours, alpha = _empty_canvas()
        turn = _rotation(self._yaw + pose.yaw, self._pitch + pose.pitch)
        for face, (axis, sign) in zip(
            self._faces, ((2, 1), (2, -1), (0, 1), (0, -1), (1, 1), (1, -1)), strict=True
        ):
            normal = np.zeros(3)
            normal[axis] = sign
            facing = (turn @ normal)[2]
            if facing <= SEEN:
                continue
            corners = _corners(turn, self._sides, axis, sign)
            square = np.array([[0, 0], [FACE, 0], [FACE, FACE], [0, FACE]], np.float32)
            warp = cv2.getPerspectiveTransform(square, corners.astype(np.float32))
            drawn = cv2.warpPerspective(
                face,
                warp,
                (CANVAS, CANVAS),
                flags=cv2.INTER_AREA,
                borderMode=cv2.BORDER_REPLICATE,
            )
            mask = np.zeros((CANVAS, CANVAS), np.uint8)
            outline = np.rint(corners * (1 << FINE)).astype(np.int32)
            cv2.fillConvexPoly(mask, outline, (255,), cv2.LINE_AA, FINE)
            share = mask.astype(np.float32) / 255
            colours = (
                colours * (1 - share[..., None]) + drawn * (0.55 + 0.45 * facing) * share[..., None]
            )
            alpha = np.maximum(alpha, share)
        return colours, alpha

    def _draw_layers(self, pose: ObjectPose) -> tuple[Array, Array]:
        """The parts over each other, each where its swing has it."""
        colours, alpha = _empty_canvas()
        for layer, place, swing in zip(self._layers, self._places, self._swings, strict=True):
            part = layer.part
            if pose.morph and layer.number >= 0:
                part = self._cut_outs[layer.number + pose.morph]
            own = part.colours
            if self._pattern is not None:
                pattern, mix = self._pattern
                own = own * (1 - mix) + pattern * mix
            warp = self._warp(place, swing, pose.phase)
            size = (CANVAS, CANVAS)
            shown = cv2.warpAffine(own, warp, size, flags=cv2.INTER_LINEAR)
            share = cv2.warpAffine(part.alpha, warp, size, flags=cv2.INTER_LINEAR)
            colours = colours * (1 - share[..., None]) + shown * share[..., None]
            alpha = alpha + share * (1 - alpha)
        return colours, alpha

    def _warp(self, place: tuple[float, float, float, float], swing: float, phase: float) -> Array:
        """From a part's square to the canvas, ``(2, 3)``."""
        x, y, scale, turn = place
        if self._single:
            x, y, scale, turn, swing = 0.0, 0.0, 1.0, 0.0, 0.0
        half = SIDE / 2
        warp = cv2.getRotationMatrix2D((half, half), turn + swing * np.sin(phase + x), scale)
        across = CANVAS / 2 - half + x + swing * 0.6 * np.cos(phase + y)
        down = CANVAS / 2 - half + y + swing * 0.4 * np.sin(phase * 1.3 + x)
        warp[:, 2] += [across, down]
        return warp

    def _turned(self, colours: Array, alpha: Array, pose: ObjectPose) -> tuple[Array, Array]:
        """Turned about the vertical axis as what is painted on a cylinder, bent and mirrored."""
        half = CANVAS / 2
        around = np.arcsin((np.arange(CANVAS) - half) / half)
        source = np.sin(np.clip(around - pose.yaw * 0.6, -np.pi / 2, np.pi / 2))
        x = np.tile((source * CANVAS / 2 + half).astype(np.float32), (CANVAS, 1))
        y = np.tile(np.arange(CANVAS, dtype=np.float32)[:, None], (1, CANVAS))
        bend = smooth_noise(np.random.default_rng(self._light), CANVAS, 110) * BEND * pose.bend
        colours, alpha = (
            cv2.remap(each, x + bend, y, cv2.INTER_LINEAR) for each in (colours, alpha)
        )
        return (colours[:, ::-1], alpha[:, ::-1]) if pose.flip else (colours, alpha)


def random_part(grounds: Grounds, random: Random, width: int, height: int) -> Array:
    """A part of a photograph, ``(height, width, 3)`` uint8, maybe mirrored or in other colours."""
    picture = grounds[int(random.integers(len(grounds)))]
    rows, columns = picture.shape[:2]
    share = random.uniform(0.25, 1)
    high = int(min(rows, columns * height / width) * share)
    wide = int(high * width / height)
    high, wide = min(max(high, 16), rows), min(max(wide, 16), columns)
    top = int(random.integers(rows - high + 1))
    left = int(random.integers(columns - wide + 1))
    method = cv2.INTER_CUBIC if high < height else cv2.INTER_AREA
    part = picture[top : top + high, left : left + wide]
    part = cv2.resize(part, (width, height), interpolation=method)
    if random.random() < 0.5:
        part = part[:, ::-1]
    if random.random() < 0.3:
        part = part[:, :, random.permutation(3)]
    return np.ascontiguousarray(part)


def in_light(random: Random, colours: Array) -> Array:
    """Another saturation, contrast, brightness and tint of BGR values; they may leave 0 to 255."""
    values = colours.astype(np.float32)
    grey = values.mean(2, keepdims=True)
    values = grey + (values - grey) * random.uniform(0.1, 1.1)
    values = (values - 128) * random.uniform(0.4, 1.1) + 128 + random.uniform(-50, 40)
    return values + random.uniform(-15, 15, 3).astype(np.float32)


def random_cut_out(cut_outs: CutOuts, random: Random) -> ObjectLayer:
    """One of the cut-outs."""
    number = int(random.integers(len(cut_outs)))
    return ObjectLayer(cut_outs[number], number)


def smooth_noise(random: Random, side: int, grain: float) -> Array:
    """Noise ``(side, side)`` of standard deviation about 1 that changes over ``grain`` pixels."""
    count = max(2, int(side / grain))
    coarse = random.normal(size=(count, count)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def _random_layer(pictures: Pictures, random: Random) -> ObjectLayer:
    """A cut-out, or a blob of a photograph."""
    if random.random() < 0.75:
        return random_cut_out(pictures.cut_outs, random)
    down, across = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) * 2 - 1
    flatness = random.uniform(0.5, 1)
    power = random.uniform(1.5, 5)
    away = (np.abs(across) ** power + np.abs(down / flatness) ** power) ** (1 / power)
    away = away + smooth_noise(random, SIDE, 80) * 0.08
    alpha = np.clip((0.92 - away) * 40, 0, 1).astype(np.float32)
    colours = random_part(pictures.grounds, random, SIDE, SIDE).astype(np.float32)
    return ObjectLayer(CutOut(colours, alpha), -1)


def _random_face(pictures: Pictures, random: Random) -> Array:
    """A face of a box, ``(FACE, FACE, 3)`` float32: a photograph or a colour, maybe a cut-out."""
    if random.random() < 0.7:
        face = in_light(random, random_part(pictures.grounds, random, FACE, FACE))
    else:
        colour = random.uniform(20, 230, 3).astype(np.float32)
        face = np.ones((FACE, FACE, 3), np.float32) * colour
    if random.random() < 0.5:
        part = random_cut_out(pictures.cut_outs, random).part
        colours, alpha = (
            cv2.resize(each, (FACE, FACE), interpolation=cv2.INTER_AREA) for each in part
        )
        face = face * (1 - alpha[..., None]) + colours * alpha[..., None]
    return face


def _empty_canvas() -> tuple[Array, Array]:
    """Nothing drawn yet."""
    return np.zeros((CANVAS, CANVAS, 3), np.float32), np.zeros((CANVAS, CANVAS), np.float32)


def _rotation(yaw: float, pitch: float) -> Array:
    """About the vertical axis, then about the horizontal one, ``(3, 3)``."""
    c, s = np.cos(yaw), np.sin(yaw)
    p, q = np.cos(pitch), np.sin(pitch)
    upright = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[1, 0, 0], [0, p, -q], [0, q, p]]) @ upright


def _corners(turn: Array, sides: Array, axis: int, sign: int) -> Array:
    """Corners of a box's face on the canvas, ``(4, 2)``, in order round it."""
    first, second = (other for other in range(3) if other != axis)
    corners: list[tuple[float, float]] = []
    for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        point = np.zeros(3)
        point[[axis, first, second]] = sign, a, b
        x, y, near = turn @ (point * sides)
        closer = 1 / (1 - CAMERA * near)
        corners.append((CANVAS / 2 + x * closer * BOX_SIZE, CANVAS / 2 + y * closer * BOX_SIZE))
    return np.array(corners)
