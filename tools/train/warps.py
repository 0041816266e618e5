"""Views of a scene for training, made on the fly: warped, on other backgrounds, in other light.

Coordinates are fractions of a picture's width and height. A view is described by the map from its
points to those of its scene: an affine map, a perspective and a smooth bend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.align.spline import ThinPlate, fit_thin_plate, grid_points
from ...runtime.images import Image

Array = NDArray[Any]

SIDE = 256
"""Pixels of a view's sides."""

LATTICE = 17
"""Points along each side at which a bend is computed; linear between them."""

INVERSE_ROUNDS = 12
CONVERGED = 2e-3
"""Distance, in fractions, within which the inverse of a map is believed."""

TURN = np.radians(20.0)
LOG_SCALE = 0.4
LOG_STRETCH = 0.2
SHIFT = 0.18
PERSPECTIVE = 0.25
BEND = 0.05
CONTROL = 4


class WarpedPictures(Protocol):
    """Pictures to draw scenes from."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: int) -> Image:
        """``(H, W, 3)`` uint8 BGR."""
        ...


@dataclass(frozen=True)
class ViewMap:
    """From points of a view to points of its scene.

    Attributes:
        homography: ``(3, 3)`` affine map with perspective.
        bend: displacements, in the view, before that.
    """

    homography: Array
    bend: ThinPlate

    def __call__(self, points: Array) -> Array:
        """Points ``(N, 2)`` to ``(N, 2)``."""
        moved = self.bend(points)
        lifted = np.c_[moved, np.ones(len(moved))] @ self.homography.T
        return lifted[:, :2] / lifted[:, 2:]

    def inverse(self, points: Array) -> tuple[Array, Array]:
        """From points of the scene ``(N, 2)`` to the view, and ``(N,)`` whether that is sure."""
        lifted = np.c_[points, np.ones(len(points))] @ np.linalg.inv(self.homography).T
        goal = lifted[:, :2] / lifted[:, 2:]
        found = goal.copy()
        for _ in range(INVERSE_ROUNDS):
            found -= self.bend(found) - goal
        left = np.hypot(*(self.bend(found) - goal).T)
        return found, (left < CONVERGED) & (lifted[:, 2] > 0)


@dataclass(frozen=True)
class WarpedView:
    """A picture of a scene.

    Attributes:
        image: ``(SIDE, SIDE, 3)`` uint8 BGR.
        to_scene: where its points lie in the scene.
        shows: ``(SIDE, SIDE)`` bool, true where the scene's object is seen.
    """

    image: Image
    to_scene: ViewMap
    shows: NDArray[np.bool_]


def make_views(images: WarpedPictures, rng: np.random.Generator, count: int) -> list[WarpedView]:
    """Views of one random scene.

    Args:
        images: of scenes and backgrounds.
        rng: decides everything.
        count: how many views.
    """
    scene = random_crop(images[int(rng.integers(len(images)))], rng)
    shape = random_shape(rng) if rng.random() < 0.6 else np.ones((SIDE, SIDE), np.float32)
    views: list[WarpedView] = []
    for _ in range(count):
        to_scene = random_map(rng)
        background = random_crop(images[int(rng.integers(len(images)))], rng)
        views.append(_render(scene, shape, to_scene, background, rng))
    return views


def random_map(rng: np.random.Generator, strength: float = 1.0) -> ViewMap:
    """A map from a view to its scene; ``strength`` 0 is no change."""
    turn = strength * rng.uniform(-TURN, TURN)
    scale = strength * rng.uniform(-LOG_SCALE, LOG_SCALE)
    stretch = strength * rng.uniform(-LOG_STRETCH, LOG_STRETCH)
    sides = np.exp([scale + stretch, scale - stretch])
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * sides
    centre = 0.5 + strength * rng.uniform(-SHIFT, SHIFT, 2)
    tilt = strength * rng.uniform(-PERSPECTIVE, PERSPECTIVE, 2) * (rng.random() < 0.5)
    to_middle = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5], [0.0, 0.0, 1.0]])
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2], matrix[2, :2] = linear, centre, tilt
    matrix[:2, :2] += np.outer(centre, tilt)
    control = grid_points(CONTROL, CONTROL)
    size = strength * rng.uniform(0, BEND)
    placed = control + size * rng.standard_normal(control.shape)
    bend = fit_thin_plate(control, control, placed, np.ones(len(control)), 1e-3)
    return ViewMap(matrix @ to_middle, bend)


def transfer(
    source: WarpedView, target: WarpedView, points: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Where points ``(N, 2)`` of a view lie in another one, and whether both show them."""
    placed, sure = target.to_scene.inverse(source.to_scene(points))
    return placed, sure & _seen(source, points) & _seen(target, placed)


def random_crop(image: Image, rng: np.random.Generator) -> Image:
    """A part of a picture, a third to the whole of its shorter side, maybe mirrored, square."""
    height, width = image.shape[:2]
    side = int(min(height, width) * rng.uniform(0.4, 1.0))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    part = image[top : top + side, left : left + side]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    part = cv2.resize(np.ascontiguousarray(part), (SIDE, SIDE), interpolation=method)
    return np.asarray(part, np.uint8)


def random_shape(rng: np.random.Generator) -> NDArray[np.float32]:
    """The outline of an object in its scene, ``(SIDE, SIDE)`` in [0, 1]: a star-shaped blob."""
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.full(64, rng.uniform(0.3, 0.5))
    for wave in range(1, 5):
        radius += rng.normal(0, 0.05) * np.cos(wave * angles + rng.uniform(0, 2 * np.pi))
    stretch = np.exp(rng.uniform(-0.3, 0.3))
    x, y = radius * np.cos(angles) * stretch, radius * np.sin(angles) / stretch
    corners = ((np.stack([x, y], axis=1) + 0.5) * SIDE).astype(np.int32)
    shape = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(shape, [corners], (1.0,))
    return np.asarray(cv2.GaussianBlur(shape, (0, 0), 2.0), np.float32)


def _seen(view: WarpedView, points: Array) -> NDArray[np.bool_]:
    """Whether points lie in a view, where the object is seen."""
    inside = np.all((points >= 0) & (points < 1), axis=1)
    x, y = np.clip(points * SIDE, 0, SIDE - 1).astype(np.int64).T
    return inside & view.shows[y, x]


def _render(
    scene: Image,
    shape: NDArray[np.float32],
    to_scene: ViewMap,
    background: Image,
    rng: np.random.Generator,
) -> WarpedView:
    """Draw a scene through a map onto a background, and change its light."""
    x, y = _dense(to_scene)
    drawn = cv2.remap(scene, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    alpha = cv2.remap(shape, x, y, cv2.INTER_LINEAR)[..., None]
    picture = alpha * _lit(drawn, rng) + (1 - alpha) * _lit(background, rng)
    shows = np.asarray(alpha[..., 0] > 0.5)
    if rng.random() < 0.4:
        _occlude(picture, shows, rng)
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 2.0)))
    picture = picture + rng.normal(0, rng.uniform(0, 10), picture.shape)
    return WarpedView(np.clip(picture, 0, 255).astype(np.uint8), to_scene, shows)


def _dense(to_scene: ViewMap) -> tuple[Array, Array]:
    """Maps for ``cv2.remap``: the scene's pixel for each pixel of the view."""
    at = to_scene(grid_points(LATTICE, LATTICE)).reshape(LATTICE, LATTICE, 2).astype(np.float32)
    steps = ((np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE) * (LATTICE - 1)
    full = cv2.remap(at, *np.meshgrid(steps, steps), cv2.INTER_LINEAR) * SIDE - 0.5
    return np.ascontiguousarray(full[..., 0]), np.ascontiguousarray(full[..., 1])


def _lit(image: Any, rng: np.random.Generator) -> Array:
    """Another light: gain, offset and gamma for each colour, grey, swapped or mixed colours."""
    picture = np.asarray(image, np.float32) / 255
    chance = rng.random()
    if chance < 0.2:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, axis=2)
    elif chance < 0.5:
        mix = np.eye(3) + rng.normal(0, 0.4, (3, 3))
        picture = picture @ (mix / mix.sum(1, keepdims=True).clip(0.3)).T
    gain = rng.uniform(0.6, 1.4) * rng.uniform(0.85, 1.15, 3)
    lit = np.clip(picture * gain + rng.uniform(-0.15, 0.15), 0, 1)
    return (255 * lit ** rng.uniform(0.6, 1.7)).astype(np.float32)


def _occlude(picture: Array, shows: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Cover a part with a patch of one colour or of noise, in place."""
    height, width = (int(side) for side in rng.uniform(0.1, 0.4, 2) * SIDE)
    top, left = int(rng.integers(SIDE - height)), int(rng.integers(SIDE - width))
    place = (slice(top, top + height), slice(left, left + width))
    grain = rng.normal(0, rng.uniform(0, 60), (height, width, 3))
    picture[place] = rng.uniform(0, 255, 3) + grain
    shows[place] = False
