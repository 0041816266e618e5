"""Places made up from photographs: panoramas of several, and slanted views that they hold or not.

A reference is several photographs side by side, rolled by a random number of columns, so that it
wraps around anywhere. A query shows a quadrangle of one photograph, in another light and partly
hidden. Photographs are larger than what a reference shows of them, so that a query may show more
than the reference, or a part of the same photograph that the reference does not show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError
from ...runtime.images import Image
from ...runtime.verify.homography import transform

Array = NDArray[Any]
Random = np.random.Generator

SHOWN = 0.35
"""A query of which a reference shows this much is of the same place."""

BARELY = 0.02
"""One of which it shows less than this is of another place; between the two it is neither."""

NARROWEST = 0.15
"""Least share of a reference's width for one photograph."""

CLOSER = 1.7
"""A photograph is shown up to this much larger than just filling its place."""

ZOOM = 1.5
"""A query shows things up to this much larger or smaller than the reference."""

TURN = 12.0
"""Degrees by which a query is turned at most."""

SLANT = 0.14
"""How far a query's corners are moved at most, by its sides."""

HIDDEN = (0.12, 0.45)
"""Sides of what hides a part of a query, by the query's."""


class Photos(Protocol):
    """Photographs by number, ``(H, W, 3)`` uint8 BGR of any size."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, index: int, /) -> Image:
        """One of them."""
        ...


@dataclass(frozen=True)
class SceneSizes:
    """Working pixels: side of the square queries, height and width of the references."""

    query: int = 128
    height: int = 128
    width: int = 384


class Strip(NamedTuple):
    """Where a reference shows a photograph: 3x3 to its pixels before rolling, and the columns."""

    photo: int
    matrix: Array
    left: int
    right: int


@dataclass(frozen=True)
class SceneReference:
    """A panorama, what it is made of, and by how many columns it was rolled."""

    image: Image
    strips: tuple[Strip, ...]
    rolled: int


@dataclass(frozen=True)
class SceneQuery:
    """A view of a photograph, and its corners there, ``(4, 2)`` clockwise from the top left."""

    image: Image
    photo: int
    corners: Array


@dataclass(frozen=True)
class Scenes:
    """References, queries, and what each query shows of each reference.

    Attributes:
        references: all of one size.
        queries: all of one size.
        regions: ``(Q, R, H, W)`` bool.
        same: ``(Q, R)`` float32: 1 the same place, 0 another one.
        counts: ``(Q, R)`` bool: false where too little is shown to call it either.
    """

    references: list[SceneReference]
    queries: list[SceneQuery]
    regions: Array
    same: Array
    counts: Array


def make_scenes(
    photos: Photos, random: Random, sizes: SceneSizes, references: int, queries: int
) -> Scenes:
    """Draw references, and queries for each of them; the others' are its other places.

    Args:
        photos: what the places are made of.
        random: everything depends on it only.
        sizes: of the pictures to make.
        references: how many.
        queries: how many for each.

    Raises:
        InputError: fewer than two photographs: there would be no other place.
    """
    if len(photos) < 2:
        raise InputError(f"{len(photos)} photographs show one place at most; give at least 2")
    drawn = [make_reference(photos, random, sizes) for _ in range(references)]
    views = [
        make_query(photos, reference, random, sizes) for reference in drawn for _ in range(queries)
    ]
    parts = [[shown_part(view, reference, sizes) for reference in drawn] for view in views]
    shares = np.array([[share for _, share in row] for row in parts])
    return Scenes(
        references=drawn,
        queries=views,
        regions=np.array([[region for region, _ in row] for row in parts]),
        same=(shares >= SHOWN).astype(np.float32),
        counts=(shares >= SHOWN) | (shares < BARELY),
    )


def make_reference(photos: Photos, random: Random, sizes: SceneSizes) -> SceneReference:
    """Put two to four photographs side by side."""
    count = int(random.integers(2, 5))
    chosen = random.permutation(len(photos))[:count]
    free = 1.0 - NARROWEST * len(chosen)
    shares = NARROWEST + free * random.dirichlet(np.full(len(chosen), 2.0))
    edges = np.round(np.cumsum([0.0, *shares]) * sizes.width).astype(int)
    edges[-1] = sizes.width
    image = np.empty((sizes.height, sizes.width, 3), np.uint8)
    strips: list[Strip] = []
    for number, left, right in zip(chosen, edges[:-1], edges[1:], strict=True):
        photo = int(number)
        picture = photos[photo]
        rows, columns = picture.shape[:2]
        width = int(right - left)
        scale = max(sizes.height / rows, width / columns) * CLOSER ** random.uniform(0, 1)
        x, y = random.uniform(0, (columns * scale - width, rows * scale - sizes.height))
        matrix = np.array([[scale, 0, left - x], [0, scale, -y], [0, 0, 1.0]])
        own = np.array([[1, 0, -left], [0, 1, 0], [0, 0, 1.0]]) @ matrix
        image[:, left:right] = draw(picture, own, (width, sizes.height))
        strips.append(Strip(photo, matrix, int(left), int(right)))
    rolled = int(random.integers(sizes.width))
    return SceneReference(
        np.ascontiguousarray(np.roll(relight(image, random), rolled, 1)), tuple(strips), rolled
    )


def make_query(
    photos: Photos, reference: SceneReference, random: Random, sizes: SceneSizes
) -> SceneQuery:
    """A slanted view around a point that a reference shows, in another light, partly hidden."""
    strip = reference.strips[int(random.integers(len(reference.strips)))]
    picture = photos[strip.photo]
    side = sizes.query * ZOOM ** random.uniform(-1, 1)
    centre = random.uniform((strip.left, 0.2 * sizes.height), (strip.right, 0.8 * sizes.height))
    corners = 0.5 * side * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])
    corners = corners + side * random.uniform(-SLANT, SLANT, (4, 2))
    angle = np.deg2rad(random.normal(0, TURN / 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    placed = corners @ turn.T + centre
    own = transform(np.linalg.inv(strip.matrix), placed)
    # Where the photograph ends, the view is moved back onto it.
    high = np.array(picture.shape[1::-1]) - 1.0
    own = own + np.maximum(-own.min(0), 0) - np.maximum(own.max(0) - high, 0)
    own = np.clip(own, 0, high)
    frame = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * (sizes.query - 1)
    matrix = cv2.getPerspectiveTransform(own.astype(np.float32), frame)
    view = draw(picture, matrix, (sizes.query, sizes.query))
    return SceneQuery(hide(relight(view, random), photos, random), strip.photo, own)


def shown_part(
    query: SceneQuery, reference: SceneReference, sizes: SceneSizes
) -> tuple[Array, float]:
    """What a reference shows of a query: ``(H, W)`` bool, and the share of the query."""
    region = np.zeros((sizes.height, sizes.width), np.uint8)
    share = 0.0
    for strip in reference.strips:
        if strip.photo != query.photo:
            continue
        placed = transform(strip.matrix, query.corners)
        part = np.zeros_like(region)
        cv2.fillPoly(part, [np.round(placed).astype(np.int32)], 1)
        part[:, : strip.left] = part[:, strip.right :] = 0
        area = cv2.contourArea(placed.astype(np.float32))
        share = max(share, float(part.sum()) / max(1.0, area))
        region |= part
    return np.roll(region, reference.rolled, 1) > 0, share


def draw(picture: Image, matrix: Array, size: tuple[int, int]) -> Image:
    """A picture through a 3x3 matrix, averaged first where it is shrunk."""
    corners = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], float)
    seen = transform(np.linalg.inv(matrix), corners)
    area = cv2.contourArea(seen.astype(np.float32))
    factor = min(1.0, 1.4 * float(np.sqrt(size[0] * size[1] / max(area, 1.0))))
    if factor < 1:
        small = (max(1, round(side * factor)) for side in picture.shape[1::-1])
        columns, rows = small
        shrunk = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
        x, y = picture.shape[1] / columns, picture.shape[0] / rows
        matrix = matrix @ np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]])
    else:
        shrunk = picture
    drawn = cv2.warpPerspective(shrunk, matrix, size, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(drawn, np.uint8)


def relight(picture: Image, random: Random) -> Image:
    """Another light: brightness, contrast, colour, a gradient, blur, noise; grey now and then."""
    rows, columns = picture.shape[:2]
    light = picture.astype(np.float32) / 255
    if random.random() < 0.4:
        light = np.repeat(light.mean(2, keepdims=True), 3, 2)
    light = light ** np.float32(1.8 ** random.uniform(-1, 1))
    tint = random.uniform(0.85, 1.15, 3) * random.uniform(0.6, 1.3)
    light = light * tint.astype(np.float32) + np.float32(random.uniform(-0.1, 0.15))
    across, down = random.uniform(-0.25, 0.25, 2)
    slope = np.linspace(-across, across, columns)[None] + np.linspace(-down, down, rows)[:, None]
    light = light * (1 + slope[..., None]).astype(np.float32)
    if random.random() < 0.5:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), random.uniform(0.4, 1.4)))
    light = light + random.normal(0, random.uniform(0, 0.03), light.shape).astype(np.float32)
    return np.clip(light * 255, 0, 255).astype(np.uint8)


def hide(picture: Image, photos: Photos, random: Random) -> Image:
    """Put up to two ellipses over a picture, of one colour or of a piece of another photograph."""
    rows, columns = picture.shape[:2]
    hidden = picture.copy()
    for _ in range(int(random.integers(3))):
        other = photos[int(random.integers(len(photos)))]
        cover = cv2.resize(other, (columns, rows), interpolation=cv2.INTER_AREA)
        if random.random() < 0.5:
            cover = np.full_like(picture, random.integers(0, 256, 3))
        axes = random.uniform(*HIDDEN, 2) * (columns, rows) / 2
        centre = random.uniform(0, (columns, rows))
        shape = np.zeros((rows, columns), np.uint8)
        box = (tuple(centre), tuple(2 * axes), float(random.uniform(0, 180)))
        cv2.ellipse(shape, box, 1, -1)
        hidden = np.where(shape[..., None] > 0, cover, hidden)
    return np.asarray(hidden, np.uint8)
